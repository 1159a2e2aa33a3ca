"""Localization metrics from pixel counts per frame, and the floors every result is read against.

Beside them: other code bases' protocols, the choice of a threshold, confidence intervals, seam and interior apart, and
scores of whole frames and videos; and the class and box of images.
"""

from outpaint_lightning.metrics.boxes import (
    BOX_FLOORS,
    RECTANGLES,
    SIDES,
    BoxPrior,
    BoxScores,
    RegionImage,
    in_pixels,
    summarize_regions,
)
from outpaint_lightning.metrics.evaluation import Evaluation, FullEvaluation, robustness
from outpaint_lightning.metrics.floors import FLOORS, MaskPrior
from outpaint_lightning.metrics.intervals import Interval, bootstrap_interval, intervals_by_group
from outpaint_lightning.metrics.localization import COUNTS, FrameCounts, pixel_counts, scores, summarize
from outpaint_lightning.metrics.protocols import PROTOCOLS, Protocol
from outpaint_lightning.metrics.regions import (
    REGIONS,
    TOP_SHARE,
    FrameScores,
    auroc,
    frame_scores,
    region_recall,
    seam_and_interior,
)
from outpaint_lightning.metrics.thresholds import THRESHOLDS, ThresholdCounts, best, threshold_curve

__all__ = [
    "BOX_FLOORS",
    "COUNTS",
    "FLOORS",
    "PROTOCOLS",
    "RECTANGLES",
    "REGIONS",
    "SIDES",
    "THRESHOLDS",
    "TOP_SHARE",
    "BoxPrior",
    "BoxScores",
    "Evaluation",
    "FrameCounts",
    "FrameScores",
    "FullEvaluation",
    "Interval",
    "MaskPrior",
    "Protocol",
    "RegionImage",
    "ThresholdCounts",
    "auroc",
    "best",
    "bootstrap_interval",
    "frame_scores",
    "in_pixels",
    "intervals_by_group",
    "pixel_counts",
    "region_recall",
    "robustness",
    "scores",
    "seam_and_interior",
    "summarize",
    "summarize_regions",
    "threshold_curve",
]
