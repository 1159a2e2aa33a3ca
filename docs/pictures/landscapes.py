"""The picture of landscapes in docs/explanation/generators.md.

python docs/pictures/landscapes.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from outpaint_lightning.data.blending.landscapes import Landscape
from outpaint_lightning.io import write_image
from outpaint_lightning.pictures import strip

SHOWN = 6


def main(folder: Path) -> None:
    """Write `landscapes.png` into a folder."""
    drawn = [Landscape.sample(np.random.default_rng((0, number))).draw(96, 288) for number in range(SHOWN)]
    write_image(folder / "landscapes.png", strip([drawn[i : i + 2] for i in range(0, SHOWN, 2)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
