"""A forger: where, what and how it meets the rest, sampled into a record that replays it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.fills import Fill
from outpaint_lightning.forge.masks import MaskSampler
from outpaint_lightning.forge.seams import Seam

SMALLEST = 8  # pixels a side; narrower frames leave no room for a hole with something known around it
Record = dict[str, Any]


@dataclass(frozen=True)
class Forger:
    """A mask sampler, a fill and a seam."""

    mask: MaskSampler
    fill: Fill
    seam: Seam

    @property
    def name(self) -> str:
        """The three names, as the manifest's column `forger` has them: `border/mosaic/feather`."""
        return f"{self.mask.name}/{self.fill.name}/{self.seam.name}"

    def sample(self, rng: np.random.Generator, frames: int, height: int, width: int) -> Record:
        """Draw a forgery for a clip.

        Args:
            rng: The only source of chance.
            frames: Length of the clip, 1 or more.
            height: Of the frames, `SMALLEST` pixels or more.
            width: Of the frames, `SMALLEST` pixels or more.

        Returns:
            JSON-able record: `mask`, `fill` and `seam`, each with `class_path` and `params`.
        """
        return {
            "mask": {"class_path": self.mask.class_path, "params": self.mask.sample(rng, frames, height, width)},
            "fill": {"class_path": self.fill.class_path, "params": self.fill.sample(rng)},
            "seam": {"class_path": self.seam.class_path, "params": self.seam.sample(rng)},
        }

    def apply(self, frames: NDArray[np.uint8], record: Record) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Forge a clip as its record says.

        Args:
            frames: `T H W 3`, never changed.
            record: What `sample` gave for a clip of this length and size.

        Returns:
            The forged frames `T H W 3` and the label `T H W`, True where pixels may differ.
        """
        mask = self.mask.render(record["mask"]["params"], *frames.shape[:3])
        filled = self.fill.apply(frames, mask, record["fill"]["params"])
        return self.seam.composite(frames, filled, mask, record["seam"]["params"]), mask


def replay(frames: NDArray[np.uint8], record: Record) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Make the forgery of a record again from the authentic clip `T H W 3`; see `Forger.apply`."""
    mask, fill, seam = (record[axis]["class_path"] for axis in ("mask", "fill", "seam"))
    return Forger(MaskSampler.named(mask)(), Fill.named(fill)(), Seam.named(seam)()).apply(frames, record)
