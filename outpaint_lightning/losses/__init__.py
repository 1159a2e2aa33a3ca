"""Criteria: modules that return `{"loss": ..., "loss/<term>": ...}`, on top of pure functions."""

from outpaint_lightning.losses.dice import SequenceCrossEntropyDice, dice_loss
from outpaint_lightning.losses.focal import SequenceFocal, focal_loss
from outpaint_lightning.losses.sequence import SequenceCriterion, SequenceCrossEntropy, cross_entropy, sequence_weights

__all__ = [
    "SequenceCriterion",
    "SequenceCrossEntropy",
    "SequenceCrossEntropyDice",
    "SequenceFocal",
    "cross_entropy",
    "dice_loss",
    "focal_loss",
    "sequence_weights",
]
