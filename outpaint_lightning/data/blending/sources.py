"""Sources of photos: random landscapes, or files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from outpaint_lightning.data.blending.landscapes import Landscape
from outpaint_lightning.io import ClipEntry, open_clip
from outpaint_lightning.types import InputError, VideoInfo

PARTS = 3  # photo, middle, photo: width of a panorama in units of its height
MARGIN = 1.25  # size of a landscape in units of the size of its crops
LARGEST = 2  # a photo is scaled down to at most this many times the height of a crop, if its width allows


class PhotoSource(ABC):
    """Photos, each at the scale at which it is cropped. Each photo is drawn or read once and then kept in memory.

    Attributes:
        size: height of a crop; its width is three times that.
        videos: description of each photo for metrics.
    """

    videos: list[VideoInfo]

    def __init__(self, size: int) -> None:
        self.size = size
        self._kept: dict[int, Tensor] = {}

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.videos)

    def crop(self, index: int, at: tuple[float, float] = (0.5, 0.5), parts: int = PARTS) -> Tensor:
        """Return a crop of a photo, float32 `3 size parts*size` in [0, 1].

        Args:
            index: index of the photo.
            at: position of the crop, y and x, from 0 (top, left) to 1 (bottom, right).
            parts: width of the crop in units of its height.
        """
        if index not in self._kept:
            self._kept[index] = self.make(index)
        photo = self._kept[index]
        room = photo.shape[1] - self.size, photo.shape[2] - parts * self.size
        top, left = (round(share * free) for share, free in zip(at, room, strict=True))
        return photo[:, top : top + self.size, left : left + parts * self.size].float() / 255

    @abstractmethod
    def make(self, index: int) -> Tensor:
        """Draw or read a photo: uint8 `3 H W`, large enough for a crop."""


class LandscapePhotos(PhotoSource):
    """Random landscapes; see `Landscape`.

    Args:
        stream: seeds that no other source uses.
        name: prefix of the photos' names; a number follows.
        count: number of landscapes.
        size: height of a crop.
    """

    def __init__(self, stream: tuple[int, ...], name: str, count: int, size: int) -> None:
        super().__init__(size)
        self.stream = stream
        names = [f"{name}{number:04d}" for number in range(count)]
        self.videos = [
            VideoInfo(clip=n, frames=1, scene="landscape", camera="", source=n, forger="landscape") for n in names
        ]

    def make(self, index: int) -> Tensor:
        """Draw a landscape."""
        landscape = Landscape.sample(np.random.default_rng((*self.stream, index)))
        drawn = landscape.draw(round(MARGIN * self.size), round(MARGIN * PARTS * self.size))
        return torch.from_numpy(drawn).permute(2, 0, 1).contiguous()


class FilePhotos(PhotoSource):
    """Photos from files; of clips, the first frame.

    A photo is scaled down until a crop has half of its height or all of its width. It is never enlarged.

    Args:
        entries: authentic photos.
        size: height of a crop.

    Raises:
        InputError: names a photo that is smaller than a crop.
    """

    def __init__(self, entries: Sequence[ClipEntry], size: int) -> None:
        super().__init__(size)
        self.entries = list(entries)
        self.videos = [
            VideoInfo(clip=e.clip, frames=1, scene=e.scene, camera=e.camera, source=e.source, forger="photo")
            for e in self.entries
        ]
        for entry in self.entries:
            clip = open_clip(entry.frames)
            if clip.height < size or clip.width < PARTS * size:
                raise InputError(
                    f"{entry.frames}: {clip.width}x{clip.height} pixels, smaller than a crop of {PARTS * size}x{size}; "
                    "expected larger photos, or a smaller data.size"
                )

    def make(self, index: int) -> Tensor:
        """Read a photo."""
        frame = open_clip(self.entries[index].frames).read([0])
        photo = torch.from_numpy(frame).permute(0, 3, 1, 2)
        height, width = photo.shape[-2:]
        scale = min(1.0, max(LARGEST * self.size / height, PARTS * self.size / width))
        target = max(self.size, round(scale * height)), max(PARTS * self.size, round(scale * width))
        return F.interpolate(photo, target, mode="bilinear", antialias=True)[0].contiguous()
