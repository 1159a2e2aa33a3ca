"""The DataModule for video clips with masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from outpaint_lightning.audit.run import print_warnings
from outpaint_lightning.augment import DeviceAugmentation
from outpaint_lightning.data.codec import RandomCodec
from outpaint_lightning.data.corruptions import CorruptedDataset, read_curves
from outpaint_lightning.data.loading import is_first, loader, require_one_size
from outpaint_lightning.data.online import ForgeDataset
from outpaint_lightning.data.windows import Window, WindowDataset
from outpaint_lightning.forge import MAX_FRAMES
from outpaint_lightning.forge.material import Material, materials
from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.forge.sources import deal_splits
from outpaint_lightning.io import Clip, ClipEntry, read_dataset
from outpaint_lightning.types import Batch, InputError, VideoInfo, views

PRIOR_MASKS = 2000  # masks read for the training prior; more masks change no printed digit


class ClipDataModule(pl.LightningDataModule):
    """Windows of the clips below `root`, in the layout of docs/reference/dataset.md.

    The manifest's column `weight` repeats the windows of a training clip in an epoch: for example 3 for authentic clips
    in which a net finds false positives.

    Training uses random crops in an order that depends on (seed, epoch). Validation, test and prediction use whole
    frames in order. Frames are uint8 in the loader and float32 in [0, 1] on the device, where they are augmented.

    Args:
        root: folder with `frames/` or `videos/`, `masks/` and `manifest.csv`.
        batch_size: windows in a training batch, per process.
        eval_batch_size: windows in every other batch; more than 1 needs clips of one size.
        frames: T, the number of frames in a window.
        stride: distance between the frames of a window; a negative stride looks back in time.
        crop: `[height, width]` of training crops; null trains on whole frames.
        augmentations: modules applied to training batches on the device, in order.
        val_every: validate on every `val_every`-th frame.
        test_every: test on every `test_every`-th frame; the other frames are still read as its neighbours. Prediction
            always uses every frame.
        workers: processes that read frames; 0 reads in the main process.
        seed: seed of the order, the crops, the codecs and the augmentation.
        online: forge on the fly; only the authentic clips below `root` are read. Training gets a new forgery in every
            window; validation and test get the forgeries that `forge` would write. Clips without a split are
            distributed over the three splits.
        recipe: recipe for `online`: a YAML file, or the name of a file in configs/forge.
        span: number of consecutive frames around a training window from which an online forgery is made.
        max_frames: online, use only this many first frames of a clip; the same as `forge --max-frames`.
        objects: folder with object masks, for online forgeries with the mask `object`.
        corruptions: a YAML file, or the name of a file in configs/corruptions. A test evaluates its split unchanged,
            and once more at each level of each corruption. Training, validation and prediction do not change.
        codec: encodes and decodes the windows with random codecs; see `RandomCodec`.

    Attributes:
        conditions: curve and level of each test loader after the first, in order; empty without `corruptions`.
        corruption_options: for each curve, the option whose values are its levels: `{"h264": "quality"}`.

    Raises:
        InputError: names the folder, clip, file or key that cannot be used.
    """

    def __init__(
        self,
        root: str,
        batch_size: int = 8,
        eval_batch_size: int = 1,
        frames: int = 2,
        stride: int = 1,
        crop: list[int] | None = None,
        augmentations: list[nn.Module] | None = None,
        val_every: int = 1,
        workers: int = 2,
        seed: int = 0,
        online: bool = False,
        recipe: str = "default",
        span: int = 5,
        max_frames: int = MAX_FRAMES,
        objects: str | None = None,
        corruptions: str | None = None,
        test_every: int = 1,
        codec: RandomCodec | None = None,
    ) -> None:
        super().__init__()
        if crop is not None and len(crop) != 2:
            raise InputError(f"data.crop is {crop}: expected [height, width]")
        if batch_size < 1 or eval_batch_size < 1 or workers < 0:
            raise InputError(
                f"data.batch_size {batch_size}, data.eval_batch_size {eval_batch_size}, data.workers {workers}: "
                "expected at least 1, 1 and 0"
            )
        if val_every < 1 or test_every < 1:
            raise InputError(f"data.val_every {val_every}, data.test_every {test_every}: expected at least 1")
        if codec and codec.has_first and not online:
            raise InputError("data.codec.first encodes what is forged afterwards: expected data.online: true")
        if codec and corruptions and "test" in codec.splits:
            raise InputError(
                "data.codec.splits has test and data.corruptions is given, whose curves begin at clips as they are: "
                "expected one of them"
            )
        self.codec = codec
        self.root = Path(root)
        self.listed = self.root / "manifest.csv"  # the file that assigns clips to splits
        self.batch_size, self.eval_batch_size, self.workers, self.seed = batch_size, eval_batch_size, workers, seed
        self.crop = (crop[0], crop[1]) if crop else None
        self.val_every, self.test_every = val_every, test_every
        self.window = {"frames": frames, "stride": stride}
        self.recipe = Recipe.read(recipe) if online else None
        self.span, self.max_frames = span, max_frames
        self.objects = Path(objects) if objects else None
        self.curves = [] if corruptions is None else read_curves(corruptions)
        self.conditions = [(curve.name, level) for curve in self.curves for level in curve.levels]
        self.corruption_options = {curve.name: curve.option for curve in self.curves}
        self.corrupted: list[CorruptedDataset] = []
        self.augmentation = DeviceAugmentation(augmentations or [], seed)
        self.datasets: dict[str, WindowDataset] = {}

    def setup(self, stage: str) -> None:
        """Read the manifest and prepare the splits that `stage` needs. Before training, print its problems."""
        if self.window["frames"] < 2:
            raise InputError(f"data.frames is {self.window['frames']}: expected at least 2")
        if stage == "fit" and is_first(self.trainer):
            print_warnings(self.root)
        entries = read_dataset(self.root)
        forgeable = {} if self.recipe is None else self._forgeable(entries, self.recipe)
        wanted = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ("test",)}[stage]
        every = {"val": self.val_every, "test": self.test_every if stage == "test" else 1}
        for split in wanted:
            options: dict[str, Any] = {
                **self.window,
                "crop": self.crop if split == "train" else None,
                "every": every.get(split, 1),
                "seed": self.seed,
                "codec": self._codec(split, stage),
            }
            if self.recipe is None:
                chosen = self._split(entries, split)
                self.datasets[split] = WindowDataset(chosen, weighted=split == "train", **options)
            else:
                split_entries = self._split([m.entry for m in forgeable.values()], split)
                self.datasets[split] = ForgeDataset(
                    [forgeable[entry.clip] for entry in split_entries],
                    self.recipe,
                    fresh=split == "train",
                    span=self.span,
                    **options,
                )
        if stage == "test":
            self.corrupted = [
                CorruptedDataset(self.datasets["test"], curve, level) for curve in self.curves for level in curve.levels
            ]

    def _codec(self, split: str, stage: str) -> RandomCodec | None:
        """Return the codec for the windows of a split; predictions use the clips unchanged."""
        if self.codec is None or split not in self.codec.splits or stage == "predict":
            return None
        return self.codec if split == "train" else self.codec.fixed()

    def _forgeable(self, entries: Sequence[ClipEntry], recipe: Recipe) -> dict[str, Material]:
        """Return by name the clips that may be forged; clips without a split are assigned to one."""
        authentic = [entry for entry in entries if entry.masks is None]
        if not authentic:
            raise InputError(f"{self.root}: no authentic clip; data.online forges clips without masks")
        dealt = deal_splits(authentic, recipe.seed, self.listed)
        return {material.entry.clip: material for material in materials(dealt, self.objects, self.max_frames)}

    def _split(self, entries: Sequence[ClipEntry], split: str) -> list[ClipEntry]:
        if split != "train" and not any(entry.split for entry in entries):
            return list(entries)  # a plain folder of clips: one split
        chosen = [entry for entry in entries if entry.split == split]
        if not chosen:
            raise InputError(f"{self.listed}: no clip in split {split!r}; expected a column `split`")
        return chosen

    def videos(self, split: str) -> list[VideoInfo]:
        """Return the description of each video of a split, for metrics."""
        return self.datasets[split].videos

    def clips(self, split: str) -> list[Clip]:
        """Return the open clips of a split, in the order of `videos`."""
        return self.datasets[split].clips

    def training_masks(self, size: int) -> tuple[Tensor, float]:
        """Return what can be learnt from the training masks without the images.

        Returns:
            Forged training masks `N size size`, each cell the forged share of its pixels in [0, 1]; and the mean forged
            share of all training clips, authentic clips included, where each clip has the same weight.
        """
        dataset = self.datasets["train"]
        forged = dataset.forged
        if not forged:
            raise InputError(f"{self.root}: no training clip has masks; expected {self.root}/masks/<clip>")
        per_clip = max(1, PRIOR_MASKS // len(forged))
        grids = []
        for video in forged:
            indices = np.unique(np.linspace(0, len(dataset.clips[video]) - 1, per_clip).astype(int)).tolist()
            for index in indices:  # one at a time: the masks of a long clip may not fit in memory
                mask = torch.from_numpy(dataset.read_masks(video, [index]))
                grids.append(F.adaptive_avg_pool2d(mask.float(), size))
        grid = torch.cat(grids)
        return grid, grid.mean().item() * len(forged) / len(dataset.clips)

    def train_dataloader(self) -> DataLoader[Window]:
        """Return random crops in random order."""
        return self._loader(self.datasets["train"], self.batch_size, shuffled=self.seed, repeated=True)

    def val_dataloader(self) -> DataLoader[Window]:
        """Return whole frames in order."""
        return self._loader(self.datasets["val"], self.eval_batch_size, repeated=True)

    def test_dataloader(self) -> DataLoader[Window] | list[DataLoader[Window]]:
        """Return whole frames in order; with corruptions, a list: the clips unchanged, then each of `conditions`."""
        clean = self.predict_dataloader()
        corrupted = [self._loader(dataset, self.eval_batch_size) for dataset in self.corrupted]
        return [clean, *corrupted] if corrupted else clean

    def predict_dataloader(self) -> DataLoader[Window]:
        """Return whole frames in order."""
        return self._loader(self.datasets["test"], self.eval_batch_size)

    def _loader(self, dataset: WindowDataset, batch_size: int, **options: Any) -> DataLoader[Window]:
        """Return a loader of windows; see `loading.loader`."""
        return loader(dataset, self.trainer, batch_size=batch_size, workers=self.workers, collate=collate, **options)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:  # noqa: ARG002 (Lightning's hook)
        """On the device, make frames and masks float32, augment training batches and derive `label`."""
        batch = {**batch, "mask": batch["mask"].float()}
        for view in views(batch):
            batch[view] = batch[view].float() / 255
        if self.trainer and self.trainer.training:
            batch = self.augmentation(batch, self.trainer.fit_loop.total_batch_idx, self.trainer.global_rank)
        return {**batch, "label": batch["mask"][:, 0].flatten(1).any(1).long()}


def collate(windows: Sequence[Window]) -> Batch:
    """Stack windows of one size into a batch.

    Raises:
        InputError: names two clips of different sizes.
    """
    require_one_size(
        [window["image"].shape[-2:] for window in windows],
        [window["meta"] for window in windows],
        "set data.crop for training, data.eval_batch_size 1 otherwise",
    )
    batch = Batch(
        image=torch.stack([window["image"] for window in windows]),
        mask=torch.stack([window["mask"] for window in windows]),
        meta=[window["meta"] for window in windows],
    )
    if "quality" in windows[0]:
        batch["quality"] = torch.tensor([window["quality"] for window in windows])
    if "clean" in windows[0]:
        batch["clean"] = torch.stack([window["clean"] for window in windows])
    return batch
