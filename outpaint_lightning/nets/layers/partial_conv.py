"""Convolution over known pixels, with confidences in [0, 1], and rules for the confidence of the result.

A confidence is 1 for a known pixel and 0 for an unknown one. `exists` is 1 where there is a pixel, and 0 in a missing
frame. Both have one channel per group of features, `N G H W`. Positions outside the frame do not exist.
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
LEAST_MASS = 1e-6  # total confidence of a window; below it, the result is unknown


class MaskRule(nn.Module, ABC):
    """A rule that computes the confidence of the output of a 3x3 window from the confidences in it.

    Every rule keeps two limits: if nothing is known, the result is exactly 0; if all is known, it is exactly 1.

    Args:
        groups: number of confidences per pixel.
    """

    def __init__(self, groups: int = 1) -> None:
        super().__init__()
        self.groups = groups

    @abstractmethod
    def forward(self, confidence: Tensor, exists: Tensor) -> Tensor:
        """Return confidences `N 1 H W` from confidences `N G H W` (0 where nothing exists) and `exists`, `N G H W`."""


class BinaryRule(MaskRule):
    """1 if any pixel of the window is known. Source: Liu et al. (ECCV 2018, arXiv:1804.07723), equation 2.

    Example:
        >>> import torch
        >>> confidence = torch.zeros(1, 1, 3, 3)
        >>> confidence[..., 0, 0] = 0.2
        >>> BinaryRule()(confidence, torch.ones(1, 1, 3, 3))[0, 0].tolist()
        [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """

    def forward(self, confidence: Tensor, exists: Tensor) -> Tensor:  # noqa: ARG002 (what does not exist is not known)
        """Return `max(confidence) > 0` over the window."""
        return (F.max_pool2d(confidence, KERNEL, 1, 1).amax(1, keepdim=True) > 0).to(confidence.dtype)


class MeanRule(MaskRule):
    """The mean confidence of the pixels that exist.

    Example:
        >>> import torch
        >>> half = torch.full((1, 1, 3, 3), 0.5)
        >>> MeanRule()(half, torch.ones(1, 1, 3, 3))[0, 0, 1].round(decimals=3).tolist()  # a mean of equal values
        [0.5, 0.5, 0.5]
    """

    def forward(self, confidence: Tensor, exists: Tensor) -> Tensor:
        """Return the mean of each window."""
        return _window_sum(confidence) / _window_sum(exists).clamp(min=1)


class PowerRule(MaskRule):
    """A weighted power mean, `(sum w M^p / sum w)^(1/p)`, with a learned power and learned positive weights.

    p = 1 is a weighted mean. For large p, the result approaches the largest confidence in the window. Powers of zero or
    less are excluded, because a single unknown pixel would decide the result. It is computed from logarithms, because
    `M^p` underflows for a confidence below 1 and a large p.

    Source: Chatillon et al. (2020), equation 1.

    Args:
        groups: number of confidences per pixel.
        power: initial p, above 0.01.

    Raises:
        InputError: the power is too small.

    Example:
        >>> import torch
        >>> confidence = torch.zeros(1, 1, 3, 3)
        >>> confidence[..., 0] = 1  # one of three columns is known
        >>> round(PowerRule()(confidence, torch.ones(1, 1, 3, 3))[0, 0, 1, 1].item(), 3)
        0.333
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
        """Return the power mean of each window."""
        height, width = confidence.shape[-2:]
        seen, present = (F.unfold(part, KERNEL, padding=1) for part in (confidence, exists))  # N 9G HW
        known = seen > 0
        some = known.any(1, keepdim=True)
        weight = self.raw_weight[:, None].expand_as(seen)
        total = weight.masked_fill(present == 0, -torch.inf).logsumexp(1, keepdim=True)
        terms = weight + self.power * torch.where(known, seen, 1).log()
        # where nothing is known the values are unused, but an infinite value would make every gradient NaN
        log_sum = terms.masked_fill(~known & some, -torch.inf).logsumexp(1, keepdim=True)
        log_mean = torch.where(some, log_sum - total, 0) / self.power
        mean = torch.where(some, log_mean.exp(), 0).clamp(max=1)
        return mean.view(-1, 1, height, width)


class PolynomialRule(MaskRule):
    """A cubic of the weighted mean, through (0, 0), (1/3, a), (2/3, b) and (1, 1), with learned 0 < a < b < 1.

    a = 1/3 and b = 2/3 give the identity. For some a < b the cubic leaves [0, 1] between the nodes, so the result is
    clipped. If the slope at 0, which is 1 + 9 a - 4.5 b, is above 1, even the smallest confidence grows; zero stays
    exactly zero.

    Source: Chatillon et al. (2020), equation 2.

    Args:
        groups: number of confidences per pixel.
        first: initial a.
        second: initial b.

    Raises:
        InputError: 0 < a < b < 1 does not hold.
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
        """Return the cubic of each window's weighted mean."""
        weight = self.raw_weight.softmax(0).view(1, self.groups, KERNEL, KERNEL)
        mean = _window_sum(confidence, weight) / _window_sum(exists, weight).clamp(min=LEAST_MASS)
        return cubic(mean, *self.nodes.unbind()).clamp(0, 1)


def cubic(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return the cubic through (0, 0), (1/3, first), (2/3, second) and (1, 1) at x.

    It is written as `x + x (1 - x) (...)`, so its values at 0 and 1 are exact in any precision.
    """
    bend_first, bend_second = 3 * (3 * first - 1) / 2, 3 * (3 * second - 2) / 2
    return x + x * (1 - x) * (bend_first + (bend_second - bend_first) * (3 * x - 1))


class PartialConv2d(nn.Module):
    """A 3x3 convolution of known pixels, scaled to compensate for the unknown ones.

    With X the features, M their confidence, S the number of existing positions in the window, and sums over the window
    and all channels::

        y = W (X M) S / sum(M) + b      where sum(M) > 1e-6, else 0

    A constant confidence gives the plain convolution. Features without confidence are never read, so they may be NaN.

    Source: Liu et al., *Image Inpainting for Irregular Holes Using Partial Convolutions* (ECCV 2018, arXiv:1804.07723),
    equation 1, for masks of 0 and 1. Their code also multiplies by `clamp(sum(M), 0, 1)`. Then the output depends on
    the scale of confidences below 1. It also counts positions outside the frame as missing, which raises the outputs at
    the border. The code of Chatillon et al. (2020) multiplies by the new confidence, and multiplies the bias twice.

    Args:
        channels: number of input channels.
        out_channels: number of output channels.
        rule: makes a `MaskRule` from the number of groups.
        groups: number of confidences per pixel, each for an equal number of consecutive channels.

    Example:
        >>> import torch
        >>> layer = PartialConv2d(2, 4, MeanRule)
        >>> features, confidence = layer(torch.rand(1, 2, 8, 8), torch.ones(1, 1, 8, 8), torch.ones(1, 1, 8, 8))
        >>> features.shape, confidence.shape
        (torch.Size([1, 4, 8, 8]), torch.Size([1, 1, 8, 8]))
    """

    def __init__(self, channels: int, out_channels: int, rule: Callable[[int], MaskRule], groups: int = 1) -> None:
        super().__init__()
        self.share = channels // groups
        self.convolution = nn.Conv2d(channels, out_channels, KERNEL, padding=1)
        self.rule = rule(groups)

    def forward(self, features: Tensor, confidence: Tensor, exists: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features and their confidence.

        Args:
            features: `N C H W`.
            confidence: `N G H W` in [0, 1].
            exists: `N G H W`, 0 or 1. The centre of each window exists in at least one group.

        Returns:
            Features `N out_channels H W`, and the confidence `N 1 H W` by the rule. Both are 0 where nothing is known.
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
    """Return the sums over 3x3 windows and channels, `N 1 H W`, weighted by `1 G 3 3`."""
    if weight is None:
        weight = values.new_ones(1, values.shape[1], KERNEL, KERNEL)
    return F.conv2d(values, weight, padding=1)


def _softplus_inverse(value: float) -> Tensor:
    return torch.tensor(value + math.log(-math.expm1(-value)))
