"""Prepares the folder that `forge` writes: empties it, or keeps the clips of an interrupted run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from outpaint_lightning.forge.forger import Record
from outpaint_lightning.io import read_json, require_free, write_json
from outpaint_lightning.io.output import is_free
from outpaint_lightning.io.reading import inside
from outpaint_lightning.types import InputError

STAGE = ".forging"  # folder where clips are written before they are moved to their final path
BEGUN = "forge.json"
FOLDERS = ("frames", "videos", "masks", "records", STAGE)

Clips = Mapping[str, tuple[Sequence[str], Mapping[str, Any]]]
"""For each clean clip the names of its written clips, and the values they depend on besides the recipe."""


def require_apart(out: Path, inputs: Sequence[Path]) -> None:
    """Raise `InputError` if an input lies in `out`, or if `out` lies in the first input, the folder of clips."""
    target = out.resolve()
    for path in inputs:
        if path.resolve().is_relative_to(target) or target.is_relative_to(inputs[0].resolve()):
            raise InputError(f"{out}: expected a folder outside of {path}")


def prepare(out: Path, settings: dict[str, Any], clips: Clips, overwrite: bool) -> list[str]:
    """Make `out` an empty dataset, or keep the clips of an interrupted run with the same settings.

    It removes only files that `forge` writes, and only from a folder that `forge` has started.

    Args:
        out: the folder.
        settings: plain values on which all clips depend.
        clips: values on which each clip depends.
        overwrite: replace an existing dataset.

    Returns:
        The clips of the interrupted run that are gone or have changed; their old files were removed.

    Raises:
        InputError: `out` holds other files, a finished dataset, or a dataset started with other settings.
    """
    begun = {"settings": settings, "clips": {clip: {"names": names, **on} for clip, (names, on) in clips.items()}}
    begun = json.loads(json.dumps(begun))
    is_ours = (out / BEGUN).is_file()
    if not is_ours and not is_free(out):
        raise InputError(f"{out}: holds something else than a dataset of forge; expected a new or empty folder")
    changed = []
    if is_ours and not (out / "manifest.csv").exists() and not overwrite:
        before = _begun(out / BEGUN)
        different = [key for key in settings if begun["settings"][key] != before["settings"].get(key)]
        if different:
            raise InputError(
                f"{out}: was begun with another {', '.join(different)}; "
                "expected the same to go on, or --overwrite to begin anew"
            )
        changed = [clip for clip, on in before["clips"].items() if begun["clips"].get(clip) != on]
        for name in (name for clip in changed for name in before["clips"][clip]["names"]):
            _remove(out, name)
        for left in (out / "records").glob(".*"):  # left by a run that was killed while writing a record
            left.unlink()
    elif is_ours:
        require_free(out, overwrite)
        for name in ("manifest.csv", "contact_sheet.png"):
            (out / name).unlink(missing_ok=True)
        for folder in FOLDERS:
            shutil.rmtree(out / folder, ignore_errors=True)
    write_json(out / BEGUN, begun)
    return changed


def read_record(path: Path) -> Record | None:
    """Return the record of a clip from an earlier run, or None; then the clip is forged again.

    It is also None if the file is broken, or holds values that the sheet and the summary cannot use, such as the path
    of a file in another folder.
    """
    with suppress(InputError):
        record: Record = read_json(path, dict, "the record of a clip")
        chain, forger = record.get("chain"), record.get("forger")
        is_whole = (
            record.get("clip") == path.stem
            and all(isinstance(record.get(key), str) for key in ("split", "source", "forger"))
            and all(type(record.get(key)) in (int, float) for key in ("area", "frames"))
            and (forger == "" or str(forger).count("/") == 2)
            and isinstance(chain, dict)
            and isinstance(chain.get("name"), str)
        )
        return record if is_whole else None
    return None


def _begun(path: Path) -> dict[str, Any]:
    """Read the notes of an interrupted run; the file and its folder may come from a stranger.

    Raises:
        InputError: the file is broken, or holds a name that `forge` does not write. Clips with these names are removed.
    """
    content: dict[str, Any] = read_json(path, dict, "what forge notes when it begins")
    settings, clips = content.get("settings"), content.get("clips")
    rows = [*clips.values()] if isinstance(clips, dict) else [None]
    lists = [row.get("names") if isinstance(row, dict) else None for row in rows]
    if not isinstance(settings, dict) or not all(isinstance(names, list) for names in lists):
        raise InputError(f"{path}: is not what forge notes when it begins; --overwrite begins anew")
    for name in (name for names in lists for name in names or ()):
        if not isinstance(name, str) or name != Path(name).name or name in ("", "..") or "\0" in name:
            raise InputError(f"{path}: {str(name)[:100]!r} is no name of a clip; --overwrite begins anew")
    return content


def _remove(out: Path, name: str) -> None:
    """Remove one written clip, its record first; links that lead out of the folder are not followed."""
    for file in (out / "records" / f"{name}.json", out / "videos" / f"{name}.mp4"):
        if inside(file, out):
            file.unlink(missing_ok=True)
    for folder in (out / "frames" / name, out / "masks" / name):
        if inside(folder, out):
            shutil.rmtree(folder, ignore_errors=True)
