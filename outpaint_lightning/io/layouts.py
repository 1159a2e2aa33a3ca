"""Where the clips of a dataset lie, and their masks: in our own layout and in those of well-known datasets.

A layout only tells what its folders and lists say; `read_dataset` checks it. A new layout is one reader and one line of
`LAYOUTS`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from outpaint_lightning.io.clips import VIDEO_SUFFIXES, is_image
from outpaint_lightning.io.files import natural_key
from outpaint_lightning.io.manifest import SPLITS
from outpaint_lightning.types import InputError


@dataclass(frozen=True)
class Found:
    """One clip as a layout tells of it; nothing needs to exist."""

    clip: str
    frames: Path
    """A folder of images, an image or a video file."""
    masks: Path | None
    """Where its masks would lie: a folder, or a file for a single image; None: nowhere, it is authentic."""
    split: str = ""
    nonzero: bool = False
    """Masks hold object numbers; everything but 0 is forged."""
    forged: bool = False
    """The masks must be there: a list names them."""


@dataclass(frozen=True)
class Contents:
    """What a layout finds below a root."""

    clips: list[Found]
    masks: list[Path]
    """Everything that lies where masks belong, so that masks of no clip come to light."""


@dataclass(frozen=True)
class Layout:
    """How to recognise a layout and how to read it."""

    name: str
    places: tuple[str, ...]
    """Where a clip's frames lie below the root, for messages."""
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Contents]
    """May raise `InputError` when a list cannot be read."""


def layout_of(root: Path) -> Layout:
    """Return the first layout of `LAYOUTS` that recognises `root`.

    Raises:
        InputError: nothing is there, or no layout that is known here.
    """
    if not root.exists():
        raise InputError(f"{root}: no such folder; a dataset with {root / 'frames'} or {root / 'videos'} was expected")
    for layout in LAYOUTS:
        if layout.recognises(root):
            return layout
    raise no_clips(root)


def no_clips(root: Path) -> InputError:
    """Return the error of a root without a clip, which says where clips could lie."""
    expected = "; ".join(f"{' or '.join(layout.places)} ({layout.name})" for layout in LAYOUTS)
    return InputError(f"{root}: no clips; expected {expected}")


def _children(folder: Path) -> list[Path]:
    """Return what is in a folder, in natural order, hidden files left out; nothing when there is no such folder."""
    return sorted(folder.glob("[!.]*"), key=lambda path: natural_key(path.name))


def clip_name(path: Path) -> str:
    """Return the clip that frames or masks belong to: the folder's name, or the file's without its suffix."""
    return path.name if path.is_dir() else path.stem


def _pairs(root: Path, frames: str, masks: str, suffix: str = "") -> Contents:
    """Read clips, as folders of frames or as single images, and the masks of the same name in the folder beside.

    Args:
        root: the folder of both.
        frames: name of the folder with the clips.
        masks: name of the folder with the masks.
        suffix: what a mask's name may have after the clip's.
    """
    here = _children(root / masks)
    by_name = {clip_name(path): path for path in here if _is_clip(path)}
    clips = []
    for path in filter(_is_clip, _children(root / frames)):
        name = clip_name(path)
        mask = by_name.get(name) or by_name.get(name + suffix, root / masks / name)
        clips.append(Found(name, path, mask))
    return Contents(clips, here)


def _is_clip(path: Path) -> bool:
    return path.is_dir() or is_image(path)


def _own(root: Path) -> Contents:
    """Read `frames` and `videos`, with `masks`; of a folder and a video of one name the folder counts."""
    contents = _pairs(root, "frames", "masks")
    names = {found.clip for found in contents.clips}
    videos = [file for file in _children(root / "videos") if file.suffix.lower() in VIDEO_SUFFIXES]
    extra = [Found(file.stem, file, root / "masks" / file.stem) for file in videos if file.stem not in names]
    return Contents(contents.clips + extra, contents.masks)


def _davis(root: Path, split: str = "") -> Contents:
    """Read `JPEGImages[/<resolution>]/<clip>` with `Annotations[/<resolution>]/<clip>` and the lists of `ImageSets`.

    Of several resolutions the first in natural order is taken that has annotations: 480p before 1080p.

    Args:
        root: the folder of `JPEGImages`.
        split: of clips that no list names.
    """
    images, annotations = root / "JPEGImages", root / "Annotations"
    if resolutions := _resolutions(images):
        name = next((name for name in resolutions if (annotations / name).is_dir()), resolutions[0])
        images = images / name
        annotations = annotations / name if (annotations / name).is_dir() else annotations
    splits = dict.fromkeys((folder.name for folder in _children(images) if folder.is_dir()), split)
    splits |= _image_sets(root / "ImageSets")
    clips = [Found(name, images / name, annotations / name, split, nonzero=True) for name, split in splits.items()]
    return Contents(clips, _children(annotations))


def _resolutions(folder: Path) -> list[str]:
    """Return the names of the folders in `folder` when they hold folders of clips, and not frames."""
    folders = [path for path in _children(folder) if path.is_dir()]
    holds_clips = any(path.is_dir() for folder in folders[:1] for path in folder.iterdir())
    return [folder.name for folder in folders] if holds_clips else []


def _image_sets(folder: Path) -> dict[str, str]:
    """Return the split of each clip that `<folder>/<year>/<split>.txt` lists.

    A line is a clip's name (DAVIS 2017) or begins with the path of one of its frames (DAVIS 2016).

    Raises:
        InputError: a clip is in two splits.
    """
    splits: dict[str, str] = {}
    for file in sorted(folder.glob("*/*.txt")):
        split = file.stem.partition("-")[0]  # test-dev and test-challenge
        for line in file.read_text(errors="replace").splitlines() if split in SPLITS else ():
            frame = PurePosixPath(*line.split()[:1])
            if (name := frame.parent.name or frame.name) and splits.setdefault(name, split) != split:
                raise InputError(f"{file}: clip {name!r} is in split {splits[name]!r} too; one split was expected")
    return splits


_YOUTUBE_VOS = {"train": "train", "valid": "val", "val": "val", "test": "test"}


def _youtube_vos(root: Path) -> Contents:
    """Read one folder in the manner of DAVIS for each split."""
    parts = [_davis(root / name, split) for name, split in _YOUTUBE_VOS.items()]
    return Contents([clip for part in parts for clip in part.clips], [path for part in parts for path in part.masks])


def _json_pairs(root: Path) -> Contents:
    """Read a JSON list of `[image, mask]`; the word `Negative` in place of a mask says that the image is authentic.

    Paths are absolute or begin at the JSON file's folder.

    Raises:
        InputError: no JSON, or an entry is no such pair.
    """
    [file] = _json_files(root)
    try:
        pairs = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:  # broken JSON, or not UTF-8
        raise InputError(f"{file}: is not JSON in UTF-8 ({error}); {_PAIRS}") from error
    if not isinstance(pairs, list):
        raise InputError(f"{file}: holds no list; {_PAIRS}")
    return Contents([_photo(file, number, pair) for number, pair in enumerate(pairs, start=1)], [])


_PAIRS = 'a list of [image, mask] or [image, "Negative"] was expected'


def _photo(file: Path, number: int, pair: Any) -> Found:
    match pair:
        case [str(image), str(mask)]:
            frames, masks = (Path(os.path.normpath(file.parent / path)) for path in (image, mask))
            is_forged = mask != "Negative"
            return Found(_path_name(frames, file.parent), frames, masks if is_forged else None, forged=is_forged)
    raise InputError(f"{file}: entry {number} is {json.dumps(pair)[:100]}; {_PAIRS}")


def _path_name(path: Path, folder: Path) -> str:
    """Return the name of a clip that a list gives by its path: `Tp/1.jpg` in `folder` is `Tp__1`."""
    absolute, folder = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
    inside = absolute.relative_to(folder if absolute.is_relative_to(folder) else absolute.anchor)
    return os.path.splitext(inside)[0].replace(os.sep, "__")


def _json_files(root: Path) -> list[Path]:
    return [root] if root.is_file() and root.suffix == ".json" else list(root.glob("[!.]*.json"))


def _has(*folders: str) -> Callable[[Path], bool]:
    return lambda root: any((root / folder).is_dir() for folder in folders)


LAYOUTS = (
    Layout("our own", ("frames/<clip>", "videos/<clip>.mp4"), _has("frames", "videos"), _own),
    Layout("DAVIS", ("JPEGImages/<clip>",), _has("JPEGImages"), _davis),
    Layout(
        "YouTube-VOS",
        ("train/JPEGImages/<clip>",),
        _has(*(f"{name}/JPEGImages" for name in _YOUTUBE_VOS)),
        _youtube_vos,
    ),
    Layout("IMDL-BenCo", ("Tp/<clip>.jpg",), _has("Tp"), partial(_pairs, frames="Tp", masks="Gt", suffix="_gt")),
    Layout("IMDL-BenCo's list", ("<list>.json",), lambda root: len(_json_files(root)) == 1, _json_pairs),
)
