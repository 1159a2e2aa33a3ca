"""A forger: where, what and how it meets the rest, sampled into a record that replays it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.fills import Fill
from outpaint_lightning.forge.masks import MaskSampler
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.forge.seams import Seam

SMALLEST = 8  # pixels a side; narrower frames leave no room for a hole with something known around it
Record = dict[str, Any]


@dataclass(frozen=True)
class Forger:
    """A mask sampler, a fill and a seam.

    Example:
        >>> import numpy as np
        >>> from outpaint_lightning.forge.fills import Replicate
        >>> from outpaint_lightning.forge.masks import BoxMask
        >>> from outpaint_lightning.forge.seams import HardSeam
        >>> rng = np.random.default_rng(0)
        >>> footage = Footage(rng.integers(0, 256, (2, 40, 60, 3), dtype=np.uint8))
        >>> forger = Forger(BoxMask(), Replicate(), HardSeam())
        >>> forger.name
        'box/replicate/hard'
        >>> forged, mask = replay(footage, forger.sample(rng, footage))
        >>> bool((forged == footage.frames)[~mask].all())  # nothing changes outside the mask
        True
    """

    mask: MaskSampler
    fill: Fill
    seam: Seam

    @property
    def name(self) -> str:
        """The three names, as the manifest's column `forger` has them: `border/mosaic/feather`."""
        return f"{self.mask.title()}/{self.fill.title()}/{self.seam.title()}"

    @property
    def needs(self) -> frozenset[str]:
        """What `Footage` must have beside frames."""
        return self.mask.needs | self.fill.needs | self.seam.needs

    def sample(self, rng: np.random.Generator, footage: Footage) -> Record:
        """Draw a forgery for a clip.

        Args:
            rng: The only source of chance.
            footage: Frames of `SMALLEST` pixels a side or more, and what `needs` names.

        Returns:
            JSON-able record: `mask`, `fill` and `seam`, each with `class_path` and `params`.
        """
        return {
            "mask": {"class_path": self.mask.class_path, "params": self.mask.sample(rng, footage)},
            "fill": {"class_path": self.fill.class_path, "params": self.fill.sample(rng)},
            "seam": {"class_path": self.seam.class_path, "params": self.seam.sample(rng)},
        }


def label(footage: Footage, record: Record) -> NDArray[np.bool_]:
    """Return where the forgery of a record lies: `T H W`, True where pixels may differ."""
    mask, params = MaskSampler.recorded(record.get("mask"))
    return mask.render(params, footage)


def replay(footage: Footage, record: Record) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Make the forgery of a record, the first time as any other: its pixels depend on nothing else.

    Args:
        footage: What the record was sampled for; never changed.
        record: What `Forger.sample` gave.

    Returns:
        The forged frames `T H W 3` and the label `T H W`, True where pixels may differ.

    Raises:
        InputError: The record names parts that it may not; see `Part.recorded`.
    """
    mask = label(footage, record)
    fill, of_fill = Fill.recorded(record.get("fill"))
    seam, of_seam = Seam.recorded(record.get("seam"))
    filled = fill.apply(footage, mask, of_fill)
    return seam.composite(footage.frames, filled, mask, of_seam), mask
