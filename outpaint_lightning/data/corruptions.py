"""What footage goes through before anyone judges it: compressed, rescaled, blurred, noisy, at rising levels.

A YAML file lists curves; `configs/corruptions/default.yaml` is one. A curve is a part (a chain of `forge`, or one of
the frame changes below), one of its options, and the levels of that option from mild to strong.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.data.windows import WindowDataset
from outpaint_lightning.forge.chains import Chain
from outpaint_lightning.forge.parts import ClipFreePart, Parameters
from outpaint_lightning.forge.recipe import rng_of
from outpaint_lightning.io import Clip, ClipEntry
from outpaint_lightning.settings.build import find_class
from outpaint_lightning.settings.find import find_config
from outpaint_lightning.settings.read import read_mapping
from outpaint_lightning.types import InputError, did_you_mean

KEYS = ("class_path", "option", "levels", "init_args")


class FrameChange(ClipFreePart, ABC):
    """Changes the values of pixels and moves none: labels, sizes and the number of frames stay. Used like a `Chain`."""

    def check(self, height: int, width: int) -> None:
        """Accept frames of any size."""

    def size(
        self,
        frames: int,
        height: int,
        width: int,
        params: Parameters,  # noqa: ARG002 - sizes stay, whatever was drawn
    ) -> tuple[int, int, int]:
        """Return the number and size of the frames as they are."""
        return frames, height, width

    def prepare(
        self,
        frames: NDArray[np.uint8],
        mask: NDArray[np.bool_] | None,
        params: Parameters,  # noqa: ARG002 - as above
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """Return frames and label as they are."""
        return frames, mask

    @abstractmethod
    def decode(self, frames: NDArray[np.uint8], fps: float, params: Parameters) -> NDArray[np.uint8]:
        """Return the changed frames, `T H W 3`.

        Args:
            frames: `T H W 3`; never changed.
            fps: frames a second.
            params: what `sample` gave.
        """


@dataclass(frozen=True)
class Blur(FrameChange):
    """Every frame through a Gaussian, as out of focus; it mirrors at the border.

    Attributes:
        sigma: smallest and largest standard deviation, pixels, above 0.
    """

    name = "blur"

    sigma: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        """Check the options."""
        _require("sigma", self.sigma, 0.01, 100)  # below 0.01 pixels nothing changes, and OpenCV refuses 0

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `sigma`."""
        return {"sigma": float(rng.uniform(*self.sigma))}

    def decode(
        self,
        frames: NDArray[np.uint8],
        fps: float,  # noqa: ARG002 - each frame by itself
        params: Parameters,
    ) -> NDArray[np.uint8]:
        """Return the blurred frames."""
        return np.stack([cv2.GaussianBlur(frame, (0, 0), params["sigma"]) for frame in frames])


@dataclass(frozen=True)
class Noise(FrameChange):
    """Gaussian noise, fresh in each frame and colour, rounded and clipped, as of a sensor in the dark.

    Attributes:
        deviation: smallest and largest standard deviation, grey levels of 0 to 255.
    """

    name = "noise"

    deviation: tuple[float, float] = (5.0, 5.0)

    def __post_init__(self) -> None:
        """Check the options."""
        _require("deviation", self.deviation, 0, 255)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `deviation` and the `seed` of the noise."""
        return {"deviation": float(rng.uniform(*self.deviation)), "seed": int(rng.integers(2**63))}

    def decode(
        self,
        frames: NDArray[np.uint8],
        fps: float,  # noqa: ARG002 - noise has no memory
        params: Parameters,
    ) -> NDArray[np.uint8]:
        """Return the noisy frames."""
        rng = np.random.default_rng(params["seed"])
        noisy = np.empty_like(frames)
        for index, frame in enumerate(frames):  # one at a time: the noise of a clip takes four times its memory
            noise = rng.standard_normal(frame.shape, np.float32) * np.float32(params["deviation"])
            noisy[index] = np.rint(frame + noise).clip(0, 255)
        return noisy


Corruption = Chain | FrameChange


@dataclass(frozen=True)
class Curve:
    """One kind of corruption at several levels.

    Attributes:
        name: what it is called in tables.
        option: what its levels are: an option of the part.
        levels: values of the option, from mild to strong.
        corruptions: the part at each of these levels.
    """

    name: str
    option: str
    levels: tuple[float, ...]
    corruptions: tuple[Corruption, ...]


def read_curves(path: str | Path) -> list[Curve]:
    """Read a file of corruptions.

    Args:
        path: a YAML file, or the name of one of `configs/corruptions`.

    Raises:
        InputError: naming the file and the curve: no such file, it is no YAML, or a key, part, option or level that
            cannot be used.
    """
    file = find_config(path, "configs/corruptions")
    content = read_mapping(file, f"names of curves, each with {', '.join(KEYS)}")
    curves = []
    for name, spec in content.items():
        try:
            curves.append(_curve(str(name), spec))
        except InputError as error:
            raise InputError(f"{file}: {name}: {error}") from error
    return curves


def _curve(name: str, spec: Any) -> Curve:
    if not isinstance(spec, Mapping):
        raise InputError(f"{spec!r}: expected the keys {', '.join(KEYS)}")
    for key in spec:
        if key not in KEYS:
            raise InputError(f"no key {key!r}; expected {', '.join(KEYS)}{did_you_mean(str(key), KEYS)}")
    for key in KEYS[:3]:
        if key not in spec:
            raise InputError(f"no {key}; expected {', '.join(KEYS[:3])}")
    part = find_class(str(spec["class_path"]), (Chain, FrameChange), {**Chain.known(), **FrameChange.known()})
    option = str(spec["option"])
    ranges = [known for known in part.option_names() if known != "every" and _is_range(getattr(part, known, None))]
    if option not in ranges:
        expected = f"expected one of {', '.join(ranges)}" if ranges else f"{part.title()} has none"
        raise InputError(f"option is {option!r}; {expected}{did_you_mean(option, ranges)}")
    levels = spec["levels"]
    if not isinstance(levels, list) or not levels or not all(type(level) in (int, float) for level in levels):
        raise InputError(f"levels is {levels!r}; expected a list of numbers, from mild to strong")
    if len(set(levels)) < len(levels):
        raise InputError(f"levels is {levels!r}; expected each level once")
    others = _others(spec.get("init_args") or {}, option)
    return Curve(name, option, tuple(levels), tuple(_at(part, others | {option: [level, level]}) for level in levels))


def _others(init_args: Any, option: str) -> dict[str, Any]:
    """Return the options that are the same at every level."""
    if not isinstance(init_args, Mapping):
        raise InputError(f"init_args is {init_args!r}; expected option: value")
    for taken, why in ((option, "its values are the levels"), ("every", "each frame is judged at each level")):
        if taken in init_args:
            raise InputError(f"init_args has {taken!r}; expected none, as {why}")
    return dict(init_args)


def _at(part: type[Corruption], options: dict[str, Any]) -> Corruption:
    # By its dotted path, as a part finds none but its subclasses by name.
    corruption = part.build({"class_path": f"{part.__module__}.{part.__qualname__}", "init_args": options})
    if isinstance(corruption, Chain) and corruption.every != (1, 1):
        raise InputError(f"{part.title()}: every is {corruption.every}; expected a chain that keeps every frame")
    return corruption


def _is_range(default: Any) -> bool:
    return isinstance(default, tuple) and len(default) == 2 and all(type(value) in (int, float) for value in default)


def _require(name: str, limits: tuple[float, float], lowest: float, highest: float) -> None:
    low, high = limits
    if not lowest <= low <= high <= highest:
        raise ValueError(f"{name} {low:g} to {high:g}: expected a range within {lowest:g} to {highest:g}")


class CorruptedClip(Clip):
    """A clip of a dataset after a corruption, made as a whole when it is read."""

    def __init__(self, clean: WindowDataset, video: int, corruption: Corruption, params: Parameters) -> None:
        """Remember what to make.

        Args:
            clean: the dataset.
            video: which of its clips.
            corruption: what the clip goes through.
            params: what the corruption sampled.
        """
        self._clean, self._video = clean, video
        self._corruption, self._params = corruption, params
        source = clean.clips[video]
        self.path, self.name, self.fps = source.path, source.name, source.fps
        self._frames = len(source)
        _, self.height, self.width = corruption.size(self._frames, source.height, source.width, params)

    def __len__(self) -> int:
        """Return the number of frames: as many as before."""
        return self._frames

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Read some frames; see `Clip.read`. The whole clip is made for the first, and held until another one is."""
        self._check(indices)
        return _made(self)[0][list(indices)]

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield every frame in order; see `Clip`."""
        return iter(_made(self)[0])

    def masks(self, indices: Sequence[int]) -> NDArray[np.bool_]:
        """Read the masks of some frames: bool `T H W`."""
        self._check(indices)
        return _made(self)[1][list(indices)]

    def make(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Make all frames and masks, anew each time."""
        indices = range(len(self))
        frames, masks = self._clean.clips[self._video].read(indices), self._clean.read_masks(self._video, indices)
        frames, label = self._corruption.prepare(frames, masks, self._params)
        made = self._corruption.decode(frames, self.fps, self._params)
        expected = (len(self), self.height, self.width)
        if label is None or not made.shape[:3] == label.shape == expected:  # a part of the user's own may do anything
            raise InputError(f"{self.path}: {self._corruption.title()} made {made.shape[:3]} of {expected}, T H W")
        return made, label


@functools.lru_cache(1)  # of all datasets of a process: windows come in the order of clips
def _made(clip: CorruptedClip) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    return clip.make()


class CorruptedDataset(WindowDataset):
    """The windows of a dataset after its clips went through one level of a curve; labels follow.

    What is left to chance depends on (seed, clip, curve, level) only. A clip is made as a whole when its first window
    is read, and held until a window of another clip is. Making `T` frames of `H W` takes up to `15 T H W` bytes, as the
    frames before and after, their masks and the last clip are in memory together.

    Args:
        clean: the windows as they are; not of fresh forgeries, which differ each time.
        curve: the corruption.
        level: one of its levels.

    Raises:
        InputError: naming clip and curve, where frames become smaller than can be encoded.
    """

    def __init__(self, clean: WindowDataset, curve: Curve, level: float) -> None:
        corruption = curve.corruptions[curve.levels.index(level)]
        self._clean = clean
        self._corrupted: dict[str, CorruptedClip] = {}
        for video, (entry, clip) in enumerate(zip(clean.entries, clean.clips, strict=True)):
            try:
                corruption.check(clip.height, clip.width)
            except InputError as error:
                raise InputError(f"{entry.frames}: {curve.name} at {curve.option} {level:g}: {error}") from error
            params = corruption.sample(rng_of(clean.seed, entry.clip, curve.name, level))
            self._corrupted[entry.clip] = CorruptedClip(clean, video, corruption, params)
        super().__init__(clean.entries, clean.frames, clean.stride, seed=clean.seed)
        self.index = clean.index  # the same frames are judged at every level

    def _clip(self, entry: ClipEntry) -> Clip:
        return self._corrupted[entry.clip]

    @property
    def forged(self) -> list[int]:
        """The clips that have forged pixels."""
        return self._clean.forged

    def read_masks(self, video: int, indices: Sequence[int]) -> NDArray[np.bool_]:
        """Return the masks of some frames of a clip as the corruption leaves them, bool `T H W`."""
        return self._corrupted[self.entries[video].clip].masks(indices)
