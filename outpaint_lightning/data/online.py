"""Forgeries made on the fly: a few clean clips give any number of labelled windows."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.data.codec import CodecDraw, RandomCodec, Stretch, stretch_around
from outpaint_lightning.data.made import MadeClip
from outpaint_lightning.data.windows import WindowDataset, window_indices, window_meta, window_reach
from outpaint_lightning.forge.chains import Chain
from outpaint_lightning.forge.forger import Forger, label
from outpaint_lightning.forge.material import Material
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.forge.recipe import Recipe, rng_of
from outpaint_lightning.io import Clip, ClipEntry
from outpaint_lightning.types import InputError, WindowMeta

SMALLEST_PART = 64  # pixels per side, if a frame has as many
HELD = 2  # clips kept in memory, because consecutive windows belong to one clip


class _First(Clip):
    """The first frames of a clip."""

    def __init__(self, clip: Clip, frames: int) -> None:
        self._clip, self._frames = clip, frames
        self.path, self.name, self.fps = clip.path, clip.name, clip.fps
        self.height, self.width = clip.height, clip.width

    def __len__(self) -> int:
        return self._frames

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        self._check(indices)
        return self._clip.read(indices)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return itertools.islice(self._clip, self._frames)


class ForgedClip(MadeClip, held=HELD):
    """A clip as `forge` would write it with the same recipe.

    Attributes:
        entry: the row that `forge` would write to the manifest.
        clean: the clip that is forged.
    """

    def __init__(
        self, material: Material, clean: Clip, recipe: Recipe, number: int, chain: Chain, forger: Forger | None
    ) -> None:
        """Store what is needed to make the clip.

        Args:
            material: the clean clip and what may be inserted into it.
            clean: the clip, open.
            recipe: gives the seed.
            number: number of the forgery; 0 is the untouched twin.
            chain: chain that processes the result.
            forger: forger to apply; None for the twin.
        """
        self.clean = clean
        self._material, self._chain, self._forger = material, chain, forger
        self._twin_lot = (recipe.seed, material.entry.clip)
        self._lot = (*self._twin_lot, number)
        self._span = range(len(clean))
        name = f"{material.entry.clip}__{number}" if number else material.entry.clip
        self.entry = replace(material.entry, clip=name, forger=forger.name if forger else "")
        self.path, self.name = self.clean.path, name
        params = chain.sample(rng_of(*self._twin_lot, "chain parameters"))
        self.fps = self.clean.fps / chain.step(len(self._span), params)
        self._frames, self.height, self.width = chain.size(*self._blank.shape, params)

    @property
    def _blank(self) -> Footage:
        return Footage.blank(len(self._span), self.clean.height, self.clean.width)

    def __len__(self) -> int:
        """Return the number of frames."""
        return self._frames

    def make(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Make all frames and masks; nothing is cached here."""
        frames = self.clean.read(self._span)
        forged, mask, record = self._material.make(
            frames, self._span, self._chain, self._forger, self._lot, self._twin_lot
        )
        forged = self._chain.decode(forged, self.fps, record["chain"]["params"])
        return forged, np.zeros(forged.shape[:3], np.bool_) if mask is None else mask

    def label(self) -> NDArray[np.bool_]:
        """Return the forged pixels before the chain, bool `T H W`, without making the forgery."""
        if self._forger is None:
            return np.zeros(self._blank.shape, np.bool_)
        drawn = self._material.draw(rng_of(*self._lot), self._forger, self._blank.frames, self._span)
        return label(*drawn)


class ForgeDataset(WindowDataset):
    """Windows of forgeries that are made from clean clips while they are read.

    It has the clips, windows and forgeries that `forge` would write with the same recipe: each clip untouched, and
    `recipe.per_clip` forgeries of it. Unless `fresh`, the forgeries are the same, pixel for pixel.

    Args:
        materials: clean clips of one split.
        recipe: parts to choose from, and their seed.
        fresh: draw another forgery for each window and epoch; it depends on (seed, epoch, index) only.
        span: consecutive frames around a window from which a fresh forgery is made; temporal fills see only these.
        frames: frames in a window; see `WindowDataset`.
        stride: distance between the frames of a window.
        crop: `(height, width)` of a random crop, taken after forging.
        every: use only every `every`-th frame of a clip.
        seed: seed of crops and codecs.
        codec: encodes and decodes the windows; if `fresh`, it also encodes the clean frames before they are forged.
        parts: if `fresh`, forge a part of the frames instead of whole frames: the smallest and largest share of each
            side. A forgery and its untouched twin show the same part.

    Raises:
        InputError: as `WindowDataset`; or `span` is shorter than a window, or no forger can process a clip.
    """

    def __init__(
        self,
        materials: Sequence[Material],
        recipe: Recipe,
        *,
        fresh: bool,
        span: int = 5,
        frames: int = 2,
        stride: int = 1,
        crop: tuple[int, int] | None = None,
        every: int = 1,
        seed: int = 0,
        codec: RandomCodec | None = None,
        parts: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        if span <= (reach := window_reach(frames, stride)):
            raise InputError(f"data.span is {span}: expected at least {reach + 1}, a whole window")
        self.recipe, self.fresh, self.span, self.parts = recipe, fresh, span, parts
        self._numbered: list[tuple[Material, int]] = []
        self._forged: dict[str, ForgedClip] = {}
        for material in materials:
            clip, whole = material.entry.clip, material.check()
            clean = _First(whole, len(material.span(whole)))
            self._check_chains(clean, crop, reach)
            chain = recipe.chain(clip, material.is_photo)
            for number, forger in enumerate([None, *recipe.forgers(clip, material.available)]):
                forged = ForgedClip(material, clean, recipe, number, chain, forger)
                self._numbered.append((material, number))
                self._forged[forged.name] = forged
        super().__init__([clip.entry for clip in self._forged.values()], frames, stride, crop, every, seed, codec)

    def _check_chains(self, clean: Clip, crop: tuple[int, int] | None, reach: int) -> None:
        """Check before training that no chain can make frames too small or too few for a window."""
        for chain in self.recipe.chains:
            chain.check(clean.height, clean.width)
            sides = [math.floor(side * chain.scale[0]) for side in (clean.height, clean.width)]
            if crop and any(side < part for side, part in zip(sides, crop, strict=True)):
                raise InputError(
                    f"{clean.path}: frames of {clean.height}x{clean.width} rescaled by {chain.scale[0]:g} (chain "
                    f"{chain.name}) are smaller than the crop {crop[0]}x{crop[1]} (data.crop)"
                )
            span = min(self.span, len(clean))
            for every in range(max(chain.every[0], 2), chain.every[1] + 1):
                step = chain.step(span, {"every": every})
                if self.fresh and step > 1 and -(-span // step) < 2 * reach:
                    raise InputError(
                        f"data.span is {self.span}: of {span} frames of {clean.path} the chain {chain.name} keeps "
                        f"every {every}th; expected at least {2 * reach * every}"
                    )

    def _clip(self, entry: ClipEntry) -> Clip:
        clip = self._forged[entry.clip]
        return clip.clean if self.fresh else clip

    @property
    def forged(self) -> list[int]:
        """Indices of the clips that have forged pixels."""
        return [video for video, entry in enumerate(self.entries) if entry.forger]

    def read_masks(self, video: int, indices: Sequence[int]) -> NDArray[np.bool_]:
        """Return masks of some frames of a clip, bool `T H W`; if `fresh`, from one forgery as an example of many."""
        clip = self._forged[self.entries[video].clip]
        return _label(clip)[list(indices)] if self.fresh else clip.masks(indices)

    def _stretch(self, epoch: int, index: int, draw: CodecDraw | None) -> tuple[Stretch, WindowMeta]:
        if not self.fresh:
            return super()._stretch(epoch, index, draw)
        video, frame = self.index[index]
        material, number = self._numbered[video]
        clean, clip = self.clips[video], material.entry.clip
        window = window_indices(frame, len(clean), self.frames, self.stride)
        span = stretch_around(window, len(clean), self.span, draw.place if draw else 0.5)
        twin_lot = (self.recipe.seed, clip, epoch, frame)
        lot = (*twin_lot, number)
        chain = self.recipe.chain(clip, material.is_photo, epoch, frame)
        forger = self._forger(material, span, lot) if number else None
        frames = clean.read(span)
        if self.codec and self.codec.has_first:
            frames = self.codec.encode_first(frames, clean.fps, self.seed, epoch, material.entry.source, frame)
        frames = random_part(frames, self.parts, rng_of(*twin_lot, "part"))
        forged, mask, record = material.make(frames, span, chain, forger, lot, twin_lot)
        params = record["chain"]["params"]
        step = chain.step(len(span), params)
        fps = clean.fps / step
        forged = chain.decode(forged, fps, params)
        mask = np.zeros(forged.shape[:3], np.bool_) if mask is None else mask
        indices = window_indices((frame - span.start) // step, len(forged), self.frames, self.stride)
        entry = replace(self.entries[video], forger=forger.name if forger else "")
        meta = window_meta(entry, [span.start + i * step for i in indices])
        stretch = Stretch(forged, mask[indices], indices, fps)
        return stretch if draw else stretch.alone, meta

    def _forger(self, material: Material, span: range, lot: Sequence[object]) -> Forger | None:
        """Draw a forger for the frames of a span; None if every mask needs an object and none is visible."""
        available = material.available
        if "objects" in available and not material.shows_objects(span):
            available -= {"objects"}
            if all(mask.needs for mask in self.recipe.masks):
                return None
        forgers = self.recipe.all_forgers(material.entry.clip, available)
        return forgers[rng_of(*lot, "forger").integers(len(forgers))]


def random_part(frames: NDArray[np.uint8], shares: tuple[float, float], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a rectangle of frames `T H W 3`, the same of all: each side a share of the frame's, drawn by itself.

    Sides are `SMALLEST_PART` pixels at least, where the frames have as many. No pixel is resampled.
    """
    area = []
    for side in frames.shape[1:3]:
        length = max(min(side, SMALLEST_PART), round(side * rng.uniform(*shares)))
        start = int(rng.integers(side - length + 1))
        area.append(slice(start, start + length))
    return frames[:, area[0], area[1]]


@functools.lru_cache(HELD)
def _label(clip: ForgedClip) -> NDArray[np.bool_]:
    return clip.label()
