"""A critic that gives one score for a whole image."""

from __future__ import annotations

from torch import Tensor, nn

from outpaint_lightning.types import InputError


class GlobalDiscriminator(nn.Module):
    """Strided convolutions and a linear layer over all remaining features: one score for a whole image.

    The convolutions have size 4 and stride 2, LeakyReLU 0.2 and, from the second on, instance norm without weights.
    Unlike the mean score of `PatchDiscriminator`, this score can depend on positions. Source: the discriminator of Lu,
    Liao, Chiu, *Bridging the Visual Gap: Wide-Range Image Blending* (CVPR 2021). With its defaults, the net has 3.15
    million weights.

    Args:
        size: height and width of the images.
        width: number of channels of the first layer; they double with each layer.
        layers: number of convolutions.

    Raises:
        InputError: `width` or `layers` is below 1, the size is not a multiple of `2**layers`, or it is below twice
            that.

    Example:
        >>> import torch
        >>> GlobalDiscriminator((32, 96), width=4, layers=3)(torch.zeros(2, 1, 3, 32, 96)).shape
        torch.Size([2])
    """

    channels = 3

    def __init__(self, size: tuple[int, int] = (256, 768), width: int = 64, layers: int = 4) -> None:
        super().__init__()
        if width < 1 or layers < 1:
            name, value = ("layers", layers) if layers < 1 else ("width", width)
            raise InputError(f"GlobalDiscriminator: {name} is {value}: expected at least 1")
        stride = 2**layers
        if len(size) != 2 or any(side % stride or side < 2 * stride for side in size):
            raise InputError(
                f"GlobalDiscriminator: size is {list(size)}: expected [height, width], multiples of {stride} from "
                f"{2 * stride} on"
            )
        self.size = (size[0], size[1])
        parts: list[nn.Module] = []
        inputs = self.channels
        for number in range(layers):
            outputs = width * 2**number
            norm = nn.InstanceNorm2d(outputs) if number else nn.Identity()
            parts += [nn.Conv2d(inputs, outputs, 4, 2, 1), norm, nn.LeakyReLU(0.2)]
            inputs = outputs
        self.body = nn.Sequential(*parts)
        self.head = nn.Linear(inputs * (size[0] // stride) * (size[1] // stride), 1)

    def forward(self, clips: Tensor) -> Tensor:
        """Score clips `B T 3 H W` in [0, 1]; return `B`, the mean over the frames. Higher means more real.

        Raises:
            InputError: the frames have another size.
        """
        height, width = clips.shape[-2:]
        if (height, width) != self.size:
            raise InputError(f"GlobalDiscriminator: size is {list(self.size)}: the frames are {height}x{width}")
        scores: Tensor = self.head(self.body(clips.flatten(0, 1)).flatten(1))
        return scores.view(clips.shape[:2]).mean(1)
