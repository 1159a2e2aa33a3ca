"""Fill the masked regions of anyone's video: colours are carried along completed flow, or a generator makes them."""

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

    Flow is estimated (OpenCV's DIS), hidden in the masks and wherever it leads into them, and completed by a net or
    a fill; see `propagate` for the rest. With the checkpoint of a generator there is no flow: it fills windows of its
    own length that overlap by half. The folder holds `frames/00000.png` (pixels that are not masked are
    bit-identical), `inpainted.mp4`, `provenance.mp4` (what comes from where: green a later frame, blue an earlier one,
    turquoise both, red no frame), `flow/forward/00000.flow.png` and `flow/backward/00001.flow.png` (the completed flow;
    the last frame has no forward flow, the first no backward flow), and `summary.json`.

    A file that breaks off is filled as far as it decodes, and named afterwards. A clip longer than `window` frames is
    worked through in pieces of it that overlap by half: pixels travel over a quarter of it at least.

    Args:
        video: a video file or a folder of frames, two at least.
        masks: a folder of as many PNGs, a video of as many frames, or one PNG for all frames. All but 0 is to be
            filled; of a video, which is never exact, what is brighter than half.
        out: folder to write into.
        ckpt_path: checkpoint or run folder of a `FlowRefinementTask`, an `AdversarialFlowTask` or a
            `SpatiotemporalInpaintingTask`; or else `fill` is given.
        fill: a name in `completion.FILLS`.
        steps: updates of the refiner; None takes the checkpoint's number.
        dilate: pixels by which masks grow before anything else.
        window: frames in memory at once, 4 at least; a generator has its own.
        device: a torch device, or `auto`.
        overwrite: replace the folder of an earlier result.

    Returns:
        The content of `summary.json`.

    Raises:
        InputError: the clip, the masks or the checkpoint cannot be used, or do not fit together; or the clip broke off,
            and what was made of its beginning is written; or another command writes that folder.
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
    """Write the folder of a clip; return its summary, and the error where the clip breaks off."""
    tally = Tally()
    errors: list[InputError] = []
    start = time.monotonic()
    with whole_folder(folder) as partial:
        with clip_writer(partial, clip) as write, progress_bar(len(clip), clip.name, "frame") as bar:
            source = zip(until_broken(clip, errors), holes, strict=False)  # their number is the same but for a break
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
