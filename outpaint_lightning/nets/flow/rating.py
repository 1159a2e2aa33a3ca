"""A net that predicts the error of another net's completed flow."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from outpaint_lightning.geometry import pad, padding_to, round_trip, unpad
from outpaint_lightning.nets.flow.completion import FlowCompletion
from outpaint_lightning.nets.flow.edges import steps as steps_of
from outpaint_lightning.nets.flow.fills import HarmonicFill, NearestFill
from outpaint_lightning.nets.flow.net_fill import load_weights
from outpaint_lightning.nets.localizers.unet import UShape
from outpaint_lightning.types import InputError

SIGNS = 10  # input channels of the rating net per frame and direction
STEEPEST = 4.0  # bound of the predicted log error: errors lie between e^-4 and e^4 times the spread of motion
SLOWEST = 0.1  # smallest divisor in pixels of flow, so that slower motion is not scaled up to the same size


class RatedFlow(nn.Module):
    """Completes flow with another net and predicts the expected error of every vector, in pixels.

    The other net is not trained any further. For each frame and direction, a small U-Net takes signs of uncertain flow:
    the lengths of the differences between the result, a smooth fill and a nearest fill; the change of the flow from
    pixel to pixel; the distance between start and end of a path to the neighbouring frame and back; the hole masks of
    both directions; and the flow itself. All lengths are divided by the spread of the known motion. Train it with
    `CompletionCriterion(l1=0, rating=1)`.

    The confidence is `1 / (1 + error)`, which is 1 where vectors are known. In contrast, the confidence of a refiner's
    partial convolutions only tells how far known vectors have spread.

    Args:
        net: returns a `FlowCompletion`.
        weights: checkpoint of the net's task; None uses the net as it is.
        width: number of channels of the U-Net at full resolution, a multiple of 8.
        depth: number of levels below full resolution.

    Raises:
        InputError: the checkpoint cannot be read or holds another net, or `UShape` rejects an option.

    Example:
        >>> from outpaint_lightning.nets.flow.refiner import FlowRefiner
        >>> flow, hidden = torch.ones(1, 2, 2, 16, 16), torch.zeros(1, 2, 2, 16, 16)
        >>> hidden[..., 4:12, 4:12] = 1
        >>> completion = RatedFlow(FlowRefiner(channels=4, steps=1), width=8, depth=1)(flow, flow, hidden)
        >>> completion.scale.shape, completion.scale[0, 0, 0, 0, 0].item()  # no error where flow is known
        (torch.Size([1, 2, 2, 16, 16]), 0.0)
    """

    def __init__(self, net: nn.Module, weights: str | None = None, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        self.net: Any = load_weights(net, weights).requires_grad_(False)
        self.smooth, self.near = HarmonicFill(), NearestFill()
        self.rate = UShape(SIGNS, 1, width, depth)

    @property
    def fill(self) -> nn.Module:
        """The fill that the other net starts from."""
        fill: nn.Module = self.net.fill
        return fill

    @property
    def setup(self) -> str:
        """The setup that the other net is made for: the frames that have the hole."""
        setup: str = getattr(self.net, "setup", "all")
        return setup

    @property
    def frames(self) -> int | None:
        """The number of frames that the other net is made for; None for any number."""
        frames: int | None = getattr(self.net, "frames", None)
        return frames

    def forward(
        self, flow_forward: Tensor, flow_backward: Tensor, hidden: Tensor, steps: int | None = None
    ) -> FlowCompletion:
        """Complete both flows.

        Args:
            flow_forward: `B T 2 H W` in pixels, frame t to t+1; any values where hidden.
            flow_backward: `B T 2 H W`, frame t to t-1; any values where hidden.
            hidden: `B T 2 H W`, 1 = to be completed; channel 0 for the forward flow, channel 1 for the backward flow.
            steps: number of updates, for a net that has updates; None for the net's own number.

        Returns:
            The completion of the other net with `scale`, the expected error in pixels, and one `confidence`.

        Raises:
            InputError: `steps` is given and the other net has no updates.
        """
        if steps is not None and "steps" not in inspect.signature(self.net.forward).parameters:
            raise InputError(f"RatedFlow: steps is {steps}: {type(self.net).__name__} makes no updates; expected none")
        options = {} if steps is None else {"steps": steps}
        with torch.no_grad():
            completion: FlowCompletion = self.net(flow_forward, flow_backward, hidden, **options)
            fills = [fill(flow_forward, flow_backward, hidden) for fill in (self.smooth, self.near)]
            seen, spread = _signs(completion, fills, hidden > 0.5)
        size, (height, width) = seen.shape[:3], seen.shape[-2:]
        padding = padding_to(height, width, multiple=self.rate.stride, minimum=self.rate.stride)
        said = unpad(self.rate.rise(self.rate.first(pad(seen.flatten(0, 2), padding))), padding).float()
        scale = spread * said.view(*size, height, width).clamp(-STEEPEST, STEEPEST).exp()
        scale = torch.where(hidden > 0.5, scale, 0)
        return completion._replace(scale=scale, confidence=[1 / (1 + scale)])


def _signs(completion: FlowCompletion, fills: list[tuple[Tensor, Tensor]], holes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rating net's input, `B T direction SIGNS H W`, and the spread of motion, `B 1 1 1 1`, in pixels."""
    answer, smooth, near = (
        torch.stack(pair, 2).float() for pair in ((completion.forward[-1], completion.backward[-1]), *fills)
    )
    known = (~holes)[:, :, :, None].float()
    count = known.sum((1, 2, 4, 5), keepdim=True).clamp(min=1)
    mean = (answer * known).sum((1, 4, 5), keepdim=True) / known.sum((1, 4, 5), keepdim=True).clamp(min=1)
    spread = (((answer - mean) * known).square().sum((1, 2, 3, 4, 5), keepdim=True) / count[:, :, :, :1]).sqrt()
    spread = spread.clamp(min=SLOWEST)
    right, down = (part.view_as(answer) for part in steps_of(answer.flatten(0, 2)))
    differences = [answer - smooth, answer - near, smooth - near, right, down, _cycles(answer)]
    lengths = [torch.linalg.vector_norm(each, dim=3, keepdim=True) / spread for each in differences]
    hidden = holes[:, :, :, None].float()
    signs = [*(length.log1p() for length in lengths), (answer - mean) / spread, hidden, hidden.flip(2)]
    return torch.cat(signs, 3), spread[:, :, :, 0]


def _cycles(flow: Tensor) -> Tensor:
    """Return the vector from each pixel to the end of its path to the neighbouring frame and back, `B T 2 2 H W`.

    It is 0 if there is no such frame.

    Args:
        flow: `B T direction 2 H W`.
    """
    forward, backward = flow.unbind(2)
    cycles = torch.zeros_like(flow)
    cycles[:, :-1, 0] = _there_and_back(forward[:, :-1], backward[:, 1:])
    cycles[:, 1:, 1] = _there_and_back(backward[:, 1:], forward[:, :-1])
    return cycles


def _there_and_back(there: Tensor, back: Tensor) -> Tensor:
    return round_trip(there.flatten(0, 1), back.flatten(0, 1)).view_as(there)
