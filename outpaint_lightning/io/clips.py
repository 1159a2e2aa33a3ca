"""Clips: sequences of frames of one size. This module reads them from a folder of images or from one image."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.io.files import StrPath, natural_key
from outpaint_lightning.io.images import image_size, read_image
from outpaint_lightning.io.kinds import IMAGE_SUFFIXES, UNREAD, has_name_of_image, unread
from outpaint_lightning.types import InputError


class Clip(ABC):
    """Frames in the order they are shown, counted from 0.

    Attributes:
        path: the folder or file.
        name: the folder's name, or the file's name without its suffix.
        height: rows of every frame, in pixels.
        width: columns of every frame, in pixels.
        fps: frames per second; the average if the rate varies.
    """

    path: Path
    name: str
    height: int
    width: int
    fps: float

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of frames."""

    @abstractmethod
    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Read some frames.

        Args:
            indices: frame numbers in [0, len), in any order, repeats allowed.

        Returns:
            `T H W 3` uint8 RGB, in the order of `indices`.

        Raises:
            IndexError: a number is outside the clip.
            InputError: a frame does not decode.
        """

    @abstractmethod
    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield every frame in order, `H W 3` uint8 RGB, with only a few frames in memory at a time.

        Raises:
            InputError: a frame does not decode; the frames before it have been yielded.
        """

    @property
    def names(self) -> list[str]:
        """Name of each frame without a suffix; frames without a name use their number: `00000`."""
        return frame_numbers(len(self))

    @property
    def timestamps(self) -> NDArray[np.float64]:
        """Time at which each frame is shown, in seconds."""
        return np.arange(len(self)) / self.fps

    def _check(self, indices: Sequence[int]) -> None:
        for index in indices:
            if not 0 <= index < len(self):
                raise IndexError(f"{self.path}: frame {index} asked for; the clip has {len(self)}, counted from 0")


def frame_numbers(count: int) -> list[str]:
    """Return the names of a video's frames when they are stored as files: `00000`, `00001`, ..."""
    return [f"{index:05d}" for index in range(count)]


class FrameFolder(Clip):
    """A folder with one image per frame in natural order (`2.png` before `10.png`), or a single image.

    Other files in the folder are ignored. Pictures in a format that is not supported are an error, because skipping one
    would shift the number of every later frame.

    Attributes:
        files: paths of the frames, in order.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from outpaint_lightning.io import write_image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for number in (2, 10):  # natural order: 2 before 10
        ...         write_image(f"{folder}/{number}.png", np.full((4, 6, 3), number, np.uint8))
        ...     FrameFolder(folder).read([0, 1])[:, 0, 0, 0].tolist()
        [2, 10]
    """

    def __init__(self, path: StrPath, fps: float = 25.0) -> None:
        """Read the folder's names and the size of the first frame; frames are decoded when they are read.

        Args:
            path: the folder, or one image.
            fps: frames per second, which images do not store.

        Raises:
            InputError: the folder is missing or holds no image, a picture's format is not supported, or two images have
                one name.
        """
        self.path = Path(path)
        self.files = frame_files(self.path)
        self.name = self.path.stem if self.files == [self.path] else self.path.resolve().name
        self.fps = fps
        self.height, self.width = image_size(self.files[0])

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.files)

    @property
    def names(self) -> list[str]:
        """Names of the images, without suffix."""
        return [file.stem for file in self.files]

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Read some frames; see `Clip.read`."""
        self._check(indices)
        frames = np.empty((len(indices), self.height, self.width, 3), np.uint8)
        for slot, index in enumerate(indices):
            frames[slot] = self._frame(self.files[index])
        return frames

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield every frame in order; see `Clip`."""
        return map(self._frame, self.files)

    def _frame(self, file: Path) -> NDArray[np.uint8]:
        frame = read_image(file)
        if frame.shape[:2] != (self.height, self.width):
            height, width = frame.shape[:2]
            raise InputError(
                f"{file}: {width}x{height}; {self.width}x{self.height} was expected, the size of {self.files[0].name}"
            )
        return frame


def frame_files(path: StrPath) -> list[Path]:
    """Return the images of a folder in natural order, without hidden files and other kinds; for an image, itself.

    Raises:
        InputError: the folder is missing or holds no image, a picture's format is not supported, or two images have one
            name (`00000.png` and `00000.jpg`).
    """
    files = image_files(Path(path))
    require_distinct(files)
    return files


def image_files(path: Path) -> list[Path]:
    """Return the images as `frame_files` does, but allow two images with one name.

    Raises:
        InputError: the folder is missing or holds no image, or a picture's format is not supported.
    """
    if has_name_of_image(path) and path.exists() and not path.is_dir():
        return [path]
    if path.is_file():
        raise InputError(f"{path}: not an image; one of {' '.join(IMAGE_SUFFIXES)} was expected")
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; a folder of PNG or JPEG frames was expected")
    if others := unread(path.iterdir()):
        raise InputError(f"{others[0]}: {UNREAD}; convert it, or move it out of the folder of frames")
    files = images_in(path)
    if not files:
        raise InputError(f"{path}: no frames; PNG or JPEG images were expected in this folder")
    return files


def images_in(folder: Path) -> list[Path]:
    """Return the files of a folder with an image's name, in natural order, and broken links too; readers refuse those.

    Raises:
        OSError: the folder cannot be read.
    """
    files = (file for file in folder.iterdir() if has_name_of_image(file) and not file.is_dir())
    return sorted(files, key=lambda file: natural_key(file.name))


def require_distinct(files: Sequence[Path]) -> None:
    """Raise `InputError` if two images of a folder are the same frame: `00000.png` and `00000.jpg`."""
    by_stem: dict[str, Path] = {}
    for file in files:
        if (twin := by_stem.setdefault(file.stem, file)) != file:
            raise InputError(
                f"{file.parent}: {twin.name} and {file.name} are one frame; one image a frame was expected"
            )


def until_broken(clip: Clip, error: list[InputError]) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames that decode; if an error ends them early, append it to `error`."""
    try:
        yield from clip
    except InputError as problem:
        error.append(problem)


def paired_masks(path: StrPath, names: Sequence[str], clip: StrPath) -> list[Path]:
    """Return the mask of each frame of a clip, from a folder of images.

    If all frames and masks are numbered, a mask belongs to the frame with its number, the last group of digits in the
    name. Other names pair in natural order; so does a single frame.

    Args:
        path: the folder, or the mask of a single frame.
        names: names of the frames; see `Clip.names`.
        clip: path of the frames, for messages.

    Raises:
        InputError: a frame has no mask (the message names it), or the numbers of masks and frames differ.
    """
    files = frame_files(path)
    of_frames, of_masks = _numbers(names), _numbers([file.stem for file in files])
    by_number = dict(zip(of_masks, files, strict=False)) if of_frames and len(names) > 1 else {}
    missing = next((_renumbered(files[0], number) for number in of_frames if number not in by_number), "")
    if len(files) != len(names):
        hint = f"; {missing} is missing" if by_number and missing else ""
        raise InputError(f"{path}: {len(files)} masks; {len(names)} were expected, one for each frame of {clip}{hint}")
    if not by_number:
        return files
    if missing:
        other = next(file.name for number, file in by_number.items() if number not in of_frames)
        raise InputError(
            f"{Path(path) / missing}: missing mask; one for every frame of {clip} was expected; found {other}"
        )
    return [by_number[number] for number in of_frames]


def _numbers(names: Sequence[str]) -> list[str]:
    """Return the last number in each name, without leading zeros; empty unless all names have a distinct number."""
    found = [re.findall("[0-9]+", name) for name in names]
    numbers = [groups[-1].lstrip("0") for groups in found if groups]
    return numbers if len(set(numbers)) == len(names) else []


def _renumbered(mask: Path, number: str) -> str:
    """Return the name of a mask with another number."""
    return re.sub("[0-9]+(?=[^0-9]*$)", lambda own: number.zfill(len(own[0])), mask.stem) + mask.suffix
