"""A fill that learns how to combine other fills."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from outpaint_lightning.geometry import boxes_from_masks, pad, padding_to, unpad
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
        margin: the net sees only the frames with a hole, cropped to the holes and this number of pixels around them.
            This costs less, and is another net. None shows it whole frames.
        remember: in training, keep the results of the fills for this number of windows, and use them when a window
            comes again. It pays off if the windows of all epochs are the same (`data.fresh: false`).

    Raises:
        InputError: there are fewer than two fills, `margin` or `remember` is negative, or `UShape` rejects an option.

    Example:
        >>> flow, hidden = torch.ones(1, 3, 2, 16, 16), torch.zeros(1, 3, 2, 16, 16)
        >>> hidden[..., 4:12, 4:12] = 1
        >>> forward, backward = BlendFill([NearestFill(), HarmonicFill()], width=8, depth=1)(flow, flow, hidden)
        >>> bool(torch.allclose(forward, flow, atol=1e-3))  # constant flow is continued
        True
    """

    def __init__(
        self,
        fills: Sequence[Fill] | None = None,
        width: int = 16,
        depth: int = 3,
        margin: int | None = None,
        remember: int = 0,
    ) -> None:
        super().__init__()
        if fills is None:
            fills = BiharmonicFill(), NearestFill(), HarmonicFill(), InertiaFill(NearestFill())
        if len(fills) < 2:
            raise InputError(f"BlendFill: fills has {len(fills)}: expected two or more fills to weigh")
        for name, value in (("margin", margin), ("remember", remember)):
            if value is not None and value < 0:
                raise InputError(f"BlendFill: {name} is {value}: expected 0 or more")
        self.margin, self.remember = margin, remember
        self._remembered: dict[bytes, Tensor] = {}
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
            filled = self._candidates(forward, backward, forward_hole, backward_hole)
            hidden = _along_time(forward_hole, backward_hole)
            seen, spread = _see(filled, hidden.to(filled))
        said = self._said(seen, hidden)
        weights = said[:, :, :, :-2].softmax(3)
        blend = (filled * weights[:, :, :, :, None]).sum(3) + said[:, :, :, -2:] * spread
        return blend[:, 0], blend[:, 1].flip(1)

    def _candidates(self, *window: Tensor) -> Tensor:
        """Return the results of the fills, `B 2 T fills 2 H W`, with time reversed in the backward flow."""
        if self.training and self.remember:
            each = zip(*(torch.split(part, 1) for part in window), strict=True)
            return torch.cat([self._recall(*one) for one in each])
        return self._compute(*window)

    def _compute(self, *window: Tensor) -> Tensor:
        return torch.stack([_along_time(*fill.fill_window(*window)) for fill in self.fills], 3)

    def _recall(self, forward: Tensor, backward: Tensor, *holes: Tensor) -> Tensor:
        """Return the results of the fills for one window, from memory if it came before."""
        content = b"".join(part.cpu().numpy().tobytes() for part in (forward, backward, *holes))
        key = hashlib.blake2b(content, digest_size=16).digest()
        given = _along_time(forward, backward)[:, :, :, None].repeat_interleave(len(self.fills), 3)
        hidden = _along_time(*holes)[:, :, :, None].expand_as(given)
        if key in self._remembered:
            return given.masked_scatter(hidden, self._remembered[key])
        filled = self._compute(forward, backward, *holes)
        if len(self._remembered) < self.remember:
            self._remembered[key] = filled[hidden]
        return filled

    def _said(self, seen: Tensor, hidden: Tensor) -> Tensor:
        """Return the output of the net, `B 2 T C H W`; 0 where it sees nothing.

        Args:
            seen: `B 2 T C H W`.
            hidden: bool `B 2 T 1 H W`.
        """
        if self.margin is None:
            return self._ask(seen.flatten(0, 2)).view(*seen.shape[:3], -1, *seen.shape[-2:])
        said = []
        for window, holes in zip(seen.flatten(1, 2), hidden.flatten(1, 2), strict=True):
            out = window.new_zeros(len(window), self.net.scores.out_channels, *window.shape[-2:])
            if holes.any():
                frames = holes.flatten(1).any(1).nonzero()[:, 0]
                rows, columns = _around(holes.any(0), self.margin)
                out[frames, :, rows, columns] = self._ask(window[frames, :, rows, columns])
            said.append(out)
        return torch.unflatten(torch.stack(said), 1, seen.shape[1:3])

    def _ask(self, seen: Tensor) -> Tensor:
        """Return the output of the net, `N C H W`, for frames of any size."""
        padding = padding_to(seen.shape[-2], seen.shape[-1], multiple=self.net.stride, minimum=self.net.stride)
        return unpad(self.net.rise(self.net.first(pad(seen, padding))), padding)


def _around(hole: Tensor, margin: int) -> tuple[slice, slice]:
    """Return the rows and the columns of the box around a hole, bool `1 H W`, and `margin` pixels around it."""
    left, top, right, bottom = boxes_from_masks(hole[None])[0].long().tolist()
    return slice(max(0, top - margin), bottom + margin), slice(max(0, left - margin), right + margin)


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
