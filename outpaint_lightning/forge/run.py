"""Forge a folder of clean clips into a labelled dataset.

```
OUT/manifest.csv            clip,split,scene,camera,source,forger and the columns of the source's manifest
OUT/frames/<clip>/00000.png the clip untouched; <clip>__1, <clip>__2, ... its forgeries; all through the same chain
OUT/videos/<clip>.mp4       instead, where the chain makes videos
OUT/masks/<clip>__1/00000.png
OUT/records/<clip>.json     how it was made
OUT/forge.json              the recipe: with the same one, an interrupted run goes on
OUT/contact_sheet.png       some of it to look at
```
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning import __version__
from outpaint_lightning.forge.chains import Chain, write_png
from outpaint_lightning.forge.forger import Forger, Record
from outpaint_lightning.forge.material import Material, materials
from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.forge.sheet import write_contact_sheet
from outpaint_lightning.forge.sources import clean_clips
from outpaint_lightning.io import open_clip, require_free, write_json, write_manifest
from outpaint_lightning.io.parallel import each_clip
from outpaint_lightning.types import InputError

STAGE = ".forging"  # where clips are written before they are moved into place


def forge(
    source_dir: str | Path,
    out: str | Path,
    recipe: Recipe,
    *,
    manifest: str | Path | None = None,
    objects: str | Path | None = None,
    max_frames: int | None = None,
    workers: int = 1,
    overwrite: bool = False,
) -> list[Record]:
    """Write each clip of `source_dir` untouched, and forgeries of it that went through the same chain.

    A run that was interrupted goes on where it was when it is called again with the same arguments.

    Args:
        source_dir: A folder of clips: folders of frames, video files and photos.
        out: The dataset; new, empty or begun by the same recipe unless `overwrite`.
        recipe: The parts to choose from.
        manifest: CSV with the column `clip` and any of `split`, `scene`, `camera`, `source`; further columns are kept,
            rows of clips that `source_dir` lacks are ignored.
        objects: Folder with object masks for some of the clips, for the mask `object`: `<clip>/00000.png`, or
            `<clip>.png` for a photo; everything but 0 is object.
        max_frames: Use the first frames of longer clips only; None uses all. A clip is held in memory as a whole.
        workers: Processes; more than 1 need a main module that can be imported.
        overwrite: Replace the dataset in `out`.

    Returns:
        The record of each written clip, as in its JSON file.

    Raises:
        InputError: A clip or a row that cannot be used, or `out` exists.
    """
    source_dir, out = Path(source_dir), Path(out)
    if max_frames is not None and max_frames < 1:
        raise InputError(f"--max-frames {max_frames}: expected 1 or more")
    entries = clean_clips(source_dir, None if manifest is None else Path(manifest), recipe.seed)
    jobs = [
        _Job(
            material=material,
            out=out,
            seed=recipe.seed,
            chain=recipe.chain(material.entry.clip, material.is_photo),
            forgers=recipe.forgers(material.entry.clip, material.available),
        )
        for material in materials(entries, None if objects is None else Path(objects), max_frames)
    ]
    cut = sum(len(job.material.check()) > (max_frames or sys.maxsize) for job in jobs)
    working = each_clip(_Job.run, jobs, workers, "forge")
    _require_distinct([name for job in jobs for name in job.names])
    settings = {
        "version": __version__,
        "recipe": recipe.describe(),
        "max_frames": max_frames,
        "splits": {entry.clip: entry.split for entry in entries},
    }
    _make_room(source_dir, out, json.loads(json.dumps(settings)), overwrite)
    if cut:
        print(f"forge: {cut} clips cut to their first {max_frames} frames (--max-frames)", file=sys.stderr)
    try:
        with closing(working):
            written = list(working)
    finally:
        shutil.rmtree(out / STAGE, ignore_errors=True)
    records = [record for of_clip in written for record in of_clip]
    entries = [
        replace(job.material.entry, clip=record["clip"], forger=record["forger"])
        for job, of_clip in zip(jobs, written, strict=True)
        for record in of_clip
    ]
    write_contact_sheet(out, records)
    write_manifest(out / "manifest.csv", entries)
    return records


def _require_distinct(names: list[str]) -> None:
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(f"{name}: two clips would have this name; rename one of their sources")


def _make_room(source_dir: Path, out: Path, settings: dict[str, Any], overwrite: bool) -> None:
    """Make `out` an empty dataset, or keep what an interrupted run with the same settings left in it.

    Of an old dataset only what `forge` writes is removed.
    """
    here, there = source_dir.resolve(), out.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise InputError(f"{out}: expected a folder outside of the clips in {source_dir}")
    if out.is_file():
        raise InputError(f"{out}: is a file; expected a folder to write")
    begun = out / "forge.json"
    if begun.is_file() and not (out / "manifest.csv").exists() and not overwrite:
        before = json.loads(begun.read_text(encoding="utf-8"))
        different = [key for key in settings if settings[key] != before.get(key)]
        if different:
            raise InputError(
                f"{out}: was begun with another {', '.join(different)}; "
                "expected the same to go on, or --overwrite to begin anew"
            )
        return
    if out.is_dir() and any(out.iterdir()):
        require_free(out, overwrite)
    for name in ("manifest.csv", "forge.json", "contact_sheet.png"):
        (out / name).unlink(missing_ok=True)
    for folder in ("frames", "videos", "masks", "records", STAGE):
        shutil.rmtree(out / folder, ignore_errors=True)
    write_json(begun, settings)


@dataclass(frozen=True)
class _Job:
    """One clip: its authentic copy and its forgeries."""

    material: Material
    out: Path
    seed: int
    chain: Chain
    forgers: list[Forger]

    @property
    def names(self) -> list[str]:
        clip = self.material.entry.clip
        return [clip] + [f"{clip}__{number}" for number in range(1, len(self.forgers) + 1)]

    def run(self) -> list[Record]:
        """Write the clips that are not there yet; return all records, the authentic clip's first."""
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
        """Return the record of a clip that an earlier run has written: it is written last."""
        path = self.out / "records" / f"{name}.json"
        record: Record | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        return record

    def _forge(self, number: int, name: str, frames: NDArray[np.uint8], span: range, fps: float) -> Record:
        entry = self.material.entry
        record: Record = {"clip": name, "split": entry.split, "source": entry.source, "path": entry.frames.name}
        forger = self.forgers[number - 1] if number else None
        lot = (self.seed, entry.clip, number)
        forged, mask, made = self.material.make(frames, span, self.chain, forger, lot)
        record |= {"forger": forger.name if forger else "", "seed": self.seed, "number": number} | made
        record |= {"read": len(frames), "frames": len(forged), "height": forged.shape[1], "width": forged.shape[2]}
        record |= {"area": 0.0 if mask is None else float(mask.mean()), "version": __version__}
        self._write(name, forged, mask, fps / self.chain.step(len(frames), record["chain"]["params"]), record)
        return record

    def _write(
        self, name: str, frames: NDArray[np.uint8], mask: NDArray[np.bool_] | None, fps: float, record: Record
    ) -> None:
        """Write one clip aside, then move it into place: its masks, its frames, its record."""
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
    """Move into place, over what a killed run may have left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    source.replace(target)
