"""The dataset on disk: which clips there are, what they show, where they come from and where their masks lie.

```
ROOT/manifest.csv            clip,split,scene,camera,source,forger[,more columns are kept]
ROOT/frames/<clip>/00000.png (or .jpg), or ROOT/videos/<clip>.mp4
ROOT/masks/<clip>/00000.png  8-bit, 255 = forged, 0 = authentic; no folder = authentic clip
```
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from outpaint_lightning.io.clips import VIDEO_SUFFIXES, frame_files, open_clip
from outpaint_lightning.io.files import StrPath, natural_key, write_csv
from outpaint_lightning.types import InputError, did_you_mean

COLUMNS = ("clip", "split", "scene", "camera", "source", "forger")
SPLITS = ("train", "val", "test")

# Shullani et al., VISION: a video and image dataset for source identification, 2017, section 3: device, V for video,
# scene, the platform it passed through (YouTube, WhatsApp), camera motion, number. Names made from one may go on.
_VISION = re.compile(r"D\d{2}_V_(flat|indoor|outdoor)(?:_?(?:YT|WA))?_(still|move|panrot)_\d{4}(?!\d)")


@dataclass(frozen=True)
class ClipEntry:
    """One clip of a dataset."""

    clip: str
    split: str
    """`train`, `val`, `test`, or empty when the dataset is not divided."""
    scene: str
    camera: str
    source: str
    """The original footage; splits never share one."""
    forger: str
    """What made the forgery; empty for an authentic clip or where it is not known."""
    frames: Path
    """A folder of images or a video file."""
    masks: Path | None
    """A folder of one mask a frame; None for an authentic clip."""
    extra: dict[str, str] = field(default_factory=dict)
    """The manifest's other columns."""


def read_dataset(root: StrPath) -> list[ClipEntry]:
    """List the clips of a dataset, in the order of its manifest or, without one, in natural order of their names.

    Args:
        root: the folder with `frames` or `videos`, and perhaps `masks` and `manifest.csv`.

    Raises:
        InputError: frames, a mask or a column is missing, a clip is listed twice, a split has no such name, or two
            splits share a source.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; a dataset with {root / 'frames'} or {root / 'videos'} was expected")
    clips = _clips(root)
    if not clips:
        raise InputError(f"{root}: no clips; frames/<clip>/00000.png or videos/<clip>.mp4 were expected in it")
    manifest = root / "manifest.csv"
    if manifest.exists():
        rows, listed = read_table(manifest), manifest
    else:
        rows, listed = [{"clip": clip} for clip in sorted(clips, key=natural_key)], root
    if not rows:
        raise InputError(f"{manifest}: no rows; one for every clip was expected")
    if "clip" not in rows[0]:
        raise InputError(f"{manifest}: no column 'clip'; expected {','.join(COLUMNS)}")

    entries: dict[str, ClipEntry] = {}
    for row in rows:
        entry = _entry(row, root, clips, listed)
        if entry.clip in entries:
            raise InputError(f"{listed}: clip {entry.clip!r} is listed twice; one row a clip was expected")
        entries[entry.clip] = entry
    _check_sources(entries.values(), listed)
    for folder in sorted((root / "masks").glob("[!.]*")):
        if folder.name not in clips:
            raise InputError(f"{folder}: masks of no clip" + did_you_mean(folder.name, clips))
    return list(entries.values())


def write_manifest(path: StrPath, entries: Iterable[ClipEntry]) -> None:
    """Write `manifest.csv`: the six columns of the dataset, then whatever the entries carry beside them."""
    write_csv(path, [{column: getattr(entry, column) for column in COLUMNS} | entry.extra for entry in entries])


def read_table(path: StrPath) -> list[dict[str, str]]:
    """Read a CSV file with a header, cells stripped of surrounding blanks.

    Raises:
        InputError: no such file, not UTF-8, no or a doubled column name, or a row of another length than the header.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *lines = [[cell.strip() for cell in row] for row in csv.reader(file) if any(row)] or [[]]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); a CSV file was expected") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is not a CSV file in UTF-8") from error
    if not header or "" in header or len(set(header)) < len(header):
        raise InputError(f"{path}: header {','.join(header)!r}; distinct column names were expected, as in clip,split")
    for number, line in enumerate(lines, start=1):
        if len(line) != len(header):
            raise InputError(f"{path}: row {number} ({line[0]!r}) has {len(line)} cells; {len(header)} were expected")
    return [dict(zip(header, line, strict=True)) for line in lines]


def vision_name(clip: str) -> tuple[str, str] | None:
    """Return scene and camera of a VISION-style name (`D01_V_indoor_move_0001`), or None for any other."""
    match = _VISION.match(clip)
    return (match[1], match[2]) if match else None


def _clips(root: Path) -> dict[str, Path]:
    """Return the clips of `root` by name: its folders of frames and its video files; a folder wins over a file."""
    found: dict[str, Path] = {}
    for file in (root / "videos").glob("[!.]*"):
        if file.suffix.lower() in VIDEO_SUFFIXES:
            if file.stem in found:
                raise InputError(f"{root / 'videos'}: {found[file.stem].name} and {file.name} have the same name")
            found[file.stem] = file
    return found | {folder.name: folder for folder in (root / "frames").glob("[!.]*") if folder.is_dir()}


def _entry(row: dict[str, str], root: Path, clips: dict[str, Path], listed: Path) -> ClipEntry:
    clip = row["clip"]
    if clip not in clips:
        raise InputError(
            f"{listed}: clip {clip!r} has no frames; expected {root / 'frames' / clip} or {root / 'videos' / clip}.mp4"
            + did_you_mean(clip, clips)
        )
    split = row.get("split", "")
    if split not in ("", *SPLITS):
        raise InputError(
            f"{listed}: clip {clip!r} has split {split!r}; expected {', '.join(SPLITS)} or empty"
            + did_you_mean(split, SPLITS)
        )
    masks = _masks(root / "masks" / clip, clips[clip])
    if row.get("forger") and masks is None:
        raise InputError(
            f"{root / 'masks' / clip}: no masks of a clip forged by {row['forger']!r}; one a frame expected"
        )
    scene, camera = vision_name(clip) or ("unknown", "unknown")
    return ClipEntry(
        clip=clip,
        split=split,
        scene=row.get("scene") or scene,
        camera=row.get("camera") or camera,
        source=row.get("source") or clip,
        forger=row.get("forger", ""),
        frames=clips[clip],
        masks=masks,
        extra={column: value for column, value in row.items() if column not in COLUMNS},
    )


def _masks(folder: Path, frames: Path) -> Path | None:
    """Return `folder` once every frame is known to have its mask there; None where there is no such folder.

    A mask has the name of its frame. The frames of a video file are named by their number: `00000.png`.
    """
    if frames.is_dir():
        names = [file.stem for file in frame_files(frames)]  # also finds empty folders, of authentic clips as well
    elif folder.is_dir():
        names = [f"{index:05d}" for index in range(len(open_clip(frames)))]
    if not folder.is_dir():
        return None
    masks = {file.name for file in folder.glob("[!.]*.png")}
    for name in names:
        if f"{name}.png" not in masks:
            raise InputError(f"{folder / name}.png: missing mask; one for every frame of {frames} was expected")
    if len(masks) != len(names):
        raise InputError(f"{folder}: {len(masks)} masks for the {len(names)} frames of {frames}; as many were expected")
    return folder


def _check_sources(entries: Iterable[ClipEntry], listed: Path) -> None:
    first: dict[str, ClipEntry] = {}
    for entry in entries:
        other = first.setdefault(entry.source, entry)
        if other.split != entry.split:
            raise InputError(
                f"{listed}: source {entry.source!r} is in split {other.split!r} (clip {other.clip!r}) and "
                f"{entry.split!r} (clip {entry.clip!r}); splits must not share a source"
            )
