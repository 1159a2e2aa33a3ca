"""Run a net that takes a fixed number of frames on clips of any length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

Frame = tuple[Tensor, Tensor]
"""A frame `C H W` and its hole `1 H W`."""


def fill_windows(fill: Callable[[Tensor, Tensor], Tensor], source: Iterable[Frame], length: int) -> Iterator[Tensor]:
    """Fill a stream of frames in windows that overlap by half. Frames in two windows are blended linearly.

    Only one window is in memory at a time. If the clip ends inside a window, the window continues by reflection: 1 2 3
    2 1 2 ...

    Args:
        fill: called with a window `1 T C H W` and its holes `1 T 1 H W`, T = `length`; returns the filled frames.
        source: frames and their holes, in order.
        length: number of frames T of a window, at least 1.

    Yields:
        Filled frames `C H W`, in order, as many as `source` has.

    Example:
        >>> frames = [(torch.full((1, 1, 1), float(t)), torch.ones(1, 1, 1)) for t in range(5)]
        >>> [frame.item() for frame in fill_windows(lambda image, mask: image, frames, length=4)]
        [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    stream, overlap = iter(source), length // 2
    held: list[Frame] = []
    earlier: Tensor | None = None  # the last frames of the previous window, which this window fills again
    while True:
        fresh = [*islice(stream, length - len(held))]
        if not fresh and earlier is not None:
            yield from earlier
            return
        held += fresh
        if not held:
            return
        filled = _filled(fill, held, length)
        if earlier is not None:
            filled[:overlap] = earlier.lerp(filled[:overlap], _ramp(overlap, filled))
        if len(held) < length:
            yield from filled
            return
        yield from filled[: length - overlap]
        held, earlier = held[length - overlap :], filled[length - overlap :]
        if not overlap:
            earlier = None


def _filled(fill: Callable[[Tensor, Tensor], Tensor], held: list[Frame], length: int) -> Tensor:
    """Fill one window; return as many frames as `held` has, `T C H W`."""
    order = [*_reflected(len(held), length)]
    image, hole = (torch.stack([held[i][part] for i in order])[None] for part in (0, 1))
    return fill(image, hole)[0, : len(held)].clone()


def _reflected(count: int, length: int) -> Iterator[int]:
    """Yield `length` indices that go forwards and backwards through `count` frames."""
    period = max(1, 2 * count - 2)
    for i in range(length):
        at = i % period
        yield at if at < count else period - at


def _ramp(overlap: int, like: Tensor) -> Tensor:
    """Return the blending weights of the later window; they rise from the first to the last shared frame."""
    steps = torch.arange(1, overlap + 1, device=like.device, dtype=like.dtype)
    return (steps / (overlap + 1)).view(-1, 1, 1, 1)
