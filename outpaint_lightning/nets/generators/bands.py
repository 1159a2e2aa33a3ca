"""Vertical bands of missing pixels between two photos: find the band, paste the photos, fill without training."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from outpaint_lightning.nets.flow.solvers import harmonic
from outpaint_lightning.nets.generators.fills import ClipFill
from outpaint_lightning.types import InputError


@dataclass(frozen=True)
class Band:
    """Columns that are missing over the whole height of a frame.

    Attributes:
        start: index of the first missing column.
        stop: index of the first known column to the right of the band.
    """

    start: int
    stop: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.stop - self.start

    @classmethod
    def of(cls, hole: Tensor, owner: str) -> Self | None:
        """Return the band of a hole, bool `H W`, or None if nothing is missing.

        Args:
            hole: true where pixels are missing.
            owner: name of the calling class, for the error message.

        Raises:
            InputError: the hole is not one band over the whole height with known columns on both sides.
        """
        columns = hole.any(0).nonzero().flatten()
        if not len(columns):
            return None
        band = cls(int(columns[0]), int(columns[-1]) + 1)
        if not hole[:, band.start : band.stop].all() or band.start == 0 or band.stop == hole.shape[1]:
            raise InputError(
                f"{owner}: the mask is no upright band over the whole height with known pixels on both sides; "
                "expected one, as the mask `band` of `forge` gives"
            )
        return band

    def squares(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Return the squares to the left and to the right of the band in a frame `C H W`, each `C H H`.

        If a side has fewer than H columns, its columns are mirrored.
        """
        side = frame.shape[1]
        left = frame[..., : self.start].flip(2)
        return _reflected(left, side).flip(2), _reflected(frame[..., self.stop :], side)


def _reflected(part: Tensor, width: int) -> Tensor:
    """Return `width` columns of `C H W`, from the first one on. At the last column the order is reversed, and so on."""
    count = part.shape[2]
    period = torch.arange(width, device=part.device) % (2 * count)
    return part[..., torch.where(period < count, period, 2 * count - 1 - period)]


def paste_sides(panorama: Tensor, left: Tensor, right: Tensor, feather: int) -> Tensor:
    """Put two photos back into a panorama that a net painted, and adjust the middle to them.

    The net also paints the photos, but never exactly. At each seam, the difference between the true and the painted
    photo in its outermost column is added to the middle. It has full weight beside the seam and decreases linearly over
    `feather` columns, so that the middle continues the true photo. The photos are copied unchanged.

    Args:
        panorama: `N C H W` in [0, 1].
        left: `N C H w`, the true first columns.
        right: `N C H w`, the true last columns.
        feather: number of columns, 0 or more.

    Returns:
        `N C H W`: the photos unchanged, the middle in [0, 1].
    """
    photo = left.shape[3]
    middle = panorama[..., photo:-photo]
    lacks = left[..., -1:] - panorama[..., photo - 1 : photo], right[..., :1] - panorama[..., -photo, None]
    column = torch.arange(middle.shape[3], device=panorama.device, dtype=panorama.dtype)
    ramp = (1 - column / (feather + 1)).clamp(min=0) if feather else torch.zeros_like(column)
    met = middle + ramp * lacks[0] + ramp.flip(0) * lacks[1]
    return torch.cat([left, met.clamp(0, 1), right], 3)


class BandFill(ClipFill):
    """A fill of clips whose frames all have the same vertical band of missing pixels.

    Raises:
        InputError: `forward` gets a hole that is not such a band.
    """

    def fill(self, image: Tensor, hole: Tensor) -> Tensor:
        """See `ClipFill`."""
        band = Band.of(hole.flatten(0, 2).any(0), type(self).__name__)
        if band is None:
            return image
        middle = self.between(image[..., : band.start], image[..., band.stop :], band.width)
        return torch.cat([image[..., : band.start], middle, image[..., band.stop :]], -1)

    @abstractmethod
    def between(self, left: Tensor, right: Tensor, width: int) -> Tensor:
        """Return the middle `... H width` between the known parts, `... H W` each."""


class LinearBandFill(BandFill):
    """Interpolates linearly in each row, from the last known colour on the left to the first one on the right.

    Example:
        >>> row, mask = torch.tensor([0.0, 9.0, 9.0, 0.75]), torch.tensor([0.0, 1.0, 1.0, 0.0])
        >>> LinearBandFill()(row.view(1, 1, 1, 1, 4), mask.view(1, 1, 1, 1, 4)).flatten().tolist()
        [0.0, 0.25, 0.5, 0.75]
    """

    def between(self, left: Tensor, right: Tensor, width: int) -> Tensor:
        """See `BandFill`."""
        share = torch.arange(1, width + 1, device=left.device, dtype=left.dtype) / (width + 1)
        return left[..., -1:].lerp(right[..., :1], share)


class MirrorBandFill(BandFill):
    """Mirrors both sides into the band and blends them linearly from left to right.

    Example:
        >>> row, mask = torch.tensor([0.25, 0.5, 9.0, 0.75]), torch.tensor([0.0, 0.0, 1.0, 0.0])
        >>> MirrorBandFill()(row.view(1, 1, 1, 1, 4), mask.view(1, 1, 1, 1, 4)).flatten().tolist()  # (0.5 + 0.75) / 2
        [0.25, 0.5, 0.625, 0.75]
    """

    def between(self, left: Tensor, right: Tensor, width: int) -> Tensor:
        """See `BandFill`."""
        shape = (*left.shape[:-1], width)
        mirrored = _reflected(left.flip(-1).flatten(0, -3), width).view(shape)
        other = _reflected(right.flatten(0, -3), width).flip(-1).view(shape)
        share = torch.arange(1, width + 1, device=left.device, dtype=left.dtype) / (width + 1)
        return mirrored.lerp(other, share)


class HarmonicFrameFill(ClipFill):
    """In each frame, sets every missing pixel to the mean of its four neighbours; see `nets.flow.solvers.harmonic`.

    Example:
        >>> clip, mask = torch.tensor([0.25, 9.0, 9.0, 0.25]), torch.tensor([0.0, 1.0, 1.0, 0.0])
        >>> HarmonicFrameFill()(clip.view(1, 1, 1, 1, 4), mask.view(1, 1, 1, 1, 4)).flatten().tolist()
        [0.25, 0.25, 0.25, 0.25]
    """

    def fill(self, image: Tensor, hole: Tensor) -> Tensor:
        """See `ClipFill`."""
        return harmonic(image.flatten(0, 1), hole.flatten(0, 1)).view_as(image).clamp(0, 1)
