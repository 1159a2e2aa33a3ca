"""Fills that make a region anew from its own content, so that nothing but the traces of making tells it apart.

A generator decodes pixels from something coarser: it loses the sensor's noise and the finest detail, and leaves its own
grid. These fills do the same to footage without a generator. A forgery of this kind shows the same scene as its
authentic twin; a net that is to find it has no meaning to go by.
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

MARGIN = 16  # pixels around the region that are made anew with it: a filter needs neighbours
Frames = NDArray[np.uint8] | NDArray[np.float32]
"""Frames `T H W 3`, grey levels of 0 to 255."""
Frame = NDArray[np.float32]
"""One frame `H W 3`, grey levels of 0 to 255, in between and beyond."""


@dataclass(frozen=True)
class Regeneration(Fill):
    """Makes the pixels of the region anew out of what is there: other than the rest, these fills see the hidden pixels.

    Attributes:
        foreign: Probability that another clip's pixels are made anew instead. Above 0 a clip needs a donor.
    """

    limits: ClassVar = {"foreign": (0, 1)}

    foreign: float = 0.0

    def __post_init__(self) -> None:
        """Ask for a donor where one may be drawn."""
        if self.foreign:
            object.__setattr__(self, "needs", Splice.needs)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw what `regenerate` takes, and the `donor`'s place as `Splice` does; None keeps the region's content."""
        drawn = self.draw(rng)
        donor = Splice().sample(rng) if self.foreign and rng.random() < self.foreign else None
        return {**drawn, "donor": donor}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the frames with the region made anew, `T H W 3`."""
        area = _area(mask)
        everywhere = np.ones_like(mask)
        source = Splice().apply(footage, everywhere, params["donor"]) if params.get("donor") else footage.frames
        filled = footage.frames.copy()
        made = self.regenerate(source[area], params)
        for frame, hole, pixels in zip(filled[area], mask[area], made, strict=True):
            frame[hole] = np.clip(np.rint(pixels[hole]), 0, 255)
        return filled

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw the parameters of one forgery."""

    @abstractmethod
    def regenerate(self, frames: Frames, params: Parameters) -> Iterator[Frame]:
        """Yield each of some frames made anew: one at a time, as those of a long clip take much memory.

        Args:
            frames: `T H W 3`; never changed.
            params: What `draw` gave.
        """


@dataclass(frozen=True)
class FrameByFrame(Regeneration):
    """A regeneration that looks at one frame at a time and leaves nothing to chance in any."""

    def regenerate(self, frames: Frames, params: Parameters) -> Iterator[Frame]:
        """Yield each frame made anew."""
        return (self.remake(frame.astype(np.float32), params) for frame in frames)

    @abstractmethod
    def remake(self, frame: Frame, params: Parameters) -> Frame:
        """Return one frame made anew."""


@dataclass(frozen=True)
class Regenerate(Regeneration):
    """Several of the fills of this kind one after the other, as in a generator's pipeline.

    Attributes:
        operations: Names of fills to choose from; none is taken twice.
        count: Fewest and most of them.
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
        """Draw the operations in their order, each with its parameters."""
        count = int(rng.integers(*self.count, endpoint=True))
        chosen = [Regeneration.named(self.operations[at]) for at in rng.permutation(len(self.operations))[:count]]
        return {"operations": [{"class_path": part().class_path, "params": part().draw(rng)} for part in chosen]}

    def regenerate(self, frames: Frames, params: Parameters) -> Iterator[Frame]:
        """Yield each frame after all operations; in between, frames are rounded as in 8 bits."""
        *others, last = [Regeneration.recorded(each) for each in params["operations"]]
        for part, drawn in others:
            made = np.empty(frames.shape, np.uint8)
            for at, frame in enumerate(part.regenerate(frames, drawn)):
                made[at] = np.clip(np.rint(frame), 0, 255)
            frames = made
        part, drawn = last
        return part.regenerate(frames, drawn)


def _area(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Return the smallest box around the region of all frames `T H W`, with `MARGIN` around it where there is room."""
    rows, columns = np.flatnonzero(mask.any((0, 2))), np.flatnonzero(mask.any((0, 1)))
    bounds = [slice(max(0, at[0] - MARGIN), at[-1] + 1 + MARGIN) if len(at) else slice(0, 0) for at in (rows, columns)]
    return slice(None), bounds[0], bounds[1]
