"""Clips and windows after a corruption."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.data.corruptions.curves import Corruption, Curve
from outpaint_lightning.data.made import MadeClip
from outpaint_lightning.data.windows import WindowDataset
from outpaint_lightning.forge.parts import Parameters
from outpaint_lightning.forge.recipe import rng_of
from outpaint_lightning.io import Clip, ClipEntry
from outpaint_lightning.types import InputError


class CorruptedClip(MadeClip, held=1):  # windows come in the order of clips
    """A clip of a dataset after a corruption."""

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


class CorruptedDataset(WindowDataset):
    """The windows of a dataset after its clips went through one level of a curve; labels follow.

    What is left to chance depends on (seed, clip, curve, level) only. A clip is made as a whole when its first window
    is read, and held until a window of another clip is. Making `T` frames of `H W` takes up to `15 T H W` bytes, as the
    frames before and after, their masks and the last clip are in memory together.

    Attributes:
        corrupted: each clip after the corruption, by name.

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
        self.corrupted: dict[str, CorruptedClip] = {}
        for video, (entry, clip) in enumerate(zip(clean.entries, clean.clips, strict=True)):
            try:
                corruption.check(clip.height, clip.width)
            except InputError as error:
                raise InputError(f"{entry.frames}: {curve.name} at {curve.option} {level:g}: {error}") from error
            params = corruption.sample(rng_of(clean.seed, entry.clip, curve.name, level))
            self.corrupted[entry.clip] = CorruptedClip(clean, video, corruption, params)
        super().__init__(clean.entries, clean.frames, clean.stride, seed=clean.seed)
        self.index = clean.index  # the same frames are judged at every level

    def _clip(self, entry: ClipEntry) -> Clip:
        return self.corrupted[entry.clip]

    @property
    def forged(self) -> list[int]:
        """The clips that have forged pixels."""
        return self._clean.forged

    def read_masks(self, video: int, indices: Sequence[int]) -> NDArray[np.bool_]:
        """Return the masks of some frames of a clip as the corruption leaves them, bool `T H W`."""
        return self.corrupted[self.entries[video].clip].masks(indices)
