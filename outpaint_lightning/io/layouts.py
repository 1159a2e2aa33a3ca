"""Finds the clips of a dataset and their masks, in our own layout and in those of well-known datasets.

A layout only reports the content of its folders and lists; `read_dataset` checks it. A new layout needs one reader and
one line in `LAYOUTS`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from outpaint_lightning.io.files import natural_key
from outpaint_lightning.io.kinds import has_name_of_image, has_name_of_media, has_name_of_video, is_image
from outpaint_lightning.io.manifest import SPLITS
from outpaint_lightning.io.reading import composed, on_disk, read_bytes, read_json
from outpaint_lightning.types import InputError


@dataclass(frozen=True)
class Found:
    """One clip as its layout reports it; the paths need not exist."""

    clip: str
    frames: Path
    """A folder of images, an image or a video file, or something unreadable, which `read_dataset` reports."""
    masks: Path | None
    """Expected path of the masks: a folder, or a file for a single image; None if the clip is authentic."""
    split: str = ""
    nonzero: bool = False
    """Masks hold object numbers; everything but 0 is forged."""
    forged: bool = False
    """The masks must be there: a list names them, or the clip's folder says that it is forged."""
    source: str = ""
    """The original footage, where the layout tells it."""
    forger: str = ""
    scene: str = ""


@dataclass(frozen=True)
class Contents:
    """Everything that a layout finds below a root."""

    clips: list[Found]
    masks: list[Path]
    """Everything in the folders for masks, so that masks of no clip are detected."""


@dataclass(frozen=True)
class Layout:
    """A layout: how to recognise it and how to read it."""

    name: str
    places: tuple[str, ...]
    """Paths of a clip's frames below the root, for messages."""
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Contents]
    """May raise `InputError` when a list cannot be read, and `OSError`."""


def layout_of(root: Path) -> Layout:
    """Return the first layout of `LAYOUTS` that recognises `root`.

    Raises:
        InputError: nothing is there, or the layout is unknown.
        OSError: the folder cannot be read.
    """
    if not root.exists():
        raise InputError(f"{root}: no such folder; a dataset with {root / 'frames'} or {root / 'videos'} was expected")
    for layout in LAYOUTS:
        if layout.recognises(root):
            return layout
    hint = "; clean clips? `outpaint-lightning forge` makes a dataset of them" if _holds_clips(root) else ""
    raise InputError(f"{no_clips(root)}{hint}")


def no_clips(root: Path) -> InputError:
    """Return the error for a root without clips, which lists where clips could be."""
    expected = "; ".join(f"{' or '.join(layout.places)} ({layout.name})" for layout in LAYOUTS)
    return InputError(f"{root}: no clips; expected {expected}")


def _holds_clips(folder: Path) -> bool:
    """Whether a folder directly holds video files or folders of frames."""
    children = _children(folder)
    return any(map(has_name_of_video, children)) or any(map(is_image, _inside(children)))


def _children(folder: Path) -> list[Path]:
    """Return the content of a folder in natural order, without hidden files; empty if the folder does not exist.

    Raises:
        OSError: the folder cannot be read.
    """
    paths = folder.iterdir() if folder.is_dir() else ()
    return sorted((path for path in paths if path.name[0] != "."), key=lambda path: natural_key(path.name))


def _inside(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the content of some folders, except unreadable ones; reading a clip in those raises the error."""
    for folder in folders:
        with suppress(OSError):
            yield from _children(folder)


def _material(folder: Path) -> list[Path]:
    """Return what may be clips or masks: folders, images, videos and broken links, but not other files (README.txt)."""
    return [path for path in _children(folder) if has_name_of_media(path) or not os.path.isfile(path)]


def clip_name(path: Path) -> str:
    """Return the clip's name for its frames or masks: the folder's name or the file's without suffix, composed."""
    return composed(path.stem if has_name_of_media(path) and not os.path.isdir(path) else path.name)


def _pairs(clips: Iterable[Path], masks: Path, endings: Iterable[str] = ("",), forged: bool = False) -> Contents:
    """Pair clips with the masks that have their names.

    Args:
        clips: folders and files.
        masks: the folder with the masks: files and folders; a folder takes precedence over a file of the same name.
        endings: allowed endings of a mask's name after the clip's name.
        forged: whether all clips must have masks.
    """
    material = _material(masks)
    by_name = {clip_name(path): path for path in sorted(material, key=os.path.isdir)}  # folders replace files
    found = []
    for path in clips:
        name = clip_name(path)
        expected = masks / (f"{name}.png" if is_image(path) else name)
        mask = next((by_name[name + ending] for ending in endings if name + ending in by_name), expected)
        found.append(Found(name, path, mask, forged=forged))
    return Contents(found, material)


def _own(root: Path) -> Contents:
    """Read `frames` and `videos`, with `masks`; a folder takes precedence over a file of the same name."""
    paths = [path for folder in ("frames", "videos") for path in _material(root / folder)]
    folders = {clip_name(path) for path in paths if os.path.isdir(path)}
    return _pairs((path for path in paths if os.path.isdir(path) or clip_name(path) not in folders), root / "masks")


def _tampered(root: Path) -> Contents:
    """Read the photos of `Tp` (tampered) with their masks in `Gt`, and the authentic photos of `Au`."""
    tampered = _pairs(_material(root / "Tp"), root / "Gt", ("", "_gt", "_mask"), forged=True)
    authentic = [Found(clip_name(path), path, None) for path in _material(root / "Au")]
    return Contents(tampered.clips + authentic, tampered.masks)


def _davis(root: Path, split: str = "") -> Contents:
    """Read `JPEGImages[/<resolution>]/<clip>` with `Annotations[/<resolution>]/<clip>` and the lists of `ImageSets`.

    With several resolutions, use the first in natural order that has annotations: 480p before 1080p.

    Args:
        root: the folder that holds `JPEGImages`.
        split: split of the clips that no list names.
    """
    images, annotations = root / "JPEGImages", root / "Annotations"
    if resolutions := _resolutions(images):
        name = next((name for name in resolutions if (annotations / name).is_dir()), resolutions[0])
        images = images / name
        annotations = annotations / name if (annotations / name).is_dir() else annotations
    frames, masks = ({clip_name(path): path for path in _children(folder)} for folder in (images, annotations))
    splits = {name: split for name, path in frames.items() if not os.path.isfile(path)}
    splits |= _image_sets(root / "ImageSets")
    clips = [
        Found(name, frames.get(name, images / name), masks.get(name, annotations / name), split, nonzero=True)
        for name, split in splits.items()
    ]
    return Contents(clips, _material(annotations))


def _resolutions(folder: Path) -> list[str]:
    """Return the names of the folders in `folder` that hold folders of clips; empty if any of them holds frames."""
    folders = [path for path in _children(folder) if path.is_dir()]
    if any(map(is_image, _inside(folders))):
        return []
    return [path.name for path in folders if any(inner.is_dir() for inner in _inside([path]))]


def _image_sets(folder: Path) -> dict[str, str]:
    """Return the split of each clip listed in `<folder>/<year>/<split>.txt`.

    A line is the name of a clip (DAVIS 2017) or begins with the path of one of its frames (DAVIS 2016).

    Raises:
        InputError: a clip is in two splits.
    """
    splits: dict[str, str] = {}
    for file in (file for year in _children(folder) for file in _children(year) if file.suffix == ".txt"):
        split = file.stem.partition("-")[0]  # test-dev and test-challenge
        for line in _lines(file) if split in SPLITS else ():
            frame = PurePosixPath(*line.split()[:1])
            if (name := composed(frame.parent.name or frame.name)) and splits.setdefault(name, split) != split:
                raise InputError(f"{file}: clip {name!r} is in split {splits[name]!r} too; one split was expected")
    return splits


def _lines(file: Path) -> list[str]:
    return read_bytes(file, "a list of clips").decode("utf-8-sig", "replace").splitlines()


_YOUTUBE_VOS = {"train": "train", "valid": "val", "val": "val", "test": "test"}


def _youtube_vos(root: Path) -> Contents:
    """Read one folder in DAVIS's layout for each split.

    If some of them have annotations, a folder without any is left out, because its clips need not be authentic.
    """
    parts = [_davis(root / name, split) for name, split in _YOUTUBE_VOS.items()]
    parts = [part for part in parts if part.masks] or parts
    return Contents([clip for part in parts for clip in part.clips], [path for part in parts for path in part.masks])


def _json_pairs(root: Path) -> Contents:
    """Read a JSON list of `[image, mask]`; the word `Negative` instead of a mask marks an authentic image.

    Paths are absolute or relative to the JSON file's folder.

    Raises:
        InputError: the file is not JSON, or an entry is not such a pair.
    """
    [file] = _json_files(root)
    pairs = read_json(file, list, _PAIRS)
    return Contents([_photo(file, number, pair) for number, pair in enumerate(pairs, start=1)], [])


_PAIRS = 'a list of [image, mask] or [image, "Negative"]'


def _photo(file: Path, number: int, pair: Any) -> Found:
    match pair:
        case [str(image), str(mask)] if mask == "Negative" or mask.casefold() != "negative":
            frames, masks = (on_disk(Path(os.path.normpath(file.parent / path))) for path in (image, mask))
            is_forged = mask != "Negative"
            return Found(path_name(frames, file.parent), frames, masks if is_forged else None, forged=is_forged)
        case [str(), str()]:
            hint = "; did you mean 'Negative'?"
        case _:
            hint = ""
    raise InputError(f"{file}: entry {number} is {_shown(pair)}; {_PAIRS} was expected{hint}")


def _shown(pair: Any) -> str:
    try:
        return json.dumps(pair)[:100]
    except RecursionError:
        return "nested too deep to be shown"


def path_name(path: Path, folder: Path) -> str:
    """Return the name of a clip that a list gives by its path: `Tp/1.jpg` in `folder` becomes `Tp__1`."""
    absolute, folder = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
    inside = absolute.relative_to(folder if absolute.is_relative_to(folder) else absolute.anchor)
    return composed(os.path.splitext(inside)[0].replace(os.sep, "__"))


def _json_files(root: Path) -> list[Path]:
    return [path for path in (_children(root) or [root]) if path.suffix == ".json" and path.is_file()]


_TGIF_SUBSET = re.compile(r"(sd2|sdxl|ps|flux1[a-z]+)(-random)?-(sp|fr)")
_TGIF_SPLITS = {"training": "train", "validation": "val", "testing": "test"}
_TGIF_FORGERY = re.compile(
    r"(?P<source>\d+)_mask_(?P<region>[a-z]+)\.png(?P<widened>_ps_mask\.png)?_(?P<model>[a-z0-9]+)(-(?P<crop>\d+))?_\d+"
)
_TGIF_ORIGINAL = re.compile(r"(?P<source>\d+)_orig(_\d+)?")


def _tgif(root: Path) -> Contents:
    """Read the photos of TGIF and TGIF2: a folder for each subset (`sd2-sp`), in it splits and categories.

    Source: the README of the dataset's repository, IDLabMedia/tgif-dataset at fc5c557 (sections Download and
    Filenaming), and `code/inpaint-loop.py` there, which writes the files and splices what is above 0 in a mask.

    Raises:
        InputError: a photo of a subset has another name, or a link leads out of the dataset.
    """
    folders = {path.name.lower(): path for path in _children(root) if path.is_dir()}
    below = {name: sorted(_images_below(folder, root)) for name, folder in folders.items()}
    masks = {
        (name, *_tgif_place(path, folders[name])): path
        for name, paths in below.items()
        if name.startswith("masks")
        for path in paths
    }
    clips = [_tgif_original(path, folders[name]) for name in below if name.startswith("orig") for path in below[name]]
    clips += [
        _tgif_forgery(path, folders[name], masks)
        for name, paths in below.items()
        if _TGIF_SUBSET.fullmatch(name)
        for path in paths
    ]
    return Contents([clip for clip in clips if clip], [])


def _images_below(folder: Path, root: Path) -> Iterator[Path]:
    """Yield the images in a folder and the folders in it; linked folders are left out."""
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names if name[0] != "." and has_name_of_image(Path(name))):
            if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
                raise InputError(f"{path}: links out of {root}; a file of the dataset was expected")
            yield path


def _tgif_place(path: Path, subset: Path) -> tuple[str, ...]:
    """Return the split of a photo, the folders between it and the subset's but for that of the split, and its name."""
    *folders, name = path.relative_to(subset).parts
    found = {part: split for part in folders for word, split in _TGIF_SPLITS.items() if part.lower().endswith(word)}
    return (next(iter(found.values()), ""), *(part for part in folders if part not in found), name)


def _tgif_original(path: Path, subset: Path) -> Found | None:
    """Return an authentic photo, or None for another file: masks may lie beside them."""
    split, *categories, _ = _tgif_place(path, subset)
    name = _TGIF_ORIGINAL.fullmatch(path.stem)
    if not name:
        return None
    clip = path_name(path, subset.parent)
    return Found(clip, path, None, split, source=name["source"], scene="".join(categories[-1:]))


def _tgif_forgery(path: Path, subset: Path, masks: Mapping[tuple[str, ...], Path]) -> Found:
    """Return a forged photo with its mask: that of the models of its family, where they have their own."""
    split, *categories, _ = _tgif_place(path, subset)
    name = _TGIF_FORGERY.fullmatch(path.stem)
    if not name:
        raise InputError(f"{path}: no name of TGIF; expected one as 208901_mask_bbox.png_ps_mask.png_sd2_0.png")
    widened = name["widened"] or name["model"] == "ps"  # Photoshop widens masks, and the others were given its ones
    ending = f"_{name['crop']}.png" if name["crop"] else ".png_ps_mask.png" if widened else ".png"
    mask = (split, *categories, f"{name['source']}_mask_{name['region']}{ending}")
    model = subset.name.lower().partition("-")[0]
    family = "flux" if model.startswith("flux") else model
    expected = subset.parent.joinpath("masks", *path.relative_to(subset).parts[:-1], mask[-1])
    return Found(
        path_name(path, subset.parent),
        path,
        next((masks[key] for place in (f"masks-{family}", "masks") if (key := (place, *mask)) in masks), expected),
        split,
        nonzero=True,
        forged=True,
        source=name["source"],
        forger=f"{subset.name.lower()}/{name['region']}",
        scene="".join(categories[-1:]),
    )


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
    Layout("IMDL-BenCo", ("Tp/<clip>.jpg", "Au/<clip>.jpg"), _has("Tp"), _tampered),
    Layout(
        "TGIF",
        ("sd2-sp/<split>/<category>/<clip>.png",),
        lambda root: any(_TGIF_SUBSET.fullmatch(path.name.lower()) for path in _children(root)),
        _tgif,
    ),
    Layout("IMDL-BenCo's list", ("<list>.json",), lambda root: len(_json_files(root)) == 1, _json_pairs),
)
