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
"""Name used instead of a split if a folder without splits is predicted. Then the share of the foreground is not
checked."""
COUNTED = 1000
"""Largest number of training layouts that `common_layout` reads."""


class ContextSample(TypedDict):
    """One photo, before batching; T is 1."""

    image: Tensor
    """float32 `T 3 H W` in [0, 1], 0 where the mask is 1: the foreground alone."""
    mask: Tensor
    """float32 `T 1 H W`, 1 on the background, which is to be painted."""
    clean: Tensor
    """float32 `T 3 H W`."""
    layout: Tensor
    """int64 `T H W`."""
    objects: Tensor
    """int64 `T H W`."""
    meta: WindowMeta


class ContextDataset(Dataset[ContextSample]):
    """Photos with a hidden background.

    Args:
        source: source of the photos.
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
    """Photos whose foreground is given, with the layout of their background.

    Args:
        root: null for scenes rendered by a rule (`data.context.scenes`); or a folder. It has photos in `images/` and,
            for each photo, a PNG of class numbers in `stuff/`, with 255 where the class is not known, as in COCO-Stuff.
            The foreground is where the PNGs of `things/` are not 0; there, n is the n-th object. Without these PNGs,
            the foreground is where the class is not known. Photos with objects but without a layout can be used for
            prediction. Subfolders `train`, `val` and `test` are splits. Without them, photos are assigned to the three
            splits, and `predict` uses all photos.
        classes: names of the background classes, or their number (91 in COCO-Stuff); null reads `<root>/classes.txt`,
            with one name per line, or uses the classes of the rendered scenes.
        batch_size: number of photos in a batch, per process.
        size: `[height, width]`. Photos of a folder are scaled to cover it and cropped at the centre.
        foreground: smallest and largest share of the foreground in a photo of a folder; other photos are not used.
        scenes: number of rendered training scenes; they are the same in every epoch.
        val_scenes: number of rendered validation scenes.
        test_scenes: number of rendered test scenes.
        workers: number of processes that make samples; 0 makes them in the main process.
        seed: seed of scenes, order and splits.

    Raises:
        InputError: names the folder, file or key that cannot be used.

    Example:
        >>> data = ContextDataModule(size=(32, 40), val_scenes=2)
        >>> data.setup("validate")
        >>> sample = data.datasets["val"][0]
        >>> sample["image"].shape, sample["layout"].shape, data.classes[:2]
        (torch.Size([1, 3, 32, 40]), torch.Size([1, 32, 40]), ['sky', 'water'])
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
        """Return the description of each photo of a split, for metrics."""
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
        """Return photos in an order that depends on (seed, epoch) only."""
        return self._loader("train", shuffled=self.seed, repeated=True)

    def val_dataloader(self) -> DataLoader[ContextSample]:
        """Return photos in order."""
        return self._loader("val", repeated=True)

    def test_dataloader(self) -> DataLoader[ContextSample]:
        """Return photos in order."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[ContextSample]:
        """Return the test's photos in order, or all photos of a folder without splits."""
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
