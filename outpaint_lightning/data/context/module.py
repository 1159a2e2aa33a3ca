"""The DataModule of contextual outpainting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from outpaint_lightning.data.context.scenes import SMALLEST
from outpaint_lightning.data.context.sources import (
    ContextSource,
    FolderContexts,
    SceneContexts,
    class_names,
    dealt,
    photo_files,
)
from outpaint_lightning.data.loading import loader
from outpaint_lightning.data.regions import SPLITS_OF
from outpaint_lightning.io.manifest import SPLITS
from outpaint_lightning.types import Batch, InputError, VideoInfo, WindowMeta

ALL = "all"
"""What stands for a split where a folder without splits is predicted, whatever the share of the foreground."""
COUNTED = 1000
"""Training layouts that `common_layout` looks at, at most."""


class ContextSample(TypedDict):
    """One photo, before batching; T is 1."""

    image: Tensor
    """float32 `T 3 H W` in [0, 1], 0 where the mask is 1: the foreground alone."""
    mask: Tensor
    """float32 `T 1 H W`, 1 on the background, which is to be invented."""
    clean: Tensor
    """float32 `T 3 H W`."""
    layout: Tensor
    """int64 `T H W`."""
    objects: Tensor
    """int64 `T H W`."""
    meta: WindowMeta


class ContextDataset(Dataset[ContextSample]):
    """Photos whose background is hidden.

    Args:
        source: of the photos.
    """

    def __init__(self, source: ContextSource) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: int | tuple[int, int]) -> ContextSample:
        """Return photo `index`, the same in every epoch, for a key `index` or `(epoch, index)`."""
        index = key[1] if isinstance(key, tuple) else key
        picture, info = self.source.picture(index), self.source.videos[index]
        clean = torch.from_numpy(picture.frame).permute(2, 0, 1)[None].float() / 255
        objects = torch.from_numpy(picture.objects.astype(np.int64))[None]
        mask = (objects == 0).float()[:, None]
        meta = WindowMeta(frames=[0], **{k: info[k] for k in ("clip", "source", "scene", "camera", "forger")})  # type: ignore[typeddict-item]
        return ContextSample(
            image=clean * (1 - mask), mask=mask, clean=clean, objects=objects, meta=meta,
            layout=torch.from_numpy(picture.layout.astype(np.int64))[None],
        )  # fmt: skip


class ContextDataModule(pl.LightningDataModule):
    """Photos of which the foreground is given, with the layout of their background.

    Args:
        root: null for scenes rendered by a rule (`data.context.scenes`); or a folder with photos in `images/` and a PNG
            of class numbers for each in `stuff/`, 255 where a class is not known, as COCO-Stuff has them. The
            foreground is what is not 0 in the PNGs of `things/`, where n is the n-th thing; without them, where the
            class is not known. Photos with things and without a layout serve for prediction. Folders `train`, `val` and
            `test` below these are splits; without them photos are dealt to the three, and `predict` takes all.
        classes: names of the background classes, or how many there are (91 in COCO-Stuff); null reads
            `<root>/classes.txt`, a name on each line.
        batch_size: photos in a batch of one process.
        size: `[height, width]`. Photos of a folder are scaled to cover it and cut at the centre.
        foreground: smallest and largest share of a photo of a folder that the foreground may have; others are left out.
        scenes: rendered for training; they are the same in every epoch.
        val_scenes: rendered for validation.
        test_scenes: rendered for a test.
        workers: processes that make samples; 0 makes them in the main process.
        seed: of scenes, order and splits.

    Raises:
        InputError: naming the folder, file or key that cannot be used.
    """

    def __init__(
        self,
        root: str | None = None,
        classes: list[str] | int | None = None,
        batch_size: int = 16,
        size: tuple[int, int] = (32, 32),
        foreground: tuple[float, float] = (0.02, 0.6),
        scenes: int = 1000,
        val_scenes: int = 64,
        test_scenes: int = 128,
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        numbers = {"batch_size": batch_size, "scenes": scenes, "val_scenes": val_scenes, "test_scenes": test_scenes}
        for name, value in numbers.items():
            if value < 1:
                raise InputError(f"data.{name} is {value}: expected at least 1")
        if workers < 0:
            raise InputError(f"data.workers is {workers}: expected 0 or more")
        if len(size) != 2 or min(size) < SMALLEST:
            raise InputError(f"data.size is {list(size)}: expected [height, width], at least {SMALLEST} pixels each")
        if len(foreground) != 2 or not 0 <= foreground[0] < foreground[1] <= 1:
            raise InputError(f"data.foreground is {list(foreground)}: expected two shares in rising order, 0 to 1")
        self.root = None if root is None else Path(root)
        self.classes: Sequence[str] = class_names(self.root, classes)
        self.batch_size, self.workers, self.seed = batch_size, workers, seed
        self.size, self.foreground = (size[0], size[1]), (foreground[0], foreground[1])
        self.scenes = {"train": scenes, "val": val_scenes, "test": test_scenes}
        self.datasets: dict[str, ContextDataset] = {}

    def setup(self, stage: str) -> None:
        """Find the photos and prepare the splits that `stage` needs."""
        for split in SPLITS_OF[stage]:
            self._prepare(ALL if stage == "predict" and self._undivided() else split)

    def _undivided(self) -> bool:
        return self.root is not None and "" in photo_files(self.root)

    def _prepare(self, split: str) -> ContextDataset:
        if split not in self.datasets:
            self.datasets[split] = ContextDataset(self._source(split))
        return self.datasets[split]

    def _source(self, split: str) -> ContextSource:
        if self.root is None:
            return SceneContexts((self.seed, SPLITS.index(split)), split, self.scenes[split], self.size)
        found = photo_files(self.root)
        if split == ALL:
            return FolderContexts(found[""], len(self.classes), self.size, (0, 1))
        files = (dealt(found[""], self.seed) if "" in found else found).get(split, {})
        source = FolderContexts(files, len(self.classes), self.size, self.foreground)
        if not len(source):
            low, high = self.foreground
            raise InputError(
                f"{self.root}: no photo in split {split!r} whose foreground is {low:g} to {high:g} of it; "
                f"{len(files)} were looked at (data.foreground)"
            )
        return source

    def videos(self, split: str) -> list[VideoInfo]:
        """Return what is known of each photo of a split, for metrics."""
        return self.datasets[split].source.videos

    def common_layout(self) -> Tensor:
        """Return the most common class of training layouts at each pixel, long `H W`."""
        dataset = self._prepare("train")
        counts = torch.zeros(len(self.classes) + 1, *self.size, dtype=torch.long)
        for index in np.unique(np.linspace(0, len(dataset) - 1, COUNTED).astype(int)):
            layout = torch.from_numpy(dataset.source.picture(int(index)).layout.astype(np.int64))
            counts.scatter_add_(0, layout.clamp(max=len(self.classes))[None], torch.ones_like(layout)[None])
        return counts[:-1].argmax(0)

    def train_dataloader(self) -> DataLoader[ContextSample]:
        """Photos in an order that depends on (seed, epoch) only."""
        return self._loader("train", shuffled=self.seed, repeated=True)

    def val_dataloader(self) -> DataLoader[ContextSample]:
        """Photos in order."""
        return self._loader("val", repeated=True)

    def test_dataloader(self) -> DataLoader[ContextSample]:
        """Photos in order."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[ContextSample]:
        """Photos of the test in order; those of a folder without splits, all of them."""
        return self._loader(ALL if ALL in self.datasets else "test")

    def _loader(self, split: str, **options: Any) -> DataLoader[ContextSample]:
        """Return a loader of photos; see `loading.loader`."""
        return loader(
            self.datasets[split],
            self.trainer,
            batch_size=self.batch_size,
            workers=self.workers,
            collate=_collate,
            **options,
        )


def _collate(samples: Sequence[ContextSample]) -> Batch:
    columns: dict[str, Any] = {key: [sample.get(key) for sample in samples] for key in samples[0]}
    return cast("Batch", {key: values if key == "meta" else torch.stack(values) for key, values in columns.items()})
