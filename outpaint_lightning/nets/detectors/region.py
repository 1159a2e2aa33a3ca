"""A detector of the forged region of an image: whether there is one, its box and, optionally, its mask."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.nets.detectors.backbones import BACKBONES, Backbone
from outpaint_lightning.nets.detectors.encoder_backbone import EncoderBackbone
from outpaint_lightning.nets.detectors.soft_box import soft_boxes
from outpaint_lightning.types import InputError

MINIMUM_SIDE = 64  # AlexNet's last pooling needs 63
DECODER_CHANNELS = 64
EVIDENCE = (1 / 256, 1 / 64, 1 / 16, 1 / 4, 1)  # shares of a mask; see `mask_evidence`


class RegionOutput(NamedTuple):
    """The output of a region detector for a batch."""

    logit: Tensor
    """`B`: logit that the image contains a forged region."""
    box: Tensor
    """`B 4`: `xmin ymin xmax ymax` in pixels, half-open; meaningful only if the image is forged, see `logit`."""
    mask: Tensor | None
    """`B 1 H W`: logits that pixels are forged; None without a decoder."""
    quality: Tensor | None = None
    """`B`: the logit of the IoU of the box with the true one; None if the net does not predict it."""


class RegionDetector(nn.Module):
    """An ImageNet classifier whose last layer is replaced by one unit for the class and four for the box.

    Source: *Classification & Localization of Inpainted Regions* (Sideras 2023), "the paper" below. It prints "one
    sigmoid and 5 linear units", but a box has four numbers. The layers between the backbone and the last layer are
    torchvision's: two layers of 4096 units in AlexNet and VGG, global average pooling in ResNets.

    Args:
        backbone: `"alexnet"`, `"vgg11"`, `"resnet18"` or `"resnet50"` of torchvision, as in the paper; or any encoder
            of `timm`, such as `"tf_efficientnet_lite0"`.
        weights: weights of the backbone: None, `"imagenet"`, or a file; see `Backbone` and `EncoderBackbone`.
        segmentation: add a `MaskDecoder` on the backbone's feature maps.
        residual: high-pass filters whose residuals the backbone gets together with the colours, such as `SrmFilters`;
            None for none, as in the paper. With an encoder of `timm`, the residuals get their own pyramid.
        box_from_mask: compute the box from the mask by `soft_boxes`, instead of from the four units.
        class_from_mask: the class unit also gets the `mask_evidence`, the strongest values of the mask.
        quality: add an output for the IoU of the box, as in Wu et al., *IoU-aware Single-stage Object Detector* (2020,
            arXiv:1912.05992), section 3.2. A confident class does not imply an exact box.

    Raises:
        InputError: see `Backbone` and `EncoderBackbone`; or an option needs a mask and `segmentation` is false.

    Example:
        >>> import torch
        >>> output = RegionDetector("resnet18", segmentation=True)(torch.rand(2, 1, 3, 64, 96))
        >>> output.logit.shape, output.box.shape, output.mask.shape
        (torch.Size([2]), torch.Size([2, 4]), torch.Size([2, 1, 64, 96]))
    """

    def __init__(
        self,
        backbone: str = "resnet18",
        weights: str | None = None,
        segmentation: bool = False,
        residual: nn.Module | None = None,
        box_from_mask: bool = False,
        class_from_mask: bool = False,
        quality: bool = False,
    ) -> None:
        super().__init__()
        if not segmentation and (box_from_mask or class_from_mask):
            option = "box_from_mask" if box_from_mask else "class_from_mask"
            raise InputError(f"RegionDetector: {option} needs a mask; expected segmentation: true beside it")
        build: Any = Backbone if backbone in BACKBONES else EncoderBackbone
        self.backbone = build(backbone, weights, residual)
        self.box_from_mask, self.class_from_mask = box_from_mask, class_from_mask
        self.units = {"logit": 1, "box": 0 if box_from_mask else 4, "quality": int(quality)}
        seen = self.backbone.features + (len(EVIDENCE) if class_from_mask else 0)
        self.last = nn.Linear(seen, sum(self.units.values()))
        self.decoder = MaskDecoder(self.backbone.channels) if segmentation else None

    def forward(self, image: Tensor) -> RegionOutput:
        """Score images.

        Args:
            image: `B T 3 H W` RGB in [0, 1], with sides of at least 64 pixels; the first frame is used.

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
        features = self.backbone.trunk(maps[-1]).float()
        mask = None if self.decoder is None else self.decoder(maps, (height, width))
        with torch.autocast(image.device.type, enabled=False):  # bf16 is too coarse for pixel positions
            if mask is not None and self.class_from_mask:
                features = torch.cat([features, mask_evidence(mask)], 1)
            logit, numbers, quality = self.last(features).split(tuple(self.units.values()), 1)
            box = soft_boxes(mask) if mask is not None and self.box_from_mask else decode_boxes(numbers, height, width)
        return RegionOutput(logit[:, 0], box, mask, quality[:, 0] if self.units["quality"] else None)


class MaskDecoder(nn.Module):
    """One logit per pixel from a backbone's feature maps.

    Source: the top-down path of Lin et al., *Feature Pyramid Networks* (CVPR 2017, arXiv:1612.03144), section 3. Each
    map is projected to the same number of channels and added to the enlarged sum of the coarser maps. Only the finest
    sum is smoothed and used. Sideras suggests training masks together with boxes as future work.

    Args:
        channels: number of channels of the maps, from fine to coarse.
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


def mask_evidence(mask: Tensor) -> Tensor:
    """Return the mean of the strongest cells of 4 x 4 pixels of a mask, for each share in `EVIDENCE`.

    Args:
        mask: logits `B 1 H W`.

    Returns:
        float32 `B 5`: the mean of the strongest 1/256 of the cells, 1/64, 1/16, 1/4, and of all. The first value is
        high if there is a region, however small; the last ones are high if it is large.
    """
    cells = F.avg_pool2d(mask.float(), 4, ceil_mode=True).flatten(1)
    strongest = cells.sort(1, descending=True).values
    counts = [max(1, round(share * cells.shape[1])) for share in EVIDENCE]
    return torch.stack([strongest[:, :count].mean(1) for count in counts], 1)


def decode_boxes(numbers: Tensor, height: int, width: int) -> Tensor:
    """Return boxes for any four numbers each: at least one pixel wide and high, and inside the image.

    With s the sigmoid, and the same for y and the height::

        side = 1 + (width - 1) s(size)
        xmin = s(place) (width - side)
        xmax = xmin + side

    0 <= xmin < xmax <= width holds in float32 too: rounding is monotonic, and integers are exact.

    Args:
        numbers: `B 4`: position x and y, size x and y.
        height: height of the image, in pixels.
        width: width of the image, in pixels.

    Returns:
        `B 4`: `xmin ymin xmax ymax` in pixels.
    """
    place_x, place_y, size_x, size_y = numbers.sigmoid().unbind(1)
    side_x, side_y = 1 + (width - 1) * size_x, 1 + (height - 1) * size_y
    xmin, ymin = place_x * (width - side_x), place_y * (height - side_y)
    return torch.stack([xmin, ymin, xmin + side_x, ymin + side_y], 1)
