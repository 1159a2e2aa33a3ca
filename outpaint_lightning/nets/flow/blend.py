"""A fill that learns how to combine other fills."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from outpaint_lightning.geometry import pad, padding_to, unpad
from outpaint_lightning.nets.flow.fills import BiharmonicFill, Fill, HarmonicFill, InertiaFill, NearestFill
from outpaint_lightning.nets.localizers.unet import UShape
from outpaint_lightning.types import InputError

SLOWEST = 0.1  # smallest divisor in pixels of flow, so that slower motion is not scaled up to the same size


class BlendFill(Fill):
    """Blends several fills pixel by pixel with weights from a small net, and adds a correction from the same net.

    Each fill is the best one somewhere: smooth fills are right inside an object and wrong across its edge,
    `NearestFill` is the opposite, and `InertiaFill` is right where a neighbouring frame shows the same point. For each
    frame and direction, the input of the net is the first fill in this frame, the previous and the next one, the hole
    masks of these three frames, and the differences between the other fills and the first. The backward flow is treated
    as the forward flow of the reversed clip, so both directions share the net. The net gets motion minus the window's
    mean motion, divided by its root mean square.

    Before training, all fills have the same weight and the correction is zero.

    Args:
        fills: two or more fills without parameters of their own; None for `BiharmonicFill()`, `NearestFill()`,
            `HarmonicFill()` and `InertiaFill(NearestFill())`.
        width: number of channels of the net at full resolution, a multiple of 8.
        depth: number of levels below full resolution.

    Raises:
        InputError: there are fewer than two fills, or `UShape` rejects an option.

    Example:
        >>> flow, hidden = torch.ones(1, 3, 2, 16, 16), torch.zeros(1, 3, 2, 16, 16)
        >>> hidden[..., 4:12, 4:12] = 1
        >>> forward, backward = BlendFill([NearestFill(), HarmonicFill()], width=8, depth=1)(flow, flow, hidden)
        >>> bool(torch.allclose(forward, flow, atol=1e-3))  # constant flow is continued
        True
    """

    def __init__(self, fills: Sequence[Fill] | None = None, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        if fills is None:
            fills = BiharmonicFill(), NearestFill(), HarmonicFill(), InertiaFill(NearestFill())
        if len(fills) < 2:
            raise InputError(f"BlendFill: fills has {len(fills)}: expected two or more fills to weigh")
        self.fills: Sequence[Fill] = nn.ModuleList(fills)  # type: ignore[assignment] # a list of modules is not generic
        # Inputs: 2 components and the hole in 3 frames, and 2 components of the difference for each other fill.
        self.net = UShape(3 * (2 + 1) + 2 * (len(fills) - 1), len(fills) + 2, width, depth)
        for parameter in self.net.scores.parameters():
            nn.init.zeros_(parameter)

    def fill_window(
        self, forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return both flows, blended and corrected by the net."""
        with torch.no_grad():
            answers = [fill.fill_window(forward, backward, forward_hole, backward_hole) for fill in self.fills]
            filled = torch.stack([_along_time(*answer) for answer in answers], 3)  # B 2 T fills 2 H W
            hidden = _along_time(forward_hole, backward_hole).to(filled)
            seen, spread = _see(filled, hidden)
        batch, (height, width) = seen.shape[:3], seen.shape[-2:]
        padding = padding_to(height, width, multiple=self.net.stride, minimum=self.net.stride)
        said = unpad(self.net.rise(self.net.first(pad(seen.flatten(0, 2), padding))), padding)
        said = said.view(*batch, -1, height, width)
        weights = said[:, :, :, :-2].softmax(3)
        blend = (filled * weights[:, :, :, :, None]).sum(3) + said[:, :, :, -2:] * spread
        return blend[:, 0], blend[:, 1].flip(1)


def _along_time(forward: Tensor, backward: Tensor) -> Tensor:
    """Stack the data of the forward flow and, with time reversed, of the backward flow: `B 2 T C H W`."""
    return torch.stack([forward, backward.flip(1)], 1)


def _see(filled: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Return the input of the net, `B 2 T C H W`, and the spread of each direction's motion, `B 2 1 1 1 1`, in pixels.

    Args:
        filled: `B 2 T fills 2 H W` in pixels.
        hidden: `B 2 T 1 H W`.
    """
    first, others = filled[:, :, :, 0], filled[:, :, :, 1:]
    motion = first - first.mean((2, 4, 5), keepdim=True)
    spread = motion.square().mean((2, 3, 4, 5), keepdim=True).sqrt().clamp(min=SLOWEST)
    differences = (others - first[:, :, :, None]).flatten(3, 4)
    here = torch.cat([motion / spread, hidden], 3)
    before, after = torch.cat([here[:, :, :1], here[:, :, :-1]], 2), torch.cat([here[:, :, 1:], here[:, :, -1:]], 2)
    return torch.cat([here, before, after, differences / spread], 3), spread
