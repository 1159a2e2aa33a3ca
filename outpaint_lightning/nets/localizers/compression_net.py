"""A small localizer that estimates the compression of a window and adapts its class scores to it."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.geometry import mirror, padding_to, unpad
from outpaint_lightning.nets.localizers.analysis import Analysis
from outpaint_lightning.nets.localizers.stem import conv_layer, residual_channels, stacked
from outpaint_lightning.types import InputError

SCALES = 3  # number of scales of the input: 1, 1/2 and 1/4 of the frame's sides
EMBEDDING = 64
BEST_QUALITY = 60.0  # highest predicted PSNR in dB; `data.codec` clips at the same value


class CompressionNet(nn.Module):
    """Class scores per pixel of the first frame of a window, conditioned on the quality of its codec.

    The net is a U-Net that starts at full resolution. What a codec leaves of a trace depends on its scale, so the
    window enters at three scales, full size, half and quarter, each with its own colours and residuals. The strength of
    these residuals over the whole window (mean and standard deviation of each stem channel) gives an embedding of the
    compression. The embedding predicts the PSNR of the codec, which `CompressionCriterion.quality` trains. It also
    scales and shifts each level of the decoder, because a weak residual at CRF 18 means something else than at CRF 32.
    Scores are computed at half resolution and enlarged bilinearly.

    Source of the conditioning: Perez et al., *FiLM* (AAAI 2018, arXiv:1709.07871), equation 1.

    Args:
        width: number of channels at full resolution; it doubles with each level. 16 gives 1.5 M parameters at depth 4.
        depth: number of levels below full resolution, at least 2.
        frames: number of frames that the net uses.
        residual: maps frames `N 3 H W` in [0, 1] to `N C H W`, such as `SrmFilters`. None uses only the colours.

    Raises:
        InputError: width or frames is below 1, or depth is below 2.

    Example:
        >>> net = CompressionNet(width=8, depth=2).eval()
        >>> analysis = net.analyse(torch.rand(1, 2, 3, 50, 70))
        >>> [scores.shape for scores in analysis.logits], analysis.quality.shape
        ([torch.Size([1, 2, 50, 70])], torch.Size([1]))
    """

    def __init__(self, width: int = 16, depth: int = 4, frames: int = 2, residual: nn.Module | None = None) -> None:
        super().__init__()
        if width < 1 or frames < 1 or depth < SCALES - 1:
            raise InputError(
                f"CompressionNet: width {width}, frames {frames}, depth {depth}: "
                f"expected at least 1, 1 and {SCALES - 1}"
            )
        self.frames, self.residual, self.stride = frames, residual, 2**depth
        channels = [width * 2**level for level in range(depth + 1)]
        seen = frames * (3 + residual_channels(residual))
        self.stems = nn.ModuleList(conv_layer(seen, channels[scale]) for scale in range(SCALES))
        joined = [n * (2 if 0 < level < SCALES else 1) for level, n in enumerate(channels)]
        self.downs = nn.ModuleList(conv_layer(a, b, stride=2) for a, b in zip(joined, channels[1:], strict=False))
        self.embed = nn.Sequential(
            nn.Linear(2 * sum(channels[:SCALES]), EMBEDDING), nn.ReLU(), nn.Linear(EMBEDDING, EMBEDDING), nn.ReLU()
        )
        self.predict = nn.Linear(EMBEDDING, 1)
        steps = list(itertools.pairwise(range(1, depth + 1)))
        self.decoder = nn.ModuleList(
            conv_layer((joined if coarse == depth else channels)[coarse] + joined[fine], channels[fine])
            for fine, coarse in reversed(steps)
        )
        self.films = nn.ModuleList(_film(channels[fine]) for fine, _ in reversed(steps))
        self.scores = nn.Conv2d(channels[1], 2, 1)
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
        """Score a window, and also return the features at stride 2 and the predicted quality."""
        if image.shape[1] < self.frames:
            raise InputError(f"CompressionNet: frames is {self.frames}: expected at most data.frames, {image.shape[1]}")
        padding = padding_to(image.shape[-2], image.shape[-1], multiple=self.stride, minimum=self.stride)
        with torch.autocast(image.device.type, enabled=False):  # bf16 would round the traces of a forgery away
            frames = mirror(image[:, : self.frames].flatten(0, 1).float(), padding)
            stems = self._stems(frames, len(image))
        embedding = self.embed(torch.cat([_statistics(stem) for stem in stems], 1))
        features = self._decode(self._levels(stems), embedding)
        scores = F.interpolate(self.scores(features), scale_factor=2, mode="bilinear")
        quality = BEST_QUALITY * self.predict(embedding)[:, 0].sigmoid()
        return Analysis([unpad(scores, padding)], features, quality)

    def _stems(self, frames: Tensor, batch: int) -> list[Tensor]:
        """Return the stem features of frames `B*T 3 H W` at each scale, fine to coarse."""
        stems = []
        for scale, stem in enumerate(self.stems):
            shown = F.avg_pool2d(frames, 2**scale) if scale else frames
            seen = stacked(shown, batch, self.residual)
            stems.append(stem(seen.contiguous(memory_format=torch.channels_last)))
        return stems

    def _levels(self, stems: list[Tensor]) -> list[Tensor]:
        """Return the features of each level, fine to coarse; at the stems' scales with the stem features appended."""
        levels = [stems[0]]
        for level, down in enumerate(self.downs, start=1):
            features = down(levels[-1])
            levels.append(torch.cat([features, stems[level]], 1) if level < SCALES else features)
        return levels

    def _decode(self, levels: list[Tensor], embedding: Tensor) -> Tensor:
        """Return the features at stride 2."""
        features = levels[-1]
        for stage, film, level in zip(self.decoder, self.films, reversed(levels[1:-1]), strict=True):
            raised = F.interpolate(features, scale_factor=2, mode="bilinear")
            gain, shift = film(embedding)[..., None, None].chunk(2, dim=1)
            features = stage(torch.cat([raised, level], 1)) * (1 + gain) + shift
        return features


def _film(channels: int) -> nn.Linear:
    """Return a layer that outputs a gain and a shift for each channel; both are 0 before training."""
    layer = nn.Linear(EMBEDDING, 2 * channels)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _statistics(features: Tensor) -> Tensor:
    """Return mean and standard deviation of each channel over the window, `B 2C`."""
    flat = features.flatten(2)
    return torch.cat([flat.mean(2), flat.std(2, correction=0)], 1)
