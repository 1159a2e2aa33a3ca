"""Nets that complete hidden flow in one pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from outpaint_lightning.motion.hidden import SETUPS, Setup
from outpaint_lightning.nets.flow.completion import FlowCompletion
from outpaint_lightning.nets.flow.edges import jump_edges
from outpaint_lightning.nets.flow.fills import Fill, HarmonicFill
from outpaint_lightning.nets.flow.trunks import UNetTrunk
from outpaint_lightning.types import InputError, did_you_mean

SLOWEST = 0.1  # smallest divisor in pixels of flow, so that slower motion is not scaled up to the same size


class DirectFlow(nn.Module):
    """Completes the hidden flow of a window in one pass over all its frames.

    First, `fill` fills the hidden vectors. Then a trunk (a convolutional net) takes both flows of every frame, the
    masks of their hidden vectors and, optionally, edges and coordinates as its channels. It predicts the flows of the
    frames that have the hole. Flow is normalised by the mean and the spread of the window's known vectors; with
    normalised layers, a trunk could not see absolute speed. With `residual`, the trunk predicts a change of the fill,
    which is zero before training.

    Source: Chatillon et al., *Towards video inpainting: joint inpainting of motion and dynamic shapes with deep
    learning techniques* (2020), section 2. The paper has one mask per frame; here there are two, because a strict hole
    hides different vectors of each direction. The paper takes flow in pixels (`scale: 1`) and predicts it directly
    (`residual: false`).

    Args:
        trunk: makes the trunk from its number of input and output channels: a class of `nets.flow.trunks`.
        frames: number of frames T of a window.
        setup: frames whose vectors the trunk predicts: the two in the middle (`mid2`), `all`, or all but the first and
            last (`sandwich`). In other frames, hidden vectors (which strict holes have) keep the value of the fill.
        fill: gives the hidden vectors at the start. The paper's zero start is `ZeroFill`, its smooth start is
            `HarmonicFill`. None for `HarmonicFill()`.
        residual: whether the trunk predicts a change of the fill instead of the flow.
        scale: divides the flow, in pixels, without subtracting a mean; None uses the window's own mean and spread.
        coordinates: whether the trunk also takes x and y, in [-1, 1]: CoordConv (Liu et al., arXiv:1807.03247).
        edges: whether the trunk also takes the edges of the known flow and predicts those of the complete flow; see
            `nets.flow.edges`.

    Raises:
        InputError: an option is out of range.

    Example:
        >>> import torch
        >>> from functools import partial
        >>> flow, hidden = torch.ones(1, 6, 2, 16, 16), torch.zeros(1, 6, 2, 16, 16)
        >>> hidden[..., 4:12, 4:12] = 1
        >>> completion = DirectFlow(partial(UNetTrunk, width=8, depth=1))(flow, flow, hidden)
        >>> len(completion.forward), completion.forward[-1].shape  # the fill and the result
        (2, torch.Size([1, 6, 2, 16, 16]))
    """

    def __init__(
        self,
        trunk: Callable[[int, int], nn.Module] = UNetTrunk,
        frames: int = 6,
        setup: Setup = "all",
        fill: Fill | None = None,
        residual: bool = True,
        scale: float | None = None,
        coordinates: bool = False,
        edges: bool = False,
    ) -> None:
        super().__init__()
        if setup not in SETUPS:
            raise InputError(
                f"DirectFlow: setup is {setup!r}: expected one of {', '.join(SETUPS)}{did_you_mean(setup, SETUPS)}"
            )
        self.completed = range(frames)[SETUPS[setup](frames)]
        if not self.completed:
            raise InputError(f"DirectFlow: frames is {frames}: no frame is left for setup {setup}")
        if scale is not None and not scale > 0:
            raise InputError(f"DirectFlow: scale is {scale}: expected a positive number of pixels, or null")
        self.frames, self.setup, self.residual, self.scale = frames, setup, residual, scale
        self.coordinates, self.edges = coordinates, edges
        self.fill = HarmonicFill() if fill is None else fill
        self.channels_out = 6 if edges else 4  # output channels per frame: two flows, and an edge map of each
        self.trunk: Any = trunk(frames * (8 if edges else 6) + 2 * coordinates, len(self.completed) * self.channels_out)
        if residual:
            last: Any = self.trunk.last
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def forward(self, flow_forward: Tensor, flow_backward: Tensor, hidden: Tensor) -> FlowCompletion:
        """Complete both flows.

        Args:
            flow_forward: `B T 2 H W` in pixels, frame t to t+1; any values where hidden.
            flow_backward: `B T 2 H W`, frame t to t-1; any values where hidden.
            hidden: `B T 2 H W`, 1 = to be completed; channel 0 for the forward flow, channel 1 for the backward flow.

        Returns:
            The fill and the result, in float32, and the logits of `edges` if the net predicts edges.

        Raises:
            InputError: the window has another number of frames, or no known vector.
        """
        if flow_forward.shape[1] != self.frames:
            raise InputError(
                f"DirectFlow: frames is {self.frames}: the windows have {flow_forward.shape[1]} (data.frames)"
            )
        holes = hidden > 0.5
        if holes.flatten(1).all(1).any():
            raise InputError("DirectFlow: every vector of a window is hidden; expected a hole with something around it")
        start = torch.cat(self.fill(flow_forward, flow_backward, hidden), 2)
        mean, spread = self._units(start, holes)
        said = self.trunk(self._see((start - mean) / spread, start, holes)).float()
        said = said.unflatten(1, (len(self.completed), self.channels_out))
        rows = slice(self.completed.start, self.completed.stop)
        flow = start.clone()
        flow[:, rows] = said[:, :, :4] * spread + (start[:, rows] if self.residual else mean)
        flow = torch.where(holes.repeat_interleave(2, 2), flow, start)
        edges = None
        if self.edges:
            edges = flow.new_zeros(holes.shape)
            edges[:, rows] = said[:, :, 4:]
        return FlowCompletion([start[:, :, :2], flow[:, :, :2]], [start[:, :, 2:], flow[:, :, 2:]], edges=edges)

    def _units(self, start: Tensor, holes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean of each component of the known flow, `B 1 4 1 1`, and the spread of all, `B 1 1 1 1`."""
        if self.scale is not None:
            return start.new_zeros(()), start.new_tensor(self.scale)
        known = (~holes).repeat_interleave(2, 2).to(start.dtype)
        mean = (start * known).sum((1, 3, 4), keepdim=True) / known.sum((1, 3, 4), keepdim=True).clamp(min=1)
        squares = ((start - mean) * known).square().sum((1, 2, 3, 4), keepdim=True)
        return mean, (squares / known.sum((1, 2, 3, 4), keepdim=True)).sqrt().clamp(min=SLOWEST)

    def _see(self, flow: Tensor, start: Tensor, holes: Tensor) -> Tensor:
        """Return the trunk's input `B C H W`: for each frame normalised flow, hole masks and, if asked for, edges."""
        seen = [flow, holes.to(flow)]
        if self.edges:
            seen.append(known_edges(start, holes).to(flow))
        image = torch.cat(seen, 2).flatten(1, 2)
        if not self.coordinates:
            return image
        axes = (torch.linspace(-1, 1, side, device=image.device, dtype=image.dtype) for side in image.shape[:1:-1])
        x, y = torch.meshgrid(*axes, indexing="xy")
        return torch.cat([image, torch.stack([x, y]).expand(len(image), -1, -1, -1)], 1)


def known_edges(flow: Tensor, holes: Tensor) -> Tensor:
    """Return the edges between known vectors, bool `B T 2 H W`, for the forward and the backward flow.

    Args:
        flow: `B T 4 H W`, forward and backward.
        holes: bool `B T 2 H W`.
    """
    pairs, known = flow.reshape(-1, 2, *flow.shape[-2:]), (~holes).flatten(0, 2)[:, None]
    return jump_edges(pairs, known).view_as(holes)
