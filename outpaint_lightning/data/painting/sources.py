"""Sources of clips for a generator: synthetic scenes, videos, or arrays in `.npy` files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from outpaint_lightning.data.synthetic import render, sample_flow_scene
from outpaint_lightning.io import ClipEntry, open_clip
from outpaint_lightning.types import InputError, VideoInfo, WindowMeta


class PaintingSource(ABC):
    """Clean windows of T frames, the same in every epoch. Each window is made or read once and then kept in memory.

    Attributes:
        videos: description of each clip for metrics; `forger` is still empty.
        windows: clip index and first frame of each window.
        channels: number of channels of a frame.
    """

    videos: list[VideoInfo]
    channels: int = 3

    def __init__(self, frames: int, lengths: Sequence[int]) -> None:
        self.frames = frames
        self.windows = [
            (clip, start) for clip, length in enumerate(lengths) for start in range(0, length - frames + 1, frames)
        ]
        self._kept: dict[int, Tensor] = {}

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.windows)

    def window(self, index: int) -> Tensor:
        """Return the frames of a window, float32 `T C H W` in [0, 1]."""
        if index not in self._kept:
            self._kept[index] = self.make(index)
        frames = self._kept[index]
        return frames.float() / 255 if frames.dtype == torch.uint8 else frames

    def meta(self, index: int, occlusion: str) -> WindowMeta:
        """Return the origin of a window; its `forger` is the occlusion."""
        clip, start = self.windows[index]
        entry = self.videos[clip]
        return WindowMeta(
            clip=entry["clip"], frames=list(range(start, start + self.frames)), source=entry["source"],
            scene=entry["scene"], camera=entry["camera"], forger=occlusion,
        )  # fmt: skip

    @abstractmethod
    def make(self, index: int) -> Tensor:
        """Make or read a window: uint8, or float32 in [0, 1]."""


def _numbered(name: str, count: int, frames: int, scene: str) -> list[VideoInfo]:
    clips = [f"{name}{number:04d}" for number in range(count)]
    return [VideoInfo(clip=c, frames=frames, scene=scene, camera="", source=c, forger="") for c in clips]


class ScenePaintings(PaintingSource):
    """Synthetic scenes, one per window: textured layers that move under a moving camera, with exact ground truth.

    Args:
        stream: seeds that no other source uses.
        name: prefix of the clips' names; a number follows.
        scenes: number of scenes.
        frames: number of frames T.
        size: height and width.
    """

    def __init__(self, stream: tuple[int, ...], name: str, scenes: int, frames: int, size: tuple[int, int]) -> None:
        super().__init__(frames, [frames] * scenes)
        self.stream, self.size = stream, size
        self.videos = _numbered(name, scenes, frames, "synthetic")

    def make(self, index: int) -> Tensor:
        """Render a scene."""
        scene = sample_flow_scene((*self.stream, index), *self.size, self.frames)
        return torch.from_numpy(render(scene)).permute(0, 3, 1, 2).contiguous()


class ClipPaintings(PaintingSource):
    """Windows that are cut from videos one after another; frames left over at a clip's end are not used.

    Args:
        entries: authentic clips.
        frames: number of frames T.
        size: height and width. Frames are scaled to cover it and cropped at the centre.

    Raises:
        InputError: names a clip that is shorter than a window.
    """

    def __init__(self, entries: Sequence[ClipEntry], frames: int, size: tuple[int, int]) -> None:
        self.entries, self.size = list(entries), size
        lengths = [len(open_clip(entry.frames)) for entry in entries]
        for entry, length in zip(entries, lengths, strict=True):
            if length < frames:
                raise InputError(f"{entry.frames}: {length} frames; data.frames needs at least {frames}")
        super().__init__(frames, lengths)
        self.videos = [
            VideoInfo(clip=e.clip, frames=length, scene=e.scene, camera=e.camera, source=e.source, forger="")
            for e, length in zip(self.entries, lengths, strict=True)
        ]

    def make(self, index: int) -> Tensor:
        """Read a window."""
        clip, start = self.windows[index]
        frames = open_clip(self.entries[clip].frames).read(range(start, start + self.frames))
        return _covering(torch.from_numpy(frames).permute(0, 3, 1, 2), self.size)


def _covering(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale uint8 frames `T C H W` to cover a size, and crop them at the centre."""
    scale = max(side / own for side, own in zip(size, frames.shape[-2:], strict=True))
    height, width = (max(side, round(own * scale)) for side, own in zip(size, frames.shape[-2:], strict=True))
    scaled = F.interpolate(frames, (height, width), mode="bilinear", antialias=True)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    return scaled[..., top : top + size[0], left : left + size[1]].contiguous()


class ArrayPaintings(PaintingSource):
    """Clips of an array on disk, one per window, such as fields of one channel.

    Args:
        path: a `.npy` file of `N T H W` (one channel) or `N T C H W`, uint8 or floats in [0, 1].
        frames: number of frames T of a window; of longer clips, the first frames are used.

    Raises:
        InputError: names the file and its unexpected content.
    """

    def __init__(self, path: Path, frames: int) -> None:
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected train.npy, val.npy and test.npy in data.root")
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError) as error:
            raise InputError(f"{path}: no array that can be read ({str(error).splitlines()[0]})") from error
        if array.ndim == 4:
            array = array[:, :, None]
        if array.ndim != 5 or array.shape[2] not in (1, 3) or array.dtype.kind not in "fu":
            raise InputError(
                f"{path}: an array of shape {array.shape} and type {array.dtype}; expected uint8 or floats in [0, 1] "
                "of shape N T H W or N T C H W with 1 or 3 channels"
            )
        if array.shape[1] < frames:
            raise InputError(f"{path}: clips of {array.shape[1]} frames; data.frames needs at least {frames}")
        super().__init__(frames, [frames] * len(array))
        self.path, self.array, self.channels = path, array, array.shape[2]
        self.size = (array.shape[3], array.shape[4])
        self.videos = _numbered(path.stem, len(array), frames, "array")

    def make(self, index: int) -> Tensor:
        """Read a clip."""
        clip = np.array(self.array[index, : self.frames])
        if clip.dtype.kind == "u":
            return torch.from_numpy(clip.astype(np.uint8))
        if not (np.isfinite(clip).all() and clip.min() >= 0 and clip.max() <= 1):
            raise InputError(f"{self.path}: clip {index} holds values outside [0, 1]; scale the array first")
        return torch.from_numpy(clip.astype(np.float32))
