"""Clips that are generated when they are read."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.io import Clip

Made = tuple[NDArray[np.uint8], NDArray[np.bool_]]
"""All frames of a clip, `T H W 3`, and their masks, `T H W`."""


class MadeClip(Clip):
    """A clip that is generated as a whole when its first frame is read.

    A subclass sets how many of its clips each process keeps in memory: `class ForgedClip(MadeClip, held=2)`.
    Consecutive windows of a clip then share one generation.
    """

    made: ClassVar[Callable[[MadeClip], Made]]
    """The result of `make`, cached for the clips that were read last."""

    def __init_subclass__(cls, *, held: int) -> None:
        """Create the cache of this kind of clip, for `held` clips."""
        super().__init_subclass__()
        cls.made = functools.lru_cache(held)(lambda clip: clip.make())

    @abstractmethod
    def make(self) -> Made:
        """Make all frames and masks; nothing is cached here."""

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Read some frames; see `Clip.read`."""
        self._check(indices)
        return self.made()[0][list(indices)]

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield every frame in order; see `Clip`."""
        return iter(self.made()[0])

    def masks(self, indices: Sequence[int]) -> NDArray[np.bool_]:
        """Read the masks of some frames: bool `T H W`."""
        self._check(indices)
        return self.made()[1][list(indices)]
