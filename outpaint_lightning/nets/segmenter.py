"""A small semantic segmentation net. It evaluates what a generator paints."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.checkpoints.parts import load_part
from outpaint_lightning.geometry import pad, padding_to, unpad
from outpaint_lightning.nets.layers.conv import ResBlock
from outpaint_lightning.nets.layers.pyramid import DownEncoder
from outpaint_lightning.types import InputError


class Segmenter(nn.Module):
    """A small U-Net that predicts the background class of each pixel.

    Pixel coordinates are extra inputs, because the position of a pixel helps to predict its class: the sky is at the
    top.

    Args:
        classes: number of classes C.
        width: number of channels of the largest features.
        downs: how often height and width are halved.
        weights: checkpoint or run folder of a `SegmentationTask`; null starts from random weights.

    Raises:
        InputError: an option is out of range, or the weights cannot be read.

    Example:
        >>> import torch
        >>> Segmenter(5, width=4)(torch.rand(2, 3, 20, 24)).shape
        torch.Size([2, 5, 20, 24])
    """

    def __init__(self, classes: int, width: int = 16, downs: int = 2, weights: str | None = None) -> None:
        super().__init__()
        if classes < 2:
            raise InputError(f"Segmenter: classes is {classes}: expected at least 2")
        self.classes, self.downs = classes, downs
        self.encoder = DownEncoder(3, width, downs)
        self.up = nn.ModuleList(ResBlock(2, a + b, b, "group") for a, b in pairwise(self.encoder.widths[::-1]))
        self.head = nn.Conv2d(width, classes, 1)
        if weights is not None:
            load_part(self, weights, "net.", "segmenter")

    def forward(self, image: Tensor) -> Tensor:
        """Return logits `N C H W` for photos `N 3 H W` in [0, 1]."""
        padding = padding_to(image.shape[2], image.shape[3], 2**self.downs, 1)
        features, *skips = self.encoder(pad(image * 2 - 1, padding))[::-1]
        for up, skip in zip(self.up, skips, strict=True):
            features = up(torch.cat([F.interpolate(features, skip.shape[2:], mode="nearest"), skip], 1))
        return unpad(self.head(features), padding)
