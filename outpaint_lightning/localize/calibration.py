"""How unusual a video's score is among videos that are known to be authentic, and among known forgeries.

Split-conformal prediction with one threshold for each class (Vovk, Gammerman and Shafer, Algorithmic Learning in a
Random World, 2005, chapter 4; Angelopoulos and Bates, A Gentle Introduction to Conformal Prediction, 2023, section 1).
With n scores of authentic videos, the ceil((n + 1)(1 - e))-th smallest is exceeded by the score of another authentic
video with probability e at most, whatever the net and the distribution, as long as that video is exchangeable with the
n: another draw from the same kind of footage.

At several codec levels the highest of their thresholds is taken, so the promise holds at each of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from outpaint_lightning.types import InputError

FALSE_ALARMS = 0.05
"""At most this share of authentic videos is called forged."""
MISSES = 0.2
"""At most this share of forgeries like the known ones is said to have no traces."""
TOLERANCE = 1.25
"""Footage may differ by this factor from what the net was calibrated on."""
_CLIP = 1e-6  # scores of 0 and 1 have no logit


@dataclass(frozen=True)
class Level:
    """Scores of known videos at one level of compression, one for each source, in [0, 1]."""

    name: str
    authentic: tuple[float, ...]
    forged: tuple[float, ...] = ()


@dataclass(frozen=True)
class Known:
    """Smallest and largest of what the known videos were."""

    side: tuple[float, float]
    """Of the smaller side, in pixels."""
    fps: tuple[float, float] | None
    """Of video files; None where there was none: folders of images tell no rate."""
    bits_per_pixel: tuple[float, float]


@dataclass(frozen=True)
class Calibration:
    """Scores of videos known to be authentic or forged.

    Example:
        >>> calibration = Calibration((Level("as it is", authentic=tuple(i / 100 for i in range(1, 20))),), None)
        >>> calibration.found_above()  # 19 videos: ceil(20 * 0.95) = 19, the largest
        0.19
        >>> calibration.none_below() is None  # no forgery is known
        True
    """

    levels: tuple[Level, ...]
    known: Known | None
    temperature: float | None = None
    """Divides the logit of a score; see `fit_temperature`. None where no forgeries are known."""
    offset: float = 0.0
    """Added to it."""

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Return the calibration that a card holds.

        Raises:
            InputError: a key is missing or holds something else than numbers in their range.
        """
        try:
            levels = tuple(
                Level(str(level["name"]), _scores(level["authentic"]), _scores(level["forged"]))
                for level in values["levels"]
            )
            known = _known(values["known"])
            temperature = values["temperature"]
            temperature = None if temperature is None else float(temperature)
            offset = float(values["offset"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"its calibration cannot be read ({type(error).__name__}: {error})") from error
        if not levels or (temperature is not None and not temperature > 0) or not math.isfinite(offset):
            raise InputError("its calibration cannot be read (no levels, or a temperature that is not above 0)")
        return cls(levels, known, temperature, offset)

    @property
    def plain(self) -> dict[str, Any]:
        """The values that `read` takes."""
        return asdict(self)

    @property
    def authentic(self) -> int:
        """Number of authentic videos at the level that has fewest."""
        return min(len(level.authentic) for level in self.levels)

    @property
    def forged(self) -> int:
        """Number of forged videos at the level that has fewest."""
        return min(len(level.forged) for level in self.levels)

    def found_above(self, false_alarms: float = FALSE_ALARMS) -> float | None:
        """Return the score above which traces are found; None where too few authentic videos are known."""
        threshold = max(conformal_quantile(level.authentic, false_alarms) for level in self.levels)
        return threshold if math.isfinite(threshold) else None

    def none_below(self, misses: float = MISSES) -> float | None:
        """Return the score below which no traces are found; None where too few forgeries are known."""
        threshold = min(-conformal_quantile([-score for score in level.forged], misses) for level in self.levels)
        return threshold if math.isfinite(threshold) else None

    def p_value(self, score: float) -> float:
        """Return the conformal p-value for authentic, (1 + scores as high) / (n + 1), the largest of all levels."""
        return max(
            (1 + sum(known >= score for known in level.authentic)) / (len(level.authentic) + 1) for level in self.levels
        )

    def calibrated(self, score: float) -> float | None:
        """Return the probability of being forged, if as many videos are forged as authentic; see `fit_temperature`."""
        if self.temperature is None:
            return None
        return float(expit(_logit(score) / self.temperature + self.offset))


def conformal_quantile(scores: Sequence[float], error: float) -> float:
    """Return the ceil((n + 1)(1 - error))-th smallest of n scores: another one exceeds it with probability `error`.

    Infinity where that is more than n: so few scores promise nothing.

    >>> conformal_quantile([0.1, 0.4, 0.2, 0.3], 0.5)  # ceil(5 * 0.5) = 3, the third smallest
    0.3
    >>> conformal_quantile([0.1] * 18, 0.05)  # ceil(19 * 0.95) = 19 of 18
    inf
    """
    rank = math.ceil((len(scores) + 1) * (1 - Fraction(str(error))))  # exact: 0.95 is no binary fraction
    return sorted(scores)[rank - 1] if rank <= len(scores) else math.inf


def needed(error: float) -> int:
    """Return the fewest scores that promise an error.

    >>> needed(0.05), needed(0.2)
    (19, 4)
    """
    return math.ceil(1 / Fraction(str(error))) - 1


def fit_temperature(authentic: Sequence[float], forged: Sequence[float]) -> tuple[float, float] | None:
    """Return temperature T and offset b so that sigmoid(logit(score) / T + b) is a probability of being forged.

    Temperature scaling (Guo et al., On Calibration of Modern Neural Networks, ICML 2017) with the offset of Platt
    (Probabilistic outputs for support vector machines, 1999), since the score is a mean of the highest 1 % of a map and
    is above 0.5 for many an authentic video. Both classes weigh the same. Platt's targets, (N + 1) / (N + 2) and
    1 / (N + 2), keep T above 0 where the classes do not overlap.

    Args:
        authentic: scores in [0, 1].
        forged: scores in [0, 1].

    Returns:
        `(T, b)`; None where a class is missing, or forgeries do not score higher.
    """
    if not authentic or not forged:
        return None
    counts = (len(authentic), len(forged))
    inputs = _logit(np.array([*authentic, *forged]))
    targets = np.repeat([1 / (counts[0] + 2), (counts[1] + 1) / (counts[1] + 2)], counts)
    weights = np.repeat([0.5 / counts[0], 0.5 / counts[1]], counts)

    def loss(parameters: np.ndarray[Any, np.dtype[np.float64]]) -> float:
        values = inputs * parameters[0] + parameters[1]
        return float((weights * (np.logaddexp(0, values) - targets * values)).sum())

    slope, offset = minimize(loss, (1.0, 0.0), method="BFGS").x
    return (1 / float(slope), float(offset)) if slope > 1e-3 else None


def _logit(score: Any) -> Any:
    return logit(np.clip(score, _CLIP, 1 - _CLIP))


def _scores(values: Any) -> tuple[float, ...]:
    scores = tuple(float(value) for value in values)
    if not all(0 <= score <= 1 for score in scores):
        raise ValueError("a score is outside [0, 1]")
    return scores


def _known(values: Any) -> Known | None:
    if values is None:
        return None
    fps = values["fps"]
    rates = None if fps is None else _range(fps)
    return Known(_range(values["side"]), rates, _range(values["bits_per_pixel"]))


def _range(values: Any) -> tuple[float, float]:
    low, high = (float(value) for value in values)
    return low, high
