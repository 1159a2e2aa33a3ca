"""Synthetic clips: textured layers that move under a moving camera with sensor noise, and their exact flow."""

from outpaint_lightning.data.synthetic.flow import SceneFlow, sample_flow_scene, scene_flow, scene_objects
from outpaint_lightning.data.synthetic.scenes import (
    CAMERAS,
    Layer,
    Motion,
    Scene,
    render,
    sample_scene,
)
from outpaint_lightning.data.synthetic.textures import PATTERNS, PHOTOS, Photo, Texture

__all__ = [
    "CAMERAS",
    "PATTERNS",
    "PHOTOS",
    "Layer",
    "Motion",
    "Photo",
    "Scene",
    "SceneFlow",
    "Texture",
    "render",
    "sample_flow_scene",
    "sample_scene",
    "scene_flow",
    "scene_objects",
]
