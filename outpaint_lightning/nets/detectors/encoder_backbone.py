"""Any image encoder of `timm` as a backbone, with an optional pyramid for the traces of codecs and generators."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.nets.localizers.encoders import Encoder
from outpaint_lightning.nets.localizers.stem import conv_layer, gradients, log_energies, residual_channels, stacked
from outpaint_lightning.types import InputError


class EncoderBackbone(nn.Module):
    """An encoder of `timm` and, with `residual`, a pyramid of traces: feature maps from fine to coarse.

    The encoder gets the image and can start from ImageNet weights. The pyramid gets the colours and the residuals at
    full resolution, which contain the traces of a forgery. It reduces them with strided convolutions and adds their
    `log_energies` at each stride. The map of a stride has the channels of the encoder, then those of the pyramid.

    Args:
        encoder: name of a feature extractor of `timm`.
        weights: weights of the encoder: None starts from random weights; `"imagenet"` uses the weights of an installed
            package or lets `timm` download them; any other value is a file; see `Encoder`. With None, batch
            normalisation is trained; with weights, it keeps their statistics.
        residual: maps images `N 3 H W` in [0, 1] to `N C H W`, such as `SrmFilters`. Without it there is no pyramid.
        stem: number of channels of the pyramid at full resolution.
        strides: strides of the finest and the coarsest map, powers of two. Coarser layers are not built.

    Attributes:
        channels: number of channels of each map, fine to coarse.
        features: length of the output of `trunk`.
        trunk: mean and maximum of the coarsest map, `N C h w` to `N features`. The maximum also responds to small
            regions.

    Raises:
        InputError: `Encoder` rejects the name or the weights, or the encoder has no maps at these strides.

    Example:
        >>> backbone = EncoderBackbone("tf_efficientnet_lite0", strides=(4, 16)).eval()
        >>> [features.shape for features in backbone(torch.rand(1, 3, 64, 96))]
        [torch.Size([1, 24, 16, 24]), torch.Size([1, 40, 8, 12]), torch.Size([1, 112, 4, 6])]
    """

    started_pretrained: Tensor

    def __init__(
        self,
        encoder: str = "tf_efficientnet_lite0",
        weights: str | None = None,
        residual: nn.Module | None = None,
        stem: int = 8,
        strides: tuple[int, int] = (4, 16),
    ) -> None:
        super().__init__()
        finest, coarsest = strides
        if stem < 1:
            raise InputError(f"EncoderBackbone: stem is {stem}: expected a positive number of channels")
        self.encoder = Encoder(encoder, weights, largest_stride=coarsest)
        self.strides = [stride for stride in self.encoder.channels if finest <= stride <= coarsest]
        if not self.strides or (self.strides[0], self.strides[-1]) != (finest, coarsest):
            known = ", ".join(map(str, self.encoder.channels))
            raise InputError(
                f"EncoderBackbone: strides is {list(strides)}: expected two of {known}, the finer first ({encoder})"
            )
        self.traces = None if residual is None else TracePyramid(residual, stem, coarsest)
        extra = {} if self.traces is None else self.traces.channels
        self.channels = [self.encoder.channels[stride] + extra.get(stride, 0) for stride in self.strides]
        self.features = 2 * self.channels[-1]
        self.trunk = MeanAndMaximum()
        # In the state dict, so that a checkpoint keeps the fact on a machine without these weights.
        self.register_buffer("started_pretrained", torch.tensor(weights is not None))
        self.to(memory_format=torch.channels_last)
        self.train()
        self.register_load_state_dict_post_hook(_follow_state)  # type: ignore[no-untyped-call]  # torch gives no types

    @property
    def pretrained(self) -> bool:
        """Whether training started from given or downloaded weights."""
        return bool(self.started_pretrained)

    def train(self, mode: bool = True) -> EncoderBackbone:
        """Set the mode. Without pretrained weights, the encoder's batch normalisation is trained too."""
        super().train(mode)
        if not self.pretrained:
            self.encoder.body.train(mode)
        return self

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the feature maps of `image`, `N 3 H W` RGB in [0, 1], from fine to coarse.

        Raises:
            InputError: a side is not a multiple of the coarsest stride.
        """
        height, width = image.shape[-2:]
        if height % self.strides[-1] or width % self.strides[-1]:
            raise InputError(
                f"EncoderBackbone: image is {height}x{width}: expected multiples of {self.strides[-1]} (data.size)"
            )
        image = image.contiguous(memory_format=torch.channels_last)
        seen = dict(zip(self.encoder.channels, self.encoder(image), strict=True))
        traces = {} if self.traces is None else self.traces(image)
        return [
            torch.cat([seen[stride], traces[stride]], 1) if stride in traces else seen[stride]
            for stride in self.strides
        ]


def _follow_state(backbone: EncoderBackbone, _incompatible: object) -> None:
    """Set the mode again, because the checkpoint's net may have started from other weights."""
    backbone.train(backbone.training)


class TracePyramid(nn.Module):
    """Strided convolutions of colours, residuals and their energies: the traces of a forgery at each stride.

    Args:
        residual: see `EncoderBackbone`.
        stem: number of channels at full resolution.
        coarsest: stride of the coarsest map, a power of two.

    Attributes:
        channels: number of channels of the map at each stride.
    """

    def __init__(self, residual: nn.Module, stem: int, coarsest: int) -> None:
        super().__init__()
        self.residual = residual
        levels = coarsest.bit_length() - 1
        widths = [stem, *(min(32 * 2**level, 96) for level in range(levels))]
        energies = 2 * (residual_channels(residual) + 2)  # for the residuals and the gradients along x and y
        given = [stem, *(width + energies for width in widths[1:])]
        self.first = conv_layer(3 + residual_channels(residual), stem)
        self.layers = nn.ModuleList(conv_layer(a, b, stride=2) for a, b in zip(given, widths[1:], strict=False))
        self.channels = {2 ** (level + 1): channels for level, channels in enumerate(given[1:])}

    def forward(self, image: Tensor) -> dict[int, Tensor]:
        """Return the map `N C h w` at each stride for images `N 3 H W` with sides that the coarsest stride divides.

        Residuals and the first layer are computed in float32 also under autocast, because bf16 would round traces away.
        """
        with torch.autocast(image.device.type, enabled=False):
            seen = stacked(image.float(), len(image), self.residual)
            features = self.first(seen.contiguous(memory_format=torch.channels_last))
            energies = log_energies(torch.cat([seen[:, 3:], gradients(image.float())], 1), len(self.layers))
        maps = {}
        for stride, layer, energy in zip(self.channels, self.layers, energies, strict=True):
            features = torch.cat([layer(features), energy], 1)
            maps[stride] = features
        return maps


class MeanAndMaximum(nn.Module):
    """The mean and the maximum of each channel: `N C h w` to `N 2C`."""

    def forward(self, features: Tensor) -> Tensor:
        """Return the means, then the maxima."""
        pooled = (F.adaptive_avg_pool2d(features, 1), F.adaptive_max_pool2d(features, 1))
        return torch.cat(pooled, 1).flatten(1)
