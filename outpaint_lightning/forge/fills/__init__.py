"""Fills: the content of a forgery. A fill is found by its `name` or its dotted path."""

from outpaint_lightning.forge.fills.autoencoder import Autoencoder
from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.fills.coarse import BlockAverage, LowPass, Resample
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
from outpaint_lightning.forge.fills.noises import Denoise, Recompress, Renoise
from outpaint_lightning.forge.fills.patches import PatchMatch
from outpaint_lightning.forge.fills.pyramid import PushPull
from outpaint_lightning.forge.fills.regeneration import Regenerate, Regeneration
from outpaint_lightning.forge.fills.temporal import Median, Mosaic, Propagation
from outpaint_lightning.forge.fills.unsteady import Flicker, TemporalSmooth

__all__ = [
    "Autoencoder",
    "Biharmonic",
    "BlockAverage",
    "CopyMove",
    "Denoise",
    "Fill",
    "Flicker",
    "Harmonic",
    "LowPass",
    "Median",
    "Mosaic",
    "NavierStokes",
    "Net",
    "PatchMatch",
    "Propagation",
    "PushPull",
    "Recompress",
    "Reflect",
    "Regenerate",
    "Regeneration",
    "Renoise",
    "Replicate",
    "Resample",
    "Splice",
    "Telea",
    "TemporalSmooth",
    "diffuse",
    "diffusion_solver",
    "mirror",
]
