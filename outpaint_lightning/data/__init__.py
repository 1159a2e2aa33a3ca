"""Windows of clips and the DataModules that serve them."""

from outpaint_lightning.data.clips import ClipDataModule
from outpaint_lightning.data.windows import EpochSampler, WindowDataset, window_indices

__all__ = ["ClipDataModule", "EpochSampler", "WindowDataset", "window_indices"]
