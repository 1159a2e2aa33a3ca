"""Datasets and DataModules for windows of clips, single images, and optical flow with holes."""

from outpaint_lightning.data.blending.module import BlendingDataModule
from outpaint_lightning.data.clips import ClipDataModule
from outpaint_lightning.data.codec import RandomCodec
from outpaint_lightning.data.context.module import ContextDataModule
from outpaint_lightning.data.corruptions import CorruptedDataset, FrameChange, read_curves
from outpaint_lightning.data.estimators import DisFlow, FlowEstimator, RaftFlow
from outpaint_lightning.data.flows import FlowDataModule
from outpaint_lightning.data.painting.module import PaintingDataModule
from outpaint_lightning.data.regions import RegionDataModule
from outpaint_lightning.data.samplers import EpochSampler, OrderedSampler
from outpaint_lightning.data.windows import WindowDataset, window_indices

__all__ = [
    "BlendingDataModule",
    "ClipDataModule",
    "ContextDataModule",
    "CorruptedDataset",
    "DisFlow",
    "EpochSampler",
    "FlowDataModule",
    "FlowEstimator",
    "FrameChange",
    "OrderedSampler",
    "PaintingDataModule",
    "RaftFlow",
    "RandomCodec",
    "RegionDataModule",
    "WindowDataset",
    "read_curves",
    "window_indices",
]
