"""Forge clean clips, let a localizer judge them under a ladder of codecs, and write what came of it.

```
OUT/benchmark.json   the numbers; see `report`
OUT/index.html       the same as a page that needs nothing else
OUT/forged/          the forgeries, with which an interrupted benchmark goes on
```
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outpaint_lightning import __version__
from outpaint_lightning.benchmark.judging import Row, conditions
from outpaint_lightning.benchmark.page import render
from outpaint_lightning.benchmark.report import report
from outpaint_lightning.checkpoints.card import fingerprint
from outpaint_lightning.checkpoints.files import find_checkpoint
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.checkpoints.shipped import DEFAULT
from outpaint_lightning.data.corruptions import Curve, read_curves
from outpaint_lightning.forge.output import BEGUN
from outpaint_lightning.forge.run import forge
from outpaint_lightning.io import ClipEntry, atomic, read_dataset, write_json
from outpaint_lightning.io.output import is_free, sole_writer
from outpaint_lightning.processes.device import choose_device
from outpaint_lightning.tasks import LocalizationTask
from outpaint_lightning.types import InputError, did_you_mean

NAME = "benchmark"
"""Of the recipe and of the ladder of codecs, in `configs/forge` and `configs/corruptions`."""
VERSION = 1
"""Of the benchmark: numbers of two versions do not compare."""
FRAMES = 16  # of a clip that are used; longer clips are cut
PAGE, NUMBERS, FORGED = "index.html", "benchmark.json", "forged"


def benchmark(
    clips: str | Path,
    out: str | Path,
    *,
    manifest: str | Path | None = None,
    ckpt_path: str | Path = DEFAULT,
    only: Sequence[str] | None = None,
    workers: int = 1,
    device: str = "auto",
    overwrite: bool = False,
) -> dict[str, Any]:
    """Measure a localizer; the same clips and checkpoint give the same numbers.

    >>> outpaint_lightning.benchmark("clips", "bench", ckpt_path="runs/localizer/small")["score"]  # doctest: +SKIP
    0.412

    Args:
        clips: a folder of clean clips, which are forged by the recipe `benchmark`; or a dataset with forgeries, such as
            those of generators, which is judged as it is.
        out: folder to write into.
        manifest: of clean clips, see `forge`.
        ckpt_path: checkpoint, run folder or name of shipped weights.
        only: names of codecs, such as `["half"]`: the clips are judged as they are and under these alone, and there is
            no score. None takes all codecs.
        workers: number of processes that forge, read and encode.
        device: a torch device, or `auto`.
        overwrite: replace an earlier result. Forgeries of the same clips are used again.

    Returns:
        The content of `benchmark.json`.

    Raises:
        InputError: the clips or the checkpoint cannot be used, a codec is unknown, `out` holds a result, or another
            command writes there.
    """
    out, ladder = Path(out), _ladder(only)
    checkpoint = find_checkpoint(ckpt_path)
    with sole_writer(out):
        if not overwrite and not is_free(out, FORGED):
            raise InputError(f"{out} already exists; pass --overwrite")
        task = load_task(checkpoint)
        if not isinstance(task, LocalizationTask):
            raise InputError(f"{checkpoint}: holds a {type(task).__name__}; expected a LocalizationTask")
        task.to(choose_device(device))
        judges = fingerprint(task.state_dict())
        entries, forged_here = _entries(Path(clips), out / FORGED, manifest, workers)
        judged = _judged(task, entries, ladder, workers)
        result = {
            "version": VERSION,
            "package": __version__,
            "net": type(task.net).__name__,
            "weights": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
            "fingerprint": judges,
            "threshold": task.chosen_threshold(),
            "recipe": NAME if forged_here else None,
            **report(judged, forged_here=forged_here),
        }
        if only is not None:
            result["score"] = None
        with atomic(out / PAGE) as temporary:
            temporary.write_text(render(result), encoding="utf-8")
            write_json(out / NUMBERS, result)
    return result


def _ladder(only: Sequence[str] | None) -> list[Curve]:
    """Return the codecs of the benchmark, or some of them."""
    curves = {curve.name: curve for curve in read_curves(NAME)}
    for name in only or ():
        if name not in curves:
            raise InputError(f"--only {name}: expected some of {', '.join(curves)}{did_you_mean(name, curves)}")
    return [curve for name, curve in curves.items() if only is None or name in only]


def _judged(
    task: LocalizationTask, entries: list[ClipEntry], ladder: Sequence[Curve], workers: int
) -> dict[str, list[Row]]:
    """Return the results for each clip under each condition; print a line when a condition is done."""
    levels = sum(len(curve.levels) for curve in ladder)
    print(f"benchmark: {len(entries)} clips, as they are and under {levels} codecs", file=sys.stderr, flush=True)
    judged, start = {}, time.monotonic()
    for name, rows in conditions(task, entries, ladder, workers):
        judged[name] = rows
        seconds = time.monotonic() - start
        print(f"benchmark: {name} judged, {seconds:.0f} s so far", file=sys.stderr, flush=True)
    return judged


def _entries(clips: Path, forged: Path, manifest: str | Path | None, workers: int) -> tuple[list[ClipEntry], bool]:
    """Return the clips to judge, and whether they were forged here."""
    if any(path.is_dir() for path in clips.glob("masks*")):  # TGIF2 has some of each model
        if manifest is not None:
            raise InputError(f"--manifest is for clean clips; {clips} has masks and is judged as it is")
        return read_dataset(clips), False
    if (forged / BEGUN).is_file():  # forgeries of an earlier benchmark: forge keeps those of the same clips
        (forged / "manifest.csv").unlink(missing_ok=True)
    forge(clips, forged, NAME, manifest=manifest, max_frames=FRAMES, workers=workers)
    return read_dataset(forged), True
