"""What `localize` was asked for, beside inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """Of one run of `localize`."""

    checkpoint: Path
    card: Mapping[str, Any]
    """What the checkpoint knows of itself; see `checkpoints.card`."""
    batch_size: int = 1
    save: frozenset[str] = frozenset()
    """Further files, of `SAVED`."""
    recheck: bool = False


SAVED = {
    "probability": "the forged probability of every pixel: probability/00000.png, 16 bits, 65535 = 1, and a video",
    "coco": "the found regions as COCO JSON",
}
