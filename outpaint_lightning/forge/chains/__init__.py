"""Chains: how a finished clip is processed and stored. It may be thinned in time, rescaled and encoded.

A chain is found by its `name` or its dotted path.
"""

from outpaint_lightning.forge.chains.base import Chain
from outpaint_lightning.forge.chains.images import Jpeg, Resize, Untouched, write_png
from outpaint_lightning.forge.chains.videos import H264, Av1, H264Twice, Hevc, Vp9

__all__ = ["H264", "Av1", "Chain", "H264Twice", "Hevc", "Jpeg", "Resize", "Untouched", "Vp9", "write_png"]
