"""Fills of hidden flow that need no training: start values for the refiner, and floors that it has to beat.

All have the interface of `Fill`. The equations that they solve are in `nets.flow.solvers`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

from outpaint_lightning.geometry import float32_or_better, splat
from outpaint_lightning.nets.flow.solvers import affine_fit, biharmonic, harmonic, nearest
from outpaint_lightning.types import InputError

LANDED = 0.5  # share of a pixel that the vectors that land on it have to cover


class Fill(nn.Module, ABC):
    """Replaces hidden flow vectors. Known vectors stay bit-identical; hidden vectors are never read."""

    def forward(self, flow_forward: Tensor, flow_backward: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Fill both flows of a window.

        Args:
            flow_forward: `B T 2 H W` in pixels, frame t to t+1; any values where hidden.
            flow_backward: `B T 2 H W`, frame t to t-1; any values where hidden.
            hidden: `B T 2 H W`, 1 = to be filled; channel 0 for the forward flow, channel 1 for the backward flow.

        Returns:
            The forward and the backward flow, `B T 2 H W`, in float32 or float64. Gradients reach only the parameters
            of the fill, if it has any.

        Raises:
            InputError: a known vector is not finite.
        """
        _require_finite(flow_forward, flow_backward, hidden)
        with torch.set_grad_enabled(torch.is_grad_enabled() and any(True for _ in self.parameters())):
            return self._fill(flow_forward.detach(), flow_backward.detach(), hidden)

    def _fill(self, flow_forward: Tensor, flow_backward: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        holes = [hidden[:, :, direction : direction + 1] > 0.5 for direction in range(2)]
        flows = [float32_or_better(flow) for flow in (flow_forward, flow_backward)]
        cleared = [torch.where(hole, 0, flow) for hole, flow in zip(holes, flows, strict=True)]
        filled = self.fill_window(cleared[0], cleared[1], holes[0], holes[1])
        forward, backward = (torch.where(*parts) for parts in zip(holes, filled, flows, strict=True))
        return forward, backward

    @abstractmethod
    def fill_window(
        self, forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return both flows filled. Given flows are `B T 2 H W`, 0 in the holes; the holes are bool `B T 1 H W`."""


def _require_finite(forward: Tensor, backward: Tensor, hidden: Tensor) -> None:
    if torch.compiler.is_compiling():  # an exported graph cannot branch on values
        return
    for name, flow, hole in (("forward", forward, hidden[:, :, :1]), ("backward", backward, hidden[:, :, 1:])):
        wrong = ~flow.isfinite().all(2, keepdim=True) & (hole <= 0.5)
        if wrong.any():
            _, frame, _, y, x = wrong.nonzero()[0].tolist()
            raise InputError(
                f"flow_{name}: {int(wrong.sum())} known vectors are not finite, the first in frame {frame} at x {x}, "
                f"y {y}; expected numbers wherever hidden is 0"
            )


class ZeroFill(Fill):
    """Fills with zero motion.

    Example:
        >>> import torch
        >>> flow, hidden = torch.ones(1, 1, 2, 5, 5), torch.zeros(1, 1, 2, 5, 5)
        >>> hidden[..., 2, 2] = 1
        >>> forward, backward = ZeroFill()(flow, flow, hidden)
        >>> forward[0, 0, 0, 2].tolist()
        [1.0, 1.0, 0.0, 1.0, 1.0]
    """

    def fill_window(
        self,
        forward: Tensor,
        backward: Tensor,
        forward_hole: Tensor,  # noqa: ARG002 (the flows are 0 there)
        backward_hole: Tensor,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """Return the flows unchanged: they are 0 in the holes."""
        return forward, backward


class FramewiseFill(Fill):
    """Fills each frame from its own known vectors.

    A frame without a known vector has no unique solution. It takes the flow of the nearest frame in time that has known
    vectors, the earlier one of two, or 0 if no frame has any.
    """

    def fill_window(
        self, forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fill the frames of both directions in one batch, then the frames without a known vector."""
        flow, hole = torch.stack([forward, backward]), torch.stack([forward_hole, backward_hole])
        fields, holes = flow.flatten(0, 2), hole.flatten(0, 2)
        whole = holes.flatten(1).all(1)
        some = (holes.flatten(1).any(1) & ~whole).nonzero()[:, 0]
        if len(some):
            fields = fields.index_copy(0, some, self.fill(fields[some], holes[some]))
        if whole.any():
            fields = _nearest_in_time(fields.view_as(flow).flatten(0, 1), whole.view(-1, hole.shape[2]))
        filled = fields.view_as(flow)
        return filled[0], filled[1]

    @abstractmethod
    def fill(self, field: Tensor, hole: Tensor) -> Tensor:
        """Return fields `N 2 H W` filled in `hole`, bool `N 1 H W`. Each field has known and hidden pixels."""


def _nearest_in_time(flow: Tensor, lost: Tensor) -> Tensor:
    """Return the flow `S T 2 H W`, each frame in `lost` (`S T`) replaced by the nearest other frame, or by 0."""
    time = torch.arange(flow.shape[1], device=flow.device)
    distance = (time[:, None] - time).abs() + lost[:, None] * len(time)  # sequence, frame, candidate frame
    nearest = distance.argmin(2)
    found = torch.arange(len(flow), device=flow.device)[:, None]
    return flow[found, nearest].masked_fill(lost.all(1)[:, None, None, None, None], 0)


class NearestFill(FramewiseFill):
    """Copies the vector of the nearest known pixel of the frame.

    Example:
        >>> import torch
        >>> flow, hidden = torch.ones(1, 1, 2, 5, 5), torch.zeros(1, 1, 2, 5, 5)
        >>> hidden[..., 2, 2] = 1
        >>> forward, backward = NearestFill()(flow, flow, hidden)
        >>> forward[0, 0, 0, 2].tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def fill(self, field: Tensor, hole: Tensor) -> Tensor:
        """Return `nearest(field, hole)`."""
        return nearest(field, hole)


class HarmonicFill(FramewiseFill):
    """The smoothest transition between the known vectors around a hole; see `nets.flow.solvers.harmonic`.

    Args:
        border: condition where a hole touches the frame's border. `"neumann"`: the derivative across the border is 0,
            as in the papers. `"linear"`: the derivative of the affine flow that best fits the frame's known vectors, so
            that an affine flow (pan, zoom, rotation, shear) is continued exactly.
        tolerance: largest error against the exact solution, in pixels of flow.

    Raises:
        InputError: the tolerance is not positive, or the border is unknown.

    Example:
        >>> import torch
        >>> flow = torch.arange(5.0).expand(1, 1, 2, 5, 5)  # a ramp, which is harmonic
        >>> hidden = torch.zeros(1, 1, 2, 5, 5)
        >>> hidden[..., 2, 1:4] = 1
        >>> forward, backward = HarmonicFill()(flow, flow, hidden)
        >>> forward[0, 0, 0, 2].round(decimals=2).tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0]
    """

    def __init__(self, border: Literal["neumann", "linear"] = "neumann", tolerance: float = 1e-3) -> None:
        super().__init__()
        if not tolerance > 0:
            raise InputError(f"HarmonicFill: tolerance is {tolerance}: expected a positive number of pixels")
        if border not in ("neumann", "linear"):
            raise InputError(f"HarmonicFill: border is {border!r}: expected 'neumann' or 'linear'")
        self.border, self.tolerance = border, tolerance

    def fill(self, field: Tensor, hole: Tensor) -> Tensor:
        """Return `harmonic(field, hole)` with the chosen border condition."""
        if self.border == "neumann":
            return harmonic(field, hole, self.tolerance)
        affine = affine_fit(field, hole)
        return torch.where(hole, harmonic(field - affine, hole, self.tolerance) + affine, field)


class BiharmonicFill(FramewiseFill):
    """The surface of least bending through the known vectors; see `nets.flow.solvers.biharmonic`.

    Example:
        >>> import torch
        >>> flow = torch.arange(5.0).expand(1, 1, 2, 5, 5)  # a ramp
        >>> hidden = torch.zeros(1, 1, 2, 5, 5)
        >>> hidden[..., 2, 3:] = 1  # the hole touches the border
        >>> forward, backward = BiharmonicFill()(flow, flow, hidden)
        >>> forward[0, 0, 0, 2].round(decimals=2).tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0]
    """

    def fill(self, field: Tensor, hole: Tensor) -> Tensor:
        """Return `biharmonic(field, hole)`."""
        return biharmonic(field, hole)


class InertiaFill(Fill):
    """Fills from the motion of the same points in the neighbouring frames, and with `fill` where they show nothing.

    The forward flow of a point at x in frame t comes, in this order, from:

    1. minus the backward flow of frame t+1 that ends at x: the same motion, seen from its other end, which is exact;
    2. the mean of the predictions of constant velocity: the point keeps the velocity that it had in frame t-1, or
       already has the velocity that it has in frame t+1.

    Vectors are moved by `splat`. The backward flow is filled in the same way with time reversed. If a hole hides only
    the vectors that start in it (protocol `source`), the first item reveals most of the answer without any learning.

    Args:
        fill: fills the remaining vectors; None for `HarmonicFill()`.
        constant_velocity: False leaves the second item out, which is wrong where something else comes into view. A
            `fill` that knows the neighbouring frames, such as `EdgeCutFill(InertiaFill())`, is better there.

    Example:
        >>> import torch
        >>> flow, hidden = torch.full((1, 2, 2, 5, 5), 2.0), torch.zeros(1, 2, 2, 5, 5)
        >>> flow[:, :, 1], hidden[:, 0, 0, 2, 2] = 0, 1  # 2 pixels to the right; one vector of frame 0 is hidden
        >>> forward, backward = InertiaFill(ZeroFill())(flow, -flow, hidden)
        >>> forward[0, 0, 0, 2].tolist()
        [2.0, 2.0, 2.0, 2.0, 2.0]
    """

    def __init__(self, fill: Fill | None = None, constant_velocity: bool = True) -> None:
        super().__init__()
        self.fill = HarmonicFill() if fill is None else fill
        self.constant_velocity = constant_velocity

    def fill_window(
        self, forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fill both directions from the neighbouring frames, then fill the rest."""
        carry = _carry if self.constant_velocity else _carry_exact
        ahead, ahead_hole = carry(forward, backward, forward_hole, backward_hole)
        reverse = [part.flip(1) for part in (backward, forward, backward_hole, forward_hole)]
        behind, behind_hole = (part.flip(1) for part in carry(*reverse))
        filled: tuple[Tensor, Tensor] = self.fill(ahead, behind, torch.cat([ahead_hole, behind_hole], 2))
        return filled


def _carry(forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor) -> tuple[Tensor, Tensor]:
    """Return the forward flow `B T 2 H W` completed from the neighbouring frames, and the remaining holes."""
    flow, left = _carry_exact(forward, backward, forward_hole, backward_hole)
    kept = [
        _land(forward, forward, ~forward_hole, -1),
        _land(-backward, -backward, forward_hole & ~backward_hole, -1),
        _land(forward, -forward, ~forward_hole, 1),
    ]
    total, weight = (torch.stack(parts).sum(0) for parts in zip(*kept, strict=True))
    landed = weight > LANDED
    return torch.where(left & landed, total / weight, flow), left & ~landed


def _carry_exact(
    forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
) -> tuple[Tensor, Tensor]:
    """Do the same with the backward flow of the next frame alone, which is the same motion, seen from its other end."""
    exact, weight = _land(-backward, backward, ~backward_hole, 1)
    landed = weight > LANDED
    return torch.where(forward_hole & landed, exact / weight, forward), forward_hole & ~landed


def _land(values: Tensor, motion: Tensor, known: Tensor, neighbour: int) -> tuple[Tensor, Tensor]:
    """Return the sum of values (`B T 2 H W`) and weights (`B T 1 H W`) that land on each frame from a neighbour.

    Args:
        values: `B T 2 H W`, the values to move.
        motion: `B T 2 H W`, the displacement in pixels.
        known: bool `B T 1 H W`, true where a value is moved.
        neighbour: 1 moves from frame t+1 to frame t, -1 from frame t-1 to frame t.
    """
    seen = torch.cat([values, torch.ones_like(values[:, :, :1])], 2) * known
    landed = splat(seen.flatten(0, 1), motion.flatten(0, 1)).view_as(seen).roll(-neighbour, 1)
    landed[:, -1 if neighbour == 1 else 0] = 0  # nothing comes from outside the window
    return landed[:, :, :2], landed[:, :, 2:]
