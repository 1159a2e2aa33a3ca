"""Plain torch networks: no Lightning, their own input scaling, any frame size in and the same size out."""

from outpaint_lightning.nets.backbones import BACKBONES, Backbone
from outpaint_lightning.nets.raft import RaftLocalizer
from outpaint_lightning.nets.region import RegionDetector, RegionOutput
from outpaint_lightning.nets.residual_filters import BayarConv, PredictionError, SrmFilters
from outpaint_lightning.nets.unet import UNet

__all__ = [
    "BACKBONES",
    "Backbone",
    "BayarConv",
    "PredictionError",
    "RaftLocalizer",
    "RegionDetector",
    "RegionOutput",
    "SrmFilters",
    "UNet",
]
