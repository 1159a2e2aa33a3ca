"""The DataModule of wide-range image blending."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import nn
from torch.utils.data import DataLoader

from outpaint_lightning.data.blending.dataset import BlendingDataset, BlendingSample
from outpaint_lightning.data.blending.pairs import embeddings, nearest_photos
from outpaint_lightning.data.blending.sources import FilePhotos, LandscapePhotos, PhotoSource
from outpaint_lightning.data.loading import loader
from outpaint_lightning.data.painting.dataset import collate
from outpaint_lightning.data.regions import SPLITS_OF
from outpaint_lightning.forge.sources import clean_clips
from outpaint_lightning.io.manifest import SPLITS
from outpaint_lightning.nets import SeededFeatures
from outpaint_lightning.types import InputError, VideoInfo

SMALLEST = 8  # smallest side of a photo, in pixels


class BlendingDataModule(pl.LightningDataModule):
    """Panoramas of photos with a hidden middle, and pairs of similar photos.

    Args:
        root: null for random landscapes; or a folder of photos, or a dataset in a layout of docs/reference/dataset.md.
            Photos without a split are assigned to train, val and test. Of clips, the first frame is used.
        size: height and width of a photo at the input of the net, equal to the net's `size`; a panorama is three times
            as wide.
        batch_size: number of panoramas, and of pairs, in a batch, per process.
        photos: number of training landscapes.
        val_photos: number of validation landscapes.
        test_photos: number of test landscapes.
        nearest: number of possible partners of a photo: those with the most similar features.
        features: net that computes these features; null for `SeededFeatures(2)`.
        workers: number of processes that make samples; 0 makes them in the main process.
        seed: seed of landscapes, crops, pairs, order and splits.

    Raises:
        InputError: names the folder, photo or key that cannot be used.

    Example:
        >>> data = BlendingDataModule(size=16, val_photos=3)
        >>> data.setup("validate")
        >>> sample = data.datasets["val"][0]
        >>> sample["image"].shape, sample["mask"][0, 0, 0].sum().item()  # the middle third is hidden
        (torch.Size([1, 3, 16, 48]), 16.0)
    """

    def __init__(
        self,
        root: str | None = None,
        size: int = 64,
        batch_size: int = 8,
        photos: int = 400,
        val_photos: int = 32,
        test_photos: int = 200,
        nearest: int = 3,
        features: nn.Module | None = None,
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        numbers = {"batch_size": batch_size, "photos": photos, "val_photos": val_photos, "test_photos": test_photos}
        for name, value in {**numbers, "nearest": nearest}.items():
            if value < 1:
                raise InputError(f"data.{name} is {value}: expected at least 1")
        if workers < 0:
            raise InputError(f"data.workers is {workers}: expected 0 or more")
        if size < SMALLEST:
            raise InputError(f"data.size is {size}: expected at least {SMALLEST}")
        self.root = None if root is None else Path(root)
        self.size, self.batch_size, self.nearest, self.workers, self.seed = size, batch_size, nearest, workers, seed
        self.photos = {"train": photos, "val": val_photos, "test": test_photos}
        self.features = features or SeededFeatures(2)
        self.datasets: dict[str, BlendingDataset] = {}

    def setup(self, stage: str) -> None:
        """Find the photos of the splits that `stage` needs, and their possible partners."""
        for split in SPLITS_OF[stage]:
            if split in self.datasets:
                continue
            stream = self.seed, SPLITS.index(split)
            source = self._source(split, stream)
            names = [video["source"] for video in source.videos]
            if len({*names}) < 2:
                where = "data" if self.root is None else self.root
                raise InputError(
                    f"{where}: photos of one source in split {split!r}; expected two at least, to make pairs"
                )
            partners = nearest_photos(embeddings(source, self.features), names, self.nearest)
            self.datasets[split] = BlendingDataset(source, partners, stream, training=split == "train")

    def _source(self, split: str, stream: tuple[int, ...]) -> PhotoSource:
        if self.root is None:
            return LandscapePhotos(stream, split, self.photos[split], self.size)
        entries = [entry for entry in clean_clips(self.root, None, self.seed) if entry.split == split]
        if not entries:
            raise InputError(f"{self.root}: no photo in split {split!r}; expected three sources or more")
        return FilePhotos(entries, self.size)

    def videos(self, split: str) -> list[VideoInfo]:
        """Return the description of each photo of a split, for metrics."""
        return self.datasets[split].source.videos

    def train_dataloader(self) -> DataLoader[BlendingSample]:
        """Return samples in an order that depends on (seed, epoch) only."""
        return self._loader("train", shuffled=self.seed, repeated=True)

    def val_dataloader(self) -> DataLoader[BlendingSample]:
        """Return samples in order."""
        return self._loader("val", repeated=True)

    def test_dataloader(self) -> DataLoader[BlendingSample]:
        """Return samples in order."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[BlendingSample]:
        """Return the test's samples in order."""
        return self._loader("test")

    def _loader(self, split: str, **options: Any) -> DataLoader[BlendingSample]:
        """Return a loader of samples; see `loading.loader`."""
        return loader(
            self.datasets[split],
            self.trainer,
            batch_size=self.batch_size,
            workers=self.workers,
            collate=collate,
            **options,
        )
