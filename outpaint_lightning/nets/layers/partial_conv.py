"""Convolution over what is known, with confidences anywhere in [0, 1], and rules that say how confident the result is.

A confidence is 1 where a pixel is known and 0 where nothing is; `exists` is 1 where there is a pixel at all, 0 in a
frame that is not there. Both have one channel per group of features, `N G H W`. Positions outside the frame do not
exist.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.types import InputError

KERNEL = 3
SMALLEST_POWER = 0.01
LEAST_MASS = 1e-6  # of confidence in a window; with less, nothing is known of it


class MaskRule(nn.Module, ABC):
    """How confident the output of a 3x3 window is, from the confidences in it.

    Every rule keeps what must not change: nothing known gives exactly 0, all known gives exactly 1.

    Args:
        groups: number of confidences a pixel has.
    """

    def __init__(self, groups: int = 1) -> None:
        super().__init__()
        self.groups = groups

    @abstractmethod
    def forward(self, confidence: Tensor, exists: Tensor) -> Tensor:
        """Return confidences `N 1 H W` from confidences `N G H W`, 0 where nothing exists, and `exists`, `N G H W`."""


class BinaryRule(MaskRule):
    """1 where anything is known. Source: Liu et al. (ECCV 2018, arXiv:1804.07723), equation 2."""

    def forward(self, confidence: Tensor, exists: Tensor) -> Tensor:  # noqa: ARG002 (what does not exist is not known)
        """Return `max(confidence) > 0` over the window."""
        return (F.max_pool2d(confidence, KERNEL, 1, 1).amax(1, keepdim=True) > 0).to(confidence.dtype)


class MeanRule(MaskRule):
    """The mean confidence of what exists."""

    def forward(self, confidence: Tensor, exists: Tensor) -> Tensor:
        """Return the mean of the window."""
        return _window_sum(confidence) / _window_sum(exists).clamp(min=1)


class PowerRule(MaskRule):
    """A weighted power mean, `(sum w M^p / sum w)^(1/p)`, of learned power and positive weights.

    p = 1 is a weighted mean, and the largest confidence in the window is its limit for large p. Powers of zero or less
    would make one unknown pixel decide, and are left out. Computed from logarithms: `M^p` of a confidence below 1
    underflows for large p.

    Source: the report, equation 1.

    Args:
        groups: number of confidences a pixel has.
        power: p at the start, above 0.01.

    Raises:
        InputError: the power is too small.
    """

    def __init__(self, groups: int = 1, power: float = 1.0) -> None:
        super().__init__(groups)
        if not power > SMALLEST_POWER:
            raise InputError(f"PowerRule: power is {power}: expected a number above {SMALLEST_POWER}")
        self.raw_power = nn.Parameter(_softplus_inverse(power - SMALLEST_POWER))
        self.raw_weight = nn.Parameter(torch.zeros(groups * KERNEL**2))

    @property
    def power(self) -> Tensor:
        """The power p, a scalar."""
        return F.softplus(self.raw_power) + SMALLEST_POWER

    def forward(self, confidence: Tensor, exists: Tensor) -> Tensor:
        """Return the power mean of the window."""
        height, width = confidence.shape[-2:]
        seen, there = (F.unfold(part, KERNEL, padding=1) for part in (confidence, exists))  # N 9G HW
        known = seen > 0
        some = known.any(1, keepdim=True)
        weight = self.raw_weight[:, None].expand_as(seen)
        total = weight.masked_fill(there == 0, -torch.inf).logsumexp(1, keepdim=True)
        terms = weight + self.power * torch.where(known, seen, 1).log()
        # where nothing is known, values are not used, but an infinite one would make every gradient NaN
        log_sum = terms.masked_fill(~known & some, -torch.inf).logsumexp(1, keepdim=True)
        log_mean = torch.where(some, log_sum - total, 0) / self.power
        mean = torch.where(some, log_mean.exp(), 0).clamp(max=1)
        return mean.view(-1, 1, height, width)


class PolynomialRule(MaskRule):
    """A cubic of the weighted mean, through (0, 0), (1/3, a), (2/3, b) and (1, 1), with learned 0 < a < b < 1.

    a = 1/3 and b = 2/3 is the identity. Some a < b leave [0, 1] between the nodes, so the result is clipped. Where the
    slope at 0, 1 + 9 a - 4.5 b, is above 1, confidence grows from the smallest beginnings: zero stays exactly zero.

    Source: the report, equation 2.

    Args:
        groups: number of confidences a pixel has.
        first: a at the start.
        second: b at the start.

    Raises:
        InputError: not 0 < a < b < 1.
    """

    def __init__(self, groups: int = 1, first: float = 0.33, second: float = 0.666) -> None:
        super().__init__(groups)
        if not 0 < first < second < 1:
            raise InputError(f"PolynomialRule: first is {first}, second {second}: expected 0 < first < second < 1")
        self.raw_nodes = nn.Parameter(torch.tensor([first, (second - first) / (1 - first)]).logit())
        self.raw_weight = nn.Parameter(torch.zeros(groups * KERNEL**2))

    @property
    def nodes(self) -> Tensor:
        """The values a and b, `2`."""
        first, share = self.raw_nodes.sigmoid().unbind()
        return torch.stack([first, first + (1 - first) * share])

    def forward(self, confidence: Tensor, exists: Tensor) -> Tensor:
        """Return the cubic of the window's weighted mean."""
        weight = self.raw_weight.softmax(0).view(1, self.groups, KERNEL, KERNEL)
        mean = _window_sum(confidence, weight) / _window_sum(exists, weight).clamp(min=LEAST_MASS)
        return cubic(mean, *self.nodes.unbind()).clamp(0, 1)


def cubic(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return the cubic through (0, 0), (1/3, first), (2/3, second) and (1, 1) at x.

    Written as `x + x (1 - x) (...)`: its values at 0 and 1 are exact in any precision.
    """
    bend_first, bend_second = 3 * (3 * first - 1) / 2, 3 * (3 * second - 2) / 2
    return x + x * (1 - x) * (bend_first + (bend_second - bend_first) * (3 * x - 1))


class PartialConv2d(nn.Module):
    """A 3x3 convolution of what is known, made up for what is not.

    With X the features, M their confidence, S the number of positions of the window that exist and the sums over the
    window and all channels::

        y = W (X M) S / sum(M) + b      where sum(M) > 1e-6, else 0

    A confidence that is the same everywhere, whatever it is, gives the plain convolution. What has no confidence is
    never read, so it may be NaN.

    Source: Liu et al., *Image Inpainting for Irregular Holes Using Partial Convolutions* (ECCV 2018,
    arXiv:1804.07723), equation 1, for masks of 0 and 1. Their code multiplies by `clamp(sum(M), 0, 1)` too, with which
    the output depends on the scale of confidences below 1; and it counts what is outside the frame as missing, which
    raises the outputs at the border. The report's code multiplies by the new confidence, the bias even twice.

    Args:
        channels: of the features.
        out_channels: of the result.
        rule: makes the rule from the number of groups: a `MaskRule`.
        groups: number of confidences of a pixel, each for as many consecutive channels.
    """

    def __init__(self, channels: int, out_channels: int, rule: Callable[[int], MaskRule], groups: int = 1) -> None:
        super().__init__()
        self.share = channels // groups
        self.convolution = nn.Conv2d(channels, out_channels, KERNEL, padding=1)
        self.rule = rule(groups)

    def forward(self, features: Tensor, confidence: Tensor, exists: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and their confidence.

        Args:
            features: `N C H W`.
            confidence: `N G H W` in [0, 1].
            exists: `N G H W`, 0 or 1. The middle of a window exists in one group at least.

        Returns:
            Features `N out_channels H W`, and the confidence `N 1 H W` by the rule; 0 in both where nothing is known.
        """
        confidence = confidence * exists
        weight = confidence.repeat_interleave(self.share, 1)
        mass, count = _window_sum(confidence), _window_sum(exists)
        known = mass > LEAST_MASS
        ratio = torch.where(known, count / torch.where(known, mass, 1), 0)
        seen = torch.where(weight > 0, features, 0) * weight
        bias = cast("Tensor", self.convolution.bias)[:, None, None]
        plain = F.conv2d(seen, self.convolution.weight, padding=1)
        return plain * ratio + bias * known, self.rule(confidence, exists) * known


def _window_sum(values: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the sums `N 1 H W` over 3x3 windows and channels, weighted by `1 G 3 3`."""
    if weight is None:
        weight = values.new_ones(1, values.shape[1], KERNEL, KERNEL)
    return F.conv2d(values, weight, padding=1)


def _softplus_inverse(value: float) -> Tensor:
    return torch.tensor(value + math.log(-math.expm1(-value)))
