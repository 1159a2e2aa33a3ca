"""Numbers of a summary: undefined values are NaN in a tensor and None in a summary."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor


def number(value: Tensor) -> float | None:
    """Return a tensor of one value as a number; None for NaN."""
    return None if value.isnan() else float(value)


def mean(values: Tensor) -> float | None:
    """Return the mean of the defined values; None if there are none."""
    return number(values.nanmean())


def gain(score: float | None, floors: Iterable[float | None], perfect: float = 1.0) -> float | None:
    """Return the score's progress from the best floor towards the perfect score.

    With a perfect score of 1 it is (score - floor) / (1 - floor); with 0, for errors, it is (floor - score) / floor.
    None if the score or every floor is undefined, or the best floor is perfect.

    >>> gain(0.75, [0.5, 0.25, None]), gain(0.5, [2.0, 4.0], perfect=0.0), gain(1.0, [1.0])
    (0.5, 0.75, None)
    """
    best = min((floor for floor in floors if floor is not None), key=lambda floor: abs(perfect - floor), default=None)
    if score is None or best is None or best == perfect:
        return None
    return (score - best) / (perfect - best)
