"""Which frames of a window have a hole, and which vectors of optical flow it hides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from outpaint_lightning.geometry import warp

Protocol = Literal["source", "strict"]
PROTOCOLS: tuple[Protocol, ...] = ("source", "strict")

Setup = Literal["mid2", "all", "sandwich"]
SETUPS: dict[Setup, Callable[[int], slice]] = {
    "mid2": lambda frames: slice(max(0, frames // 2 - 1), frames // 2 + 1),
    "all": lambda frames: slice(0, frames),
    "sandwich": lambda frames: slice(1, frames - 1),
}
"""Which frames of a window have the hole: the two in the middle, all, or all but the first and the last."""


def hidden_vectors(mask: Tensor, forward: Tensor, backward: Tensor, protocol: Protocol) -> Tensor:
    """Return the vectors that a hole hides.

    `source` hides vectors that start in the hole of their frame, as most papers do. `strict` also hides vectors that
    end in the hole of the other frame, by half a pixel or more: in a truly damaged clip nothing shows them. Holes
    before and after the window are unknown and hide nothing.

    Args:
        mask: `T 1 H W`, 1 in the hole.
        forward: `T 2 H W`, frame t to t + 1, in pixels.
        backward: `T 2 H W`, frame t to t - 1.
        protocol: `source` or `strict`.

    Returns:
        bool `T 2 H W`; channel 0 is for `forward`, channel 1 for `backward`.
    """
    hole = mask > 0.5
    hidden = hole.expand(-1, 2, -1, -1).clone()
    if protocol == "strict":
        value = hole.to(forward.dtype)
        hidden[:-1, :1] |= warp(value[1:], forward[:-1]) >= 0.5
        hidden[1:, 1:] |= warp(value[:-1], backward[1:]) >= 0.5
    return hidden
