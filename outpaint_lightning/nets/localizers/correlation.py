"""RAFT's correlation of two frames around one place per pixel. The volumes that fit are stored, others are not."""

from __future__ import annotations

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 1 << 26
"""Bytes that are computed at once where no volume is stored."""
FEW = 128
"""Up to so many places for each one that is wanted, computing all takes less time than gathering the wanted ones."""


class Correlation:
    """The correlation pyramid of a pair: `correlation(places)` equals `CorrBlock.index_pyramid(places)` of torchvision.

    Level l correlates each place of the first frame with all places of the second, averaged over 2^l x 2^l places.
    Values and gradients are torchvision's up to rounding. The second frame's features are averaged here, and the
    first's are scaled, where torchvision averages and scales the volumes, which are larger: correlation is linear in
    both.

    A level whose volume is not stored is computed at each lookup, and only where it is looked up. That takes little
    memory and more time. The coarsest levels, which are smallest, are stored first.

    Args:
        first: features `B C H W` of the first frame.
        second: features `B C H W` of the second frame.
        levels: number of levels.
        radius: a lookup reads `2 radius + 1` places along each axis, a pixel of the level apart.
        limit: bytes of all stored volumes together.

    Example:
        >>> first, second = torch.rand(2, 1, 8, 4, 5)
        >>> places = torch.zeros(1, 2, 4, 5)
        >>> Correlation(first, second, levels=2, radius=1, limit=0)(places).shape
        torch.Size([1, 18, 4, 5])
    """

    def __init__(self, first: Tensor, second: Tensor, levels: int, radius: int, limit: int) -> None:
        scaled = (first / math.sqrt(first.shape[1])).flatten(2).mT
        seconds = [second]
        for _ in range(levels - 1):
            seconds.append(F.avg_pool2d(seconds[-1], 2))
        self._steps = torch.arange(-radius, radius + 2, device=first.device)
        self._levels: list[tuple[_Level, int, int]] = []
        for features in reversed(seconds):
            height, width = features.shape[-2:]
            framed = F.pad(features, (1, 1, 1, 1))  # nothing correlates with what is outside
            needed = scaled.element_size() * len(scaled) * scaled.shape[1] * framed.shape[2] * framed.shape[3]
            stored = torch.compiler.is_compiling() or needed <= limit  # an exported graph has one way only
            limit -= needed if stored else 0
            level = _Stored(scaled, framed.flatten(2)) if stored else _Computed(scaled, framed.flatten(2).mT)
            self._levels.insert(0, (level, height, width))

    def __call__(self, places: Tensor) -> Tensor:
        """Return the correlation around places `B 2 H W`, each (x, y) in pixels of level 0.

        Returns:
            `B C H W` with `(2 radius + 1)^2` channels of each level, along y first, then along x. Outside the second
            frame the correlation is 0.
        """
        wanted = places.flatten(2).mT
        found = [self._around(wanted / 2**number, *level) for number, level in enumerate(self._levels)]
        return torch.cat(found, -1).mT.reshape(len(places), -1, *places.shape[2:])

    def _around(self, places: Tensor, level: _Level, height: int, width: int) -> Tensor:
        """Return the correlation of one level around places `B Q 2`, as `B Q (2 radius + 1)^2`.

        All samples of a place lie at the same fraction of a pixel, so four shifted parts of one patch are blended.
        """
        whole = places.detach().floor()
        x, y = (corner.long()[..., None] + self._steps for corner in whole.unbind(2))
        index = (y.clamp(-1, height) + 1)[..., :, None] * (width + 2) + (x.clamp(-1, width) + 1)[..., None, :]
        patch = level.at(index.flatten(2)).view_as(index)
        fraction = places - whole  # if a place is not a number, its correlation is none either
        right, below = fraction[..., :1, None], fraction[..., 1:, None]
        rows = torch.lerp(patch[..., :-1, :].to(below), patch[..., 1:, :].to(below), below)
        return torch.lerp(rows[..., :-1], rows[..., 1:], right).mT.flatten(2)


class _Level(Protocol):
    """The correlation of places of the first frame with places of a level of the second."""

    def at(self, index: Tensor) -> Tensor:
        """Return the correlation `B Q K` of each of the Q places with K places of the second, given their numbers."""


class _Stored:
    """All correlations of a level, from features `B Q C` and `B C P`."""

    def __init__(self, first: Tensor, second: Tensor) -> None:
        self._volume = first @ second

    def at(self, index: Tensor) -> Tensor:
        return self._volume.gather(2, index)


class _Computed:
    """Correlations that are computed when they are asked for, from features `B Q C` and `B P C`."""

    def __init__(self, first: Tensor, second: Tensor) -> None:
        self._first, self._second = first, second.contiguous()

    def at(self, index: Tensor) -> Tensor:
        several = max(1, CHUNK // _bytes(self._second[0], index.shape[2]))
        chunks = zip(torch.split(self._first, several, 1), torch.split(index, several, 1), strict=True)
        return torch.cat([torch.stack([*map(_products, first, self._second, wanted)]) for first, wanted in chunks], 1)


def _bytes(second: Tensor, wanted: int) -> int:
    """Return the bytes that `_products` needs for each row, given features `P C` and the number of wanted ones."""
    places, channels = second.shape
    return second.element_size() * (places if places <= FEW * wanted else wanted * channels)


def _products(first: Tensor, second: Tensor, wanted: Tensor) -> Tensor:
    """Return the products of features `Q C` with those of `P C` whose numbers are wanted, `Q K`."""
    if len(second) <= FEW * wanted.shape[1]:
        return (first @ second.mT).gather(1, wanted)
    return torch.bmm(first[:, None], second[wanted].mT)[:, 0]
