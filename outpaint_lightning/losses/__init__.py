"""Criteria: modules that return `{"loss": ..., "loss/<term>": ...}`, on top of pure functions."""

from outpaint_lightning.losses.adversarial import (
    AdversarialLoss,
    Bce,
    Hinge,
    LeastSquares,
    RelativisticLeastSquares,
    feature_matching,
    gradient_penalty,
    masked_l1,
    r1_penalty,
)
from outpaint_lightning.losses.box import (
    MSE,
    GIoU,
    MeanL1,
    MeanL2,
    RegionCriterion,
    SmoothL1,
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
from outpaint_lightning.processes.reduce import mean_over_processes

__all__ = [
    "MSE",
    "AdversarialLoss",
    "Bce",
    "CompressionCriterion",
    "ContextAwareBce",
    "ContextAwareLoss",
    "ContextAwareSquares",
    "ExponentialWeights",
    "GIoU",
    "Hinge",
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
    "alike_layouts",
    "class_histogram",
    "consistency",
    "cross_entropy",
    "dice_loss",
    "feature_distance",
    "feature_matching",
    "focal_loss",
    "gradient_penalty",
    "hole_l1",
    "info_nce",
    "known_l1",
    "lateral_dependency",
    "layout_cross_entropy",
    "masked_l1",
    "mean_over_processes",
    "min_forward_backward",
    "normal_divergence",
    "r1_penalty",
    "sequence_weights",
    "total_variation",
]
