"""Lists the clean clips of a folder, described by a manifest or by their names, and assigns splits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from outpaint_lightning.forge.recipe import rng_of
from outpaint_lightning.io import (
    ClipEntry,
    composed,
    has_name_of_image,
    has_name_of_video,
    natural_key,
    read_dataset,
    read_table,
    unread,
    vision_name,
)
from outpaint_lightning.io.kinds import UNREAD
from outpaint_lightning.io.manifest import COLUMNS, SPLITS
from outpaint_lightning.types import InputError, did_you_mean, did_you_mean_beside


def clean_clips(folder: Path, manifest: Path | None, seed: int) -> list[ClipEntry]:
    """List the clips of a folder in natural order: folders of frames, video files and photos.

    Args:
        folder: the folder of clips; or a dataset of authentic clips, with `frames` or `videos` and a `manifest.csv`
            that lists the clips.
        manifest: CSV with the column `clip` and optionally `split`, `scene`, `camera`, `source`. Other columns are
            kept; rows of clips that the folder lacks are ignored.
        seed: seed of the assignment of sources to train, val and test (70 / 15 / 15) if the manifest has no splits.

    Raises:
        InputError: there are no clips, or a row is missing or cannot be used.
    """
    if not folder.is_dir():
        missing = "" if folder.exists() else f"no such folder{did_you_mean_beside(folder)}; "
        raise InputError(f"{folder}: {missing}expected a folder of clips (folders of frames, video files or photos)")
    own = folder / "manifest.csv"
    if own.is_file() and any((folder / name).is_dir() for name in ("frames", "videos")):
        if manifest is not None:
            raise InputError(f"{manifest}: {own} lists the clips already; expected one of them")
        return deal_splits(_require_authentic(read_dataset(folder), own), seed, own)
    paths = sorted((path for path in folder.iterdir() if _is_clip(path)), key=natural_key)
    if not paths:
        other = next((f" ({path.name}: {UNREAD})" for path in left_out(folder)), "")
        raise InputError(f"{folder}: no clips found{other}; expected folders of frames, video files or photos")
    rows = None if manifest is None else _rows(manifest)
    return deal_splits(_require_authentic([_entry(path, rows, manifest) for path in paths], manifest), seed, manifest)


def left_out(folder: Path) -> list[Path]:
    """Return the pictures and videos of a folder that `clean_clips` leaves out because they are not supported."""
    return unread(folder.iterdir()) if folder.is_dir() else []


def deal_splits(entries: list[ClipEntry], seed: int, manifest: Path | None) -> list[ClipEntry]:
    """Keep the splits of the manifest; without splits, assign the sources 70 / 15 / 15.

    Raises:
        InputError: only some clips have a split, a split is unknown, or a source is in two splits.
    """
    without = [entry.clip for entry in entries if not entry.split]
    if 0 < len(without) < len(entries):
        raise InputError(
            f"{manifest}: the clip {without[0]!r} has no split though others have one; expected all or none"
        )
    if without:
        sources = sorted({entry.source for entry in entries}, key=lambda source: rng_of(seed, source, "split").random())
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


def _is_clip(path: Path) -> bool:
    is_known = has_name_of_image(path) or has_name_of_video(path)
    return not path.name.startswith(".") and (path.is_dir() or is_known)


def _entry(path: Path, rows: dict[str, dict[str, str]] | None, manifest: Path | None) -> ClipEntry:
    clip = composed(path.name if path.is_dir() else path.stem)
    if clip != clip.strip():
        raise InputError(f"{path}: its name begins or ends with a blank; expected one without")
    if rows is not None and clip not in rows:
        raise InputError(f"{manifest}: no row for the clip {clip!r} ({path}){did_you_mean(clip, rows)}")
    row = {} if rows is None else rows[clip]
    scene, camera = vision_name(clip) or ("unknown", "unknown")
    return ClipEntry(
        clip=clip,
        split=row.get("split", ""),
        scene=row.get("scene") or scene,
        camera=row.get("camera") or camera,
        source=row.get("source") or clip,
        forger=row.get("forger", ""),
        frames=path,
        masks=None,
        extra={key: value for key, value in row.items() if key not in COLUMNS},
    )


def _require_authentic(entries: list[ClipEntry], manifest: Path | None) -> list[ClipEntry]:
    for entry in entries:
        if entry.forger or entry.masks:
            how = entry.forger or f"masks in {entry.masks}"
            raise InputError(f"{manifest}: the clip {entry.clip!r} is forged ({how}); expected authentic clips only")
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
