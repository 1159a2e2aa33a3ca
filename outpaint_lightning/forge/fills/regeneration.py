"""Fills that regenerate a region from its own content, so that only the traces of generation differ.

A generator decodes pixels from a coarser representation: it loses the sensor's noise and the finest detail, and leaves
the pattern of its grid. These fills do the same without a generator. Such a forgery shows the same scene as its
authentic twin, so a net cannot detect it by its meaning.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.fills.foreign import Splice
from outpaint_lightning.forge.parts import Footage, Parameters

MARGIN = 16  # pixels around the region that are regenerated with it, because filters need neighbours
Frames = NDArray[np.uint8] | NDArray[np.float32]
"""Frames `T H W 3`, grey levels from 0 to 255."""
Frame = NDArray[np.float32]
"""One frame `H W 3`, fractional grey levels, nominally 0 to 255."""


@dataclass(frozen=True)
class Regeneration(Fill):
    """Regenerates the pixels of the region from its content: unlike other fills, these see the hidden pixels.

    Attributes:
        foreign: probability that another clip's pixels are used instead. Above 0, a clip needs a donor.
    """

    limits: ClassVar = {"foreign": (0, 1)}

    foreign: float = 0.0

    def __post_init__(self) -> None:
        """Require a donor if one may be drawn."""
        if self.foreign:
            object.__setattr__(self, "needs", Splice.needs)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw the parameters of `regenerate`, and those of the `donor` as in `Splice`; None uses the clip itself."""
        drawn = self.draw(rng)
        donor = Splice().sample(rng) if self.foreign and rng.random() < self.foreign else None
        return {**drawn, "donor": donor}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the frames with the region regenerated, `T H W 3`."""
        area = _area(mask)
        everywhere = np.ones_like(mask)
        source = Splice().apply(footage, everywhere, params["donor"]) if params.get("donor") else footage.frames
        filled = footage.frames.copy()
        regenerated = self.regenerate(source[area], params)
        for frame, hole, pixels in zip(filled[area], mask[area], regenerated, strict=True):
            frame[hole] = np.clip(np.rint(pixels[hole]), 0, 255)
        return filled

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw the parameters of one forgery."""

    @abstractmethod
    def regenerate(self, frames: Frames, params: Parameters) -> Iterator[Frame]:
        """Yield regenerated frames, one at a time, because those of a long clip take much memory.

        Args:
            frames: `T H W 3`; not modified.
            params: the result of `draw`.
        """


@dataclass(frozen=True)
class FrameByFrame(Regeneration):
    """A regeneration that processes each frame alone, without randomness."""

    def regenerate(self, frames: Frames, params: Parameters) -> Iterator[Frame]:
        """Yield each regenerated frame."""
        return (self.remake(frame.astype(np.float32), params) for frame in frames)

    @abstractmethod
    def remake(self, frame: Frame, params: Parameters) -> Frame:
        """Return one regenerated frame."""


@dataclass(frozen=True)
class Regenerate(Regeneration):
    """Several fills of this kind in sequence, as in a generator's pipeline.

    Attributes:
        operations: names of fills to choose from, without repetition.
        count: smallest and largest number of fills.
    """

    name = "regenerate"
    limits: ClassVar = {"foreign": (0, 1), "count": (1, 10)}

    operations: tuple[str, ...] = (
        "resample",
        "low-pass",
        "block-average",
        "denoise",
        "renoise",
        "recompress",
        "flicker",
        "temporal-smooth",
        "autoencoder",
    )
    count: tuple[int, int] = (2, 3)

    def __post_init__(self) -> None:
        """Check the names."""
        super().__post_init__()
        if isinstance(self.operations, str) or len(self.operations) < self.count[1]:
            raise ValueError(f"operations {self.operations!r}: expected a list of at least {self.count[1]} fills")
        for operation in self.operations:
            Regeneration.named(operation)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw the operations in order, each with its parameters."""
        count = int(rng.integers(*self.count, endpoint=True))
        chosen = [Regeneration.named(self.operations[at]) for at in rng.permutation(len(self.operations))[:count]]
        return {"operations": [{"class_path": part().class_path, "params": part().draw(rng)} for part in chosen]}

    def regenerate(self, frames: Frames, params: Parameters) -> Iterator[Frame]:
        """Yield each frame after all operations; between them, frames are rounded to 8 bits."""
        *others, last = [Regeneration.recorded(each) for each in params["operations"]]
        for part, drawn in others:
            rounded = np.empty(frames.shape, np.uint8)
            for at, frame in enumerate(part.regenerate(frames, drawn)):
                rounded[at] = np.clip(np.rint(frame), 0, 255)
            frames = rounded
        part, drawn = last
        return part.regenerate(frames, drawn)


def _area(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Return the bounding box of the region in all frames `T H W`, enlarged by `MARGIN` where possible."""
    rows, columns = np.flatnonzero(mask.any((0, 2))), np.flatnonzero(mask.any((0, 1)))
    bounds = [slice(max(0, at[0] - MARGIN), at[-1] + 1 + MARGIN) if len(at) else slice(0, 0) for at in (rows, columns)]
    return slice(None), bounds[0], bounds[1]
