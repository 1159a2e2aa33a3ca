"""What a forgery shows. A fill is found by its `name` or its dotted path."""

from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.fills.copies import Reflect, mirror
from outpaint_lightning.forge.fills.diffusion import Telea
from outpaint_lightning.forge.fills.temporal import Mosaic

__all__ = ["Fill", "Mosaic", "Reflect", "Telea", "mirror"]
