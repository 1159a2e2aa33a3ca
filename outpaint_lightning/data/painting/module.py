"""The DataModule of generators that fill clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch.utils.data import DataLoader

from outpaint_lightning.data.loading import loader
from outpaint_lightning.data.painting.dataset import PaintingDataset, PaintingWindow, collate
from outpaint_lightning.data.painting.sources import ArrayPaintings, ClipPaintings, PaintingSource, ScenePaintings
from outpaint_lightning.data.regions import SPLITS_OF
from outpaint_lightning.forge.masks import MaskSampler
from outpaint_lightning.forge.sources import clean_clips, deal_splits
from outpaint_lightning.io import ClipEntry, read_dataset
from outpaint_lightning.io.layouts import LAYOUTS
from outpaint_lightning.io.manifest import SPLITS
from outpaint_lightning.types import InputError, VideoInfo

OCCLUSIONS = ("rain", "bar", "clouds", "remove-pixels")
SMALLEST = 32  # smallest side of scenes and clips, in pixels


class PaintingDataModule(pl.LightningDataModule):
    """Windows of clips, parts of which are hidden by a process such as rain.

    Args:
        root: null for synthetic scenes; a folder with `train.npy`, `val.npy` and `test.npy`, each `N T H W` or `N T C H
            W` in [0, 1]; a folder of clips, as `forge` takes it; or a dataset of clips in a layout of
            docs/reference/dataset.md, of which only authentic clips are used. Clips without a split are assigned to the
            three splits by their source.
        batch_size: number of windows in a batch, per process.
        frames: number of frames T in a window. Windows of a clip do not overlap.
        size: `[height, width]` of scenes and clips; arrays keep their own size.
        clips: number of synthetic training scenes; they and their masks are the same in every epoch.
        val_clips: number of synthetic validation scenes.
        test_clips: number of synthetic test scenes.
        occlusions: masks of `forge` that alternate, by name or as `class_path` and `init_args`; null for `rain`, `bar`,
            `clouds` and `remove-pixels`.
        workers: number of processes that make windows; 0 makes them in the main process.
        seed: seed of scenes, masks, order and splits.

    Raises:
        InputError: names the folder, clip, file or key that cannot be used.

    Example:
        >>> data = PaintingDataModule(frames=2, size=(32, 32), val_clips=2, occlusions=["rain"])
        >>> data.setup("validate")
        >>> window = data.datasets["val"][0]
        >>> window["image"].shape, window["mask"].shape
        (torch.Size([2, 3, 32, 32]), torch.Size([2, 1, 32, 32]))
    """

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 4,
        frames: int = 8,
        size: tuple[int, int] = (64, 64),
        clips: int = 400,
        val_clips: int = 24,
        test_clips: int = 64,
        occlusions: list[str | dict[str, Any]] | None = None,
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        numbers = {"batch_size": batch_size, "frames": frames, "clips": clips, "val_clips": val_clips}
        for name, value in {**numbers, "test_clips": test_clips}.items():
            if value < 1:
                raise InputError(f"data.{name} is {value}: expected at least 1")
        if workers < 0:
            raise InputError(f"data.workers is {workers}: expected 0 or more")
        if len(size) != 2 or min(size) < SMALLEST:
            raise InputError(f"data.size is {list(size)}: expected [height, width], at least {SMALLEST} pixels each")
        if occlusions is not None and not occlusions:
            raise InputError("data.occlusions is []: expected one at least")
        self.root = None if root is None else Path(root)
        self.batch_size, self.frames, self.workers, self.seed = batch_size, frames, workers, seed
        self.size = (size[0], size[1])
        self.clips = {"train": clips, "val": val_clips, "test": test_clips}
        self.occlusions = [MaskSampler.build(spec) for spec in occlusions or OCCLUSIONS]
        self.datasets: dict[str, PaintingDataset] = {}

    def setup(self, stage: str) -> None:
        """Find the clips and prepare the splits that `stage` needs."""
        for split in SPLITS_OF[stage]:
            stream = self.seed, SPLITS.index(split)
            training = split == "train"
            self.datasets[split] = PaintingDataset(self._source(split, stream), self.occlusions, stream, training)
            if training:
                self.datasets[split].require_sight()

    def _source(self, split: str, stream: tuple[int, ...]) -> PaintingSource:
        if self.root is None:
            return ScenePaintings(stream, split, self.clips[split], self.frames, self.size)
        if any((self.root / f"{name}.npy").is_file() for name in SPLITS):
            return ArrayPaintings(self.root / f"{split}.npy", self.frames)
        listed = self.root / "manifest.csv"
        chosen = [entry for entry in _clips(self.root, listed, self.seed) if entry.split == split]
        if not chosen:
            raise InputError(f"{listed}: no clip in split {split!r}; expected a column `split`")
        return ClipPaintings(chosen, self.frames, self.size)

    def videos(self, split: str) -> list[VideoInfo]:
        """Return the description of each clip of a split, for metrics; its `forger` is the occlusion."""
        return self.datasets[split].source.videos

    def train_dataloader(self) -> DataLoader[PaintingWindow]:
        """Return windows in an order that depends on (seed, epoch) only."""
        return self._loader("train", shuffled=self.seed, repeated=True)

    def val_dataloader(self) -> DataLoader[PaintingWindow]:
        """Return windows in order."""
        return self._loader("val", repeated=True)

    def test_dataloader(self) -> DataLoader[PaintingWindow]:
        """Return windows in order."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[PaintingWindow]:
        """Return the test's windows in order."""
        return self._loader("test")

    def _loader(self, split: str, **options: Any) -> DataLoader[PaintingWindow]:
        """Return a loader of windows; see `loading.loader`."""
        return loader(
            self.datasets[split],
            self.trainer,
            batch_size=self.batch_size,
            workers=self.workers,
            collate=collate,
            **options,
        )


def _clips(root: Path, listed: Path, seed: int) -> list[ClipEntry]:
    """Return the clips of a folder of clips, or the authentic clips of a dataset, with their splits."""
    if not any(layout.recognises(root) for layout in LAYOUTS):
        return clean_clips(root, listed if listed.is_file() else None, seed)
    entries = [entry for entry in read_dataset(root) if entry.masks is None]
    if not entries:
        raise InputError(f"{root}: no clip without masks; expected authentic clips, whose frames are true")
    return deal_splits(entries, seed, listed)
