"""Run a localizer on the clips of a dataset, under one condition after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from outpaint_lightning.data.clips import collate
from outpaint_lightning.data.corruptions import CorruptedClip, CorruptedDataset, Curve
from outpaint_lightning.data.loading import loader
from outpaint_lightning.data.made import Made, MadeClip
from outpaint_lightning.data.windows import WindowDataset
from outpaint_lightning.io import Clip, ClipEntry, open_clip
from outpaint_lightning.metrics.localization import scores
from outpaint_lightning.metrics.thresholds import THRESHOLDS, ThresholdCounts, roc_areas
from outpaint_lightning.processes.progress import progress_bar
from outpaint_lightning.tasks import LocalizationTask

UNTOUCHED = "none"
REFERENCE = "h264 23"
"""The condition under which groups of forgeries are compared: x264 at its usual quality."""
EXCHANGED = "exchanged"
"""The same as the reference, but all pixels outside the mask come from the authentic twin."""
EVERY = 4  # every fourth frame is judged

Row = dict[str, Any]
"""One clip under one condition: `clip`, `source`, `forger`, `share` (the forged share of its judged pixels), `f1`,
`auc` and `pixel_fpr`. Values that are undefined are None."""


class ExchangedClip(MadeClip, held=1):
    """A corrupted forgery whose pixels outside the mask come from its twin, corrupted in the same way."""

    def __init__(self, forgery: CorruptedClip, twin: CorruptedClip) -> None:
        self._forgery, self._twin = forgery, twin
        self.path, self.name, self.fps = forgery.path, forgery.name, forgery.fps
        self.height, self.width = forgery.height, forgery.width

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._forgery)

    def make(self) -> Made:
        """Compute all frames and masks, again at each call."""
        (frames, label), (around, _) = self._forgery.make(), self._twin.make()
        return np.where(label[..., None], frames, around), label


class ExchangedDataset(WindowDataset):
    """The windows of all forgeries whose twin is also in the dataset. Each clip is an `ExchangedClip`.

    Args:
        corrupted: a dataset written by `forge`, after a corruption; `<clip>__1` is a forgery of `<clip>`.
    """

    def __init__(self, corrupted: CorruptedDataset) -> None:
        clips = {entry.clip: corrupted.corrupted[entry.clip] for entry in corrupted.entries}
        self._exchanged = {
            entry.clip: ExchangedClip(clips[entry.clip], clips[twin])
            for entry in corrupted.entries
            if entry.masks and (twin := entry.clip.rpartition("__")[0]) in clips
        }
        entries = [entry for entry in corrupted.entries if entry.clip in self._exchanged]
        super().__init__(entries, corrupted.frames, corrupted.stride, every=EVERY, seed=corrupted.seed)

    def _clip(self, entry: ClipEntry) -> Clip:
        return self._exchanged[entry.clip]

    def read_masks(self, video: int, indices: Sequence[int]) -> Any:
        """Return the masks of some frames of a clip, bool `T H W`."""
        return self._exchanged[self.entries[video].clip].masks(indices)


def conditions(
    task: LocalizationTask, entries: Sequence[ClipEntry], ladder: Sequence[Curve], workers: int
) -> Iterator[tuple[str, list[Row]]]:
    """Yield the name of each condition and the results of the net on the clips under it.

    Every fourth frame is judged. A photo is treated as a video without motion.

    Args:
        task: the task in evaluation mode, on its device, with a threshold.
        entries: clips of the dataset.
        ladder: the corruptions. The first condition leaves the clips unchanged.
        workers: number of processes that read and encode.
    """
    datasets = _datasets(task, entries)
    yield UNTOUCHED, _judged(task, datasets, UNTOUCHED, workers)
    for curve in ladder:
        for level in curve.levels:
            name = f"{curve.name} {level:g}"
            corrupted = [CorruptedDataset(dataset, curve, level) for dataset in datasets]
            yield name, _judged(task, corrupted, name, workers)
            if name == REFERENCE:
                exchanged = [ExchangedDataset(dataset) for dataset in corrupted]
                yield EXCHANGED, _judged(task, exchanged, EXCHANGED, workers)


def _datasets(task: LocalizationTask, entries: Sequence[ClipEntry]) -> list[WindowDataset]:
    """Return the windows of the videos, and the windows of the photos, which have one frame."""
    photos = [entry for entry in entries if len(open_clip(entry.frames)) == 1]
    videos = [entry for entry in entries if entry not in photos]
    frames, stride = task.window.get("frames", 2), task.window.get("stride", 1)
    return [WindowDataset(videos, frames, stride, every=EVERY), WindowDataset(photos, frames=1)]


def _judged(task: LocalizationTask, datasets: Sequence[WindowDataset], name: str, workers: int) -> list[Row]:
    with progress_bar(sum(map(len, datasets)), name, "frame") as bar:
        return [row for dataset in datasets if len(dataset) for row in _rows(task, dataset, workers, bar)]


@torch.inference_mode()
def _rows(task: LocalizationTask, dataset: WindowDataset, workers: int, bar: Any) -> list[Row]:
    threshold = task.chosen_threshold()
    thresholds = sorted({*THRESHOLDS, threshold})
    position = {entry.clip: video for video, entry in enumerate(dataset.entries)}
    table = ThresholdCounts([len(clip) for clip in dataset.clips], thresholds)
    reading = workers if workers > 1 else 0  # with one worker, this process reads and judges in turn
    for batch in loader(dataset, None, batch_size=1, workers=reading, collate=collate):
        (meta,) = batch["meta"]
        probability = task(_window(batch["image"], task)).cpu()[0]
        table.update(position[meta["clip"]], meta["frames"][0], probability, batch["mask"][0, 0, 0] > 0)
        bar.update()
    counts = table.compute()
    at = scores(counts[:, thresholds.index(threshold), :4])
    shares = (counts[:, 0, 0] + counts[:, 0, 2]) / counts[:, 0, :4].sum(-1)
    values = {"share": shares, "f1": at["f1"], "auc": roc_areas(counts), "pixel_fpr": at["pixel_fpr"]}
    return [
        {"clip": entry.clip, "source": entry.source, "forger": entry.forger}
        | {name: None if value[video].isnan() else round(float(value[video]), 6) for name, value in values.items()}
        for video, entry in enumerate(dataset.entries)
    ]


def _window(image: Tensor, task: LocalizationTask) -> Tensor:
    """Return a window as the net expects it, `1 T 3 H W` in [0, 1]. A photo is repeated for all frames."""
    frames = task.window.get("frames", 2)
    if image.shape[1] == 1:
        image = image.expand(-1, frames, -1, -1, -1)
    return image.to(task.device).float() / 255
