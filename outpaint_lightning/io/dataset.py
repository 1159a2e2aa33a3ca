"""The dataset on disk: finds and checks its clips with their frames and masks.

```
ROOT/manifest.csv            one row per clip
ROOT/frames/<clip>/00000.png (or .jpg), or ROOT/frames/<clip>.jpg for a photo, or ROOT/videos/<clip>.mp4
                             (either folder may hold all three)
ROOT/masks/<clip>/00000.png  8-bit, 255 = forged, 0 = authentic; or ROOT/masks/<clip>.png for a photo; none = authentic
```

`layouts.py` reads other layouts, which may also have a `manifest.csv`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from outpaint_lightning.io.clips import frame_numbers, image_files, images_in, require_distinct
from outpaint_lightning.io.files import StrPath, natural_key
from outpaint_lightning.io.kinds import has_name_of_video, is_image
from outpaint_lightning.io.layouts import Found, clip_name, layout_of, no_clips
from outpaint_lightning.io.manifest import COLUMNS, SPLITS, ClipEntry, read_table, vision_name
from outpaint_lightning.io.opening import open_clip
from outpaint_lightning.io.reading import composed
from outpaint_lightning.types import InputError, did_you_mean

ProblemKind = Literal["manifest", "missing", "twice", "empty", "undecodable", "masks", "stray", "split", "leak"]
"""Kinds of problems. manifest: a list cannot be read; missing: a listed clip has no frames; twice: a name occurs twice;
empty: a folder holds no frames; undecodable: a video does not open or a folder cannot be read; masks: masks are missing
or their number differs from that of the frames; stray: masks match no clip; split: a split's name is unknown; leak: two
splits share a source."""

OnProblem = Callable[[ProblemKind, InputError], None]


class Problem(InputError):
    """One problem of a dataset, with its kind; the message begins with the path concerned."""

    def __init__(self, kind: ProblemKind, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind

    def __str__(self) -> str:
        return str(self.args[1])


def read_dataset(root: StrPath, on_problem: OnProblem | None = None) -> list[ClipEntry]:
    """List the clips of a dataset in the order of its manifest; without a manifest, in natural order of their names.

    Args:
        root: the folder with `frames` or `videos`, and optionally `masks` and `manifest.csv`, or with another layout of
            `layouts.py`.
        on_problem: called with each problem; the usable clips are still returned. Clips are returned too when sources
            leak across splits or when masks match no clip. If it is None, the first problem is raised.

    Raises:
        InputError: there is no dataset at `root`, or it has no clip. Without `on_problem` also: frames, a mask or a
            column is missing, a clip is listed twice, the name of a split is unknown, or two splits share a source.
    """
    root = Path(root)
    with _reported(None):
        layout = layout_of(root)
    entries: dict[str, ClipEntry] = {}
    with _reported(on_problem):  # after an error that leaves this block, nothing more can be read
        with _as("manifest"):
            contents = layout.read(root)
        if not contents.clips:
            raise no_clips(root)
        clips: dict[str, Found] = {}
        for found in contents.clips:
            with _reported(on_problem):
                _add_found(clips, found)
        listed, rows = _rows(root, clips)
        for row in rows:
            with _reported(on_problem):
                _add_entry(entries, row, clips, listed, [root / location for location in layout.places])
        first: dict[str, ClipEntry] = {}
        for entry in entries.values():
            with _reported(on_problem):
                _check_source(entry, first.setdefault(entry.source, entry), listed)
        claimed = {found.masks for found in clips.values()}
        for masks in contents.masks:
            with _reported(on_problem):
                if masks not in claimed:
                    raise _stray(masks, clips)
    return list(entries.values())


@contextmanager
def _reported(on_problem: OnProblem | None) -> Iterator[None]:
    """Handle a problem in the block: pass it to `on_problem`, or raise it if that is None."""
    try:
        with _readable():
            yield
    except Problem as problem:
        if on_problem is None:
            raise
        on_problem(problem.kind, problem)


@contextmanager
def _readable() -> Iterator[None]:
    """Turn an error of the operating system about a folder or file into a problem."""
    try:
        yield
    except OSError as error:
        raise Problem("undecodable", f"{error.filename}: cannot be read ({error.strerror})") from error


@contextmanager
def _as(kind: ProblemKind) -> Iterator[None]:
    """Turn an `InputError` of a reader into a problem of a kind."""
    try:
        yield
    except InputError as error:
        raise Problem(kind, str(error)) from error


def _add_found(clips: dict[str, Found], found: Found) -> None:
    twin = clips.setdefault(found.clip, found)
    if twin is not found:
        raise Problem("twice", f"{found.frames}: {twin.frames} has the same name; one clip a name was expected")


def _rows(root: Path, clips: Iterable[str]) -> tuple[Path, list[dict[str, str]]]:
    """Return the rows of the manifest, or one row per clip without a manifest, and the path for error messages."""
    manifest = root / "manifest.csv"
    if not manifest.exists():
        return root, [{"clip": clip} for clip in sorted(clips, key=natural_key)]
    with _as("manifest"):
        rows = read_table(manifest)
    if not rows:
        raise Problem("manifest", f"{manifest}: no rows; one for every clip was expected")
    if "clip" not in rows[0]:
        raise Problem(
            "manifest", f"{manifest}: no column 'clip'; expected {','.join(COLUMNS)}; found {','.join(rows[0])!r}"
        )
    return manifest, rows


def _add_entry(
    entries: dict[str, ClipEntry], row: dict[str, str], clips: Mapping[str, Found], listed: Path, paths: Iterable[Path]
) -> None:
    clip = row["clip"]
    if not clip.isprintable():
        raise Problem("missing", f"{listed}: clip {clip!r}: the name of a folder or file was expected")
    found = clips.get(clip)
    if found is None:
        expected = " or ".join(str(path).replace("<clip>", clip) for path in paths)
        raise Problem(
            "missing", f"{listed}: clip {clip!r} has no frames; expected {expected}" + did_you_mean(clip, clips)
        )
    if not found.frames.exists():
        here = f"{found.frames} is a broken link" if found.frames.is_symlink() else f"expected {found.frames}"
        raise Problem("missing", f"{listed}: clip {clip!r} has no frames; {here}")
    if clip in entries:
        raise Problem("twice", f"{listed}: clip {clip!r} is listed twice; one row a clip was expected")
    entries[clip] = _entry(row, found, listed)


def _entry(row: dict[str, str], found: Found, listed: Path) -> ClipEntry:
    clip, forger = found.clip, row.get("forger", found.forger)
    split = row.get("split") or found.split
    if split not in ("", *SPLITS):
        raise Problem(
            "split",
            f"{listed}: clip {clip!r} has split {split!r}; expected {', '.join(SPLITS)} or empty"
            + did_you_mean(split, SPLITS),
        )
    masks = _masks(found)
    if forger and masks is None:
        raise Problem(
            "masks", f"{found.masks or found.frames}: no masks of a clip forged by {forger!r}; one a frame expected"
        )
    scene, camera = vision_name(clip) or ("unknown", "unknown")
    return ClipEntry(
        clip=clip,
        split=split,
        scene=row.get("scene") or found.scene or scene,
        camera=row.get("camera") or camera,
        source=row.get("source") or found.source or clip,
        forger=forger,
        frames=found.frames,
        masks=masks,
        extra={column: value for column, value in row.items() if column not in COLUMNS},
        nonzero=found.nonzero,
    )


def _masks(found: Found) -> Path | None:
    """Return the masks after checking that each frame has one; None if there are none.

    A mask in a folder has the name of its frame. The frames of a video file are named by their number: `00000.png`.
    """
    frames, masks = found.frames, found.masks
    is_video = frames.is_file() and has_name_of_video(frames)
    names = [] if is_video else _image_names(frames)  # also detects empty folders of authentic clips
    if masks is None:
        return None
    if not masks.exists():
        if masks.is_symlink():
            raise Problem("masks", f"{masks}: a broken link; the masks of {frames} were expected")
        if found.forged:
            raise Problem("masks", f"{masks}: missing mask; {frames} is forged")
        return None
    if is_video:
        with _as("undecodable"):
            names = frame_numbers(len(open_clip(frames)))
    if masks.is_dir():
        _check_masks(masks, names, frames)
    elif not is_image(masks) or len(names) > 1:
        where = "" if is_image(frames) else f" in {masks.with_suffix('')}/"
        raise Problem("masks", f"{masks}: not the masks of {frames}; one PNG a frame was expected{where}")
    return masks


def _check_masks(masks: Path, names: Sequence[str], frames: Path) -> None:
    files = images_in(masks)
    by_name = {composed(file.stem): file for file in files if file.suffix.lower() == ".png"}
    missing = next((name for name in names if name not in by_name), None)
    if missing is not None:
        others = {file.name for file in files} - {by_name[name].name for name in names if name in by_name}
        found = difflib.get_close_matches(f"{missing}.png", others, n=1, cutoff=0)
        raise Problem(
            "masks",
            f"{masks / missing}.png: missing mask; one for every frame of {frames} was expected"
            + "".join(f"; found {name}" for name in found),
        )
    if len(files) != len(names):
        raise Problem(
            "masks", f"{masks}: {len(files)} masks for the {len(names)} frames of {frames}; as many were expected"
        )


def _image_names(frames: Path) -> list[str]:
    with _as("empty" if frames.is_dir() else "undecodable"):
        files = image_files(frames)
    with _as("twice"):
        require_distinct(files)
    return [composed(file.stem) for file in files]


def _stray(masks: Path, clips: Mapping[str, Found]) -> Problem:
    clip = clip_name(masks)
    if clip not in clips:
        return Problem("stray", f"{masks}: masks of no clip" + did_you_mean(clip, clips))
    expected = clips[clip].masks or "none, as it is authentic"
    return Problem("stray", f"{masks}: not the masks of clip {clip!r}; expected {expected}")


def _check_source(entry: ClipEntry, first: ClipEntry, listed: Path) -> None:
    if first.split != entry.split:
        raise Problem(
            "leak",
            f"{listed}: source {entry.source!r} is in split {first.split!r} (clip {first.clip!r}) and "
            f"{entry.split!r} (clip {entry.clip!r}); splits must not share a source",
        )
