"""Forges a folder of clean clips into a labelled dataset.

```
OUT/manifest.csv            clip,split,scene,camera,source,forger and the columns of the source's manifest
OUT/frames/<clip>/00000.png the clip untouched; <clip>__1, <clip>__2, ... its forgeries; all with the same chain
OUT/videos/<clip>.mp4       used instead if the chain makes videos
OUT/masks/<clip>__1/00000.png
OUT/records/<clip>.json     the parts and parameters of the clip
OUT/forge.json              the recipe: with the same recipe, an interrupted run continues
OUT/contact_sheet.png       a sample of the forgeries as a picture
```
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning import __version__
from outpaint_lightning.forge.chains import Chain, write_png
from outpaint_lightning.forge.forger import Forger, Record
from outpaint_lightning.forge.material import Material, materials
from outpaint_lightning.forge.output import STAGE, prepare, read_record, require_apart
from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.forge.sheet import write_contact_sheet
from outpaint_lightning.forge.sources import clean_clips, left_out
from outpaint_lightning.io import open_clip, write_json, write_manifest
from outpaint_lightning.io.kinds import UNREAD
from outpaint_lightning.io.output import sole_writer
from outpaint_lightning.processes.pool import each_clip
from outpaint_lightning.types import InputError


def forge(
    source_dir: str | Path,
    out: str | Path,
    recipe: Recipe | str | Path = "default",
    *,
    manifest: str | Path | None = None,
    objects: str | Path | None = None,
    max_frames: int | None = None,
    workers: int = 1,
    overwrite: bool = False,
) -> list[Record]:
    """Write each clip of `source_dir` untouched, and forgeries of it processed by the same chain.

    >>> records = outpaint_lightning.forge("clips", "data/forged", "outpainting", workers=4)  # doctest: +SKIP
    >>> [record["forger"] for record in records[:2]]  # doctest: +SKIP
    ['', 'border/telea/hard']

    Calling it again with the same arguments continues an interrupted run; clips that have changed since are forged
    again.

    Args:
        source_dir: a folder of clips: folders of frames, video files and photos.
        out: the dataset; new, empty or started with the same recipe, unless `overwrite`.
        recipe: the parts to choose from; or a YAML file, or the name of a file in `configs/forge`.
        manifest: CSV with the column `clip` and optionally `split`, `scene`, `camera`, `source`. Other columns are
            kept; rows of clips that `source_dir` lacks are ignored.
        objects: folder with object masks for some of the clips, for the mask `object`: `<clip>/00000.png`, or
            `<clip>.png` for a photo; every value except 0 is object.
        max_frames: use at most this many first frames of a clip; None uses all. A clip is held in memory as a whole.
        workers: number of processes; more than 1 needs a main module that can be imported.
        overwrite: replace a dataset of `forge` in `out`.

    Returns:
        The record of each written clip, as in its JSON file.

    Raises:
        InputError: a clip or a row cannot be used, `out` exists, or another command writes there.
    """
    source_dir, out = Path(source_dir), Path(out)
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.read(recipe)
    if max_frames is not None and max_frames < 1:
        raise InputError(f"--max-frames {max_frames}: expected 1 or more")
    require_apart(out, [Path(path) for path in (source_dir, manifest, objects) if path is not None])
    entries = clean_clips(source_dir, None if manifest is None else Path(manifest), recipe.seed)
    if others := left_out(source_dir):
        print(f"forge: left out, {UNREAD}: {', '.join(path.name for path in others)}", file=sys.stderr)
    material = materials(entries, None if objects is None else Path(objects), max_frames)
    jobs = [_Job.of(each, out, recipe) for each in material]
    cut = sum(job.check() > (max_frames or sys.maxsize) for job in jobs)
    working = each_clip(_Job.run, jobs, workers, "forge")
    _require_distinct([name for job in jobs for name in job.names])
    settings = {"version": __version__, "recipe": recipe.describe(), "max_frames": max_frames}
    with sole_writer(out):
        changed = prepare(out, settings, {job.names[0]: (job.names, job.fingerprint()) for job in jobs}, overwrite)
        if changed:
            print(f"forge: made anew, as they changed: {', '.join(changed)}", file=sys.stderr)
        if cut:
            print(f"forge: {cut} clips cut to their first {max_frames} frames (--max-frames)", file=sys.stderr)
        return _write(out, jobs, working)


def _write(out: Path, jobs: Sequence[_Job], working: Generator[list[Record], None, None]) -> list[Record]:
    """Run the jobs, and write the contact sheet and the manifest; return all records.

    The manifest is written last: a dataset with a manifest is complete.
    """
    try:
        with closing(working):
            record_lists = list(working)
    finally:
        shutil.rmtree(out / STAGE, ignore_errors=True)
    records = [record for clip_records in record_lists for record in clip_records]
    write_contact_sheet(out, records)
    entries = [
        replace(job.material.entry, clip=record["clip"], forger=record["forger"])
        for job, clip_records in zip(jobs, record_lists, strict=True)
        for record in clip_records
    ]
    write_manifest(out / "manifest.csv", entries)
    return records


def _require_distinct(names: list[str]) -> None:
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(f"{name}: two clips would have this name; rename one of their sources")


@dataclass(frozen=True)
class _Job:
    """One clip: its authentic copy and its forgeries."""

    material: Material
    out: Path
    seed: int
    chain: Chain
    forgers: list[Forger]

    @classmethod
    def of(cls, material: Material, out: Path, recipe: Recipe) -> Self:
        """Return the job of a clip, with the chain and the forgers that the recipe draws for it."""
        clip = material.entry.clip
        chain, forgers = recipe.chain(clip, material.is_photo), recipe.forgers(clip, material.available)
        return cls(material, out, recipe.seed, chain, forgers)

    @property
    def names(self) -> list[str]:
        clip = self.material.entry.clip
        return [clip] + [f"{clip}__{number}" for number in range(1, len(self.forgers) + 1)]

    def fingerprint(self) -> dict[str, Any]:
        """Return the values on which the written clips depend besides the recipe."""
        return self.material.fingerprint(frozenset().union(*(forger.needs for forger in self.forgers)))

    def check(self) -> int:
        """Return the number of frames of the clip.

        Raises:
            InputError: a failure that can be foreseen: in the clip, its object masks, its chain or a fill.
        """
        clip = self.material.check()
        try:
            self.chain.check(clip.height, clip.width)
            for forger in self.forgers:
                forger.fill.sample(np.random.default_rng(0))  # a net without its checkpoint raises here
        except InputError as error:
            raise InputError(f"{clip.path}: {error}") from error
        return len(clip)

    def run(self) -> list[Record]:
        """Write the clips that are missing; return all records, the authentic clip's first."""
        names = self.names
        records = [self._written(name) for name in names]
        if not all(records):
            clip = open_clip(self.material.entry.frames)
            span = self.material.span(clip)
            frames = clip.read(span)
            for number, name in enumerate(names):
                if records[number] is None:
                    records[number] = self._forge(number, name, frames, span, clip.fps)
        return [record for record in records if record]

    def _written(self, name: str) -> Record | None:
        """Return the record of a clip from an earlier run; a clip's record is its last file."""
        return read_record(self.out / "records" / f"{name}.json")

    def _forge(self, number: int, name: str, frames: NDArray[np.uint8], span: range, fps: float) -> Record:
        entry = self.material.entry
        record: Record = {"clip": name, "split": entry.split, "source": entry.source, "path": entry.frames.name}
        forger = self.forgers[number - 1] if number else None
        twin_lot = (self.seed, entry.clip)
        forged, mask, sampled = self.material.make(frames, span, self.chain, forger, (*twin_lot, number), twin_lot)
        record |= {"forger": forger.name if forger else "", "seed": self.seed, "number": number} | sampled
        record |= {"read": len(frames), "frames": len(forged), "height": forged.shape[1], "width": forged.shape[2]}
        record |= {"area": 0.0 if mask is None else float(mask.mean()), "version": __version__}
        self._write(name, forged, mask, fps / self.chain.step(len(frames), record["chain"]["params"]), record)
        return record

    def _write(
        self, name: str, frames: NDArray[np.uint8], mask: NDArray[np.bool_] | None, fps: float, record: Record
    ) -> None:
        """Write one clip to the stage, then move its masks, its frames and its record to their final paths."""
        stage = self.out / STAGE / name
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(parents=True)
        encoded = stage / f"clip{self.chain.suffix}"
        self.chain.write(encoded, frames, fps, record["chain"]["params"])
        if mask is not None:
            write_png(stage / "masks", mask)
            _move(stage / "masks", self.out / "masks" / name)
        _move(encoded, self.out / self.chain.folder / f"{name}{self.chain.suffix}")
        write_json(self.out / "records" / f"{name}.json", record)


def _move(source: Path, target: Path) -> None:
    """Move to the final path, replacing what a killed run may have left there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    source.replace(target)
