"""The picture of rendered scenes in docs/explanation/outpainting.md.

python docs/pictures/contexts.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.data.context.scenes import STUFF, THINGS, render_context, sample_context
from outpaint_lightning.io import write_image
from outpaint_lightning.pictures import strip
from outpaint_lightning.pictures.layouts import layout_colours

SIDE, TIMES = 48, 2


def main(folder: Path) -> None:
    """Write a scene of each kind: the whole, its foreground, its layout."""
    scenes = [next(scene for scene in map(sample_context, range(100)) if scene.kind == kind) for kind in THINGS]
    pictures = [render_context(scene, SIDE, SIDE) for scene in scenes]
    rows = [
        [picture.frame for picture in pictures],
        [np.where(picture.objects[..., None] > 0, picture.frame, np.uint8(0)) for picture in pictures],
        [layout_colours(picture.layout, len(STUFF)) for picture in pictures],
    ]
    write_image(folder / "contexts.png", strip([[enlarged(each) for each in row] for row in rows], THINGS))


def enlarged(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat each pixel."""
    return picture.repeat(TIMES, 0).repeat(TIMES, 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent)
