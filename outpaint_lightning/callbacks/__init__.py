"""Callbacks that print and write files; training and metrics are in the tasks."""

from outpaint_lightning.callbacks.blending import BlendingPictures, PanoramaWriter
from outpaint_lightning.callbacks.context import LayoutPictures, LayoutWriter, OutpaintingPictures
from outpaint_lightning.callbacks.examples import TestExamples
from outpaint_lightning.callbacks.flow import FlowPictures, FlowWriter
from outpaint_lightning.callbacks.masks import MaskPictures
from outpaint_lightning.callbacks.painting import ClipWriter, PaintingPictures
from outpaint_lightning.callbacks.predictions import MaskWriter
from outpaint_lightning.callbacks.progress import PlainProgress
from outpaint_lightning.callbacks.protocols import ProtocolReport
from outpaint_lightning.callbacks.regions import BoxExamples, BoxPictures, BoxWriter
from outpaint_lightning.callbacks.report import TestReport
from outpaint_lightning.callbacks.trial import TrialReporter
from outpaint_lightning.callbacks.warmup import LossWarmup

__all__ = [
    "BlendingPictures",
    "BoxExamples",
    "BoxPictures",
    "BoxWriter",
    "ClipWriter",
    "FlowPictures",
    "FlowWriter",
    "LayoutPictures",
    "LayoutWriter",
    "LossWarmup",
    "MaskPictures",
    "MaskWriter",
    "OutpaintingPictures",
    "PaintingPictures",
    "PanoramaWriter",
    "PlainProgress",
    "ProtocolReport",
    "TestExamples",
    "TestReport",
    "TrialReporter",
]
