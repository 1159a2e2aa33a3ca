"""Windows of frames at a constant stride, with their masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from outpaint_lightning.data.codec import CodecDraw, RandomCodec, Stretch
from outpaint_lightning.io import Clip, ClipEntry, frame_files, open_clip, read_mask
from outpaint_lightning.types import InputError, VideoInfo, WindowMeta


class Window(TypedDict):
    """One sample, before batching."""

    image: Tensor
    """uint8 `T 3 H W`."""
    mask: Tensor
    """uint8 `T 1 H W` in {0, 1}."""
    meta: WindowMeta
    quality: NotRequired[float]
    """PSNR in dB of `image` to `clean`, at most 60; only with `data.codec`."""
    clean: NotRequired[Tensor]
    """uint8 `T 3 H W` before the codec; only with `data.codec.paired`."""


def window_indices(frame: int, total: int, frames: int, stride: int) -> list[int]:
    """Return the `frames` indices of the window that starts at `frame`, the frame to classify.

    The window runs forwards in time, or backwards near the clip's end. With a negative stride it runs backwards, or
    forwards near the clip's start. A photo, a clip of one frame, is repeated: it is a video without motion.

    Raises:
        ValueError: neither window fits in a clip of `total` frames.
    """
    for step in (stride, -stride) if total > 1 else (0,):
        window = [frame + i * step for i in range(frames)]
        if 0 <= window[-1] < total:
            return window
    raise ValueError(f"no window of {frames} frames at stride {stride} around frame {frame} of {total}")


def window_reach(frames: int, stride: int) -> int:
    """Return the distance from a window's first frame to its last. A clip needs twice as many frames, or only one."""
    return (frames - 1) * abs(stride)


def window_meta(entry: ClipEntry, indices: list[int]) -> WindowMeta:
    """Return the clip, frames, source, scene, camera and forger of a window."""
    return WindowMeta(
        clip=entry.clip, frames=indices, source=entry.source, scene=entry.scene, camera=entry.camera,
        forger=entry.forger,
    )  # fmt: skip


class WindowDataset(Dataset[Window]):
    """One window for every frame of every clip: the window's first frame is the one to classify.

    Args:
        entries: clips of a dataset on disk.
        frames: T, the frames in a window; 1 gives single frames. A photo is repeated for all frames.
        stride: distance between the frames; if negative, a frame is classified with the frames before it.
        crop: `(height, width)` of a random crop, the same for all frames of a window; None keeps whole frames.
        every: use only every `every`-th frame of a clip.
        seed: seed of crops and codecs. A crop depends on (seed, epoch, index) only.
        codec: encodes and decodes the windows; None leaves them as they are.
        weighted: repeat each window of a clip as often as the manifest's column `weight` says (once if the cell is
            empty), each time with another crop.

    Raises:
        InputError: names a clip that is too short for a window, whose frames are too small for the crop or the codec,
            or whose weight is not an integer of at least 1.
    """

    def __init__(
        self,
        entries: Sequence[ClipEntry],
        frames: int = 2,
        stride: int = 1,
        crop: tuple[int, int] | None = None,
        every: int = 1,
        seed: int = 0,
        codec: RandomCodec | None = None,
        weighted: bool = False,
    ) -> None:
        if frames < 1 or stride == 0 or every < 1:
            raise InputError(
                f"frames {frames}, stride {stride}, every {every}: expected at least 1, other than 0, and at least 1"
            )
        self.entries = list(entries)
        self.frames, self.stride, self.crop, self.seed, self.codec = frames, stride, crop, seed, codec
        self.clips = [self._open(entry) for entry in self.entries]
        self.mask_files = [frame_files(entry.masks) if entry.masks else None for entry in self.entries]
        weights = [_weight(entry) if weighted else 1 for entry in self.entries]
        self.index = [
            (v, f) for v, clip in enumerate(self.clips) for f in range(0, len(clip), every) for _ in range(weights[v])
        ]

    def _open(self, entry: ClipEntry) -> Clip:
        clip = self._clip(entry)
        needed = 2 * window_reach(self.frames, self.stride)  # from this length on, every frame has a window on one side
        if 1 < len(clip) < needed:
            raise InputError(
                f"{entry.frames}: {len(clip)} frames; windows of {self.frames} frames at stride {self.stride} "
                f"need at least {needed}"
            )
        if self.crop and (clip.height < self.crop[0] or clip.width < self.crop[1]):
            raise InputError(
                f"{entry.frames}: frames of {clip.height}x{clip.width} are smaller than the crop "
                f"{self.crop[0]}x{self.crop[1]} (data.crop)"
            )
        if self.codec:
            try:
                self.codec.check(clip.height, clip.width, self.crop)
            except InputError as error:
                raise InputError(f"{entry.frames}: {error}") from error
        return clip

    def _clip(self, entry: ClipEntry) -> Clip:
        """Open the clip of an entry. Subclasses that generate their clips override this."""
        return open_clip(entry.frames)

    @property
    def forged(self) -> list[int]:
        """Indices of the clips that have forged pixels."""
        return [video for video, files in enumerate(self.mask_files) if files is not None]

    @property
    def videos(self) -> list[VideoInfo]:
        """The description of each clip that metrics need, in the order of `entries`."""
        return [
            VideoInfo(clip=e.clip, frames=len(c), scene=e.scene, camera=e.camera, source=e.source, forger=e.forger)
            for e, c in zip(self.entries, self.clips, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: int | tuple[int, int]) -> Window:
        """Return window `index`; for a key `(epoch, index)`, return it with the crop of that epoch."""
        epoch, index = key if isinstance(key, tuple) else (0, key)
        if self.codec is None:
            stretch, meta = self._stretch(epoch, index, None)
            image, mask = stretch.frames, stretch.mask
            if self.crop:
                top, left = self._corner(epoch, index, image.shape[1:3], self.crop)
                area = np.s_[:, top : top + self.crop[0], left : left + self.crop[1]]
                image, mask = image[area], mask[area]
            return Window(image=_channels_first(image), mask=_label(mask), meta=meta)
        return self._coded(epoch, index, self.codec)

    def _coded(self, epoch: int, index: int, codec: RandomCodec) -> Window:
        """Return a window after encoding and decoding it."""
        video, frame = self.index[index]
        draw = codec.draw(self.seed, epoch, self.entries[video].source, frame)
        stretch, meta = self._stretch(epoch, index, draw)
        if self.crop:
            draw = draw.fitted(stretch.frames.shape[1:3], self.crop)
            coded = draw.encode_crop(stretch, self._corner(epoch, index, draw.size(stretch), self.crop), self.crop)
        else:
            coded = draw.encode(stretch)
        window = Window(
            image=_channels_first(coded.image),
            mask=_label(coded.mask),
            meta={**meta, "codec": draw.record},
            quality=coded.quality,
        )
        return {**window, "clean": _channels_first(coded.clean)} if codec.paired else window

    def _stretch(
        self,
        epoch: int,  # noqa: ARG002 - the files hold the same in every epoch
        index: int,
        draw: CodecDraw | None,
    ) -> tuple[Stretch, WindowMeta]:
        """Return a window in whole frames, with the neighbouring frames that its codec needs, and the window's meta."""
        video, frame = self.index[index]
        clip = self.clips[video]
        window = window_indices(frame, len(clip), self.frames, self.stride)
        read = draw.frames_around(window, len(clip), self.codec.span) if draw and self.codec else window
        stretch = Stretch(clip.read(read), self.read_masks(video, window), [read.index(i) for i in window], clip.fps)
        return stretch, window_meta(self.entries[video], window)

    def read_masks(self, video: int, indices: Sequence[int]) -> NDArray[np.bool_]:
        """Read the masks of some frames of a clip: bool `T H W`; all False for an authentic clip.

        Raises:
            InputError: names a mask that has other values than 0 and 255, or another size than its frame.
        """
        clip, files, nonzero = self.clips[video], self.mask_files[video], self.entries[video].nonzero
        masks = np.zeros((len(indices), clip.height, clip.width), np.bool_)
        if files is None:
            return masks
        for slot, index in enumerate(indices):
            mask = read_mask(files[index], nonzero)
            if mask.shape != masks.shape[1:]:
                raise InputError(
                    f"{files[index]}: mask of {mask.shape[1]}x{mask.shape[0]} on a frame of "
                    f"{clip.width}x{clip.height}; "
                    "the same size was expected"
                )
            masks[slot] = mask
        return masks

    def _corner(self, epoch: int, index: int, size: tuple[int, ...], crop: tuple[int, int]) -> tuple[int, int]:
        if size[0] < crop[0] or size[1] < crop[1]:
            raise InputError(f"a frame of {size[0]}x{size[1]} is smaller than the crop {crop[0]}x{crop[1]} (data.crop)")
        rng = np.random.default_rng((self.seed, epoch, index))
        top, left = (int(rng.integers(side - part + 1)) for side, part in zip(size, crop, strict=True))
        return top, left


def _channels_first(frames: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)


def _label(mask: NDArray[np.bool_]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(mask)).view(torch.uint8)[:, None]


def _weight(entry: ClipEntry) -> int:
    """Return how many times an epoch uses each window of a clip."""
    given = entry.extra.get("weight") or "1"
    if not given.isdecimal() or int(given) < 1:
        raise InputError(f"manifest.csv: clip {entry.clip!r} has weight {given!r}; expected a whole number from 1 on")
    return int(given)
