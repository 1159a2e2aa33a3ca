"""A critic that scores whether optical flow is true or completed."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from outpaint_lightning.types import InputError

MOST = 4
"""No layer has more than this times `width` channels."""


class FlowCritic(nn.Module):
    """A PatchGAN critic at full resolution for WGAN-GP, without normalisation.

    It has no normalisation because the gradient penalty is computed for each sample alone. `layers` 4x4 convolutions of
    stride 1 with LeakyReLU 0.2 come first; their channels double up to four times `width`. A last 4x4 convolution gives
    one channel. All frames of a window are stacked along the channel axis.

    Source: the code of Chatillon et al. (2020), with 64, 128, 256 and 256 channels.

    Args:
        frames: number of frames T of a window.
        channels: number of channels of a frame: 6 are two flows and their hole masks; edges are 2 more.
        width: number of channels of the first layer.
        layers: number of layers before the last one.

    Raises:
        InputError: an option is below 1.

    Example:
        >>> import torch
        >>> FlowCritic(frames=3, width=4, layers=2)(torch.zeros(2, 3, 6, 20, 24)).shape
        torch.Size([2, 1, 17, 21])
    """

    def __init__(self, frames: int = 6, channels: int = 6, width: int = 64, layers: int = 4) -> None:
        super().__init__()
        for name, value in (("frames", frames), ("channels", channels), ("width", width), ("layers", layers)):
            if value < 1:
                raise InputError(f"FlowCritic: {name} is {value}: expected at least 1")
        self.frames, self.channels = frames, channels
        widths = [frames * channels, *(min(2**number, MOST) * width for number in range(layers))]
        parts: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            parts += [nn.Conv2d(inputs, outputs, 4, padding=1), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, padding=1))

    def forward(self, clips: Tensor) -> Tensor:
        """Score windows.

        Args:
            clips: `B T C H W`.

        Returns:
            `B 1 h w`, a score for each patch; higher means more real.

        Raises:
            InputError: the windows have another number of frames or channels.
        """
        if (given := tuple(clips.shape[1:3])) != (self.frames, self.channels):
            raise InputError(
                f"FlowCritic: frames is {self.frames}, channels {self.channels}: the windows have {given[0]} and "
                f"{given[1]} (edges add 2 channels)"
            )
        scores: Tensor = self.body(clips.flatten(1, 2))
        return scores
