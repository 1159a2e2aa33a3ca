"""Sources of photos with layouts: rendered scenes, or folders of photos and index images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.data.context.scenes import STUFF, ContextPicture, render_context, sample_context
from outpaint_lightning.forge.sources import deal_splits
from outpaint_lightning.io import ClipEntry, frame_files, image_size, read_image, read_text
from outpaint_lightning.io.index import read_index
from outpaint_lightning.io.manifest import SPLITS
from outpaint_lightning.types import UNKNOWN, InputError, VideoInfo, did_you_mean

PHOTOS, LAYOUTS, THINGS = "images", "stuff", "things"
"""Subfolders of the root."""
NAMES = "classes.txt"
MOST_CLASSES = UNKNOWN


class ContextSource(ABC):
    """Photos with layouts, all of one size.

    Attributes:
        videos: description of each photo for metrics, as a video of one frame.
    """

    videos: list[VideoInfo]

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.videos)

    @abstractmethod
    def picture(self, index: int) -> ContextPicture:
        """Render or read a photo."""


class SceneContexts(ContextSource):
    """Rendered scenes. Each scene is rendered once and then kept in memory.

    Args:
        stream: seeds that no other source uses.
        name: prefix of the photos' names; a number follows.
        count: number of scenes.
        size: height and width.
    """

    def __init__(self, stream: tuple[int, ...], name: str, count: int, size: tuple[int, int]) -> None:
        self.size = size
        self.scenes = [sample_context((*stream, index)) for index in range(count)]
        self.videos = [_info(f"{name}{index:04d}", scene.kind) for index, scene in enumerate(self.scenes)]
        self._kept: dict[int, ContextPicture] = {}

    def picture(self, index: int) -> ContextPicture:
        """See `ContextSource`."""
        if index not in self._kept:
            self._kept[index] = render_context(self.scenes[index], *self.size)
        return self._kept[index]


@dataclass(frozen=True)
class PhotoFiles:
    """The files of one photo; None for a file that it does not have."""

    photo: Path
    layout: Path | None
    things: Path | None


class FolderContexts(ContextSource):
    """Photos of a folder, scaled to cover a size and cropped at the centre.

    Args:
        files: files of each photo by its name.
        classes: number of background classes.
        size: height and width.
        foreground: smallest and largest share of the foreground in a photo; other photos are not used.

    Raises:
        InputError: names a photo that is smaller than the size, or a layout with another size or an unknown class.
    """

    def __init__(
        self, files: dict[str, PhotoFiles], classes: int, size: tuple[int, int], foreground: tuple[float, float]
    ) -> None:
        self.classes, self.size = classes, size
        low, high = foreground
        self.files = []
        self.videos = []
        for name, each in files.items():
            require_covering(each.photo, size)
            _, objects = self._indices(each)
            if low <= (objects > 0).mean() <= high:
                self.files.append(each)
                self.videos.append(_info(name, ""))

    def picture(self, index: int) -> ContextPicture:
        """See `ContextSource`."""
        each = self.files[index]
        layout, objects = self._indices(each)
        frame = _covering(read_image(each.photo), self.size, cv2.INTER_AREA)
        layout, objects = (_covering(part, self.size, cv2.INTER_NEAREST) for part in (layout, objects))
        return ContextPicture(frame, np.where(objects > 0, np.uint8(UNKNOWN), layout), objects)

    def _indices(self, files: PhotoFiles) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the layout and the objects at the size of the photo."""
        size = image_size(files.photo)
        layout, objects = (
            np.full(size, UNKNOWN, np.uint8) if path is None else _sized(path, read_index(path), files.photo, size)
            for path in (files.layout, files.things)
        )
        wrong = np.unique(layout[(layout >= self.classes) & (layout != UNKNOWN)])
        if len(wrong):
            raise InputError(
                f"{files.layout}: class {wrong[0]}; expected 0 to {self.classes - 1}, or {UNKNOWN} for one not known"
            )
        if files.things is None:
            objects = (layout == UNKNOWN).astype(np.uint8)
        return layout, objects


def _sized(path: Path, numbers: NDArray[np.uint8], photo: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    if numbers.shape != size:
        found, expected = (f"{shape[1]}x{shape[0]}" for shape in (numbers.shape, size))
        raise InputError(f"{path}: {found} pixels; expected {expected}, the size of {photo}")
    return numbers


def require_covering(photo: Path, size: tuple[int, int]) -> None:
    """Raise `InputError` if a photo is smaller than a crop of the given height and width."""
    height, width = image_size(photo)
    if height < size[0] or width < size[1]:
        raise InputError(f"{photo}: {width}x{height} pixels; data.size needs at least {size[1]}x{size[0]}")


def _covering(picture: NDArray[np.uint8], size: tuple[int, int], how: int) -> NDArray[np.uint8]:
    """Scale a picture `H W ...` to cover a size, and crop it at the centre."""
    scale = max(side / own for side, own in zip(size, picture.shape[:2], strict=True))
    height, width = (max(side, round(own * scale)) for side, own in zip(size, picture.shape[:2], strict=True))
    scaled = np.asarray(cv2.resize(picture, (width, height), interpolation=how))
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    return np.ascontiguousarray(scaled[top : top + size[0], left : left + size[1]], np.uint8)


def _info(name: str, scene: str) -> VideoInfo:
    return VideoInfo(clip=name, frames=1, scene=scene, camera="", source=name, forger="")


def class_names(root: Path | None, given: Sequence[str] | int | None) -> list[str]:
    """Return the names of the classes: the given ones, those in `<root>/classes.txt`, or those of the rendered scenes.

    Raises:
        InputError: there are fewer than 2 or more than `MOST_CLASSES` names, a name occurs twice, or there is no list.
    """
    if isinstance(given, int):
        names = [str(number) for number in range(given)]
    elif given is not None:
        names = [*given]
    elif root is None:
        names = [*STUFF]
    elif (root / NAMES).is_file():
        text = read_text(root / NAMES, "the names of classes, one a line")
        names = [line.strip() for line in text.splitlines() if line.strip()]
    else:
        raise InputError(f"{root / NAMES}: no such file; expected the name of a class on each line, or data.classes")
    if not 2 <= len(names) <= MOST_CLASSES or len({*names}) < len(names):
        raise InputError(f"data.classes has {len(names)} names; expected 2 to {MOST_CLASSES}, all different")
    return names


def photo_files(root: Path) -> dict[str, dict[str, PhotoFiles]]:
    """Return the files below a root, by split and by name. Without split folders, the only split is an empty string.

    Photos are in `images/`, layouts in `stuff/` and objects in `things/`, under the photo's name. Each of these folders
    may have subfolders `train`, `val` and `test` instead.

    Raises:
        InputError: there are no photos, a photo has neither a layout nor objects, or an index image has no photo.
    """
    photos = root / PHOTOS
    if not photos.is_dir():
        raise InputError(f"{photos}: no such folder; expected photos in it, and their layouts in {root / LAYOUTS}")
    parts = [split for split in SPLITS if (photos / split).is_dir()] or [""]
    found: dict[str, dict[str, PhotoFiles]] = {}
    for part in parts:
        files = {path.stem: path for path in frame_files(photos / part)}
        layouts, things = (_indices(root / folder / part, files) for folder in (LAYOUTS, THINGS))
        for name, path in files.items():
            if name not in layouts and name not in things:
                raise InputError(f"{path}: has no layout; expected {root / LAYOUTS / part / name}.png")
        found[part] = {name: PhotoFiles(path, layouts.get(name), things.get(name)) for name, path in files.items()}
    return found


def _indices(folder: Path, photos: dict[str, Path]) -> dict[str, Path]:
    """Return the index images of a folder by their photo's name; empty if there is no folder."""
    files = {path.stem: path for path in frame_files(folder)} if folder.is_dir() else {}
    for name, path in files.items():
        if name not in photos:
            raise InputError(f"{path}: there is no photo of this name{did_you_mean(name, photos)}")
    return files


def dealt(files: dict[str, PhotoFiles], seed: int) -> dict[str, dict[str, PhotoFiles]]:
    """Assign photos without a split to the splits: 70 % train, 15 % val, 15 % test."""
    entries = [ClipEntry(name, "", "", "", name, "", each.photo, None) for name, each in files.items()]
    found: dict[str, dict[str, PhotoFiles]] = {split: {} for split in SPLITS}
    for entry in deal_splits(entries, seed, None):
        found[entry.split][entry.clip] = files[entry.clip]
    return found
