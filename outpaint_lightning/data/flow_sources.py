"""Where windows of true flow come from: synthetic scenes, flow files, or an estimator that looks at clips."""

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

WHOLE = 0.999  # of a bilinear sample: all that it is made of is known
DIRECTIONS = ("forward", "backward")


class TrueFlow(NamedTuple):
    """The motion in a window, before anything is hidden."""

    forward: Tensor
    """float32 `T 2 H W`, pixels; 0 where it is not known."""
    backward: Tensor
    """float32 `T 2 H W`."""
    valid: Tensor
    """bool `T 2 H W`: the vector is known; channel 0 is of `forward`, 1 of `backward`."""
    occluded: Tensor
    """bool `T 2 H W`: the pixel is hidden or outside the frame where the vector ends."""
    image: Tensor | None
    """uint8 `T 3 H W`; None where nobody asked for pictures."""
    meta: WindowMeta


class FlowSource(ABC):
    """Windows of true flow. A window depends on what the source was made with, the epoch and the index only."""

    videos: list[VideoInfo]
    """What metrics need to know of each clip."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of windows in an epoch."""

    @abstractmethod
    def window(self, epoch: int, index: int) -> TrueFlow:
        """Return a window."""


class SceneSource(FlowSource):
    """Synthetic scenes, one a window: the flow is exact, and known beyond the window's ends.

    Args:
        stream: seeds that no other source has.
        name: of the clips, which are numbered.
        scenes: how many in an epoch.
        frames: T.
        size: height and width.
        images: whether to render the scenes, which takes longer than all the rest.
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
        """Return the flow of a scene of its own."""
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
    """Windows cut from clips, where both flows of every frame are known if the clip is long enough for that.

    Args:
        entries: the clips.
        lengths: how many frames each has.
        frames: T.
        size: height and width that flows are resized to, vectors too; None leaves them.
        drawn: None goes through the clips in windows that do not overlap, from the first frame whose flows are both
            known; what remains at a clip's end is left out. A number is that of windows in an epoch, drawn from all
            clips in turn.
        stream: seeds of what is drawn.

    Raises:
        InputError: naming a clip that is shorter than a window.
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
        """Return where a window may start: the clip's ends, which lack a flow, are for clips that are short."""
        length = self.lengths[clip]
        end = 1 if length - 2 >= self.frames else 0
        return range(end, length - end - self.frames + 1)

    def __len__(self) -> int:
        """Return the number of windows in an epoch."""
        return len(self.index) if self.drawn is None else self.drawn

    def window(self, epoch: int, index: int) -> TrueFlow:
        """Return a window; its neighbours are read too, for what is occluded at its ends."""
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
    """Whether a vector counts as known only where the other flow leads back."""

    @abstractmethod
    def _read(self, clip: int, frames: range) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Return forward, backward, valid and image of some frames of a clip, as in `TrueFlow`."""


def occlusions(forward: Tensor, backward: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Judge by two flows which pixels cannot be seen in the next and the previous frame.

    A pixel is occluded where the flow back does not agree (see `motion.consistency.agrees`), or where it ends outside
    the frame.

    Args:
        forward: `T 2 H W`.
        backward: `T 2 H W`.
        valid: bool `T 2 H W`: where they are known.

    Returns:
        bool `T 2 H W`, True where a pixel is occluded; and where it is, or nothing tells that it is not: the other flow
        is not known where it ends.
    """
    occluded = ~torch.cat([stays_inside(forward), stays_inside(backward)], 1)
    unsure = torch.ones_like(occluded)
    for channel, here, there in ((0, slice(None, -1), slice(1, None)), (1, slice(1, None), slice(None, -1))):
        way, back = (forward, backward)[channel][here], (backward, forward)[channel][there]
        told = warp(valid[there, 1 - channel, None].float(), way)[:, 0] > WHOLE
        back_again = warp(back, way, padding="border")
        lengths = way.square().sum(1) + back_again.square().sum(1)
        occluded[here, channel] |= told & ~agrees((way + back_again).square().sum(1), lengths)
        unsure[here, channel] = ~told | occluded[here, channel]
    return occluded, unsure


class FileSource(ClipSource):
    """Flow files: `<clip>/forward/<frame>.flo` and `<clip>/backward/<frame>.flo`, or another kind of flow file.

    The name is the number of the frame that the flow starts from: a clip of N frames may have forward flow of 0 to
    N - 2 and backward flow of 1 to N - 1, or more of both if it was cut from a longer one.
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
        self.names = [sorted({name for way in ways for name in way}, key=natural_key) for ways in self.files]
        super().__init__(entries, [len(names) for names in self.names], frames, size, drawn, stream)

    def _read(self, clip: int, frames: range) -> tuple[Tensor, Tensor, Tensor, None]:
        names = [self.names[clip][frame] for frame in frames]
        paths = [[way.get(name) for name in names] for way in self.files[clip]]
        read = {path: read_flow(path) for way in paths for path in way if path is not None}
        first, *_ = read
        height, width = read[first].valid.shape
        for path, found in read.items():
            if (size := found.valid.shape) != (height, width):
                raise InputError(f"{path}: flow of {size[1]}x{size[0]}; {width}x{height} was expected, as {first} has")
        flows, valid = [], torch.zeros(len(names), 2, height, width, dtype=torch.bool)
        for channel, way in enumerate(paths):
            flow = torch.zeros(len(names), 2, height, width)
            for slot, file in enumerate(way):
                if file is not None:
                    flow[slot] = torch.from_numpy(read[file].flow).permute(2, 0, 1)
                    valid[slot, channel] = torch.from_numpy(read[file].valid)
            flows.append(flow)
        if self.size is not None and self.size != (height, width):
            flows = [resize_flow(flow, self.size) for flow in flows]
            valid = F.interpolate(valid.float(), self.size, mode="bilinear", antialias=True) > WHOLE
        return flows[0], flows[1], valid, None


class EstimatedSource(ClipSource):
    """Flow of clips as an estimator sees it: pseudo ground truth, known where both flows agree.

    Args:
        entries: clips of a dataset on disk.
        estimator: of the flow.
        frames: T.
        size: height and width that frames are resized to before.
        drawn: as for `ClipSource`.
        stream: as for `ClipSource`.
        images: whether the frames are served, too.
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
        there, back = self.estimator(np.ascontiguousarray(image.permute(0, 2, 3, 1).numpy()))
        forward = F.pad(torch.from_numpy(there).permute(0, 3, 1, 2), (0,) * 6 + (0, 1))
        backward = F.pad(torch.from_numpy(back).permute(0, 3, 1, 2), (0,) * 6 + (1, 0))
        valid = torch.ones(len(image), 2, *image.shape[2:], dtype=torch.bool)
        valid[-1, 0] = valid[0, 1] = False
        return forward, backward, valid, image if self.images else None


def has_flow_files(root: Path) -> bool:
    """Whether `root` is a folder of clips with flow files."""
    return root.is_dir() and any((clip / direction).is_dir() for clip in root.iterdir() for direction in DIRECTIONS)


def flow_clips(root: Path) -> list[ClipEntry]:
    """List the clips of a folder with flow files, with what `manifest.csv` says of them if there is one.

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
    """Return the flow files of a folder by their frames' names; of two with one name the last; none if no folder."""
    if not folder.is_dir():
        return {}
    found = {}
    for path in sorted(folder.iterdir(), key=lambda path: natural_key(path.name)):
        suffix = next((suffix for suffix in FLOW_SUFFIXES if path.name.lower().endswith(suffix)), None)
        if suffix is not None and path.name[0] != ".":
            found[composed(path.name[: -len(suffix)])] = path
    return found
