"""The generator of wide-range image blending: it paints a new middle between two photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.nets.generators.bands import Band, paste_sides
from outpaint_lightning.nets.layers.bottleneck import Bottleneck, GroupedResidual, SkipJoin, instance_norm
from outpaint_lightning.nets.layers.content_transfer import ContentTransfer, Kind, Triple
from outpaint_lightning.nets.layers.contextual_attention import ContextualAttention
from outpaint_lightning.types import InputError

SLOPE = 0.2  # negative slope of the encoder's LeakyReLU
STEM = 2  # number of encoder levels, from the finest on, that are plain convolutions


@dataclass(frozen=True)
class Blend:
    """The output of `BlendingGenerator` for pairs of photos.

    Attributes:
        panorama: `N 3 H W` in [0, 1]: left, middle and right part, all three as the decoder paints them.
        middle: features of the middle, `N C h w`.
        ahead: features of the pass from left to right.
        back: features of the pass from right to left.
    """

    panorama: Tensor
    middle: Tensor
    ahead: Triple
    back: Triple

    def detach(self) -> Self:
        """Return the same tensors without gradients."""
        triples = (Triple(*(part.detach() for part in triple)) for triple in (self.ahead, self.back))
        return type(self)(self.panorama.detach(), self.middle.detach(), *triples)


class BlendingGenerator(nn.Module):
    """Paints the scene between two photos.

    One encoder reads both photos. `ContentTransfer` predicts the features of the middle from both sides. The decoder
    paints all three parts as one image. At each level, skip connections add the encoder's features to the outer parts.
    At the levels of `attention`, skip connections also add patches of the photos' features to the middle.

    Source: Lu, Liao, Chiu, *Bridging the Visual Gap: Wide-Range Image Blending* (CVPR 2021). The defaults are the
    published net, which has 253 million weights; 134 million of them are in the LSTMs. All layer sizes follow from the
    options. Skip connections for the middle exist only at the levels of `attention`. The published code builds them at
    every level and does not use the others. Options with one number per level begin at the finest level, which has half
    the photo's size.

    Args:
        size: height and width of the photos.
        widths: number of channels at each level; a level halves height and width.
        encoder_blocks: number of bottlenecks at each level after the layer that halves the size; the first two levels
            have none.
        decoder_blocks: number of bottlenecks at each level; the first level has none.
        dilations: dilation of the grouped residual at each level; 0 omits the grouped residual.
        content: number of channels that the content transfer predicts.
        split: number of slices that the content transfer cuts a photo into.
        bct: `full` or `row_shared`, see `ContentTransfer`.
        attention: levels at which the middle takes patches of the photos; the coarsest level has no skip connection.
        normed: instance norm is used from this level on.
        feather: number of columns over which `fill` corrects the middle at each seam, see `paste_sides`.

    Raises:
        InputError: an option is out of range.

    Example:
        >>> net = BlendingGenerator(32, (8, 8, 16), (0, 0, 1), (0, 0, 1), (0, 0, 1), content=8, bct="row_shared")
        >>> net(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32), steps=6).panorama.shape
        torch.Size([1, 3, 32, 112])
    """

    channels = 3

    def __init__(
        self,
        size: int = 256,
        widths: Sequence[int] = (64, 128, 256, 512, 1024, 1024),
        encoder_blocks: Sequence[int] = (0, 0, 2, 3, 3, 4),
        decoder_blocks: Sequence[int] = (0, 0, 4, 3, 3, 2),
        dilations: Sequence[int] = (0, 0, 4, 4, 2, 1),
        content: int = 512,
        split: int = 4,
        bct: Kind = "full",
        attention: Sequence[int] = (1,),
        normed: int = 3,
        feather: int = 8,
    ) -> None:
        super().__init__()
        per_level = {"encoder_blocks": encoder_blocks, "decoder_blocks": decoder_blocks, "dilations": dilations}
        _check(size, widths, per_level, attention, {"content": content, "normed": normed, "feather": feather})
        self.size, self.feather, self.stride = size, feather, 2 ** len(widths)
        levels = range(len(widths))
        self.encoder = nn.ModuleList(
            _encoder_level(level, widths, encoder_blocks[level], level >= normed) for level in levels
        )
        self.squeeze = nn.Sequential(nn.Conv2d(widths[-1], content, 1), nn.LeakyReLU(SLOPE))
        self.transfer = ContentTransfer(content, size // self.stride, split, bct)
        self.expand = nn.Conv2d(content, widths[-1], 1)
        self.decoder = nn.ModuleList(
            _decoder_level(level, widths, decoder_blocks[level], dilations[level], level >= normed) for level in levels
        )
        joined = levels[:-1]
        self.joins = nn.ModuleList(SkipJoin(widths[level]) for level in joined)
        self.join_norms = nn.ModuleList(instance_norm(widths[level], level >= normed) for level in joined)
        self.middle_joins = nn.ModuleDict({str(level): SkipJoin(widths[level]) for level in sorted(set(attention))})
        self.attend = ContextualAttention()

    def forward(self, left: Tensor, right: Tensor, steps: int | None = None) -> Blend:
        """Blend two photos.

        Args:
            left: `N 3 H W` in [0, 1]; height and width are `size`. With `row_shared` the height may be any multiple of
                `2**levels`.
            right: as `left`.
            steps: width of the middle in slices of `size / split` pixels each; by default as wide as a photo.

        Raises:
            InputError: a photo has another size, or `steps` is below 1.
        """
        self._require_size(left, right, steps)
        encoded = self.encode(torch.cat([left, right]))
        contents = self.squeeze(encoded[-1]).chunk(2)
        middle, ahead, back = self.transfer(*contents, steps)
        sides = [features.chunk(2) for features in encoded]
        drawn = torch.cat([sides[-1][0], self.expand(middle), sides[-1][1]], 3)
        for level in reversed(range(len(self.encoder))):
            if level < len(self.joins):
                drawn = self._joined(level, drawn, sides[level])
            drawn = self.decoder[level](drawn)
        return Blend(drawn.sigmoid(), middle, ahead, back)

    def encode(self, photos: Tensor) -> list[Tensor]:
        """Return the features of photos `N 3 H W` at each level, the finest first."""
        features, levels = photos, []
        for level in self.encoder:
            features = level(features)
            levels.append(features)
        return levels

    def contents(self, photos: Tensor) -> Tensor:
        """Return features `N content h w` of photos `N 3 H W`, in the space that the content transfer predicts."""
        squeezed: Tensor = self.squeeze(self.encode(photos)[-1])
        return squeezed

    def _joined(self, level: int, drawn: Tensor, sides: tuple[Tensor, ...]) -> Tensor:
        """Add skip connections: the encoder's features to the outer parts, patches of them to the middle."""
        width = sides[0].shape[3]
        left, middle, right = torch.split(drawn, [width, drawn.shape[3] - 2 * width, width], 3)
        join, norm = self.joins[level], self.join_norms[level]
        known = [norm(join(own, encoded, encoded)).relu() for own, encoded in zip((left, right), sides, strict=True)]
        if str(level) in self.middle_joins:
            attended = self.attend(middle, known, sides)
            middle = self.middle_joins[str(level)](middle, attended, middle)
        return torch.cat([known[0], middle, known[1]], 3)

    def fill(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return clips `B T 3 H W` with a vertical band of missing pixels painted; see `forge.fills.net.Generator`.

        The photos are the squares to the left and to the right of the band, scaled to `size`. If a side is narrower
        than its height, it is mirrored. The net paints a middle of at least the band's width, which is then scaled to
        the band. Known pixels are copied unchanged.

        Args:
            image: `B T 3 H W` in [0, 1].
            mask: `B T 1 H W`, 1 in the band.

        Raises:
            InputError: the missing pixels of a frame are not one band over the whole height with known pixels on both
                sides.
        """
        frames = image.flatten(0, 1)
        filled = [self._filled(frame, hole) for frame, hole in zip(frames, mask.flatten(0, 1) > 0.5, strict=True)]
        return torch.stack(filled).view_as(image)

    def _filled(self, frame: Tensor, hole: Tensor) -> Tensor:
        """Fill one frame `3 H W`."""
        band = Band.of(hole[0], type(self).__name__)
        if band is None:
            return frame
        left, right = (
            F.interpolate(photo[None], [self.size] * 2, mode="bilinear", antialias=True)
            for photo in band.squares(frame)
        )
        unit = self.size // self.transfer.split
        steps = max(1, -(-band.width * self.size // (frame.shape[1] * unit)))
        pasted = paste_sides(self(left, right, steps).panorama, left, right, self.feather)
        middle = pasted[..., self.size : -self.size]
        scaled = F.interpolate(middle, [frame.shape[1], band.width], mode="bilinear", antialias=True)
        return torch.cat([frame[..., : band.start], scaled[0], frame[..., band.stop :]], 2)

    def _require_size(self, left: Tensor, right: Tensor, steps: int | None) -> None:
        height, width = left.shape[-2:]
        fits = height % self.stride == 0 if self.transfer.kind == "row_shared" else height == self.size
        if left.shape != right.shape or width != self.size or not fits:
            raise InputError(
                f"BlendingGenerator: size is {self.size}: the photos are {height}x{width} and "
                f"{right.shape[-2]}x{right.shape[-1]} pixels"
            )
        if steps is not None and steps < 1:
            raise InputError(f"BlendingGenerator: steps is {steps}: expected at least 1")


def _encoder_level(level: int, widths: Sequence[int], blocks: int, norm: bool) -> nn.Module:
    """Return the layers of one encoder level: the layer that halves the size, then the bottlenecks."""
    if level < STEM:
        inputs = widths[level - 1] if level else BlendingGenerator.channels
        return nn.Sequential(nn.Conv2d(inputs, widths[level], 4, 2, 1), nn.LeakyReLU(SLOPE))
    inputs, outputs = widths[level - 1], widths[level]
    down = Bottleneck(inputs, inputs // 2, outputs, 2, norm, SLOPE)
    return nn.Sequential(down, *(Bottleneck(outputs, inputs // 2, outputs, 1, norm, SLOPE) for _ in range(blocks)))


def _decoder_level(level: int, widths: Sequence[int], blocks: int, dilation: int, norm: bool) -> nn.Module:
    """Return the layers of one decoder level; the last one doubles the size."""
    width, finer = widths[level], widths[level - 1] if level else BlendingGenerator.channels
    parts: list[nn.Module] = [GroupedResidual(width, dilation, norm)] if dilation else []
    parts += [Bottleneck(width, finer // 2, width, 1, norm) for _ in range(blocks)]
    return nn.Sequential(*parts, nn.ConvTranspose2d(width, finer, 4, 2, 1))


def _check(
    size: int,
    widths: Sequence[int],
    per_level: dict[str, Sequence[int]],
    attention: Sequence[int],
    numbers: dict[str, int],
) -> None:
    """Raise InputError for an option of the generator that is out of range."""
    levels = len(widths)
    for name, values in per_level.items():
        if len(values) != levels or min(values) < 0:
            raise InputError(f"BlendingGenerator: {name} is {[*values]}: expected {levels} numbers, 0 or more")
    blocks = per_level["encoder_blocks"], per_level["decoder_blocks"]
    for name, value, fine, expected in (
        ("widths", [*widths], levels > STEM and all(w > 1 and w % 2 == 0 for w in widths), "3 or more even numbers"),
        ("encoder_blocks", [*blocks[0]], not any(blocks[0][:STEM]), "0 at the first two levels"),
        ("decoder_blocks", [*blocks[1]], not any(blocks[1][:1]), "0 at the first level"),
        # A map of 1 x 1 has no statistics for instance norm.
        ("size", size, size % 2**levels == 0 and size >= 2 ** (levels + 1), f"a multiple of {2**levels}, two or more"),
        ("attention", [*attention], all(0 <= a < levels - 1 for a in attention), f"levels from 0 to {levels - 2}"),
        ("content", numbers["content"], numbers["content"] >= 1, "at least 1"),
        ("normed", numbers["normed"], numbers["normed"] >= 0, "0 or more"),
        ("feather", numbers["feather"], numbers["feather"] >= 0, "0 or more"),
    ):
        if not fine:
            raise InputError(f"BlendingGenerator: {name} is {value}: expected {expected}")
