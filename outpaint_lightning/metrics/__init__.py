"""Localization metrics from pixel counts per frame, and the floors every result is read against."""

from outpaint_lightning.metrics.floors import FLOORS, MaskPrior
from outpaint_lightning.metrics.localization import COUNTS, FrameCounts, pixel_counts, scores, summarize

__all__ = ["COUNTS", "FLOORS", "FrameCounts", "MaskPrior", "pixel_counts", "scores", "summarize"]
