"""Critics: nets that score how real each patch of a frame or clip looks."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.nets.layers.conv import ConvNd
from outpaint_lightning.types import InputError

Head = Literal["patch", "global", "mask"]
MOST = 8
"""No layer has more than this times `width` channels."""


class Critic(nn.Module):
    """A net that is called with clips `B T C H W` in [0, 1] and returns scores; higher means more real.

    Attributes:
        dim: 2 if each frame is scored by itself, 3 if clips are.
        head: shape of the scores, see `PatchDiscriminator`.
    """

    dim: int
    head: Head


class PatchDiscriminator(Critic):
    """A PatchGAN critic with spectral norm: each score depends only on one patch of the input.

    It has `layers` convolutions of stride 2 in space (1 in time), one convolution of stride 1, and a last convolution
    to one channel. All kernels have size 3. It uses LeakyReLU 0.2 and no normalisation of activations. With three
    layers, a patch has 47 x 47 pixels.

    Source: Isola et al., *Image-to-Image Translation with Conditional Adversarial Networks* (CVPR 2017,
    arXiv:1611.07004). It serves as the frame and the sequence discriminator of Yin et al. (2019).

    Args:
        dim: 2 scores frames, 3 scores clips.
        channels: number of channels of a frame.
        width: number of channels of the first layer; they double with each layer, up to 8 times `width`.
        layers: number of layers of stride 2.
        head: `patch` gives one score per patch, `global` gives their mean, one score per input, `mask` gives the scores
            enlarged to the input's size.
        differences: score the differences of consecutive frames instead of the frames; only with `dim` 3.

    Raises:
        InputError: `dim`, `layers`, `head` or `differences` is out of range.

    Example:
        >>> import torch
        >>> clips = torch.zeros(2, 5, 3, 64, 64)  # B T C H W
        >>> PatchDiscriminator(2)(clips).shape, PatchDiscriminator(3, head="global")(clips).shape
        (torch.Size([2, 5, 1, 8, 8]), torch.Size([2]))
    """

    def __init__(
        self,
        dim: int,
        channels: int = 3,
        width: int = 32,
        layers: int = 3,
        head: Head = "patch",
        differences: bool = False,
    ) -> None:
        super().__init__()
        if min(layers, width) < 1:
            name, value = ("layers", layers) if layers < 1 else ("width", width)
            raise InputError(f"PatchDiscriminator: {name} is {value}: expected at least 1")
        if head not in ("patch", "global", "mask"):
            raise InputError(f"PatchDiscriminator: head is {head!r}: expected patch, global or mask")
        if differences and dim != 3:
            raise InputError(f"PatchDiscriminator: differences is true: expected false with dim {dim}")
        self.dim, self.channels, self.head, self.differences = dim, channels, head, differences
        stride = (2, 2) if dim == 2 else (1, 2, 2)
        widths = [channels, *(min(2**number, MOST) * width for number in range(layers + 1))]
        steps = [stride] * layers + [(1,) * dim]
        parts: list[nn.Module] = []
        for inputs, outputs, step in zip(widths, widths[1:], steps, strict=False):
            parts += [ConvNd(dim, inputs, outputs, stride=step), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*parts, ConvNd(dim, widths[-1], 1))

    def forward(self, clips: Tensor) -> Tensor:
        """Score clips.

        Args:
            clips: `B T C H W` in [0, 1]; T = 1 for single frames.

        Returns:
            `B T 1 h w` for `patch`, `B T 1 H W` for `mask`, `B` for `global`; higher means more real. With
            `differences`, T is one less.

        Raises:
            InputError: the clips have another number of channels, or `differences` is true and there is only one frame.
        """
        frames, channels = clips.shape[1:3]
        if channels != self.channels:
            raise InputError(f"PatchDiscriminator: channels is {self.channels}: the frames have {channels}")
        if self.differences and frames < 2:
            raise InputError("PatchDiscriminator: differences is true: expected clips of 2 frames or more, got 1")
        seen = clips.diff(dim=1) if self.differences else clips * 2 - 1
        scores: Tensor = self._scores(seen)
        if self.head == "global":
            return scores.flatten(1).mean(1)
        if self.head == "mask":
            size = [clips.shape[-2], clips.shape[-1]]
            enlarged = F.interpolate(scores.flatten(0, 1), size, mode="bilinear", align_corners=False)
            return enlarged.view(*scores.shape[:2], *enlarged.shape[1:])
        return scores

    def layers(self, clips: Tensor) -> list[Tensor]:
        """Return the activations of each layer for clips `B T C H W`, and the patch scores last.

        With `dim` 2 they are `B*T C h w`, with `dim` 3 they are `B C T h w`.
        """
        seen = clips.diff(dim=1) if self.differences else clips * 2 - 1
        features = seen.flatten(0, 1) if self.dim == 2 else seen.transpose(1, 2)
        found = []
        for part in self.body:
            features = part(features)
            if not isinstance(part, ConvNd):
                found.append(features)
        return [*found, features]

    def _scores(self, clips: Tensor) -> Tensor:
        if self.dim == 2:
            scores: Tensor = self.body(clips.flatten(0, 1))
            return scores.view(*clips.shape[:2], *scores.shape[1:])
        volume: Tensor = self.body(clips.transpose(1, 2))
        return volume.transpose(1, 2)
