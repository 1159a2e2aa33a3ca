"""All that is known of one input after it was examined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.io import Facts
from outpaint_lightning.localize.verdict import Verdict


class Exhibit(NamedTuple):
    """A frame that speaks for or against a forgery, as it is shown to people."""

    number: int
    score: float
    pictures: Sequence[NDArray[np.uint8]]
    """`H W 3` RGB each, as `Examined.heads` calls them."""


class Rechecked(NamedTuple):
    """The score after the same footage went through something harmless."""

    change: str
    score: float
    answer: str


@dataclass(frozen=True)
class Examined:
    """One input, what was found in it, and where that lies."""

    folder: Path
    summary: dict[str, Any]
    verdict: Verdict
    facts: Facts
    rows: Sequence[dict[str, Any]]
    """One a frame, with `score` and, of videos, `time`."""
    found: str
    """What was found in how much, in words."""
    heads: Sequence[str]
    """What the pictures of an exhibit are."""
    most: Sequence[Exhibit]
    """Frames of the highest score, the highest first."""
    least: Sequence[Exhibit] = ()
    """Frames of the lowest, the lowest first."""
    rechecked: Sequence[Rechecked] = ()

    @property
    def name(self) -> str:
        """What its folder is called."""
        return self.folder.name

    @property
    def line(self) -> str:
        """What a terminal shows."""
        reasons = f" ({'; '.join(self.verdict.reasons)})" if self.verdict.reasons else ""
        return f"{self.summary['input']}: {self.verdict.title}{reasons}; {self.found} -> {self.folder}"
