"""The DataModule for single images in which one region is forged, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from outpaint_lightning.audit.run import print_warnings
from outpaint_lightning.data.boxes import Box, BoxDataset, read_boxes
from outpaint_lightning.data.clips import PRIOR_MASKS, ClipDataModule
from outpaint_lightning.data.codec import RandomCodec
from outpaint_lightning.data.loading import is_first
from outpaint_lightning.data.online import ForgeDataset
from outpaint_lightning.data.windows import Window, WindowDataset
from outpaint_lightning.forge import MAX_FRAMES
from outpaint_lightning.forge.material import Material
from outpaint_lightning.geometry import boxes_from_masks
from outpaint_lightning.io import Clip, ClipEntry, read_dataset
from outpaint_lightning.types import Batch, InputError

SPLITS_OF = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ("test",)}


def resize_images(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return uint8 images `N 3 H W` at another height and width, resized bilinearly with antialiasing.

    When an axis shrinks, the triangle filter of `antialias` spans two output pixels along it; each axis is filtered
    alone.
    """
    return F.interpolate(image, size, mode="bilinear", antialias=True)


def resize_masks(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Return masks `N C H W` at another height and width: a pixel is forged if it covers any forged input pixel.

    So even a thin region is kept, and a box from `a` to `b` becomes `floor(a s)` to `ceil(b s)` at scale s.
    """
    return F.adaptive_max_pool2d(mask.float(), size).to(mask.dtype)


class ResizedDataset(WindowDataset):
    """The windows of a dataset, resized to one size.

    Args:
        whole: windows with frames of any size.
        size: height and width; the aspect ratio is not kept.
        passes: how often an epoch goes through `whole`; each pass counts as another epoch of `whole`.
    """

    def __init__(self, whole: WindowDataset, size: tuple[int, int], passes: int = 1) -> None:
        self._whole, self.size, self.passes = whole, size, passes
        self._opened = dict(zip((entry.clip for entry in whole.entries), whole.clips, strict=True))
        super().__init__(whole.entries, whole.frames, whole.stride, seed=whole.seed)
        self.index = whole.index * passes

    def _clip(self, entry: ClipEntry) -> Clip:
        return self._opened[entry.clip]

    @property
    def forged(self) -> list[int]:
        """Indices of the clips that have forged pixels."""
        return self._whole.forged

    def read_masks(self, video: int, indices: Sequence[int]) -> NDArray[np.bool_]:
        """Return the masks of some frames of a clip, bool `T H W`, resized to `size`."""
        masks = torch.from_numpy(self._whole.read_masks(video, indices))
        return np.asarray(resize_masks(masks[:, None], self.size)[:, 0].numpy())

    def __getitem__(self, key: int | tuple[int, int]) -> Window:
        """Return window `index`; for a key `(epoch, index)`, return it as in that epoch."""
        epoch, index = key if isinstance(key, tuple) else (0, key)
        number, within = divmod(index, len(self._whole))
        window = self._whole[epoch * self.passes + number, within]
        return {
            **window,
            "image": resize_images(window["image"], self.size),
            "mask": resize_masks(window["mask"], self.size),
        }


class RegionDataModule(ClipDataModule):
    """Single images with class, box and mask: photos, frames of clips, or the photos of a CSV.

    The loader resizes images and masks; `label` and `box` are derived from the masks after augmentation. The training's
    order and augmentation depend on (seed, epoch) only.

    Args:
        root: a dataset in a layout of docs/reference/dataset.md, of photos or clips; or a CSV of photos with boxes,
            `path,label,xmin,ymin,xmax,ymax[,split,...]`.
        size: `[height, width]` to which images are resized; the aspect ratio is not kept.
        batch_size: images in a training batch, per process.
        eval_batch_size: images in every other batch; null uses `batch_size`.
        augmentations: modules applied to training batches on the device, in order.
        every: use every `every`-th frame of a clip, from the first frame on, because neighbours are very similar. A
            photo is one frame.
        workers: processes that read and forge images; 0 does it in the main process.
        seed: seed of order and augmentation.
        passes: how often an epoch goes through the training images; online, each pass has other forgeries. Workers
            restart their prefetch every epoch; with few batches that overhead shows, and more passes reduce it.
        online: forge on the fly; only the authentic images below `root` are read. A training epoch uses each image
            twice, once with a new forgery and once untouched. Validation and test get the forgeries that `forge` would
            write. Images without a split are distributed over the three splits.
        recipe: recipe for `online`: a YAML file, or the name of a file in configs/forge; its `per_clip` applies to
            validation and test only.
        span: number of consecutive frames from which an online training forgery is made; temporal fills see only these.
        max_frames: online, use only this many first frames of a clip; the same as `forge --max-frames`.
        objects: folder with object masks, for online forgeries with the mask `object`.
        codec: encodes and decodes images in their own size, before they are resized; a photo and its forgery get the
            same codec. Video codecs need clips. None uses the images as they are.
        parts: online, train on parts of frames: the smallest and largest share of each side, drawn anew in every epoch,
            so places, scales and proportions differ; `[1, 1]` uses whole frames.

    Raises:
        InputError: names the folder, image, file and line, or key that cannot be used.
    """

    def __init__(
        self,
        root: str,
        size: tuple[int, int] = (224, 224),
        batch_size: int = 32,
        eval_batch_size: int | None = None,
        augmentations: list[nn.Module] | None = None,
        every: int = 8,
        workers: int = 2,
        seed: int = 0,
        passes: int = 1,
        online: bool = False,
        recipe: str = "regions",
        span: int = 1,
        max_frames: int = MAX_FRAMES,
        objects: str | None = None,
        codec: RandomCodec | None = None,
        parts: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        super().__init__(
            root,
            batch_size=batch_size,
            eval_batch_size=batch_size if eval_batch_size is None else eval_batch_size,
            frames=1,
            augmentations=augmentations,
            workers=workers,
            seed=seed,
            online=online,
            recipe=recipe,
            span=span,
            max_frames=max_frames,
            objects=objects,
            codec=codec,
        )
        if not 0 < parts[0] <= parts[1] <= 1:
            raise InputError(f"data.parts is {list(parts)}: expected two shares above 0 and at most 1, smaller first")
        if tuple(parts) != (1, 1) and (objects or not online):
            raise InputError(
                "data.parts is for data.online: true without data.objects, whose masks are of whole frames; expected "
                "[1, 1]"
            )
        self.parts = parts
        if len(size) != 2 or min(size) < 1:
            raise InputError(f"data.size is {list(size)}: expected [height, width] in pixels")
        if every < 1 or passes < 1:
            raise InputError(f"data.every {every}, data.passes {passes}: expected at least 1")
        self.size, self.every, self.passes = (size[0], size[1]), every, passes
        self.is_table = self.root.suffix.lower() == ".csv"
        if self.is_table:
            self.listed = self.root
        self.boxes: dict[str, Box] = {}

    def setup(self, stage: str) -> None:
        """Read the dataset and prepare the splits that `stage` needs. Before training, print its problems."""
        if self.is_table:
            entries, self.boxes = read_boxes(self.root)
        else:
            if stage == "fit" and is_first(self.trainer):
                print_warnings(self.root)
            entries = read_dataset(self.root)
        clean = [entry for entry in entries if entry.clip not in self.boxes]
        forgeable = {} if self.recipe is None else self._forgeable(clean, self.recipe)
        for split in SPLITS_OF[stage]:
            codec = self._codec(split, stage)
            stored = self.recipe is None
            windows = self._stored(entries, split, codec) if stored else self._forged(forgeable, split, codec)
            self.datasets[split] = ResizedDataset(windows, self.size, self.passes if split == "train" else 1)

    def _stored(self, entries: Sequence[ClipEntry], split: str, codec: RandomCodec | None) -> WindowDataset:
        chosen = self._split(entries, split)
        if self.is_table:
            return BoxDataset(chosen, self.boxes, self.seed, codec)
        return WindowDataset(chosen, frames=1, every=self.every, seed=self.seed, codec=codec)

    def _forged(self, forgeable: Mapping[str, Material], split: str, codec: RandomCodec | None) -> WindowDataset:
        assert self.recipe is not None
        chosen = [forgeable[entry.clip] for entry in self._split([m.entry for m in forgeable.values()], split)]
        fresh = split == "train"
        recipe = replace(self.recipe, per_clip=1) if fresh else self.recipe  # as many forgeries as untouched twins
        return ForgeDataset(
            chosen, recipe, fresh=fresh, span=self.span, frames=1, every=self.every, seed=self.seed, codec=codec,
            parts=self.parts,
        )  # fmt: skip

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """Height and width of each clip before resizing."""
        return {
            entry.clip: (clip.height, clip.width)
            for dataset in self.datasets.values()
            for entry, clip in zip(dataset.entries, dataset.clips, strict=True)
        }

    def training_boxes(self) -> tuple[Tensor, float]:
        """Return what can be learnt from the training boxes without the images.

        Returns:
            The boxes of forged training images, `N 4` relative to their images: all of them, or `PRIOR_MASKS` evenly
            spaced ones; and the share of training images that are forged.

        Raises:
            InputError: no training image is forged.
        """
        dataset = self.datasets["train"]
        forged = set(dataset.forged)
        images = [(video, frame) for video, frame in dataset.index if video in forged]
        chosen = np.unique(np.linspace(0, len(images) - 1, min(len(images), PRIOR_MASKS)).astype(int)).tolist()
        masks = (torch.from_numpy(dataset.read_masks(images[at][0], [images[at][1]])) for at in chosen)
        boxes = [boxes_from_masks(mask[None])[0] for mask in masks]
        shown = [box for box in boxes if box.any()]  # a moving region may be out of a frame
        if not shown:
            raise InputError(f"{self.root}: no training image is forged; expected some with a box to learn from")
        height, width = self.size
        relative = torch.stack(shown) / torch.tensor([width, height, width, height])
        return relative, len(images) / len(dataset) * len(shown) / len(boxes)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """On the device, make images and masks float32, augment training batches, and derive `label` and `box`."""
        batch = super().on_after_batch_transfer(batch, dataloader_idx)
        return {**batch, "box": boxes_from_masks(batch["mask"][:, 0])}
