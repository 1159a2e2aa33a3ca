"""A forger combines a mask, a fill and a seam, and samples them into a record that replays the forgery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.fills import Fill
from outpaint_lightning.forge.masks import MaskSampler
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.forge.seams import Seam

SMALLEST = 8  # pixels per side; smaller frames leave no room for known pixels around a hole
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
        """The three names as in the manifest's column `forger`: `border/mosaic/feather`."""
        return f"{self.mask.title()}/{self.fill.title()}/{self.seam.title()}"

    @property
    def needs(self) -> frozenset[str]:
        """The contents that `Footage` must have besides frames."""
        return self.mask.needs | self.fill.needs | self.seam.needs

    def sample(self, rng: np.random.Generator, footage: Footage) -> Record:
        """Draw a forgery for a clip.

        Args:
            rng: the only source of randomness.
            footage: frames with at least `SMALLEST` pixels per side, and what `needs` names.

        Returns:
            JSON-able record: `mask`, `fill` and `seam`, each with `class_path` and `params`.
        """
        return {
            "mask": {"class_path": self.mask.class_path, "params": self.mask.sample(rng, footage)},
            "fill": {"class_path": self.fill.class_path, "params": self.fill.sample(rng)},
            "seam": {"class_path": self.seam.class_path, "params": self.seam.sample(rng)},
        }


def label(footage: Footage, record: Record) -> NDArray[np.bool_]:
    """Return the region of a recorded forgery: `T H W`, True where pixels may differ."""
    mask, params = MaskSampler.recorded(record.get("mask"))
    return mask.render(params, footage)


def replay(footage: Footage, record: Record) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Make the forgery of a record; the result depends on the footage and the record only, so it is always the same.

    Args:
        footage: the footage that the record was sampled for; not modified.
        record: the result of `Forger.sample`.

    Returns:
        The forged frames `T H W 3` and the label `T H W`, True where pixels may differ.

    Raises:
        InputError: the record names parts that it may not name; see `Part.recorded`.
    """
    mask = label(footage, record)
    fill, fill_params = Fill.recorded(record.get("fill"))
    seam, seam_params = Seam.recorded(record.get("seam"))
    filled = fill.apply(footage, mask, fill_params)
    return seam.composite(footage.frames, filled, mask, seam_params), mask
