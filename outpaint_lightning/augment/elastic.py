"""Random elastic deformation, batched, on the device."""

from __future__ import annotations

import warnings
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from outpaint_lightning.augment.base import FLOWS, RandomAugmentation, with_labels
from outpaint_lightning.geometry import pixels, sampling_grid
from outpaint_lightning.types import Batch, InputError, views

_EXTENSION = 0.5 + 2**-3  # pixels from the outermost pixel centres to the edge of the spline's domain, as in ITK


class RandomElasticDeformation(RandomAugmentation):
    """Deform frames and masks with one smooth random displacement for all frames of a window.

    Control points on a coarse grid get uniform random displacements; cubic B-splines interpolate between them. Each
    pixel shows the value at its position plus its displacement: frames bilinearly, masks from the nearest pixel.
    Positions outside the frame are filled with the minimum of that frame's channel.

    With the same control points it equals TorchIO's `ElasticDeformation` of a single slice. TorchIO also draws control
    points along the third axis, so its effective displacements are 0.71 times as large; to draw like TorchIO, use
    `TorchioElastic` or multiply `max_displacement` by 0.71.

    Source: Rueckert et al. (1999), *Nonrigid registration using free-form deformations*, the local motion model, with
    the domain of ITK's `BSplineTransformInitializer`; Darra and Vicentini (2023): 9 points, 20 pixels, 1 time in 6.

    Args:
        num_control_points: number along both axes, or `(y, x)`; at least 4. Three of them lie outside the frame, so
            their distance is about H / (n - 3).
        max_displacement: largest displacement of a control point in pixels, `(y, x)`. Above half the distance of the
            control points the image may fold; a warning is given once for each size of frame (Choi and Lee, 2000, prove
            that it cannot fold below 0.48 of the distance).
        locked_borders: number of outer rings of control points that do not move: 0, 1 or 2, as in TorchIO. With 2 the
            frame's edge moves by at most about a sixth of `max_displacement`; with fewer it moves as far as the rest,
            and much more of the frame is filled: see docs/how-to/augment.md.
        p: probability that a sample is deformed.

    Raises:
        InputError: an option is out of range, nothing could move, or the batch has flow, which cannot be deformed.

    Example:
        >>> import torch
        >>> batch = {"image": torch.rand(2, 2, 3, 64, 64), "mask": torch.zeros(2, 2, 1, 64, 64)}
        >>> bend = RandomElasticDeformation(num_control_points=7, max_displacement=(4, 4), p=1.0)
        >>> control_points = bend.sample(batch_size=2)  # the draw, which can be applied again
        >>> torch.equal(bend.apply_to(batch, control_points)["image"], bend.apply_to(batch, control_points)["image"])
        True
    """

    def __init__(
        self,
        num_control_points: int | tuple[int, int] = 9,
        max_displacement: tuple[float, float] = (20, 20),
        locked_borders: int = 2,
        p: float = 1 / 6,
    ) -> None:
        super().__init__(p)
        points = (num_control_points,) * 2 if isinstance(num_control_points, int) else tuple(num_control_points)
        name = type(self).__name__
        if locked_borders not in (0, 1, 2):
            raise InputError(f"{name}: locked_borders is {locked_borders}: expected 0, 1 or 2")
        least = max(4, 2 * locked_borders + 1)  # 4: one patch of a cubic spline
        if len(points) != 2 or min(points) < least:
            raise InputError(
                f"{name}: num_control_points is {num_control_points}: expected one number or [y, x], at least {least} "
                f"with locked_borders {locked_borders}"
            )
        if len(max_displacement) != 2 or min(max_displacement) < 0:
            raise InputError(f"{name}: max_displacement is {max_displacement}: expected [y, x] in pixels, at least 0")
        self.num_control_points = points[0], points[1]
        self.max_displacement = float(max_displacement[0]), float(max_displacement[1])
        self.locked_borders = locked_borders
        self._sizes_warned_of: set[tuple[int, int]] = set()

    def sample(self, batch_size: int) -> Tensor:
        """Draw displacements of the control points: `B ny nx 2` in pixels, x first; zero for fixed points."""
        reach = torch.tensor(self.max_displacement[::-1])
        points = (2 * torch.rand(batch_size, *self.num_control_points, 2) - 1) * reach
        lock = self.locked_borders
        free = torch.zeros(self.num_control_points)
        free[lock : self.num_control_points[0] - lock, lock : self.num_control_points[1] - lock] = 1
        return points * free[:, :, None] * self._chosen(batch_size)[:, None, None, None]

    def apply_to(self, batch: Batch, drawn: Tensor) -> Batch:
        """Deform the samples with a displaced control point; `drawn` is `B ny nx 2` in pixels, x first."""
        refuse_flow(self, batch)
        which = drawn.flatten(1).any(1).nonzero()[:, 0]
        if not len(which):
            return batch
        height, width = batch["image"].shape[-2:]
        self._warn_of_folding(height, width)
        at = which.to(batch["image"].device)
        every = len(which) == len(drawn)  # saves two copies
        grid, inside = _sampling_grid(displacement_field(drawn[which].to(at.device), height, width))

        def moved(frames: Tensor, mode: str) -> Tensor:
            chosen = _sample((frames if every else frames[at]).flatten(1, 2), grid, inside, mode)
            chosen = chosen.view(-1, *frames.shape[1:])
            return chosen if every else frames.index_copy(0, at, chosen)

        out: Batch = {**batch, "mask": moved(batch["mask"], "nearest")}
        for view in views(batch):
            out[view] = moved(batch[view], "bilinear")
        return with_labels(out)

    def _warn_of_folding(self, height: int, width: int) -> None:
        spacing = [
            (size - 1 + 2 * _EXTENSION) / (points - 3)
            for size, points in zip((height, width), self.num_control_points, strict=True)
        ]
        folds = any(reach > gap / 2 for reach, gap in zip(self.max_displacement, spacing, strict=True))
        if folds and (height, width) not in self._sizes_warned_of:
            self._sizes_warned_of.add((height, width))
            warnings.warn(
                f"{type(self).__name__}: a displacement of {self.max_displacement} pixels (y, x) is more than half the "
                f"distance of the control points, ({spacing[0]:.1f}, {spacing[1]:.1f}), in frames of "
                f"{height}x{width}: they may fold. Choose fewer control points or a smaller max_displacement",
                RuntimeWarning,
                stacklevel=3,
            )


def refuse_flow(augmentation: RandomAugmentation, batch: Batch) -> None:
    """Raise InputError if the batch has flow, which cannot be deformed."""
    flows = [name for name in FLOWS if name in batch]
    if flows:
        raise InputError(f"{type(augmentation).__name__}: the batch has {' and '.join(flows)}, which cannot follow")


def displacement_field(control_points: Tensor, height: int, width: int) -> Tensor:
    """Interpolate displaced control points with uniform cubic B-splines: `By C Bx^T`.

    Args:
        control_points: `B ny nx 2`, in pixels, x first.
        height: height of the frames, in pixels.
        width: width of the frames, in pixels.

    Returns:
        `B 2 H W`, in pixels, x first: the output at p shows the input at p plus this.
    """
    points = control_points.permute(0, 3, 1, 2)
    rows = _basis(height, points.shape[2], points.device, points.dtype)
    columns = _basis(width, points.shape[3], points.device, points.dtype)
    return rows @ points @ columns.T


def warp(frames: Tensor, field: Tensor, mode: str) -> Tensor:
    """Return at each pixel the value at its position plus its displacement.

    Up to half a pixel outside the frame, the edge is repeated; further out, the channel's minimum is used. ITK's
    resampling and TorchIO do the same.

    Args:
        frames: `B C H W`.
        field: `B 2 H W`, in pixels, x first.
        mode: `bilinear` or `nearest`.

    Returns:
        `B C H W`.
    """
    return _sample(frames, *_sampling_grid(field), mode)


def _sampling_grid(field: Tensor) -> tuple[Tensor, Tensor]:
    """Return the grid for `grid_sample`.

    Returns:
        `B H W 2`, where -1 and 1 are the outer sides of the outermost pixels; and bool `B 1 H W`: inside the frame.
    """
    height, width = size = field.shape[-2:]
    x, y = pixels(size, field.device, torch.float32)
    identity = sampling_grid(x.expand(size), y.expand(size), size).permute(2, 0, 1)
    target = torch.addcmul(identity, field, (2 / field.new_tensor([width, height]))[:, None, None])
    return target.permute(0, 2, 3, 1), ((target >= -1) & (target < 1)).all(1, keepdim=True)


def _sample(frames: Tensor, grid: Tensor, inside: Tensor, mode: str) -> Tensor:
    moved = F.grid_sample(frames, grid, mode, padding_mode="border", align_corners=False)
    return torch.where(inside, moved, frames.amin((2, 3), keepdim=True), out=moved)


@lru_cache(maxsize=64)
def _basis(size: int, points: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the weights `size points` of the control points at each pixel of an axis; rows sum to 1."""
    position = (torch.arange(size, dtype=torch.float64) + _EXTENSION) * (points - 3) / (size - 1 + 2 * _EXTENSION)
    first = position.floor().clamp(max=points - 4)
    t = position - first
    weights = torch.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], 1) / 6
    basis = torch.zeros(size, points, dtype=torch.float64)
    basis.scatter_(1, first.long()[:, None] + torch.arange(4), weights)
    return basis.to(device, dtype)
