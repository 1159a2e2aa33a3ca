"""How time and memory grow with frames, with sides and with clips.

    python benchmarks/scaling.py [--only frames sides audit quick loader] [--frames 100 1000 10000]
        [--sides 128 256 512 1080] [--clips 100 1000 10000]

Each size runs in a process of its own, alone. Printed are, for each work, the seconds and the peak memory of the
process at each size, and the exponent b of `seconds = a size^b` between one size and the next: 1 is proportional. Start
of Python, imports and making the input are not in the seconds; the memory has all of it.

- frames: `localize` of a video of 64 x 64, by the number of frames.
- sides: `localize` of 4 square frames, by their side; here proportional to the pixels is 2.
- audit, quick: an audit and a quick audit of clips of 4 frames of 64 x 64, by the number of clips.
- loader: the first batch of `ClipDataModule`, by the number of clips.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from audit import generate
from timing import seconds

from outpaint_lightning.data.synthetic import render, sample_scene
from outpaint_lightning.io import VideoWriter


def frames(folder: Path, size: int) -> Callable[[], object]:
    """Prepare `localize` of so many small frames."""
    return _localized(folder, 64, size)


def sides(folder: Path, size: int) -> Callable[[], object]:
    """Prepare `localize` of frames with that side."""
    return _localized(folder, size, 4)


def _localized(folder: Path, side: int, count: int) -> Callable[[], object]:
    from outpaint_lightning.localize.run import localize
    from outpaint_lightning.processes.memory import keep_freed_memory

    keep_freed_memory()  # as the command does
    scene = list(render(sample_scene(1, side, side, 4, "move")))
    with VideoWriter(folder / "clip.mp4", side, side, 25, crf=23) as writer:
        for number in range(count):
            writer.write(scene[number % len(scene)])
    return lambda: localize([folder / "clip.mp4"], "default", folder / "found")


def audit(folder: Path, size: int, quick: bool = False) -> Callable[[], object]:
    """Prepare an audit of so many clips."""
    from outpaint_lightning.audit.run import audit as audit_dataset

    _clips(folder, size)
    return lambda: audit_dataset(folder, quick=quick)


def quick(folder: Path, size: int) -> Callable[[], object]:
    """Prepare a quick audit of so many clips."""
    return audit(folder, size, quick=True)


def loader(folder: Path, size: int) -> Callable[[], object]:
    """Prepare a DataModule that gives its first batch."""
    from outpaint_lightning.data import ClipDataModule

    _clips(folder, size)

    def first_batch() -> object:
        data = ClipDataModule(str(folder), batch_size=4, frames=2, crop=(64, 64), workers=0)
        data.setup("fit")
        return next(iter(data.train_dataloader()))

    return first_batch


def _clips(folder: Path, size: int) -> None:
    """Write a dataset of so many clips, half of them forged."""
    generate(folder, size // 2, 4, 64, 64)


WORKS = {work.__name__: work for work in (frames, sides, audit, quick, loader)}


def measured(work: str, size: int) -> tuple[float, int]:
    """Return the seconds of a work, and the MiB that this process took at most."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        taken = seconds(WORKS[work](Path(folder), size))
    return taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> None:
    """Measure each size in a process of its own, and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[*WORKS], choices=[*WORKS], metavar="WORK")
    parser.add_argument("--frames", nargs="+", type=int, default=[100, 1000, 10000])
    parser.add_argument("--sides", nargs="+", type=int, default=[128, 256, 512, 1080])
    parser.add_argument("--clips", nargs="+", type=int, default=[100, 1000, 10000])
    parser.add_argument("--one", nargs=2, metavar=("WORK", "SIZE"), help="measure one size here; print it as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one[0], int(options.one[1]))))
        return
    for work in options.only:
        found = []
        for size in getattr(options, work, options.clips):
            words = [sys.executable, __file__, "--one", work, str(size)]
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
            found.append((size, *json.loads(done.stdout)))
            print(f"{work} {size}: {found[-1][1]:.2f} s, {found[-1][2]} MiB", flush=True)
        steps = [f"{math.log(b[1] / a[1]) / math.log(b[0] / a[0]):.2f}" for a, b in pairwise(found)]
        print(f"{work}: exponents {', '.join(steps)}", flush=True)


if __name__ == "__main__":
    main()
