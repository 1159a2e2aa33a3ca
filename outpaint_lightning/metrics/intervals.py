"""The uncertainty of a mean over videos: bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from outpaint_lightning.types import InputError

_BATCH = 10_000_000  # numbers drawn at a time, 80 MB


class Interval(NamedTuple):
    """A mean with its confidence interval; None where it is undefined.

    Example:
        >>> bootstrap_interval([0.5, 0.5, None])  # None: a video whose F1 is undefined
        Interval(mean=0.5, low=0.5, high=0.5, videos=2)
    """

    mean: float | None
    low: float | None
    high: float | None
    videos: int


def bootstrap_interval(
    values: Sequence[float | None],
    *,
    sources: Sequence[str] | None = None,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Return the mean of one number per video with its percentile bootstrap interval (Efron, Ann. Statist. 1979).

    Videos are resampled with replacement, never frames: the frames of a video are similar, so resampling them would
    make the interval far too narrow. Videos of one source (several forgeries of the same clip) are similar too: with
    `sources`, sources are resampled, each with all its videos.

    Args:
        values: one number per video; None and NaN (undefined, such as the F1 of an authentic video) are left out.
        sources: source of each video; None if the videos are independent.
        level: confidence, in (0, 1).
        resamples: number of resamples.
        seed: the same seed gives the same interval.

    Returns:
        The interval. Without videos everything is None; with one video (or one source) `low` and `high` are None,
        because the spread is unknown.

    Raises:
        InputError: an option is out of range, or `sources` does not have one name per video.
    """
    if not 0 < level < 1:
        raise InputError(f"level is {level}: expected a number between 0 and 1")
    if resamples < 1:
        raise InputError(f"resamples is {resamples}: expected at least 1")
    numbers = np.array(values, dtype=float)
    if sources is not None and len(sources) != len(numbers):
        raise InputError(f"sources has {len(sources)} names for {len(numbers)} videos: expected one a video")
    known = ~np.isnan(numbers)
    of = np.arange(len(numbers)) if sources is None else np.unique(np.array(sources), return_inverse=True)[1]
    units, unit = np.unique(of[known], return_inverse=True)
    sums = np.bincount(unit, weights=numbers[known])
    counts = np.bincount(unit)
    if len(units) == 0:
        return Interval(None, None, None, 0)
    mean = float(numbers[known].mean())
    if len(units) == 1:
        return Interval(mean, None, None, int(known.sum()))
    result = stats.bootstrap(
        (sums, counts),
        lambda sums, counts, axis: sums.sum(axis) / counts.sum(axis),
        paired=True,
        vectorized=True,
        method="percentile",
        confidence_level=level,
        n_resamples=resamples,
        batch=max(1, min(resamples, _BATCH // len(units))),
        random_state=np.random.default_rng(seed),
    )
    low, high = result.confidence_interval
    return Interval(mean, float(low), float(high), int(known.sum()))


def intervals_by_group(
    values: Sequence[float | None],
    groups: Sequence[str],
    *,
    sources: Sequence[str] | None = None,
    **options: Any,
) -> dict[str, Interval]:
    """Return `bootstrap_interval` for the videos of each group (category, forger), in the order of their names."""
    if len(groups) != len(values):
        raise InputError(f"groups has {len(groups)} names for {len(values)} videos: expected one a video")
    members = {name: [i for i, group in enumerate(groups) if group == name] for name in sorted({*groups})}
    return {
        name: bootstrap_interval(
            [values[i] for i in rows], sources=None if sources is None else [sources[i] for i in rows], **options
        )
        for name, rows in members.items()
    }
