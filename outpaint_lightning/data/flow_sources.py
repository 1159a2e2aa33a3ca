"""Sources of windows with true flow: synthetic scenes, flow files, or an estimator that runs on clips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from outpaint_lightning.data.estimators import FlowEstimator
from outpaint_lightning.data.regions import resize_images
from outpaint_lightning.data.synthetic import render, sample_flow_scene, scene_flow
from outpaint_lightning.data.windows import window_meta
from outpaint_lightning.geometry import resize_flow, stays_inside, warp
from outpaint_lightning.io import FLOW_SUFFIXES, ClipEntry, composed, natural_key, open_clip, read_flow, read_table
from outpaint_lightning.motion.consistency import agrees
from outpaint_lightning.types import InputError, VideoInfo, WindowMeta

WHOLE = 0.999  # a bilinear sample of a 0/1 mask above this has only pixels with value 1
DIRECTIONS = ("forward", "backward")


class TrueFlow(NamedTuple):
    """The motion in a window, before a hole hides any of it."""

    forward: Tensor
    """float32 `T 2 H W`, pixels; 0 where it is unknown."""
    backward: Tensor
    """float32 `T 2 H W`."""
    valid: Tensor
    """bool `T 2 H W`: the vector is known; channel 0 is for `forward`, channel 1 for `backward`."""
    occluded: Tensor
    """bool `T 2 H W`: the pixel is hidden or outside the frame where its vector ends; channels as in `valid`."""
    image: Tensor | None
    """uint8 `T 3 H W`; None if the images were not requested."""
    meta: WindowMeta


class FlowSource(ABC):
    """Windows of true flow. A window depends on the source's options, the epoch and the index only."""

    videos: list[VideoInfo]
    """The description of each clip that metrics need."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of windows in an epoch."""

    @abstractmethod
    def window(self, epoch: int, index: int) -> TrueFlow:
        """Return a window."""


class SceneSource(FlowSource):
    """Synthetic scenes, one per window: the flow is exact, and known at both ends of the window too.

    Args:
        stream: seeds that no other source uses.
        name: prefix of the clips' names; a number follows.
        scenes: number of scenes in an epoch.
        frames: T.
        size: height and width, in pixels.
        images: also render the scenes, which takes longer than everything else.
    """

    def __init__(
        self, stream: tuple[int, ...], name: str, scenes: int, frames: int, size: tuple[int, int], images: bool = False
    ) -> None:
        self.stream, self.frames, self.size, self.images = stream, frames, size, images
        clips = [f"{name}{number:04d}" for number in range(scenes)]
        self.videos = [
            VideoInfo(clip=clip, frames=frames, scene="synthetic", camera="", source=clip, forger="") for clip in clips
        ]

    def __len__(self) -> int:
        """Return the number of scenes in an epoch."""
        return len(self.videos)

    def window(self, epoch: int, index: int) -> TrueFlow:
        """Return the flow of a scene that belongs to this epoch and index alone."""
        scene = sample_flow_scene((*self.stream, epoch, index), *self.size, self.frames)
        forward, backward, occluded, _ = scene_flow(scene)
        video = self.videos[index]
        return TrueFlow(
            torch.from_numpy(forward),
            torch.from_numpy(backward),
            torch.ones(occluded.shape, dtype=torch.bool),
            torch.from_numpy(occluded),
            torch.from_numpy(render(scene)).permute(0, 3, 1, 2) if self.images else None,
            WindowMeta(
                clip=video["clip"], frames=list(range(self.frames)), source=video["source"], scene=video["scene"],
                camera="", forger="",
            ),
        )  # fmt: skip


class ClipSource(FlowSource):
    """Windows cut from clips; if a clip is long enough, both flows of every frame of a window are known.

    Args:
        entries: the clips.
        lengths: number of frames of each clip.
        frames: T.
        size: height and width to which flows are resized (the vectors are scaled too); None keeps the size.
        drawn: None cuts the clips into windows that do not overlap, from the first frame whose two flows are known; a
            rest at a clip's end is not used. A number draws so many random windows in an epoch, from all clips in turn.
        stream: seeds of the random windows.

    Raises:
        InputError: names a clip that is shorter than a window.
    """

    def __init__(
        self,
        entries: Sequence[ClipEntry],
        lengths: Sequence[int],
        frames: int,
        size: tuple[int, int] | None = None,
        drawn: int | None = None,
        stream: tuple[int, ...] = (),
    ) -> None:
        self.entries, self.lengths = list(entries), list(lengths)
        self.frames, self.size, self.drawn, self.stream = frames, size, drawn, stream
        for entry, length in zip(self.entries, self.lengths, strict=True):
            if length < max(2, frames):
                raise InputError(f"{entry.frames}: {length} frames; data.frames needs at least {max(2, frames)}")
        self.index = [
            (clip, start)
            for clip in range(len(self.entries))
            for start in range(self._starts(clip).start, self._starts(clip).stop, frames)
        ]
        self.videos = [
            VideoInfo(clip=e.clip, frames=length, scene=e.scene, camera=e.camera, source=e.source, forger=e.forger)
            for e, length in zip(self.entries, self.lengths, strict=True)
        ]

    def _starts(self, clip: int) -> range:
        """Return the possible first frames of windows. The clip's end frames lack a flow; only short clips use them."""
        length = self.lengths[clip]
        end = 1 if length - 2 >= self.frames else 0
        return range(end, length - end - self.frames + 1)

    def __len__(self) -> int:
        """Return the number of windows in an epoch."""
        return len(self.index) if self.drawn is None else self.drawn

    def window(self, epoch: int, index: int) -> TrueFlow:
        """Return a window. The frames beside it are read too, to find what is occluded at its ends."""
        if self.drawn is None:
            clip, start = self.index[index]
        else:
            clip = index % len(self.entries)
            start = int(np.random.default_rng((*self.stream, epoch, index)).choice(self._starts(clip)))
        first, last = max(0, start - 1), min(start + self.frames + 1, self.lengths[clip])
        forward, backward, valid, image = self._read(clip, range(first, last))
        occluded, unsure = occlusions(forward, backward, valid)
        if self.gated:
            valid = valid & ~unsure
        within = slice(start - first, start - first + self.frames)
        known = valid.float()
        return TrueFlow(
            (forward * known[:, :1])[within],
            (backward * known[:, 1:])[within],
            valid[within],
            occluded[within],
            None if image is None else image[within],
            window_meta(self.entries[clip], list(range(start, start + self.frames))),
        )

    gated = False
    """Whether a vector counts as known only if the opposite flow leads back to its start."""

    @abstractmethod
    def _read(self, clip: int, frames: range) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Return forward, backward, valid and image of some frames of a clip, as in `TrueFlow`."""


def occlusions(forward: Tensor, backward: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Find the pixels that are not visible in the next and in the previous frame, from the two flows.

    A pixel is occluded where the opposite flow disagrees (see `motion.consistency.agrees`), or where its vector ends
    outside the frame.

    Args:
        forward: `T 2 H W`.
        backward: `T 2 H W`.
        valid: bool `T 2 H W`: where the two flows are known.

    Returns:
        Two bool tensors `T 2 H W`. The first is True where a pixel is occluded; the second is also True where this
        cannot be checked, because the opposite flow is unknown where the vector ends.
    """
    occluded = ~torch.cat([stays_inside(forward), stays_inside(backward)], 1)
    unsure = torch.ones_like(occluded)
    for channel, start, target in ((0, slice(None, -1), slice(1, None)), (1, slice(1, None), slice(None, -1))):
        flow, opposite = (forward, backward)[channel][start], (backward, forward)[channel][target]
        known = warp(valid[target, 1 - channel, None].float(), flow)[:, 0] > WHOLE
        returned = warp(opposite, flow, padding="border")
        lengths = flow.square().sum(1) + returned.square().sum(1)
        occluded[start, channel] |= known & ~agrees((flow + returned).square().sum(1), lengths)
        unsure[start, channel] = ~known | occluded[start, channel]
    return occluded, unsure


class FileSource(ClipSource):
    """Flow files: `<clip>/forward/<frame>.flo` and `<clip>/backward/<frame>.flo`, or another kind of flow file.

    The name of a file is the number of the frame where the flow starts. A clip of N frames may have forward flow for
    0 to N - 2 and backward flow for 1 to N - 1, or more of both if it was cut from a longer clip.
    """

    def __init__(
        self,
        entries: Sequence[ClipEntry],
        frames: int,
        size: tuple[int, int] | None = None,
        drawn: int | None = None,
        stream: tuple[int, ...] = (),
    ) -> None:
        self.files = [[flow_files(entry.frames / direction) for direction in DIRECTIONS] for entry in entries]
        self.names = [
            sorted({name for files in directions for name in files}, key=natural_key) for directions in self.files
        ]
        super().__init__(entries, [len(names) for names in self.names], frames, size, drawn, stream)

    def _read(self, clip: int, frames: range) -> tuple[Tensor, Tensor, Tensor, None]:
        names = [self.names[clip][frame] for frame in frames]
        paths = [[files.get(name) for name in names] for files in self.files[clip]]
        read = {path: read_flow(path) for files in paths for path in files if path is not None}
        first, *_ = read
        height, width = read[first].valid.shape
        for path, found in read.items():
            if (size := found.valid.shape) != (height, width):
                raise InputError(f"{path}: flow of {size[1]}x{size[0]}; {width}x{height} was expected, as {first} has")
        flows, valid = [], torch.zeros(len(names), 2, height, width, dtype=torch.bool)
        for channel, files in enumerate(paths):
            flow = torch.zeros(len(names), 2, height, width)
            for slot, file in enumerate(files):
                if file is not None:
                    flow[slot] = torch.from_numpy(read[file].flow).permute(2, 0, 1)
                    valid[slot, channel] = torch.from_numpy(read[file].valid)
            flows.append(flow)
        if self.size is not None and self.size != (height, width):
            flows = [resize_flow(flow, self.size) for flow in flows]
            valid = F.interpolate(valid.float(), self.size, mode="bilinear", antialias=True) > WHOLE
        return flows[0], flows[1], valid, None


class EstimatedSource(ClipSource):
    """Flow of clips from an estimator: pseudo ground truth, known where both flows agree.

    Args:
        entries: clips of a dataset on disk.
        estimator: estimates the flow.
        frames: T.
        size: height and width to which frames are resized before the estimate.
        drawn: as for `ClipSource`.
        stream: as for `ClipSource`.
        images: also return the frames.
    """

    gated = True

    def __init__(
        self,
        entries: Sequence[ClipEntry],
        estimator: FlowEstimator,
        frames: int,
        size: tuple[int, int] | None = None,
        drawn: int | None = None,
        stream: tuple[int, ...] = (),
        images: bool = False,
    ) -> None:
        self.clips = [open_clip(entry.frames) for entry in entries]
        self.estimator, self.images = estimator, images
        super().__init__(entries, [len(clip) for clip in self.clips], frames, size, drawn, stream)

    def _read(self, clip: int, frames: range) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        image = torch.from_numpy(self.clips[clip].read(list(frames))).permute(0, 3, 1, 2)
        if self.size is not None:
            image = resize_images(image, self.size)
        to_next, to_previous = self.estimator(np.ascontiguousarray(image.permute(0, 2, 3, 1).numpy()))
        forward = F.pad(torch.from_numpy(to_next).permute(0, 3, 1, 2), (0,) * 6 + (0, 1))
        backward = F.pad(torch.from_numpy(to_previous).permute(0, 3, 1, 2), (0,) * 6 + (1, 0))
        valid = torch.ones(len(image), 2, *image.shape[2:], dtype=torch.bool)
        valid[-1, 0] = valid[0, 1] = False
        return forward, backward, valid, image if self.images else None


def has_flow_files(root: Path) -> bool:
    """Return whether `root` is a folder of clips with flow files."""
    return root.is_dir() and any((clip / direction).is_dir() for clip in root.iterdir() for direction in DIRECTIONS)


def flow_clips(root: Path) -> list[ClipEntry]:
    """List the clips of a folder with flow files, with their rows of `manifest.csv` if there is one.

    Raises:
        InputError: the manifest cannot be read, or lacks a clip.
    """
    manifest = root / "manifest.csv"
    rows = {row.get("clip", ""): row for row in read_table(manifest)} if manifest.exists() else None
    entries = []
    for folder in sorted(root.iterdir(), key=lambda path: natural_key(path.name)):
        if not any((folder / direction).is_dir() for direction in DIRECTIONS):
            continue
        name = composed(folder.name)
        if rows is not None and name not in rows:
            raise InputError(f"{manifest}: no row for the clip {name!r}; one for every clip was expected")
        row = {} if rows is None else rows[name]
        entries.append(
            ClipEntry(
                clip=name,
                split=row.get("split", ""),
                scene=row.get("scene", "") or "unknown",
                camera=row.get("camera", "") or "unknown",
                source=row.get("source", "") or name,
                forger="",
                frames=folder,
                masks=None,
            )
        )
    return entries


def flow_files(folder: Path) -> dict[str, Path]:
    """Return the flow files of a folder by frame name (of equal names the last); empty if there is no folder."""
    if not folder.is_dir():
        return {}
    found = {}
    for path in sorted(folder.iterdir(), key=lambda path: natural_key(path.name)):
        suffix = next((suffix for suffix in FLOW_SUFFIXES if path.name.lower().endswith(suffix)), None)
        if suffix is not None and path.name[0] != ".":
            found[composed(path.name[: -len(suffix)])] = path
    return found
