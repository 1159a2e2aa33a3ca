"""Criteria: modules that return `{"loss": ..., "loss/<term>": ...}`, on top of pure functions."""

from outpaint_lightning.losses.sequence import SequenceCrossEntropy, sequence_cross_entropy, sequence_weights

__all__ = ["SequenceCrossEntropy", "sequence_cross_entropy", "sequence_weights"]
