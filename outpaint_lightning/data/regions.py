"""The DataModule of images that are forged in one region or not."""

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
    """Return uint8 images `N 3 H W` at another height and width: bilinear, and an average where they shrink.

    The triangle filter of `antialias` is twice as wide as an output pixel is of the input, along each axis by itself.
    """
    return F.interpolate(image, size, mode="bilinear", antialias=True)


def resize_masks(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Return masks `N C H W` at another height and width: forged where a pixel shows any forged pixel of the input.

    So no region is lost, however thin, and a box `a` to `b` becomes `floor(a s)` to `ceil(b s)`, s the scale.
    """
    return F.adaptive_max_pool2d(mask.float(), size).to(mask.dtype)


class ResizedDataset(WindowDataset):
    """The windows of a dataset at one size.

    Args:
        whole: windows of frames of any sizes.
        size: height and width. Proportions are not kept.
        passes: how often an epoch goes through `whole`, each time as another epoch of its own.
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
        """The clips that have forged pixels."""
        return self._whole.forged

    def read_masks(self, video: int, indices: Sequence[int]) -> NDArray[np.bool_]:
        """Return the masks of some frames of a clip: bool `T H W` at `size`."""
        masks = torch.from_numpy(self._whole.read_masks(video, indices))
        return np.asarray(resize_masks(masks[:, None], self.size)[:, 0].numpy())

    def __getitem__(self, key: int | tuple[int, int]) -> Window:
        """Return window `index`, or that of `epoch` for a key `(epoch, index)`."""
        epoch, index = key if isinstance(key, tuple) else (0, key)
        number, within = divmod(index, len(self._whole))
        window = self._whole[epoch * self.passes + number, within]
        return {
            **window,
            "image": resize_images(window["image"], self.size),
            "mask": resize_masks(window["mask"], self.size),
        }


class RegionDataModule(ClipDataModule):
    """Single images with their class, box and mask: photos, frames of clips, or what a CSV lists.

    Images and masks are resized in the loader; `label` and `box` come from the masks afterwards, and after
    augmentation. Order and augmentation of the training depend on (seed, epoch) only.

    Args:
        root: a dataset in a layout of docs/reference/dataset.md, of photos or clips; or a CSV of photos with boxes,
            `path,label,xmin,ymin,xmax,ymax[,split,...]`.
        size: `[height, width]` that images are resized to; proportions are not kept.
        batch_size: images in a training batch of one process.
        eval_batch_size: images in any other batch; null takes `batch_size`.
        augmentations: modules applied to training batches on the device, in order.
        every: take every this-many-th frame of a clip, from the first on; neighbours are much alike. Of a photo there
            is one.
        workers: processes that read and forge images; 0 does it in the main process.
        seed: of order and augmentation.
        passes: how often an epoch goes through the training images; online, each time with other forgeries. Workers
            begin each epoch with empty hands, which tells where there are few batches.
        online: forge on the fly: only authentic images below `root` are read. An epoch of training sees each of them
            forged afresh, and once more untouched; validation and test are what `forge` would write. Images without a
            split are dealt to the three.
        recipe: of `online`: a YAML file, or the name of one in configs/forge; its `per_clip` is for validation and
            test.
        span: frames around a frame of a training clip that an online forgery is made of; temporal fills see no others.
        max_frames: of a clip that are used online, the first ones; as `forge --max-frames`.
        objects: folder of object masks for online forgeries with the mask `object`.
        codec: what images go through in their own size, before they are resized; a photo and its forgery get the same.
            Choices that are video codecs need clips. None takes images as they are.
        parts: online, training images are parts of frames: the smallest and largest share of each side, drawn afresh in
            each epoch, so places, scales and proportions differ; `[1, 1]` takes whole frames.

    Raises:
        InputError: naming the folder, image, file and line, or key that cannot be used.
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
        """Read what is listed and prepare the splits that `stage` needs; before training, say what looks wrong."""
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
        recipe = replace(self.recipe, per_clip=1) if fresh else self.recipe  # one forgery and one twin: as many of each
        options = {"frames": 1, "every": self.every, "seed": self.seed, "codec": codec}
        return ForgeDataset(chosen, recipe, fresh=fresh, span=self.span, parts=self.parts, **options)

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """Height and width of each clip before it is resized."""
        return {
            entry.clip: (clip.height, clip.width)
            for dataset in self.datasets.values()
            for entry, clip in zip(dataset.entries, dataset.clips, strict=True)
        }

    def training_boxes(self) -> tuple[Tensor, float]:
        """Return what the training boxes alone tell.

        Returns:
            The boxes of forged training images, `N 4` relative to their images: all of them, or `PRIOR_MASKS` evenly
            spaced ones; and the forged share of all training images.

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
        """Make images and masks float32, augment training batches and derive `label` and `box`, all on the device."""
        batch = super().on_after_batch_transfer(batch, dataloader_idx)
        return {**batch, "box": boxes_from_masks(batch["mask"][:, 0])}
