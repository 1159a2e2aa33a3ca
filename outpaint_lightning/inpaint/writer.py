"""Write the files of a filled clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.inpaint.pieces import Piece
from outpaint_lightning.inpaint.propagation import Origin
from outpaint_lightning.io import Clip, VideoWriter, write_flow, write_image

TINTS = {
    Origin.FORWARD: (60, 220, 60),
    Origin.BACKWARD: (70, 110, 255),
    Origin.BOTH: (40, 220, 230),
    Origin.INPAINTED: (255, 40, 40),
}
TINT_SHARE = 0.5


@contextmanager
def clip_writer(folder: Path, clip: Clip) -> Iterator[Callable[[Piece], None]]:
    """Yield a function that writes frames, flow and two videos, piece by piece; leaving the block closes the videos.

    Args:
        folder: folder to write to.
        clip: gives the size and the frame rate of the videos.
    """
    size = clip.height, clip.width
    with (
        VideoWriter(folder / "inpainted.mp4", *size, clip.fps) as result,
        VideoWriter(folder / "provenance.mp4", *size, clip.fps) as provenance,
    ):

        def write(piece: Piece) -> None:
            filled = piece.filled
            for number, frame, origin, flows in zip(
                piece.numbers, filled.frames, filled.origin, piece.flows, strict=True
            ):
                write_image(folder / "frames" / f"{number:05d}.png", frame)
                result.write(frame)
                provenance.write(draw_origin(frame, origin))
                for direction, flow in flows.items():
                    write_flow(folder / "flow" / direction / f"{number:05d}.flow.png", flow)

        yield write


def draw_origin(frame: NDArray[np.uint8], origin: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Tint the pixels of a frame (uint8 `H W 3`) by their origin (`H W` of `Origin`); known pixels are unchanged."""
    colours = np.zeros((len(Origin), 3), np.float32)
    for kind, tint in TINTS.items():
        colours[kind] = tint
    tinted = frame * (1 - TINT_SHARE) + colours[origin] * TINT_SHARE
    return np.where(origin[..., None] == Origin.KNOWN, frame, np.rint(tinted).astype(np.uint8))
