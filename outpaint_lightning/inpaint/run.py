"""Fill the masked regions of a user's video: by colours propagated along completed flow, or by a generator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from outpaint_lightning.inpaint.holes import Hole, read_holes
from outpaint_lightning.inpaint.methods import Method, choose_method
from outpaint_lightning.inpaint.pieces import SMALLEST_WINDOW
from outpaint_lightning.inpaint.summary import Tally, report
from outpaint_lightning.inpaint.writer import clip_writer
from outpaint_lightning.io import Clip, open_clip, require_free, until_broken, write_json
from outpaint_lightning.io.output import require_spared, sole_writer, whole_folder
from outpaint_lightning.processes.device import choose_device
from outpaint_lightning.processes.progress import progress_bar
from outpaint_lightning.types import InputError


def inpaint(
    video: str | Path,
    masks: str | Path,
    out: str | Path,
    *,
    ckpt_path: str | Path | None = None,
    fill: str | None = None,
    steps: int | None = None,
    dilate: int = 0,
    window: int = 40,
    device: str = "auto",
    overwrite: bool = False,
) -> dict[str, Any]:
    """Fill the masked regions of a clip, and write the folder `<out>/<name>`.

    >>> summary = outpaint_lightning.inpaint("clip.mp4", "masks", "out", fill="harmonic")  # doctest: +SKIP
    >>> summary["frames"], summary["hole"]  # doctest: +SKIP
    (40, 0.12)

    Flow is estimated with OpenCV's DIS. It is hidden in the masks and wherever it leads into them, and completed by a
    net or a fill; then colours are propagated (see `propagate`). With the checkpoint of a generator, no flow is used:
    it fills windows of its own length that overlap by half.

    The folder contains `frames/00000.png` (pixels outside the masks are bit-identical), `inpainted.mp4`,
    `provenance.mp4` (the origin of each pixel: green a later frame, blue an earlier one, turquoise both, red no frame),
    `flow/forward/00000.flow.png` and `flow/backward/00001.flow.png` (the completed flow; the last frame has no forward
    flow, the first no backward flow), and `summary.json`.

    If a file is broken, the frames that decode are filled and written, and then the error is reported. A clip longer
    than `window` frames is processed in windows that overlap by half, so pixels can come from frames up to at least a
    quarter of a window away.

    Args:
        video: a video file or a folder of frames, at least two.
        masks: a folder with one PNG per frame, a video with as many frames, or one PNG for all frames. Values other
            than 0 are filled; in a video, whose values are not exact, values above half are filled.
        out: folder to write to.
        ckpt_path: checkpoint or run folder of a `FlowRefinementTask`, an `AdversarialFlowTask` or a
            `SpatiotemporalInpaintingTask`; either this or `fill` is given.
        fill: a name in `completion.FILLS`.
        steps: number of updates of the refiner; None uses the checkpoint's number.
        dilate: number of pixels by which masks are dilated before anything else.
        window: number of frames in memory at once, at least 4; a generator has its own window.
        device: a torch device, or `auto`.
        overwrite: replace the folder of an earlier result.

    Returns:
        The content of `summary.json`.

    Raises:
        InputError: the clip, the masks or the checkpoint cannot be used or do not fit together; the clip is broken (its
            first frames are written); or another command writes that folder.
    """
    for name, value, least in (("--window", window, SMALLEST_WINDOW), ("--dilate", dilate, 0), ("--steps", steps, 1)):
        if value is not None and value < least:
            raise InputError(f"{name} is {value}: expected at least {least}")
    clip = open_clip(video)
    if len(clip) < 2:
        raise InputError(f"{clip.path}: 1 frame; at least 2 expected, colours are taken from the other frames")
    folder = Path(out) / clip.name
    with sole_writer(Path(out), clip.name):
        require_free(folder, overwrite)
        require_spared(folder, [clip.path, Path(masks), *([Path(ckpt_path)] if ckpt_path is not None else [])])
        holes = read_holes(masks, clip, dilate)
        method = choose_method(ckpt_path, fill, steps, choose_device(device))
        given = {"masks": str(masks), "dilate": dilate, "window": window}
        summary, error = _fill(clip, holes, method, window, folder, given)
    print(report(summary, folder))
    if error:
        raise error
    return summary


def _fill(
    clip: Clip, holes: Iterator[Hole], method: Method, window: int, folder: Path, given: dict[str, Any]
) -> tuple[dict[str, Any], InputError | None]:
    """Write the folder of a clip; return its summary, and the error if the clip is broken."""
    tally = Tally()
    errors: list[InputError] = []
    start = time.monotonic()
    with whole_folder(folder) as partial:
        with clip_writer(partial, clip) as write, progress_bar(len(clip), clip.name, "frame") as bar:
            source = zip(until_broken(clip, errors), holes, strict=False)  # a broken clip has fewer frames than holes
            for piece in method.pieces(source, len(clip), window):
                write(piece)
                tally.count(piece)
                bar.update(len(piece.numbers))
            if errors and not tally.frames:
                raise errors[0]
        seconds = time.monotonic() - start
        summary = {
            "input": str(clip.path),
            **given,
            "frames": tally.frames,
            "height": clip.height,
            "width": clip.width,
            "fps": clip.fps,
            **method.describe(),
            **tally.summarize(),
            "error": str(errors[0]) if errors else None,
            "seconds": round(seconds, 3),
            "frames_per_second": round(tally.frames / seconds, 3),
        }
        write_json(partial / "summary.json", summary)
    return summary, errors[0] if errors else None
