"""Where a forgery lies. A sampler is found by its `name` or its dotted path."""

from outpaint_lightning.forge.masks.base import MaskSampler
from outpaint_lightning.forge.masks.rectangles import BorderMask, BoxMask

__all__ = ["BorderMask", "BoxMask", "MaskSampler"]
