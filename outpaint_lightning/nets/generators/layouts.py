"""The first step of contextual outpainting: predict background layouts from a foreground."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.geometry import Padding, pad, padding_to, unpad
from outpaint_lightning.nets.layers.conv import NORMS, ConvNd, ResBlock
from outpaint_lightning.nets.layers.pyramid import DownEncoder, pooled
from outpaint_lightning.types import UNKNOWN, InputError


class Reasoning(NamedTuple):
    """The outputs of `LayoutGenerator.reason` for photos whose layouts are known."""

    logits: Tensor
    """`N C H W`, class scores of layouts that are decoded from a sample of the posterior of the true layouts."""
    mean: Tensor
    """`N Z`, mean of the posterior."""
    log_variance: Tensor
    """`N Z`, log variance of the posterior."""
    things: Tensor
    """`N M E`, unit vectors of M parts of the foreground."""
    layouts: Tensor
    """`N E`, unit vectors of the true layouts."""


class LayoutGenerator(nn.Module):
    """Predicts the layout of a background from the foreground: a conditional VAE with two encoders and one decoder.

    One encoder reads the foreground, the other the layout. Both also map to one space of unit vectors, where a
    contrastive loss pulls each foreground towards its layout. The decoder takes the features of the foreground and a
    latent vector. In training, the latent vector is a sample of the layout's posterior. In use, it is a sample of the
    standard normal distribution, so that one foreground can get several layouts.

    The net follows the idea of Li et al., *Contextual Outpainting With Object-Level Contrastive Learning* (CVPR 2022),
    whose code is not public; the layers are our own. They use group norm, because instance norm would remove the means
    that are pooled. They take images of any size.

    Args:
        classes: number of background classes C.
        width: number of channels of the largest features.
        downs: how often height and width are halved.
        widest: no features have more than `widest * width` channels.
        latent: length Z of the latent vector.
        embedding: dimension E of the shared space of unit vectors.

    Raises:
        InputError: an option is out of range.

    Example:
        >>> import torch
        >>> net = LayoutGenerator(classes=5, width=4, downs=2, latent=8, embedding=6)
        >>> photo, mask = torch.rand(2, 3, 20, 24), torch.ones(2, 1, 20, 24)
        >>> net.sample(photo, mask, count=3).shape
        torch.Size([2, 3, 20, 24])
    """

    def __init__(
        self,
        classes: int,
        width: int = 64,
        downs: int = 5,
        widest: int = 8,
        latent: int = 256,
        embedding: int = 128,
    ) -> None:
        super().__init__()
        for name, value, least in (("classes", classes, 2), ("latent", latent, 1), ("embedding", embedding, 2)):
            if value < least:
                raise InputError(f"LayoutGenerator: {name} is {value}: expected at least {least}")
        self.classes, self.downs, self.latent, self.embedding = classes, downs, latent, embedding
        self.foreground = DownEncoder(4, width, downs, widest)
        self.background = DownEncoder(classes, width, downs, widest)
        widths = self.foreground.widths
        deepest = widths[-1]
        self.foreground_head, self.background_head = (_head(deepest, embedding) for _ in range(2))
        self.posterior = nn.Linear(deepest, 2 * latent)
        self.spread = nn.Linear(latent, deepest)
        self.join = ConvNd(2, 2 * deepest, deepest, size=1)
        pairs = zip(widths[:0:-1], widths[-2::-1], strict=True)
        self.up = nn.ModuleList(ResBlock(2, below + skip, skip, "group") for below, skip in pairs)
        self.head = nn.Sequential(
            NORMS[2, "group"](width), nn.LeakyReLU(0.2), ConvNd(2, width, classes, spectral=False)
        )

    def forward(self, image: Tensor, mask: Tensor, latent: Tensor) -> Tensor:
        """Return class scores of layouts.

        Args:
            image: `N 3 H W` in [0, 1]; not read where the mask is 1.
            mask: `N 1 H W`, 1 on the background.
            latent: `N Z`.

        Returns:
            Logits `N C H W`, for all pixels, also those of the foreground.
        """
        features, padding = self._foreground(image, mask)
        return unpad(self._decoded(features, latent), padding)

    def reason(self, image: Tensor, mask: Tensor, layout: Tensor, places: Tensor, noise: Tensor) -> Reasoning:
        """Return the outputs that the training losses need.

        Args:
            image: as in `forward`.
            mask: as in `forward`.
            layout: long `N H W`, `UNKNOWN` where the class is not known.
            places: `N M H W`, 1 where each of M parts of the foreground is.
            noise: `N Z`, standard normal.
        """
        features, padding = self._foreground(image, mask)
        summary = self._background(mask, layout)
        mean, log_variance = self.posterior(summary).chunk(2, 1)
        logits = unpad(self._decoded(features, mean + noise * (0.5 * log_variance).exp()), padding)
        things = self.foreground_head(pooled(features[-1], F.pad(places, padding)))
        layouts = self.background_head(summary)
        return Reasoning(logits, mean, log_variance, F.normalize(things, dim=2), F.normalize(layouts, dim=1))

    def sample(self, image: Tensor, mask: Tensor, count: int) -> Tensor:
        """Return `count` layouts for each photo, long `N count H W`, drawn with torch's global random generator."""
        drawn = torch.randn(count, len(image), self.latent, device=image.device, dtype=image.dtype)
        with torch.no_grad():
            features, padding = self._foreground(image, mask)
            scores = (unpad(self._decoded(features, latent), padding) for latent in drawn)
            return torch.stack([each.argmax(1) for each in scores], 1)

    def _foreground(self, image: Tensor, mask: Tensor) -> tuple[list[Tensor], Padding]:
        """Return the features of the foreground, and the padding of the frame. Background pixels become 0."""
        padding = padding_to(image.shape[2], image.shape[3], 2**self.downs, 1)
        seen = torch.cat([torch.where(mask > 0.5, 0, image * 2 - 1), mask.to(image.dtype)], 1)
        features: list[Tensor] = self.foreground(pad(seen, padding))
        return features, padding

    def _background(self, mask: Tensor, layout: Tensor) -> Tensor:
        """Return the spatial mean `N F` of the layouts' features."""
        known = one_hot(layout, self.classes, mask)
        padding = padding_to(known.shape[2], known.shape[3], 2**self.downs, 1)
        features: list[Tensor] = self.background(F.pad(known, padding))
        return features[-1].mean((2, 3))

    def _decoded(self, features: list[Tensor], latent: Tensor) -> Tensor:
        spread = self.spread(latent)[:, :, None, None].expand_as(features[-1])
        made: Tensor = self.join(torch.cat([features[-1], spread], 1))
        for up, skip in zip(self.up, features[-2::-1], strict=True):
            made = up(torch.cat([F.interpolate(made, skip.shape[2:], mode="nearest"), skip], 1))
        logits: Tensor = self.head(made)
        return logits


def one_hot(layout: Tensor, classes: int, mask: Tensor) -> Tensor:
    """Return a layout `N H W` as one-hot `N C H W`; all zeros where the class is not known or the mask is 0.

    The mask is applied because the foreground hides its background. A generated layout has classes there and the layout
    of a photo has none, and a net must not be able to tell the two apart.
    """
    known = (layout != UNKNOWN) & (mask[:, 0] > 0.5)
    numbers = torch.where(known, layout, classes)
    return F.one_hot(numbers, classes + 1)[..., :classes].permute(0, 3, 1, 2).to(mask.dtype)


def _head(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, inputs), nn.LeakyReLU(0.2), nn.Linear(inputs, outputs))
