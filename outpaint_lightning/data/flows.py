"""The DataModule for optical flow with holes to complete."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from outpaint_lightning.data.estimators import DisFlow, FlowEstimator
from outpaint_lightning.data.flow_sources import (
    EstimatedSource,
    FileSource,
    FlowSource,
    SceneSource,
    flow_clips,
    has_flow_files,
)
from outpaint_lightning.data.holes import (
    HOLES,
    check_setup,
    hole_mask,
    hole_sampler,
    motion_gradient,
    sample_hole,
)
from outpaint_lightning.data.loading import is_first, loader, require_one_size
from outpaint_lightning.data.regions import SPLITS_OF
from outpaint_lightning.data.synthetic import sample_scene, scene_objects
from outpaint_lightning.forge.masks import MaskSampler
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.forge.sources import deal_splits
from outpaint_lightning.io import ClipEntry, read_dataset
from outpaint_lightning.io.manifest import SPLITS
from outpaint_lightning.motion.hidden import Protocol, Setup, hidden_vectors
from outpaint_lightning.types import Batch, InputError, VideoInfo, WindowMeta

SCENE_SIZE = 96, 128  # default height and width
SMALLEST = 32  # pixels per side of a scene


class FlowWindow(TypedDict):
    """One sample, before batching."""

    flow_forward: Tensor
    """float32 `T 2 H W`."""
    flow_backward: Tensor
    mask: Tensor
    """bool `T 1 H W`."""
    hidden: Tensor
    """bool `T 2 H W`."""
    valid: Tensor
    occluded: Tensor
    image: NotRequired[Tensor]
    """uint8 `T 3 H W`."""
    meta: WindowMeta


class FlowDataset(Dataset[FlowWindow]):
    """Windows of true flow, each with a hole. The families of holes take turns, and so do the setups.

    Args:
        source: source of the flow.
        holes: the families of holes.
        setups: which frames have the hole. The setup changes after each round through the families.
        protocol: which vectors a hole hides.
        stream: seeds of the holes. A hole depends on them, the epoch, the index and the flow only.
        fresh: new windows and holes in every epoch. Otherwise, every epoch has those of the first.
    """

    def __init__(
        self,
        source: FlowSource,
        holes: Sequence[MaskSampler],
        setups: Sequence[Setup],
        protocol: Protocol,
        stream: tuple[int, ...],
        fresh: bool = True,
    ) -> None:
        self.source, self.holes, self.setups, self.protocol, self.stream = source, holes, setups, protocol, stream
        self.fresh = fresh

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: int | tuple[int, int]) -> FlowWindow:
        """Return window `index`, or window `index` of `epoch` for a key `(epoch, index)`."""
        epoch, index = key if isinstance(key, tuple) else (0, key)
        epoch *= self.fresh
        true = self.source.window(epoch, index)
        rng = np.random.default_rng((*self.stream, epoch, index, 1))  # 1: another stream than the window's own
        sampler = self.holes[index % len(self.holes)]
        setup = self.setups[index // len(self.holes) % len(self.setups)]
        frames, _, height, width = true.forward.shape
        footage = Footage.blank(frames, height, width)
        if "objects" in sampler.needs:
            footage = Footage(footage.frames, objects=silhouette(rng, frames, height, width))
        params = sample_hole(sampler, rng, footage, motion_gradient(true.forward[0].numpy()))
        mask = torch.from_numpy(hole_mask(sampler, params, footage, setup))[:, None]
        hidden = hidden_vectors(mask, true.forward, true.backward, self.protocol) | ~true.valid
        if hidden.all():
            clip, numbers = true.meta["clip"], true.meta["frames"]
            raise InputError(
                f"clip {clip!r}: no vector of frames {numbers[0]} to {numbers[-1]} is known outside of the hole; "
                "expected flow that is known somewhere, and a hole that leaves some of it"
            )
        window = FlowWindow(
            flow_forward=true.forward,
            flow_backward=true.backward,
            mask=mask,
            hidden=hidden,
            valid=true.valid,
            occluded=true.occluded,
            meta=true.meta,
        )
        if true.image is not None:
            window["image"] = true.image
        return window


def silhouette(rng: np.random.Generator, frames: int, height: int, width: int) -> NDArray[np.bool_]:
    """Draw a moving object from another scene that is visible in every frame: bool `T H W`."""
    while True:
        objects = scene_objects(sample_scene(int(rng.integers(2**31)), height, width, frames, "move"))
        for number in rng.permutation(np.unique(objects[objects > 0])):
            shape: NDArray[np.bool_] = objects == number
            if shape.any(axis=(1, 2)).all():
                return shape


class FlowDataModule(pl.LightningDataModule):
    """Windows of optical flow with one hole each.

    The flow comes from synthetic scenes (exact, and new in every training epoch), from files, or from an estimator that
    runs on clips. The last is pseudo ground truth: it does not measure how well the true motion is found. The holes of
    validation and test are the same in every run.

    Args:
        root: null for synthetic scenes; or a folder with `<clip>/forward/<frame>.flo` and `<clip>/backward/<frame>.flo`
            (or `.flow.png`, or KITTI's `.png`), named by the frame where the flow starts; or a dataset of clips in a
            layout of docs/reference/dataset.md, whose flow is estimated. Clips without a split are assigned to the
            three splits by their source.
        batch_size: windows in a batch, per process; all windows of a batch must have one size.
        frames: T, the number of frames in a window.
        size: `[height, width]`; null means 96 x 128 for scenes, and the stored size for flow files and clips.
        scenes: windows in a training epoch, for every kind of source.
        val_scenes: number of synthetic validation scenes. Files and clips are cut into windows that do not overlap.
        test_scenes: number of synthetic test scenes.
        holes: families that take turns: `rectangle`, `strokes`, `polygon`, `object`, or a mask of `forge`, by its name
            or as `class_path` and `init_args`; null uses the four families.
        setup: frames that have the hole: `mid2` the two in the middle, `all`, `sandwich` all but the first and last.
        train_setups: setups that take turns in training; null uses only `setup`.
        protocol: what a hole hides: `source` the vectors that start in it, `strict` also the vectors that end in it.
        workers: processes that make windows; 0 makes them in the main process.
        seed: seed of scenes, holes, windows, order and splits.
        images: also return images: scenes are rendered, clips are read. Flow files have no images.
        estimator: estimates the flow of clips; null uses `DisFlow`.
        fresh: whether each training epoch has new windows and holes. False repeats those of the first epoch, so that a
            `BlendFill` can remember what its fills gave (`remember`).

    Attributes:
        protocol: as above.
        hole_setup: `setup` as above; Lightning uses the name `setup` itself.

    Raises:
        InputError: names the folder, clip, file or key that cannot be used.

    Example:
        >>> data = FlowDataModule(frames=3, size=(32, 40), val_scenes=2, holes=["rectangle"])
        >>> data.setup("validate")
        >>> window = data.datasets["val"][0]
        >>> window["flow_forward"].shape, window["hidden"].shape
        (torch.Size([3, 2, 32, 40]), torch.Size([3, 2, 32, 40]))
    """

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 8,
        frames: int = 6,
        size: tuple[int, int] | None = None,
        scenes: int = 1000,
        val_scenes: int = 24,
        test_scenes: int = 72,
        holes: list[str | dict[str, Any]] | None = None,
        setup: Setup = "all",
        train_setups: list[Setup] | None = None,
        protocol: Protocol = "strict",
        workers: int = 2,
        seed: int = 0,
        images: bool = False,
        estimator: FlowEstimator | None = None,
        fresh: bool = True,
    ) -> None:
        super().__init__()
        if min(batch_size, frames, scenes, val_scenes, test_scenes) < 1 or workers < 0:
            raise InputError(
                f"data.batch_size {batch_size}, data.frames {frames}, data.scenes {scenes}, data.val_scenes "
                f"{val_scenes}, data.test_scenes {test_scenes}, data.workers {workers}: expected at least 1, 1, 1, 1, "
                "1 and 0"
            )
        if size is not None and (len(size) != 2 or min(size) < SMALLEST):
            raise InputError(f"data.size is {list(size)}: expected [height, width], at least {SMALLEST} pixels each")
        if train_setups is not None and not train_setups:
            raise InputError("data.train_setups is []: expected one at least, or null")
        setups = {"train": train_setups or [setup], "val": [setup], "test": [setup]}
        for key, some in (("setup", setup), *(("train_setups", some) for some in setups["train"])):
            check_setup(some, protocol, frames, key)
        if holes is not None and not holes:
            raise InputError("data.holes is []: expected one family at least")
        self.root = None if root is None else Path(root)
        self.batch_size, self.frames, self.workers, self.seed = batch_size, frames, workers, seed
        self.size = None if size is None else (size[0], size[1])
        self.scenes = {"train": scenes, "val": val_scenes, "test": test_scenes}
        self.holes = [hole_sampler(spec) for spec in holes or list(HOLES)]
        self.hole_setup: Setup = setup
        self.setups = setups
        self.protocol: Protocol = protocol
        self.images, self.estimator, self.fresh = images, estimator or DisFlow(), fresh
        self.datasets: dict[str, FlowDataset] = {}

    def setup(self, stage: str) -> None:
        """Find the clips and prepare the splits that `stage` needs; print a line if the flow is estimated."""
        for split in SPLITS_OF[stage]:
            stream = self.seed, SPLITS.index(split)
            source = self._scenes(split, stream) if self.root is None else self._clips(self.root, split, stream)
            self.datasets[split] = FlowDataset(
                source, self.holes, self.setups[split], self.protocol, stream, self.fresh
            )

    def _scenes(self, split: str, stream: tuple[int, ...]) -> FlowSource:
        size = self.size or SCENE_SIZE
        return SceneSource(stream, split, self.scenes[split], self.frames, size, self.images)

    def _clips(self, root: Path, split: str, stream: tuple[int, ...]) -> FlowSource:
        drawn = self.scenes["train"] if split == "train" else None
        if has_flow_files(root):
            if self.images:
                raise InputError(f"{root}: flow files come without frames; expected data.images false")
            return FileSource(self._split(flow_clips(root), split), self.frames, self.size, drawn, stream)
        entries = self._split([entry for entry in read_dataset(root) if entry.masks is None], split)
        if is_first(self.trainer):
            print(
                f"{root}: the flow of {len(entries)} clips ({split}) is estimated by {type(self.estimator).__name__}: "
                "pseudo ground truth",
                file=sys.stderr,
            )
        return EstimatedSource(entries, self.estimator, self.frames, self.size, drawn, stream, self.images)

    def _split(self, entries: list[ClipEntry], split: str) -> list[ClipEntry]:
        if not entries:
            raise InputError(f"{self.root}: no clip without masks; expected authentic clips, whose flow is true")
        assert self.root is not None
        listed = self.root / "manifest.csv"
        chosen = [entry for entry in deal_splits(entries, self.seed, listed) if entry.split == split]
        if not chosen:
            raise InputError(f"{listed}: no clip in split {split!r}; expected a column `split`")
        return chosen

    def videos(self, split: str) -> list[VideoInfo]:
        """Return the description of each clip or scene of a split, for metrics."""
        return self.datasets[split].source.videos

    def train_dataloader(self) -> DataLoader[FlowWindow]:
        """Return windows in an order that depends on (seed, epoch) only."""
        return self._loader(self.datasets["train"], shuffled=self.seed, repeated=True)

    def val_dataloader(self) -> DataLoader[FlowWindow]:
        """Return windows in order."""
        return self._loader(self.datasets["val"], repeated=True)

    def test_dataloader(self) -> DataLoader[FlowWindow]:
        """Return windows in order."""
        return self._loader(self.datasets["test"])

    def predict_dataloader(self) -> DataLoader[FlowWindow]:
        """Return the test's windows in order."""
        return self._loader(self.datasets["test"])

    def _loader(self, dataset: FlowDataset, **options: Any) -> DataLoader[FlowWindow]:
        """Return a loader of windows; see `loading.loader`."""
        return loader(
            dataset, self.trainer, batch_size=self.batch_size, workers=self.workers, collate=collate, **options
        )

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:  # noqa: ARG002 (Lightning's hook)
        """On the device, make frames float32 in [0, 1] and the boolean maps float32 in {0, 1}."""
        batch = {
            **batch,
            "mask": batch["mask"].float(),
            "hidden": batch["hidden"].float(),
            "valid": batch["valid"].float(),
            "occluded": batch["occluded"].float(),
        }
        return {**batch, "image": batch["image"].float() / 255} if "image" in batch else batch


def collate(windows: Sequence[FlowWindow]) -> Batch:
    """Stack windows of one size into a batch.

    Raises:
        InputError: names two clips of different sizes.
    """
    require_one_size(
        [window["mask"].shape[-2:] for window in windows],
        [window["meta"] for window in windows],
        "set data.size or data.batch_size 1",
    )
    columns: dict[str, Any] = {key: [window.get(key) for window in windows] for key in windows[0]}
    return cast("Batch", {key: values if key == "meta" else torch.stack(values) for key, values in columns.items()})
