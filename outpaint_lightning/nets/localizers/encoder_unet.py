"""A localizer on a pretrained image encoder, which sees what a picture shows, beside a stem that sees its traces."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.geometry import pad, padding_to, unpad
from outpaint_lightning.nets.localizers.analysis import Analysis
from outpaint_lightning.nets.localizers.encoders import Encoder
from outpaint_lightning.nets.localizers.stem import (
    conv_layer,
    differences,
    gradients,
    log_energies,
    residual_channels,
    stacked,
)
from outpaint_lightning.types import InputError


class EncoderUNet(nn.Module):
    """Class scores per pixel of the first frame of a window, from an image encoder and a pyramid of traces.

    Two pyramids meet in one decoder. The encoder looks at the first frame and knows what pictures of the world show.
    The trace pyramid begins at full resolution with the colours and residuals of all frames, which hold what codecs,
    cameras and generators leave behind, and pools them with strided convolutions, beside their strength around each
    place (`log_energies`). At each stride the decoder takes both (1 x 1 convolutions, summed) and the level below it.
    Class scores leave it at half resolution and are enlarged bilinearly: compressed traces are no finer than that, and
    half of the time is saved.

    All layers are normalised with running statistics, so whole frames are judged without tiles, however large they are.
    The encoder's statistics are those that its weights came with. Only the energies are also compared with their mean
    over the frame.

    Args:
        encoder: name of a feature extractor of `timm`.
        weights: of the encoder; see `Encoder`.
        frames: number of frames that are seen.
        residual: maps frames `N 3 H W` in [0, 1] to `N C H W`, which the stem sees beside the colours; such as
            `SrmFilters` and `BayarConv`. None shows the colours alone.
        energies: give every level of the trace pyramid the `log_energies` of the first frame's residuals, of the
            differences between frames and of the first frame's gradients. What differs in time against what differs in
            space tells an unsteady region from a moving one.
        stem: channels of the first layer, at full resolution.
        widths: channels of the decoder at strides 2, 4, 8, ...; as many levels are used.
        encoder_scale: 1 shows the encoder the frame as it is. 0.5 halves its sides first: a quarter of the time, and
            twice the field of view.

    Raises:
        InputError: naming the argument that cannot be used.

    Example:
        >>> net = EncoderUNet(encoder="tf_efficientnet_lite0", frames=2).eval()
        >>> [scores.shape for scores in net(torch.rand(1, 2, 3, 50, 70))]
        [torch.Size([1, 2, 50, 70])]
    """

    def __init__(
        self,
        encoder: str = "tf_efficientnet_lite0",
        weights: str | None = None,
        frames: int = 2,
        residual: nn.Module | None = None,
        energies: bool = True,
        stem: int = 16,
        widths: Sequence[int] = (24, 32, 48, 64, 96),
        encoder_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if frames < 1:
            raise InputError(f"EncoderUNet: frames is {frames}: expected at least 1")
        if stem < 1 or not widths or min(widths) < 1:
            raise InputError(f"EncoderUNet: stem {stem}, widths {list(widths)}: expected positive numbers of channels")
        if encoder_scale not in (1.0, 0.5):
            raise InputError(f"EncoderUNet: encoder_scale is {encoder_scale}: expected 1.0 or 0.5")
        self.frames, self.residual, self.halved = frames, residual, encoder_scale == 0.5
        self.energies = energies
        self.strides = [2 ** (level + 1) for level in range(len(widths))]
        self.stride = self.strides[-1]
        shrunk = 2 if self.halved else 1
        self.encoder = Encoder(encoder, weights, largest_stride=self.stride // shrunk)
        self.seen = {stride * shrunk: channels for stride, channels in self.encoder.channels.items()}
        traces = [stem, *(min(32 * 2**level, 96) for level in range(len(widths)))]
        self.first = conv_layer(frames * (3 + residual_channels(residual)), stem)
        extra = 2 * (residual_channels(residual) + frames - 1 + 2) if energies else 0
        given = [stem, *(channels + extra for channels in traces[1:])]
        self.traces = nn.ModuleList(conv_layer(a, b, stride=2) for a, b in zip(given, traces[1:], strict=False))
        self.laterals = nn.ModuleList(
            nn.Conv2d(channels + self.seen.get(stride, 0), width, 1)
            for channels, stride, width in zip(given[1:], self.strides, widths, strict=True)
        )
        self.ups = nn.ModuleList(nn.Conv2d(coarse, fine, 1, bias=False) for fine, coarse in itertools.pairwise(widths))
        self.decoder = nn.ModuleList(conv_layer(width, width) for width in widths)
        self.scores = nn.Conv2d(widths[0], 2, 1)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Tensor, last_only: bool = False) -> list[Tensor]:  # noqa: ARG002 (there is one update)
        """Score a window.

        Args:
            image: `B T 3 H W` RGB in [0, 1], any H and W; the first `frames` of T are used.
            last_only: makes no difference.

        Returns:
            One tensor of logits `B 2 H W`: a sequence of one update.

        Raises:
            InputError: the window has fewer frames than the net sees.
        """
        return self.analyse(image).logits

    def analyse(self, image: Tensor) -> Analysis:
        """Score a window, and return the features of the decoder at stride 2 as well."""
        if image.shape[1] < self.frames:
            raise InputError(f"EncoderUNet: frames is {self.frames}: expected at most data.frames, {image.shape[1]}")
        height, width = image.shape[-2:]
        padding = padding_to(height, width, multiple=self.stride, minimum=self.stride)
        with torch.autocast(image.device.type, enabled=False):  # bf16 would round the traces of a forgery away
            frames = pad(image[:, : self.frames].flatten(0, 1).float(), padding)
            seen = stacked(frames, len(image), self.residual)
            trace = self.first(seen.contiguous(memory_format=torch.channels_last))
            strengths = self._strengths(frames, seen) if self.energies else [None] * len(self.strides)
        features = self._decode(self._levels(frames[:: self.frames], trace, strengths))
        # Of two channels, planes are enlarged in a quarter of the time.
        scores = F.interpolate(self.scores(features).contiguous(), scale_factor=2, mode="bilinear")
        return Analysis([unpad(scores, padding)], features)

    def _strengths(self, frames: Tensor, seen: Tensor) -> list[Tensor]:
        """Return the energies of residuals, differences and gradients at each stride."""
        residuals = seen[:, 3 : seen.shape[1] // self.frames]
        maps = torch.cat([residuals, differences(frames, len(seen)), gradients(frames[:: self.frames])], 1)
        return log_energies(maps.contiguous(memory_format=torch.channels_last), len(self.strides))

    def _levels(self, image: Tensor, trace: Tensor, strengths: Sequence[Tensor | None]) -> list[Tensor]:
        """Return what both pyramids see, at each of the decoder's strides, fine to coarse."""
        shown = F.avg_pool2d(image, 2) if self.halved else image
        seen = dict(zip(self.seen, self.encoder(shown), strict=True))
        levels = []
        for stride, layer, strength in zip(self.strides, self.traces, strengths, strict=True):
            trace = layer(trace)
            if strength is not None:
                trace = torch.cat([trace, strength], 1)
            levels.append(torch.cat([trace, seen[stride]], 1) if stride in seen else trace)
        return levels

    def _decode(self, levels: list[Tensor]) -> Tensor:
        """Return the decoder's features at stride 2."""
        features: Tensor | None = None
        for level in reversed(range(len(levels))):
            lateral = self.laterals[level](levels[level])
            if features is not None:
                lateral = lateral + F.interpolate(self.ups[level](features), scale_factor=2, mode="bilinear")
            features = self.decoder[level](lateral)
        assert features is not None  # there is at least one level
        return features
