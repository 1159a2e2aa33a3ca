"""Plain torch networks: no Lightning, their own input scaling, any frame size in and the same size out."""

from outpaint_lightning.nets.detectors.backbones import BACKBONES, Backbone
from outpaint_lightning.nets.detectors.region import RegionDetector, RegionOutput
from outpaint_lightning.nets.discriminators import PatchDiscriminator
from outpaint_lightning.nets.features import SeededFeatures, TorchvisionFeatures
from outpaint_lightning.nets.flow.blend import BlendFill
from outpaint_lightning.nets.flow.fills import BiharmonicFill, Fill, HarmonicFill, InertiaFill, NearestFill, ZeroFill
from outpaint_lightning.nets.flow.refiner import FlowRefiner, Refinement
from outpaint_lightning.nets.generators.content import ContentGenerator, ContextualOutpainter
from outpaint_lightning.nets.generators.fills import BiharmonicFrameFill, ClipFill, MeanFill, NearestFrameFill
from outpaint_lightning.nets.generators.layouts import LayoutGenerator
from outpaint_lightning.nets.generators.spatiotemporal import SpatiotemporalGenerator
from outpaint_lightning.nets.layers.partial_conv import (
    BinaryRule,
    MaskRule,
    MeanRule,
    PartialConv2d,
    PolynomialRule,
    PowerRule,
)
from outpaint_lightning.nets.layers.residual_filters import BayarConv, PredictionError, SrmFilters
from outpaint_lightning.nets.localizers.compression_net import CompressionNet
from outpaint_lightning.nets.localizers.critic import CriticLocalizer
from outpaint_lightning.nets.localizers.encoder_unet import EncoderUNet
from outpaint_lightning.nets.localizers.encoders import Encoder
from outpaint_lightning.nets.localizers.raft import RaftLocalizer
from outpaint_lightning.nets.localizers.unet import UNet
from outpaint_lightning.nets.segmenter import Segmenter

__all__ = [
    "BACKBONES",
    "Backbone",
    "BayarConv",
    "BiharmonicFill",
    "BiharmonicFrameFill",
    "BinaryRule",
    "BlendFill",
    "ClipFill",
    "CompressionNet",
    "ContentGenerator",
    "ContextualOutpainter",
    "CriticLocalizer",
    "Encoder",
    "EncoderUNet",
    "Fill",
    "FlowRefiner",
    "HarmonicFill",
    "InertiaFill",
    "LayoutGenerator",
    "MaskRule",
    "MeanFill",
    "MeanRule",
    "NearestFill",
    "NearestFrameFill",
    "PartialConv2d",
    "PatchDiscriminator",
    "PolynomialRule",
    "PowerRule",
    "PredictionError",
    "RaftLocalizer",
    "Refinement",
    "RegionDetector",
    "RegionOutput",
    "SeededFeatures",
    "Segmenter",
    "SpatiotemporalGenerator",
    "SrmFilters",
    "TorchvisionFeatures",
    "UNet",
    "ZeroFill",
]
