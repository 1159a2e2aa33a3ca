"""Criteria: modules that return `{"loss": ..., "loss/<term>": ...}`, on top of pure functions."""

from outpaint_lightning.losses.box import (
    MSE,
    GIoU,
    MeanL1,
    MeanL2,
    RegionCriterion,
    SmoothL1,
)
from outpaint_lightning.losses.compression import CompressionCriterion, consistency, feature_distance
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
    "CompressionCriterion",
    "ExponentialWeights",
    "GIoU",
    "MeanL1",
    "MeanL2",
    "MovingWeights",
    "RefinementCriterion",
    "RegionCriterion",
    "SequenceCriterion",
    "SequenceCrossEntropy",
    "SequenceCrossEntropyDice",
    "SequenceFocal",
    "SmoothL1",
    "SquaredWeights",
    "UpdateWeights",
    "consistency",
    "cross_entropy",
    "dice_loss",
    "feature_distance",
    "focal_loss",
    "hole_l1",
    "known_l1",
    "lateral_dependency",
    "mean_over_processes",
    "min_forward_backward",
    "sequence_weights",
    "total_variation",
]
