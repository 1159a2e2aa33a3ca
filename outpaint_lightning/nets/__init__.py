"""Plain torch networks: no Lightning, their own input scaling, any frame size in and the same size out."""

from outpaint_lightning.nets.detectors.backbones import BACKBONES, Backbone
from outpaint_lightning.nets.detectors.encoder_backbone import EncoderBackbone
from outpaint_lightning.nets.detectors.mask_regions import MaskRegions
from outpaint_lightning.nets.detectors.region import RegionDetector, RegionOutput
from outpaint_lightning.nets.discriminators import Critic, PatchDiscriminator
from outpaint_lightning.nets.feature_maps import SeededMaps, VggMaps
from outpaint_lightning.nets.features import SeededFeatures, TorchvisionFeatures
from outpaint_lightning.nets.flow.blend import BlendFill
from outpaint_lightning.nets.flow.completion import FlowCompletion
from outpaint_lightning.nets.flow.critic import FlowCritic
from outpaint_lightning.nets.flow.direct import DirectFlow
from outpaint_lightning.nets.flow.edge_fills import EdgeCutFill
from outpaint_lightning.nets.flow.fills import BiharmonicFill, Fill, HarmonicFill, InertiaFill, NearestFill, ZeroFill
from outpaint_lightning.nets.flow.net_fill import NetFill
from outpaint_lightning.nets.flow.rating import RatedFlow
from outpaint_lightning.nets.flow.refiner import FlowRefiner
from outpaint_lightning.nets.flow.trunks import ResNetTrunk, UNetTrunk, WarpingTrunk
from outpaint_lightning.nets.generators.bands import HarmonicFrameFill, LinearBandFill, MirrorBandFill
from outpaint_lightning.nets.generators.blending import Blend, BlendingGenerator
from outpaint_lightning.nets.generators.content import ContentGenerator, ContextualOutpainter
from outpaint_lightning.nets.generators.fills import BiharmonicFrameFill, ClipFill, MeanFill, NearestFrameFill
from outpaint_lightning.nets.generators.layouts import LayoutGenerator
from outpaint_lightning.nets.generators.spatiotemporal import SpatiotemporalGenerator
from outpaint_lightning.nets.global_discriminator import GlobalDiscriminator
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
from outpaint_lightning.nets.localizers.critic import CriticLocalizer, LocalizerCritic
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
    "Blend",
    "BlendFill",
    "BlendingGenerator",
    "ClipFill",
    "CompressionNet",
    "ContentGenerator",
    "ContextualOutpainter",
    "Critic",
    "CriticLocalizer",
    "DirectFlow",
    "EdgeCutFill",
    "Encoder",
    "EncoderBackbone",
    "EncoderUNet",
    "Fill",
    "FlowCompletion",
    "FlowCritic",
    "FlowRefiner",
    "GlobalDiscriminator",
    "HarmonicFill",
    "HarmonicFrameFill",
    "InertiaFill",
    "LayoutGenerator",
    "LinearBandFill",
    "LocalizerCritic",
    "MaskRegions",
    "MaskRule",
    "MeanFill",
    "MeanRule",
    "MirrorBandFill",
    "NearestFill",
    "NearestFrameFill",
    "NetFill",
    "PartialConv2d",
    "PatchDiscriminator",
    "PolynomialRule",
    "PowerRule",
    "PredictionError",
    "RaftLocalizer",
    "RatedFlow",
    "RegionDetector",
    "RegionOutput",
    "ResNetTrunk",
    "SeededFeatures",
    "SeededMaps",
    "Segmenter",
    "SpatiotemporalGenerator",
    "SrmFilters",
    "TorchvisionFeatures",
    "UNet",
    "UNetTrunk",
    "VggMaps",
    "WarpingTrunk",
    "ZeroFill",
]
