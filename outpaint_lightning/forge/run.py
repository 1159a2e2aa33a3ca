"""Forge a folder of clean clips into a labelled dataset.

```
OUT/manifest.csv            clip,split,scene,camera,source,forger and the columns of the source's manifest
OUT/frames/<clip>/00000.png the clip untouched; <clip>__1, <clip>__2, ... its forgeries
OUT/masks/<clip>__1/00000.png
OUT/records/<clip>.json     how it was made; `forge.replay` makes the same pixels of it
```
"""

from __future__ import annotations

import hashlib
import itertools
import multiprocessing
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from outpaint_lightning import __version__
from outpaint_lightning.forge.fills import Fill
from outpaint_lightning.forge.forger import SMALLEST, Forger, replay
from outpaint_lightning.forge.masks import MaskSampler
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.forge.seams import Seam
from outpaint_lightning.io import (
    VIDEO_SUFFIXES,
    ClipEntry,
    natural_key,
    open_clip,
    read_table,
    require_free,
    vision_name,
    write_json,
    write_manifest,
)
from outpaint_lightning.io.manifest import COLUMNS, SPLITS
from outpaint_lightning.types import InputError, did_you_mean

CHAIN = ["png"]  # every frame written, authentic or forged, goes through the same encoding


def forge(
    source_dir: str | Path,
    out: str | Path,
    *,
    manifest: str | Path | None = None,
    seed: int = 0,
    per_clip: int = 4,
    masks: Sequence[str | MaskSampler] = ("border", "box"),
    fills: Sequence[str | Fill] = ("reflect", "telea", "mosaic"),
    seams: Sequence[str | Seam] = ("hard", "feather"),
    workers: int = 1,
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Write each clip of `source_dir` untouched and `per_clip` forgeries of it.

    A forgery depends on the seed, the name of its clip and its own number only: another clip more, or other
    `workers`, changes none of its bytes.

    Args:
        source_dir: A folder of clips, each a folder of frames or a video file.
        out: The dataset; new or empty unless `overwrite`.
        manifest: CSV with the column `clip` and any of `split`, `scene`, `camera`, `source`; further columns are kept,
            rows of clips that `source_dir` lacks are ignored.
        seed: Of every choice, the splits included.
        per_clip: Forgeries of each clip.
        masks: Mask samplers to choose from, by name, dotted path or as they are.
        fills: Fills to choose from.
        seams: Seams to choose from.
        workers: Processes; more than 1 need a main module that can be imported.
        overwrite: Replace the dataset in `out`.

    Returns:
        One record per written clip: `clip`, `split`, `source`, `forger`, `frames`, `area` (mean forged fraction).

    Raises:
        InputError: A clip or a row that cannot be used, or `out` exists.
    """
    source_dir, out = Path(source_dir), Path(out)
    if per_clip < 0:
        raise InputError(f"--per-clip {per_clip}: expected 0 or more forgeries of a clip")
    if not (masks and fills and seams):
        raise InputError("forge: expected at least one mask, one fill and one seam")
    if workers < 1:
        raise InputError(f"--workers {workers}: expected 1 or more processes")
    parts = _parts(MaskSampler.named, masks), _parts(Fill.named, fills), _parts(Seam.named, seams)
    forgers = [Forger(mask, fill, seam) for mask, fill, seam in itertools.product(*parts)]
    entries = _split(_entries(source_dir, manifest), seed, manifest)
    jobs = [_Job(entry, out, seed, _choose(forgers, per_clip, seed, entry.clip)) for entry in entries]
    _require_distinct([name for job in jobs for name in job.names])
    _make_room(source_dir, out, overwrite)
    try:
        with closing(_run(jobs, workers)) as finished:
            done = dict(_progress(finished, len(jobs)))
    finally:
        shutil.rmtree(out / ".forging", ignore_errors=True)
    written = [pair for job in jobs for pair in done[job.entry.clip]]
    write_manifest(out / "manifest.csv", [entry for entry, _ in written])
    return [
        {"clip": entry.clip, "split": entry.split, "source": entry.source, "forger": entry.forger, **measured}
        for entry, measured in written
    ]


def summary(rows: list[dict[str, Any]]) -> str:
    """Return the tables of what `forge` wrote: by split, and forgeries by fill and mask."""
    lines = [f"{'split':8}{'sources':>8}{'authentic':>11}{'forged':>8}{'frames':>8}{'forged area':>13}"]
    for split in SPLITS:
        members = [row for row in rows if row["split"] == split]
        areas = [row["area"] for row in members if row["forger"]]
        lines.append(
            f"{split:8}{len({row['source'] for row in members}):8}{len(members) - len(areas):11}{len(areas):8}"
            f"{sum(row['frames'] for row in members):8}{f'{np.mean(areas):.1%}' if areas else '-':>13}"
        )
    kinds = [row["forger"].split("/") for row in rows if row["forger"]]
    masks = sorted({mask for mask, _, _ in kinds})
    counts = Counter((fill, mask) for mask, fill, _ in kinds)
    lines += ["", f"{'forgeries':12}" + "".join(f"{mask:>8}" for mask in masks)]
    for fill in sorted({fill for _, fill, _ in kinds}):
        lines.append(f"{fill:12}" + "".join(f"{counts[fill, mask]:8}" for mask in masks))
    return "\n".join(lines)


AnyPart = TypeVar("AnyPart", MaskSampler, Fill, Seam)


def _parts(named: Callable[[str], type[AnyPart]], chosen: Sequence[str | AnyPart]) -> list[AnyPart]:
    return [named(part)() if isinstance(part, str) else part for part in chosen]


def _rng(*key: object) -> np.random.Generator:
    """Return a generator that depends on nothing but `key`."""
    digest = hashlib.sha256("/".join(str(part) for part in key).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _choose(forgers: list[Forger], count: int, seed: int, clip: str) -> list[Forger]:
    """Choose the forgers of one clip: each time the combination, then the parts, used least so far; ties by lot."""
    order = [forgers[index] for index in _rng(seed, clip, "forgers").permutation(len(forgers))]
    used: Counter[object] = Counter()
    chosen = []
    for _ in range(count):
        forger = min(order, key=lambda f: (used[f], used[f.mask] + used[f.fill] + used[f.seam]))
        used.update([forger, forger.mask, forger.fill, forger.seam])
        chosen.append(forger)
    return chosen


def _entries(source_dir: Path, manifest: str | Path | None) -> list[ClipEntry]:
    """Describe the clips of a folder, in natural order, by the manifest or by their names."""
    if not source_dir.is_dir():
        raise InputError(f"{source_dir}: expected a folder of clips (folders of frames or video files)")
    paths = sorted(
        (
            path
            for path in source_dir.iterdir()
            if not path.name.startswith(".") and (path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES)
        ),
        key=natural_key,
    )
    if not paths:
        raise InputError(f"{source_dir}: no clips found; expected folders of frames or video files")
    rows = None if manifest is None else _rows(Path(manifest))
    entries = []
    for path in paths:
        clip = path.name if path.is_dir() else path.stem
        if rows is not None and clip not in rows:
            raise InputError(f"{manifest}: no row for the clip {clip!r} ({path}){did_you_mean(clip, rows)}")
        row = {} if rows is None else rows[clip]
        if row.get("forger"):
            raise InputError(
                f"{manifest}: the clip {clip!r} is forged ({row['forger']}); expected authentic clips only"
            )
        footage = open_clip(path)
        if min(footage.height, footage.width) < SMALLEST:
            raise InputError(
                f"{path}: frames of {footage.width}x{footage.height}; expected {SMALLEST}x{SMALLEST} or more"
            )
        scene, camera = vision_name(clip) or ("unknown", "unknown")
        entries.append(
            ClipEntry(
                clip=clip,
                split=row.get("split", ""),
                scene=row.get("scene") or scene,
                camera=row.get("camera") or camera,
                source=row.get("source") or clip,
                forger="",
                frames=path,
                masks=None,
                extra={key: value for key, value in row.items() if key not in COLUMNS},
            )
        )
    return entries


def _rows(manifest: Path) -> dict[str, dict[str, str]]:
    table = read_table(manifest)
    if table and "clip" not in table[0]:
        raise InputError(f"{manifest}: expected a column 'clip'; found {', '.join(table[0])}")
    rows = {row["clip"]: row for row in table}
    if len(rows) < len(table):
        twice = Counter(row["clip"] for row in table).most_common(1)[0][0]
        raise InputError(f"{manifest}: the clip {twice!r} has more than one row")
    return rows


def _split(entries: list[ClipEntry], seed: int, manifest: str | Path | None) -> list[ClipEntry]:
    """Keep the splits of the manifest, or deal the sources 70 / 15 / 15 where it gives none."""
    without = [entry.clip for entry in entries if not entry.split]
    if 0 < len(without) < len(entries):
        raise InputError(
            f"{manifest}: the clip {without[0]!r} has no split though others have one; expected all or none"
        )
    if without:
        sources = sorted({entry.source for entry in entries}, key=lambda source: _rng(seed, source, "split").random())
        held_out = max(1, round(0.15 * len(sources))) if len(sources) >= 3 else 0
        of_source = dict.fromkeys(sources, "train")
        of_source.update(dict.fromkeys(sources[:held_out], "val"))
        of_source.update(dict.fromkeys(sources[held_out : 2 * held_out], "test"))
        return [replace(entry, split=of_source[entry.source]) for entry in entries]
    split_of: dict[str, str] = {}
    for entry in entries:
        if entry.split not in SPLITS:
            raise InputError(
                f"{manifest}: the clip {entry.clip!r} has split {entry.split!r}; expected {', '.join(SPLITS)}"
            )
        if split_of.setdefault(entry.source, entry.split) != entry.split:
            raise InputError(f"{manifest}: the source {entry.source!r} is in two splits, by clip {entry.clip!r}")
    return entries


def _require_distinct(names: list[str]) -> None:
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(f"{name}: two clips would have this name; rename one of their sources")


def _make_room(source_dir: Path, out: Path, overwrite: bool) -> None:
    """Make `out` an empty dataset; of an old one only what `forge` writes is removed."""
    here, there = source_dir.resolve(), out.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise InputError(f"{out}: expected a folder outside of the clips in {source_dir}")
    if out.is_file():
        raise InputError(f"{out}: is a file; expected a folder to write")
    if out.is_dir() and any(out.iterdir()):
        require_free(out, overwrite)
    (out / "manifest.csv").unlink(missing_ok=True)
    for folder in ("frames", "masks", "records", ".forging"):
        shutil.rmtree(out / folder, ignore_errors=True)
    for folder in ("frames", "masks", "records"):
        (out / folder).mkdir(parents=True)


Written = list[tuple[ClipEntry, dict[str, Any]]]


@dataclass(frozen=True)
class _Job:
    """One clip: its authentic copy and its forgeries."""

    entry: ClipEntry
    out: Path
    seed: int
    forgers: list[Forger]

    @property
    def names(self) -> list[str]:
        return [self.entry.clip] + [f"{self.entry.clip}__{number + 1}" for number in range(len(self.forgers))]

    def run(self) -> tuple[str, Written]:
        """Write the clips; return the name of the authentic one and what was written."""
        clip = open_clip(self.entry.frames)
        frames = clip.read(range(len(clip)))
        about = {"source": self.entry.source, "path": self.entry.frames.name, "seed": self.seed}
        about |= {"frames": len(frames), "height": clip.height, "width": clip.width}
        about |= {"chain": CHAIN, "version": __version__}
        self._write(self.entry.clip, frames, None, about)
        written: Written = [(self.entry, {"frames": len(frames), "area": 0.0})]
        for number, (name, forger) in enumerate(zip(self.names[1:], self.forgers, strict=True), start=1):
            record = forger.sample(_rng(self.seed, self.entry.clip, number), Footage(frames))
            forged, mask = replay(Footage(frames), record)
            self._write(name, forged, mask, about | {"number": number} | record)
            entry = replace(self.entry, clip=name, forger=forger.name)
            written.append((entry, {"frames": len(frames), "area": float(mask.mean())}))
        return self.entry.clip, written

    def _write(
        self, name: str, frames: NDArray[np.uint8], mask: NDArray[np.bool_] | None, record: dict[str, Any]
    ) -> None:
        """Write one clip aside, then move it into place: the frames last, so that none stands without its masks."""
        stage = self.out / ".forging" / name
        _write_png(stage / "frames", frames[..., ::-1])
        if mask is not None:
            _write_png(stage / "masks", mask.astype(np.uint8) * 255)
            (stage / "masks").rename(self.out / "masks" / name)
        write_json(self.out / "records" / f"{name}.json", record)
        (stage / "frames").rename(self.out / "frames" / name)


def _write_png(folder: Path, images: NDArray[np.uint8]) -> None:
    """Write grey `T H W` or BGR `T H W 3` images; the lightest compression, since writing is most of the work."""
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        path = folder / f"{index:05}.png"
        if not cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
            raise OSError(f"{path}: cannot be written")


def _run(jobs: list[_Job], workers: int) -> Generator[tuple[str, Written], None, None]:
    """Do the jobs, in the order in which they come to an end."""
    if workers == 1:
        yield from (job.run() for job in jobs)
        return
    # spawn: the threads of OpenCV do not survive a fork.
    with ProcessPoolExecutor(
        min(workers, len(jobs)), multiprocessing.get_context("spawn"), initializer=_start_worker
    ) as pool:
        try:
            for future in as_completed([pool.submit(job.run) for job in jobs]):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _start_worker() -> None:
    cv2.setNumThreads(1)  # the processes share the cores
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent lets each finish its clip


def _progress(done: Iterable[tuple[str, Written]], total: int) -> Iterator[tuple[str, Written]]:
    """Pass the clips on; show a bar on a terminal and a line every tenth of the way elsewhere."""
    if sys.stderr.isatty():
        yield from tqdm(done, total=total, unit="clip", desc="forge")
        return
    for count, item in enumerate(done, start=1):
        if count * 10 // total > (count - 1) * 10 // total:
            print(f"forge: {count}/{total} clips", file=sys.stderr, flush=True)
        yield item


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
