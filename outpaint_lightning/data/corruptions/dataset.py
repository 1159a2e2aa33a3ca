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
        """Store what is needed to make the clip.

        Args:
            clean: the dataset of the clip.
            video: index of the clip in the dataset.
            corruption: the corruption to apply.
            params: the parameters that the corruption sampled.
        """
        self._clean, self._video = clean, video
        self._corruption, self._params = corruption, params
        source = clean.clips[video]
        self.path, self.name, self.fps = source.path, source.name, source.fps
        self._frames = len(source)
        _, self.height, self.width = corruption.size(self._frames, source.height, source.width, params)

    def __len__(self) -> int:
        """Return the number of frames, which the corruption keeps."""
        return self._frames

    def make(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Make all frames and masks; nothing is cached here."""
        indices = range(len(self))
        frames, masks = self._clean.clips[self._video].read(indices), self._clean.read_masks(self._video, indices)
        frames, label = self._corruption.prepare(frames, masks, self._params)
        made = self._corruption.decode(frames, self.fps, self._params)
        expected = (len(self), self.height, self.width)
        if label is None or not made.shape[:3] == label.shape == expected:  # a user's own part may return anything
            raise InputError(f"{self.path}: {self._corruption.title()} made {made.shape[:3]} of {expected}, T H W")
        return made, label


class CorruptedDataset(WindowDataset):
    """The windows of a dataset after one level of a curve was applied to its clips; the labels follow.

    All randomness depends on (seed, clip, curve, level) only. A clip is made as a whole when its first window is read,
    and kept in memory until a window of another clip is read. Making `T` frames of `H W` takes up to `15 T H W` bytes,
    because the frames before and after, their masks and the previous clip are in memory together.

    Attributes:
        corrupted: each corrupted clip, by name.

    Args:
        clean: the windows without corruption; not fresh forgeries, which differ at each reading.
        curve: the corruption.
        level: one of its levels.

    Raises:
        InputError: names the clip and the curve whose frames become too small to encode.
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
        self.index = clean.index  # every level is tested on the same frames

    def _clip(self, entry: ClipEntry) -> Clip:
        return self.corrupted[entry.clip]

    @property
    def forged(self) -> list[int]:
        """Indices of the clips that have forged pixels."""
        return self._clean.forged

    def read_masks(self, video: int, indices: Sequence[int]) -> NDArray[np.bool_]:
        """Return the masks of some frames of a clip after the corruption, bool `T H W`."""
        return self.corrupted[self.entries[video].clip].masks(indices)
