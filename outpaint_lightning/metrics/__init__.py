"""Localization metrics from pixel counts per frame, and the floors with which every result is compared.

Also: protocols of other code bases, the choice of a threshold, confidence intervals, separate scores of seam and
interior, and scores of whole frames and videos; the class and box of images; the errors of completed flow and of filled
clips.
"""

from outpaint_lightning.metrics.blending import REAL, BlendTraces, energy_ratio, seam_jump, summarize_traces
from outpaint_lightning.metrics.detections import Detections, DetectionScores, component_boxes, found_regions
from outpaint_lightning.metrics.distances import KernelDistance, SetDistances
from outpaint_lightning.metrics.evaluation import Evaluation, FullEvaluation, robustness
from outpaint_lightning.metrics.floors import FLOORS, MaskPrior
from outpaint_lightning.metrics.flow import (
    DECILES,
    EDGE_JUMP,
    EDGE_REACH,
    FAR,
    FILL,
    REFINED,
    STRATA,
    RefinementErrors,
    confidence_curves,
    end_point_error,
    motion_edges,
    strata,
    summarize_refinement,
)
from outpaint_lightning.metrics.intervals import Interval, bootstrap_interval, intervals_by_group
from outpaint_lightning.metrics.layouts import (
    ClassCounts,
    Embeddings,
    best_of,
    by_scene,
    disagreement,
    mean_iou,
    photo_rows,
    photo_scores,
    retrieval,
    split_scores,
)
from outpaint_lightning.metrics.localization import COUNTS, FrameCounts, pixel_counts, scores, summarize
from outpaint_lightning.metrics.painting import FILLED, FillErrors, FrechetDistance, frechet_summary, summarize_fills
from outpaint_lightning.metrics.perceptual import lpips
from outpaint_lightning.metrics.protocols import PROTOCOLS, Protocol
from outpaint_lightning.metrics.regions import (
    BOX_FLOORS,
    RECTANGLES,
    SIDES,
    BoxPrior,
    BoxScores,
    RegionImage,
    in_pixels,
    summarize_regions,
)
from outpaint_lightning.metrics.seams import (
    REGIONS,
    TOP_SHARE,
    FrameScores,
    auroc,
    frame_scores,
    seam_and_interior,
)
from outpaint_lightning.metrics.thresholds import (
    THRESHOLDS,
    ThresholdCounts,
    best,
    false_positive_curve,
    threshold_curve,
)

__all__ = [
    "BOX_FLOORS",
    "COUNTS",
    "DECILES",
    "EDGE_JUMP",
    "EDGE_REACH",
    "FAR",
    "FILL",
    "FILLED",
    "FLOORS",
    "PROTOCOLS",
    "REAL",
    "RECTANGLES",
    "REFINED",
    "REGIONS",
    "SIDES",
    "STRATA",
    "THRESHOLDS",
    "TOP_SHARE",
    "BlendTraces",
    "BoxPrior",
    "BoxScores",
    "ClassCounts",
    "DetectionScores",
    "Detections",
    "Embeddings",
    "Evaluation",
    "FillErrors",
    "FrameCounts",
    "FrameScores",
    "FrechetDistance",
    "FullEvaluation",
    "Interval",
    "KernelDistance",
    "MaskPrior",
    "Protocol",
    "RefinementErrors",
    "RegionImage",
    "SetDistances",
    "ThresholdCounts",
    "auroc",
    "best",
    "best_of",
    "bootstrap_interval",
    "by_scene",
    "component_boxes",
    "confidence_curves",
    "disagreement",
    "end_point_error",
    "energy_ratio",
    "false_positive_curve",
    "found_regions",
    "frame_scores",
    "frechet_summary",
    "in_pixels",
    "intervals_by_group",
    "lpips",
    "mean_iou",
    "motion_edges",
    "photo_rows",
    "photo_scores",
    "pixel_counts",
    "retrieval",
    "robustness",
    "scores",
    "seam_and_interior",
    "seam_jump",
    "split_scores",
    "strata",
    "summarize",
    "summarize_fills",
    "summarize_refinement",
    "summarize_regions",
    "summarize_traces",
    "threshold_curve",
]
