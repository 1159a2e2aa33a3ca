"""Random codecs in the loader: windows are encoded and decoded, as published footage has been."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.chains import Chain
from outpaint_lightning.forge.parts import Parameters
from outpaint_lightning.forge.recipe import rng_of
from outpaint_lightning.types import InputError, did_you_mean

GRID = 16  # pixels per side of a macroblock
LOSSLESS = 60.0  # dB; the quality reported for frames that are equal or nearly equal
SPLITS = ("train", "val", "test")
CHOICES: list[Any] = [
    {"class_path": "none", "weight": 1},
    {"class_path": "resize", "init_args": {"scale": [0.5, 1.0], "restore": 0.5}, "weight": 1},
    {"class_path": "jpeg", "init_args": {"quality": [50, 98], "chroma": ["4:2:0", "4:4:4"]}, "weight": 2},
    {"class_path": "h264", "init_args": {"quality": [14, 36], "preset": ["veryfast", "medium"]}, "weight": 4},
    {"class_path": "h264", "init_args": {"quality": [14, 32], "scale": [0.5, 1.0], "restore": 0.3}, "weight": 2},
    {"class_path": "hevc", "init_args": {"quality": [16, 36], "preset": ["ultrafast", "fast"]}, "weight": 1},
    {"class_path": "vp9", "init_args": {"quality": [20, 48], "preset": ["8"]}, "weight": 1},
]
"""The default choices of `RandomCodec`."""


@dataclass(frozen=True)
class Stretch:
    """Frames of a clip that are encoded together, and the window among them that is used.

    Attributes:
        frames: `N H W 3`, consecutive in time unless N is T.
        mask: `T H W`, the masks of the window's frames only.
        window: T indices into `frames`.
        fps: frames per second.
    """

    frames: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    window: list[int]
    fps: float

    @property
    def alone(self) -> Self:
        """The window without its neighbouring frames."""
        return replace(self, frames=self.frames[self.window], window=list(range(len(self.window))))


class CodedWindow(NamedTuple):
    """A window after encoding and decoding."""

    image: NDArray[np.uint8]
    """`T H W 3`."""
    mask: NDArray[np.bool_]
    """`T H W`."""
    clean: NDArray[np.uint8]
    """`T H W 3`, the input of the codec, at the scale of `image`."""

    @property
    def quality(self) -> float:
        """PSNR of `image` to `clean` in dB, at most `LOSSLESS`."""
        squares = (self.image.astype(np.float32) - self.clean) ** 2
        return float(min(10 * np.log10(255**2 / max(squares.mean(), 1e-12)), LOSSLESS))


@dataclass(frozen=True)
class CodecDraw:
    """The codec drawn for one window; it is enough to encode the window again.

    Attributes:
        chain: the chain that encodes the window.
        params: the parameters that the chain sampled.
        place: position of the window among the encoded frames, in [0, 1); see `stretch_around`.
    """

    chain: Chain
    params: Parameters
    place: float

    @property
    def record(self) -> Parameters:
        """The chain's name and parameters, as plain values."""
        return {"name": self.chain.title(), **self.params}

    def frames_around(self, window: Sequence[int], total: int, span: int) -> Sequence[int]:
        """Return the frames to encode for a window: `span` consecutive frames, or only the window for an image codec.

        Args:
            window: indices of the window's frames.
            total: number of frames of the clip.
            span: wanted number of frames; it becomes the window's length if that is longer, the clip's if that is
                shorter.
        """
        if not self.chain.is_video:
            return window
        return stretch_around(window, total, span, self.place)

    def fitted(self, size: tuple[int, int], crop: tuple[int, int]) -> Self:
        """Return the draw, with its scale raised if frames of `size` would become smaller than the crop.

        Raises:
            InputError: they are smaller at every scale.
        """
        step = self.chain.side_step
        needed = max(math.ceil(part / step) * step / side for side, part in zip(size, crop, strict=True))
        if needed > (1 if self.params["restore"] else max(1, self.params["scale"])):
            raise InputError(
                f"{self.chain.title()} of frames of {size[0]}x{size[1]} gives less than the crop "
                f"{crop[0]}x{crop[1]} (data.crop); expected a smaller crop"
            )
        if self.params["restore"] or self.params["scale"] >= needed:
            return self
        return replace(self, params={**self.params, "scale": needed})

    def size(self, stretch: Stretch) -> tuple[int, int]:
        """Return height and width of the chain's output."""
        frames, height, width = stretch.frames.shape[:3]
        _, height, width = self.chain.size(frames, height, width, self.params)
        return height, width

    def encode(self, stretch: Stretch) -> CodedWindow:
        """Encode and decode a stretch; return its window."""
        if not self.chain.is_video:
            stretch = stretch.alone
        given, _ = self.chain.prepare(stretch.frames, None, self.params)
        _, mask = self.chain.prepare(stretch.frames[stretch.window], stretch.mask, self.params)
        assert mask is not None  # because a mask was given
        image = self.chain.decode(given, stretch.fps, self.params)[stretch.window]
        before = stretch.frames[:, : image.shape[1], : image.shape[2]] if self.params["restore"] else given
        return CodedWindow(image, mask, before[stretch.window])

    def encode_crop(self, stretch: Stretch, corner: tuple[int, int], crop: tuple[int, int]) -> CodedWindow:
        """Encode and decode only the part of the frames that a crop of the output needs; return the crop.

        Args:
            stretch: whole frames.
            corner: row and column of the crop, in the chain's output for whole frames.
            crop: `(height, width)`.
        """
        total, scale = self.size(stretch), 1.0 if self.params["restore"] else self.params["scale"]
        axes = zip(corner, crop, total, stretch.frames.shape[1:3], strict=True)
        (rows, top), (columns, left) = (_area(at, part, whole, side, scale) for at, part, whole, side in axes)
        area = replace(stretch, frames=stretch.frames[:, rows, columns], mask=stretch.mask[:, rows, columns])
        cut = np.s_[:, top : top + crop[0], left : left + crop[1]]
        coded = self.encode(area)
        return CodedWindow(coded.image[cut], coded.mask[cut], coded.clean[cut])


class RandomCodec:
    """Encodes and decodes windows with a codec drawn at random; the codecs are the chains of `forge`.

    All frames of a window share one draw. It depends on (seed, epoch, source, frame) only, so an authentic clip and
    its forgeries get the same codec. A video codec encodes `span` frames; the window's position among them is random.
    With a crop, only its pixels are encoded, starting at a multiple of 16 pixels, so blocks lie as in whole frames.

    Example:
        >>> codec = RandomCodec(choices=[{"class_path": "jpeg", "init_args": {"quality": [60, 60]}}])
        >>> draw = codec.draw(0, 1, "some clip", 7)
        >>> draw.record
        {'name': 'jpeg', 'scale': 1.0, 'every': 1, 'restore': False, 'quality': 60, 'chroma': '4:2:0'}

    Args:
        choices: names of chains, or mappings with `class_path`, `init_args` and `weight` (default 1), the relative
            probability of the choice. With a crop, a chain's `scale` is raised if frames would become smaller than it.
        first: the same, for the clean frames of fresh online forgeries, because a camera encodes before anyone forges.
            These chains must keep the size of frames. None uses the footage unchanged.
        span: frames that a video codec encodes for a window, if the clip has as many. Fresh online forgeries are made
            and encoded over `data.span` frames instead.
        paired: batches also hold `clean`, the windows before the codec.
        splits: the splits to encode: train, val, test. In val and test every source has one draw for all windows and
            epochs.

    Raises:
        InputError: names the option that cannot be used.
    """

    def __init__(
        self,
        choices: list[Any] = CHOICES,
        first: list[Any] | None = None,
        span: int = 6,
        paired: bool = False,
        splits: Sequence[str] = ("train",),
    ) -> None:
        self.choices, self.weights = _weighted("choices", choices)
        self.first, self.first_weights = _weighted("first", first or ["none"])
        self.has_first = first is not None
        if resizing := [chain.title() for chain in self.first if chain.scale != (1, 1)]:
            raise InputError(f"data.codec.first: {resizing[0]} rescales; expected chains that keep the size of frames")
        if span < 1:
            raise InputError(f"data.codec.span is {span}: expected at least 1")
        for split in splits:
            if split not in SPLITS:
                raise InputError(
                    f"data.codec.splits: {split!r}; expected some of {', '.join(SPLITS)}{did_you_mean(split, SPLITS)}"
                )
        self.span, self.paired, self.splits = span, paired, tuple(splits)
        self.per_source = False

    def fixed(self) -> Self:
        """Return a copy that draws one codec per source, for validation and test."""
        twin = copy.copy(self)
        twin.per_source = True
        return twin

    def check(self, height: int, width: int, crop: tuple[int, int] | None) -> None:
        """Raise `InputError` if a choice cannot encode crops of frames of this size, or whole frames without a crop."""
        for chain in self.choices:
            try:
                chain.check(height, width) if crop is None else _check_crop(chain, (height, width), crop)
            except InputError as error:
                raise InputError(f"data.codec.choices: {error}") from error
        for chain in self.first:
            try:
                chain.check(height, width)
            except InputError as error:
                raise InputError(f"data.codec.first: {error}") from error

    def draw(self, seed: int, epoch: int, source: str, frame: int) -> CodecDraw:
        """Draw the codec of the window of a frame."""
        epoch = 0 if self.per_source else epoch
        rng = rng_of("codec", seed, source, *(() if self.per_source else (epoch, frame)))
        chain = self.choices[rng.choice(len(self.choices), p=self.weights)]
        return CodecDraw(chain, chain.sample(rng), rng_of("place", seed, source, epoch, frame).random())

    def encode_first(
        self, frames: NDArray[np.uint8], fps: float, seed: int, epoch: int, source: str, frame: int
    ) -> NDArray[np.uint8]:
        """Return frames `T H W 3` after a camera's codec, drawn from `first`."""
        rng = rng_of("first codec", seed, source, epoch, frame)
        chain = self.first[rng.choice(len(self.first), p=self.first_weights)]
        return chain.decode(frames, fps, chain.sample(rng))


def stretch_around(window: Sequence[int], total: int, span: int, place: float) -> range:
    """Return `span` consecutive frames of a clip that contain a window.

    Args:
        window: indices of the window's frames, in any order.
        total: number of frames of the clip.
        span: wanted number of frames; it becomes the window's reach if that is longer, the clip's if that is shorter.
        place: start of the result, in [0, 1): 0 starts as early as possible, values near 1 as late as possible.
    """
    first, last = min(window), max(window)
    length = min(max(span, last - first + 1), total)
    earliest, latest = max(0, last + 1 - length), min(first, total - length)
    start = earliest + int(place * (latest - earliest + 1))
    return range(start, start + length)


def _area(at: int, part: int, total: int, side: int, scale: float) -> tuple[slice, int]:
    """Return the input pixels of an axis to encode for a crop, and where the crop starts in their output.

    Args:
        at: first pixel of the crop, in the chain's output.
        part: number of pixels of the crop.
        total: number of pixels of the chain's output.
        side: number of pixels of the chain's input.
        scale: output pixels per input pixel.
    """
    first, end = at // GRID * GRID, min(math.ceil((at + part) / GRID) * GRID, total)
    length = min(math.ceil((end - first) / scale), side)
    start = min(math.floor(first / scale), side - length)
    return slice(start, start + length), at - first


def _weighted(option: str, specs: Sequence[Any]) -> tuple[list[Chain], NDArray[np.float64]]:
    """Build the chains of an option; return them and their probabilities."""
    if isinstance(specs, str) or not specs:
        raise InputError(f"data.codec.{option} is {specs!r}: expected a list of at least one chain")
    chains, weights = [], []
    for spec in specs:
        keys = dict(spec) if isinstance(spec, Mapping) else {}
        weight = keys.pop("weight", 1)
        if type(weight) not in (int, float) or not 0 < weight < math.inf:
            raise InputError(f"data.codec.{option}: weight is {weight!r}; expected a number above 0")
        try:
            chain: Chain = Chain.build(keys or spec)
        except InputError as error:
            raise InputError(f"data.codec.{option}: {error}") from error
        if chain.every != (1, 1):
            raise InputError(f"data.codec.{option}: {chain.title()}: every is {list(chain.every)}; expected [1, 1]")
        chains.append(chain)
        weights.append(float(weight))
    return chains, np.array(weights) / sum(weights)


def _check_crop(chain: Chain, size: tuple[int, int], crop: tuple[int, int]) -> None:
    """Raise `InputError` if a chain cannot encode a crop of frames of a size."""
    chain.require_encoder()
    if min(crop) < chain.smallest:
        raise InputError(
            f"{chain.title()} of windows of {crop[0]}x{crop[1]} (data.crop); expected {chain.smallest} pixels a side "
            "or more"
        )
    as_they_are = {"scale": 1.0, "restore": False}
    CodecDraw(chain, as_they_are, 0).fitted(size, crop)
