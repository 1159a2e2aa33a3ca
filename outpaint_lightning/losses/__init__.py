"""Criteria: modules that return `{"loss": ..., "loss/<term>": ...}`, on top of pure functions."""

from outpaint_lightning.losses.box import (
    MSE,
    GIoU,
    MeanL1,
    MeanL2,
    RegionCriterion,
    SmoothL1,
)
from outpaint_lightning.losses.dice import SequenceCrossEntropyDice, dice_loss
from outpaint_lightning.losses.focal import SequenceFocal, focal_loss
from outpaint_lightning.losses.sequence import SequenceCriterion, SequenceCrossEntropy, cross_entropy, sequence_weights

__all__ = [
    "MSE",
    "GIoU",
    "MeanL1",
    "MeanL2",
    "RegionCriterion",
    "SequenceCriterion",
    "SequenceCrossEntropy",
    "SequenceCrossEntropyDice",
    "SequenceFocal",
    "SmoothL1",
    "cross_entropy",
    "dice_loss",
    "focal_loss",
    "sequence_weights",
]
