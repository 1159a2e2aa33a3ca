"""Masks: the region of a forgery. A sampler is found by its `name` or its dotted path."""

from outpaint_lightning.forge.masks.base import MaskSampler
from outpaint_lightning.forge.masks.freeform import BlobMask, BrushMask, PolygonMask
from outpaint_lightning.forge.masks.objects import BackgroundMask, ObjectMask
from outpaint_lightning.forge.masks.occlusions import BarMask, CloudMask, RainMask, RemovePixelsMask
from outpaint_lightning.forge.masks.rectangles import BandMask, BorderMask, BoxMask

__all__ = [
    "BackgroundMask",
    "BandMask",
    "BarMask",
    "BlobMask",
    "BorderMask",
    "BoxMask",
    "BrushMask",
    "CloudMask",
    "MaskSampler",
    "ObjectMask",
    "PolygonMask",
    "RainMask",
    "RemovePixelsMask",
]
