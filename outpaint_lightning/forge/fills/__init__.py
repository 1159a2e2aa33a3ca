"""What a forgery shows. A fill is found by its `name` or its dotted path."""

from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.fills.copies import Reflect, Replicate, mirror
from outpaint_lightning.forge.fills.diffusion import (
    Biharmonic,
    Harmonic,
    NavierStokes,
    Telea,
    diffuse,
    diffusion_solver,
)
from outpaint_lightning.forge.fills.foreign import CopyMove, Splice
from outpaint_lightning.forge.fills.net import Net
from outpaint_lightning.forge.fills.patches import PatchMatch
from outpaint_lightning.forge.fills.pyramid import PushPull
from outpaint_lightning.forge.fills.temporal import Median, Mosaic, Propagation

__all__ = [
    "Biharmonic",
    "CopyMove",
    "Fill",
    "Harmonic",
    "Median",
    "Mosaic",
    "NavierStokes",
    "Net",
    "PatchMatch",
    "Propagation",
    "PushPull",
    "Reflect",
    "Replicate",
    "Splice",
    "Telea",
    "diffuse",
    "diffusion_solver",
    "mirror",
]
