"""A detector of the forged region of an image: whether there is one, its box and, if asked, its mask."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.nets.detectors.backbones import Backbone
from outpaint_lightning.types import InputError

MINIMUM_SIDE = 64  # AlexNet's last pooling needs 63
DECODER_CHANNELS = 64


class RegionOutput(NamedTuple):
    """What a region detector says of a batch."""

    logit: Tensor
    """`B`: the logit of the image holding a forged region."""
    box: Tensor
    """`B 4`: `xmin ymin xmax ymax` in pixels, half-open; whether it means anything, `logit` says."""
    mask: Tensor | None
    """`B 1 H W`: logits of the pixels being forged; None without a decoder."""


class RegionDetector(nn.Module):
    """An ImageNet classifier whose last layer is replaced by one class unit and four of the box.

    Source: *Classification & Localization of Inpainted Regions* (Sideras 2023). It prints "one sigmoid and 5 linear
    units", while a box has four numbers. What is between the backbone and the last layer stays as torchvision has it:
    two layers of 4096 units in AlexNet and VGG, global average pooling in ResNets.

    Args:
        backbone: `"alexnet"`, `"vgg11"`, `"resnet18"` or `"resnet50"`.
        weights: of the backbone: None for none, `"imagenet"`, or a torchvision file; see `Backbone`.
        segmentation: add a `MaskDecoder` on the backbone's feature maps.
        residual: high-pass filters that the backbone sees beside the colours, such as `SrmFilters`; None for none, as
            in the source.

    Raises:
        InputError: see `Backbone`.
    """

    def __init__(
        self,
        backbone: str = "resnet18",
        weights: str | None = None,
        segmentation: bool = False,
        residual: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.backbone = Backbone(backbone, weights, residual)
        self.last = nn.Linear(self.backbone.features, 1 + 4)
        self.decoder = MaskDecoder(self.backbone.channels) if segmentation else None

    def forward(self, image: Tensor) -> RegionOutput:
        """Judge images.

        Args:
            image: `B T 3 H W` RGB in [0, 1], sides of 64 pixels or more; the first frame is used.

        Returns:
            The logit and the box, in float32 also under autocast, and the mask's logits at the size of the image.

        Raises:
            InputError: the image is too small.
        """
        height, width = image.shape[-2:]
        if min(height, width) < MINIMUM_SIDE:
            raise InputError(
                f"RegionDetector: image is {height}x{width}: expected {MINIMUM_SIDE} pixels a side at least (data.size)"
            )
        maps = self.backbone(image[:, 0])
        features = self.backbone.trunk(maps[-1])
        with torch.autocast(image.device.type, enabled=False):  # half a number's digits are a pixel of a large image
            logit, numbers = self.last(features.float()).split((1, 4), 1)
        mask = None if self.decoder is None else self.decoder(maps, (height, width))
        return RegionOutput(logit[:, 0], decode_boxes(numbers, height, width), mask)


class MaskDecoder(nn.Module):
    """One logit per pixel from a backbone's feature maps.

    Source: the top-down path of Lin et al., *Feature Pyramid Networks* (CVPR 2017, arXiv:1612.03144), section 3: each
    map is brought to the same number of channels and added to what comes from the coarser ones. Only the finest sum is
    smoothed and read. That masks be trained beside boxes is the idea Sideras leaves open.

    Args:
        channels: of the maps, from fine to coarse.
    """

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(count, DECODER_CHANNELS, 1) for count in channels)
        self.smooth = nn.Conv2d(DECODER_CHANNELS, DECODER_CHANNELS, 3, padding=1)
        self.score = nn.Conv2d(DECODER_CHANNELS, 1, 1)

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Return logits `B 1 H W` of `size` (H, W) from maps `B C h w`, fine to coarse."""
        *finer, total = [lateral(features) for lateral, features in zip(self.lateral, maps, strict=True)]
        for features in reversed(finer):
            total = features + F.interpolate(total, features.shape[-2:])
        logits: Tensor = self.score(self.smooth(total).relu())
        return F.interpolate(logits, size, mode="bilinear")


def decode_boxes(numbers: Tensor, height: int, width: int) -> Tensor:
    """Return the boxes that four numbers each mean: whatever they are, at least a pixel wide and inside the image.

    With s the sigmoid, and the same for y and the height::

        side = 1 + (width - 1) s(size)
        xmin = s(place) (width - side)
        xmax = xmin + side

    A region has a pixel at least, and 0 <= xmin < xmax <= width holds in float32 too: rounding is monotonic, and
    integers are exact.

    Args:
        numbers: `B 4`: place x and y, size x and y.
        height: of the image, in pixels.
        width: of the image, in pixels.

    Returns:
        `B 4`: `xmin ymin xmax ymax` in pixels.
    """
    place_x, place_y, size_x, size_y = numbers.sigmoid().unbind(1)
    side_x, side_y = 1 + (width - 1) * size_x, 1 + (height - 1) * size_y
    xmin, ymin = place_x * (width - side_x), place_y * (height - side_y)
    return torch.stack([xmin, ymin, xmin + side_x, ymin + side_y], 1)
