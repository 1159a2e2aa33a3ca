"""A fill that learns where to trust which of the others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from outpaint_lightning.geometry import pad, padding_to, unpad
from outpaint_lightning.nets.flow.fills import BiharmonicFill, Fill, HarmonicFill, InertiaFill, NearestFill
from outpaint_lightning.nets.localizers.unet import UShape
from outpaint_lightning.types import InputError

SLOWEST = 0.1  # pixels of flow; slower motion is not blown up to the same size


class BlendFill(Fill):
    """Other fills, weighed pixel by pixel by a small net, and corrected by what it adds.

    Smooth fills are right inside an object and wrong across its edge, nearest ones the other way round, and inertia
    where a neighbouring frame saw the same point; each is the best of them somewhere. The net sees, of each frame and
    direction: the first of the fills, in this frame, the previous and the next one; what is hidden in the three; and
    how the other fills differ from the first. The backward flow is that of the film run backwards, so both directions
    share the net, which sees motion against the mean motion of the window, in units of its spread.

    Before training all weigh the same and nothing is added.

    Args:
        fills: that are weighed, two or more, each without parameters of its own; None for `BiharmonicFill()`,
            `NearestFill()`, `HarmonicFill()` and `InertiaFill(NearestFill())`.
        width: channels of the net at full resolution, a multiple of 8.
        depth: levels below full resolution.

    Raises:
        InputError: fewer than two fills, or an option that `UShape` refuses.
    """

    def __init__(self, fills: Sequence[Fill] | None = None, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        if fills is None:
            fills = BiharmonicFill(), NearestFill(), HarmonicFill(), InertiaFill(NearestFill())
        if len(fills) < 2:
            raise InputError(f"BlendFill: fills has {len(fills)}: expected two or more fills to weigh")
        self.fills: Sequence[Fill] = nn.ModuleList(fills)  # type: ignore[assignment] # a list of modules is not generic
        # 3 frames of a fill's 2 components and of what is hidden, and the differences of the other fills.
        self.net = UShape(3 * (2 + 1) + 2 * (len(fills) - 1), len(fills) + 2, width, depth)
        for parameter in self.net.scores.parameters():
            nn.init.zeros_(parameter)

    def fill_window(
        self, forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return both flows as the net blends the fills."""
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
    """Return `B 2 T C H W`: what is said of the forward flow, and of the backward flow with time reversed."""
    return torch.stack([forward, backward.flip(1)], 1)


def _see(filled: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the net sees, `B 2 T C H W`, and the spread of each direction's motion, `B 2 1 1 1 1`, in pixels.

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
