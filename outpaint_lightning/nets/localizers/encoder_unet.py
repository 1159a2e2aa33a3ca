"""A localizer with a pretrained image encoder for content, and a stem for traces of processing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.geometry import mirror, padding_to, unpad
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

    Two feature pyramids enter one decoder. The encoder gets the first frame; its pretrained features describe the
    content. The trace pyramid starts at full resolution with the colours and residuals of all frames, which contain the
    traces of codecs, cameras and generators. It reduces them with strided convolutions and adds their local strength
    (`log_energies`). At each stride, the decoder sums a 1 x 1 convolution of both pyramids and the coarser level. Class
    scores are computed at half resolution and enlarged bilinearly. Traces in compressed video are not finer than that,
    and it saves half of the time.

    All layers are normalised with running statistics, so whole frames of any size are scored without tiles. The encoder
    keeps the statistics of its pretrained weights. Only the energies are also compared with their mean over the frame.

    Args:
        encoder: name of a feature extractor of `timm`.
        weights: weights of the encoder; see `Encoder`.
        frames: number of frames that the net uses.
        residual: maps frames `N 3 H W` in [0, 1] to `N C H W`, which the stem gets together with the colours, such as
            `SrmFilters` and `BayarConv`. None uses only the colours.
        energies: whether every level of the trace pyramid gets the `log_energies` of the first frame's residuals, of
            the differences between frames and of the first frame's gradients. Temporal compared with spatial
            differences separate an unsteady region from a moving one.
        stem: number of channels of the first layer, at full resolution.
        widths: numbers of channels of the decoder at strides 2, 4, 8, ...; their count is the number of levels.
        encoder_scale: 1 gives the encoder the whole frame. 0.5 halves its sides first, which takes a quarter of the
            time and doubles the field of view.

    Raises:
        InputError: names the argument that cannot be used.

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
            last_only: has no effect.

        Returns:
            One tensor of logits `B 2 H W`: a sequence of one update.

        Raises:
            InputError: the window has fewer frames than the net uses.
        """
        return self.analyse(image).logits

    def analyse(self, image: Tensor) -> Analysis:
        """Score a window, and also return the features of the decoder at stride 2."""
        if image.shape[1] < self.frames:
            raise InputError(f"EncoderUNet: frames is {self.frames}: expected at most data.frames, {image.shape[1]}")
        height, width = image.shape[-2:]
        padding = padding_to(height, width, multiple=self.stride, minimum=self.stride)
        with torch.autocast(image.device.type, enabled=False):  # bf16 would round the traces of a forgery away
            frames = mirror(image[:, : self.frames].flatten(0, 1).float(), padding)
            seen = stacked(frames, len(image), self.residual)
            trace = self.first(seen.contiguous(memory_format=torch.channels_last))
            strengths = self._strengths(frames, seen) if self.energies else [None] * len(self.strides)
        features = self._decode(self._levels(frames[:: self.frames], trace, strengths))
        # With two channels, interpolation is four times faster in contiguous memory format.
        scores = F.interpolate(self.scores(features).contiguous(), scale_factor=2, mode="bilinear")
        return Analysis([unpad(scores, padding)], features)

    def _strengths(self, frames: Tensor, seen: Tensor) -> list[Tensor]:
        """Return the energies of residuals, differences and gradients at each stride."""
        residuals = seen[:, 3 : seen.shape[1] // self.frames]
        maps = torch.cat([residuals, differences(frames, len(seen)), gradients(frames[:: self.frames])], 1)
        return log_energies(maps.contiguous(memory_format=torch.channels_last), len(self.strides))

    def _levels(self, image: Tensor, trace: Tensor, strengths: Sequence[Tensor | None]) -> list[Tensor]:
        """Return the features of both pyramids at each of the decoder's strides, fine to coarse."""
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
