"""Criteria: modules that return `{"loss": ..., "loss/<term>": ...}`, on top of pure functions."""

from outpaint_lightning.losses.adversarial import (
    AdversarialLoss,
    Bce,
    Hinge,
    LeastSquares,
    RelativisticLeastSquares,
    Wasserstein,
    feature_matching,
    gradient_penalty,
    masked_l1,
    r1_penalty,
)
from outpaint_lightning.losses.blending import middle_error, seam_weights, sides_error, transfer_consistency
from outpaint_lightning.losses.box import (
    MSE,
    GIoU,
    MeanL1,
    MeanL2,
    RegionCriterion,
    SmoothL1,
)
from outpaint_lightning.losses.completion import (
    CompletionCriterion,
    balanced_edges,
    edge_contrast,
    forward_backward,
    hardest,
    laplace,
)
from outpaint_lightning.losses.compression import CompressionCriterion, consistency, feature_distance
from outpaint_lightning.losses.contextual import ContextAwareBce, ContextAwareLoss, ContextAwareSquares
from outpaint_lightning.losses.contrastive import (
    alike_layouts,
    class_histogram,
    info_nce,
    layout_cross_entropy,
    normal_divergence,
)
from outpaint_lightning.losses.dice import SequenceCrossEntropyDice, dice_loss
from outpaint_lightning.losses.flow import (
    ExponentialWeights,
    MovingWeights,
    RefinementCriterion,
    SquaredWeights,
    UpdateWeights,
    hole_l1,
    known_l1,
    lateral_dependency,
    min_forward_backward,
    total_variation,
)
from outpaint_lightning.losses.focal import SequenceFocal, focal_loss
from outpaint_lightning.losses.sequence import SequenceCriterion, SequenceCrossEntropy, cross_entropy, sequence_weights
from outpaint_lightning.losses.texture import IdMrf, id_mrf
from outpaint_lightning.processes.reduce import mean_over_processes

__all__ = [
    "MSE",
    "AdversarialLoss",
    "Bce",
    "CompletionCriterion",
    "CompressionCriterion",
    "ContextAwareBce",
    "ContextAwareLoss",
    "ContextAwareSquares",
    "ExponentialWeights",
    "GIoU",
    "Hinge",
    "IdMrf",
    "LeastSquares",
    "MeanL1",
    "MeanL2",
    "MovingWeights",
    "RefinementCriterion",
    "RegionCriterion",
    "RelativisticLeastSquares",
    "SequenceCriterion",
    "SequenceCrossEntropy",
    "SequenceCrossEntropyDice",
    "SequenceFocal",
    "SmoothL1",
    "SquaredWeights",
    "UpdateWeights",
    "Wasserstein",
    "alike_layouts",
    "balanced_edges",
    "class_histogram",
    "consistency",
    "cross_entropy",
    "dice_loss",
    "edge_contrast",
    "feature_distance",
    "feature_matching",
    "focal_loss",
    "forward_backward",
    "gradient_penalty",
    "hardest",
    "hole_l1",
    "id_mrf",
    "info_nce",
    "known_l1",
    "laplace",
    "lateral_dependency",
    "layout_cross_entropy",
    "masked_l1",
    "mean_over_processes",
    "middle_error",
    "min_forward_backward",
    "normal_divergence",
    "r1_penalty",
    "seam_weights",
    "sequence_weights",
    "sides_error",
    "total_variation",
    "transfer_consistency",
]
