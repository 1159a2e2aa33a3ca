"""The generator of unsupervised spatiotemporal data inpainting: a 3D ResNet with self-attention in each frame."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.geometry import boxes_from_masks, padding_to
from outpaint_lightning.nets.generators.windows import fill_windows
from outpaint_lightning.nets.layers.attention import SelfAttention
from outpaint_lightning.nets.layers.conv import NORMS, ConvNd, Norm, ResBlock
from outpaint_lightning.types import InputError


class SpatiotemporalGenerator(nn.Module):
    """Fills the hidden voxels of a clip from all its known voxels.

    The net has residual blocks of 3 x 3 x 3 convolutions with spectral norm at full resolution. With the defaults,
    their channels are 1, 16, 8, 4, 2 and 1 times `width`. Self-attention over each frame comes before the last block. A
    convolution to the frames' channels and tanh follow.

    Source: Yin, Pajot, de Bezenac, Gallinari, *Unsupervised Spatiotemporal Data Inpainting* (2019). Differences: hidden
    voxels are 0 and the mask is an extra channel (the public re-implementation writes -100 into the clip and derives
    the mask from the sign). `widest`, `downs` and `start` are additions that the paper does not have.

    Args:
        channels: number of channels of a frame.
        width: number of channels of the first and the last block; the paper has 32.
        widest: the second block has `widest * width` channels; a power of two from 2 to 128; the paper has 16.
        downs: how often height and width are halved between the first and the last block; the paper has 0.
        norm: `batch`, as in the paper, or `group`, which can train with batches of any size.
        frames: length T of the windows that `fill` cuts clips into; the number of frames of the training is best.
        start: a fill (`NearestFrameFill`, ...) that the net corrects. Before training, the net returns what the fill
            gives. None: the net predicts the colours directly, as in the paper.
        context: `fill` gives the net only the box around the holes of a window and this many pixels beside it; None
            gives it whole frames.

    Raises:
        InputError: an option is out of range.

    Example:
        >>> import torch
        >>> net = SpatiotemporalGenerator(width=4, widest=4, norm="group")
        >>> clip, mask = torch.rand(2, 5, 3, 16, 20), torch.zeros(2, 5, 1, 16, 20)
        >>> net(clip, mask).shape
        torch.Size([2, 5, 3, 16, 20])
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 32,
        widest: int = 16,
        downs: int = 0,
        norm: Norm = "batch",
        frames: int = 8,
        start: nn.Module | None = None,
        context: int | None = 64,
    ) -> None:
        super().__init__()
        _check(width, widest, downs, norm, frames, context)
        self.channels, self.downs, self.norm, self.frames = channels, downs, norm, frames
        self.start, self.context = start, context
        self.first = ResBlock(3, channels + 1, width, norm)
        self.down = nn.ModuleList(ConvNd(3, width, width, stride=(1, 2, 2)) for _ in range(downs))
        widths = [width, *(width * 2**power for power in range(widest.bit_length() - 1, 0, -1))]
        self.body = nn.Sequential(
            *(ResBlock(3, *pair, norm) for pair in pairwise(widths)),
            SelfAttention(2 * width),
            ResBlock(3, 2 * width, width, norm),
        )
        self.up = nn.ModuleList(ResBlock(3, 2 * width, width, norm) for _ in range(downs))
        self.head = nn.Sequential(NORMS[3, norm](width), nn.ReLU(), ConvNd(3, width, channels, spectral=start is None))
        if start is not None:
            for parameter in self.head[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Paint all voxels of clips. Only those inside the mask are meant to be used.

        Args:
            image: `B T C H W` in [0, 1]; not read where the mask is 1.
            mask: `B T 1 H W` in {0, 1}, 1 = hidden.

        Returns:
            `B T C H W`, in [0, 1] without `start`. With `start`, values may leave this range.

        Raises:
            InputError: the clips have another number of channels, or the net trains with `norm: batch` and a batch of
                one clip.
        """
        batch, _, channels, height, width = image.shape
        if channels != self.channels:
            raise InputError(f"SpatiotemporalGenerator: channels is {self.channels}: the clips have {channels}")
        if self.training and self.norm == "batch" and batch < 2:
            raise InputError(
                "SpatiotemporalGenerator: norm is 'batch': a batch of 1 clip has no statistics of a batch; expected "
                "data.batch_size 2 or more, or norm 'group'"
            )
        hole = mask > 0.5
        begun = image.new_full((), 0.5) if self.start is None else self.start(image, mask)
        seen = torch.cat([torch.where(hole, begun, image) * 2 - 1, mask.to(image.dtype)], 2).transpose(1, 2)
        left, right, top, bottom = padding_to(height, width, 2**self.downs, 1)
        padded = F.pad(seen, (left, right, top, bottom, 0, 0), mode="replicate")
        made = self._made(padded)[..., top : top + height, left : left + width].transpose(1, 2)
        return (made.tanh() + 1) / 2 if self.start is None else begun + made

    def _made(self, clip: Tensor) -> Tensor:
        features: Tensor = self.first(clip)
        finer = []
        for down in self.down:
            finer.append(features)
            features = F.leaky_relu(down(features), 0.2)
        features = self.body(features)
        for up in self.up:
            larger = F.interpolate(features, finer[-1].shape[2:], mode="nearest")
            features = up(torch.cat([larger, finer.pop()], 1))
        made: Tensor = self.head(features)
        return made

    def fill(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return clips of any length with their holes filled; see `forge.fills.net.Generator`.

        Windows of `frames` frames overlap by half and are blended. Known voxels stay bit-identical.

        Args:
            image: `B T C H W` in [0, 1].
            mask: `B T 1 H W`, 1 = hidden.
        """
        clips = [
            torch.stack([*fill_windows(self.filled, zip(clip, hole, strict=True), self.frames)])
            for clip, hole in zip(image, mask, strict=True)
        ]
        return torch.where(mask > 0.5, torch.stack(clips), image)

    def filled(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return clips with their holes filled, in [0, 1]. All frames are processed at once; see `context`."""
        hole = mask > 0.5
        if not hole.any():
            return image
        box = (..., *self._surroundings(hole.flatten(0, 2).any(0)))
        filled = image.clone()
        filled[box] = torch.where(hole[box], self(image[box], mask[box]).clamp(0, 1), image[box])
        return filled

    def _surroundings(self, hole: Tensor) -> tuple[slice, slice]:
        """Return the rows and columns within `context` of the box around a hole, bool `H W`."""
        if self.context is None:
            return slice(None), slice(None)
        more = self.context
        box = boxes_from_masks(hole[None, None])[0].int().cpu() + torch.tensor([-more, -more, more, more])
        left, top, right, bottom = box.clamp(min=0).tolist()
        return slice(top, bottom), slice(left, right)


def _check(width: int, widest: int, downs: int, norm: str, frames: int, context: int | None) -> None:
    """Raise InputError for an option of the generator that is out of range."""
    powers = [2**power for power in range(1, 8)]
    for name, value, fine, expected in (
        ("width", width, width >= 4, "at least 4"),
        ("widest", widest, widest in powers, f"one of {', '.join(map(str, powers))}"),
        ("downs", downs, downs >= 0, "0 or more"),
        ("frames", frames, frames >= 1, "at least 1"),
        ("norm", norm, norm in ("batch", "group"), "batch or group"),
        ("context", context, context is None or context >= 0, "0 or more, or null"),
    ):
        if not fine:
            raise InputError(f"SpatiotemporalGenerator: {name} is {value!r}: expected {expected}")
