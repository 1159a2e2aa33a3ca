"""Traces of blending in a panorama: jumps at its seams, and too little detail in its middle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from outpaint_lightning.metrics.frames import FrameTable
from outpaint_lightning.metrics.numbers import mean, number
from outpaint_lightning.types import VideoInfo

REAL = "real"
"""Name of true panoramas among the methods."""
TRACES = ("seam", "energy")


def seam_jump(panorama: Tensor, start: int, stop: int) -> Tensor:
    """Mean absolute difference between the two columns at each seam, mean over both seams. In real photos it is not 0.

    Args:
        panorama: `N 3 H W`.
        start: first column of the middle.
        stop: first column to the right of the middle.

    Returns:
        `N`, in the panorama's unit.
    """
    jumps = [(panorama[..., at] - panorama[..., at - 1]).abs().flatten(1).mean(1) for at in (start, stop)]
    return torch.stack(jumps).mean(0)


def column_energy(panorama: Tensor) -> Tensor:
    """Squared differences to the right and to the lower neighbour, summed, mean over each column: `N W-1`."""
    across = panorama.diff(dim=3)[..., :-1, :].square()
    down = panorama.diff(dim=2)[..., :-1].square()
    return (across + down).mean((1, 2))


def energy_ratio(panorama: Tensor, start: int, stop: int) -> Tensor:
    """Gradient energy of the middle's columns divided by that of the photos', without the differences across the seams.

    It is about 1 for one photo. It is smaller if the middle is too smooth, which is a known trace of generated regions.

    Args:
        panorama: `N 3 H W`.
        start: first column of the middle.
        stop: first column to the right of the middle.

    Returns:
        `N`; infinite if the photos have a single colour.
    """
    energy = column_energy(panorama)
    sides = torch.cat([energy[:, : start - 1], energy[:, stop:]], 1).mean(1)
    return energy[:, start : stop - 1].mean(1) / sides


class BlendTraces(FrameTable):
    """`seam_jump` and `energy_ratio` of the panoramas of several methods, one row per photo.

    Args:
        photos: number of photos.
        methods: number of methods, including the real panoramas.
    """

    def __init__(self, photos: int, methods: int) -> None:
        super().__init__([1] * photos, (methods, len(TRACES)), torch.float32)

    def update(self, photos: Sequence[int], panoramas: Tensor, start: int, stop: int) -> None:
        """Add a batch.

        Args:
            photos: index of each panorama's left photo.
            panoramas: `M N 3 H W`, panoramas of the methods.
            start: first column of the middle.
            stop: first column to the right of the middle.
        """
        values = [torch.stack([seam_jump(p, start, stop), energy_ratio(p, start, stop)], 1) for p in panoramas]
        for photo, row in zip(photos, torch.stack(values, 1), strict=True):
            self.enter(photo, 0, row)

    def compute(self) -> Tensor:
        """Return the rows of all photos, `P M 2`; NaN for photos that were not added."""
        return torch.where(self.table < 0, torch.nan, self.table)


def summarize_traces(
    table: BlendTraces, photos: Sequence[VideoInfo], methods: Sequence[str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Turn a table into `seam` and `energy` of each method, means over photos, and one row per photo.

    Args:
        table: the traces.
        photos: description of each photo, in the table's order.
        methods: names in the table's order.
    """
    values = table.compute().cpu().double()
    finite = torch.where(values.isfinite(), values, torch.nan)
    means = {
        trace: {name: mean(finite[:, column, at]) for column, name in enumerate(methods)}
        for at, trace in enumerate(TRACES)
    }
    rows = [
        {**{key: value for key, value in info.items() if key != "frames"},
         **{f"{trace}_{name}": number(finite[photo, column, at])
            for at, trace in enumerate(TRACES) for column, name in enumerate(methods)}}
        for photo, info in enumerate(photos) if not values[photo].isnan().all()
    ]  # fmt: skip
    return means, rows
