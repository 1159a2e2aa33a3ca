"""Saves the test frames with the highest and the lowest F1 as pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor

from outpaint_lightning.callbacks.base import first_frame, is_dry, reports
from outpaint_lightning.io import write_image, write_json
from outpaint_lightning.metrics import pixel_counts, scores
from outpaint_lightning.pictures import FORGED, overlay, strip
from outpaint_lightning.results import LOCALIZATION
from outpaint_lightning.types import Batch, InputError

WIDEST = 480  # pixels of a frame


class Example(NamedTuple):
    """A tested frame."""

    f1: float
    clip: str
    frame: int
    image: NDArray[np.uint8]
    """`H W 3` RGB."""
    found: NDArray[np.bool_]
    truth: NDArray[np.bool_]

    def picture(self) -> NDArray[np.uint8]:
        """Return frame, found and true mask in a row below headings, each at most `WIDEST` wide: uint8 `H W 3` RGB."""
        height, width = self.image.shape[:2]
        size = (min(width, WIDEST), round(height * min(1, WIDEST / width)))
        image = np.asarray(cv2.resize(self.image, size, interpolation=cv2.INTER_AREA), np.uint8)
        masks = (
            cv2.resize(m.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) for m in (self.found, self.truth)
        )
        row = [image, *(overlay(image, np.asarray(mask, np.bool_)) for mask in masks)]
        return strip([row], ("frame", "found", "true"), FORGED)


class TestExamples(Callback):
    """Write `<run>/test/examples/`: strips of frame, found and truth, and `examples.json`, their list, worst first.

    They show the forged frames with the highest and with the lowest pixel F1, one per clip, without corruptions.
    Serves localizers.

    Args:
        count: largest number of strips of each kind.

    Raises:
        InputError: the count is below 1.
    """

    __test__ = False  # not a test case of pytest

    def __init__(self, count: int = 3) -> None:
        if count < 1:
            raise InputError(f"TestExamples.count is {count}: expected at least 1")
        self.count = count

    def on_test_epoch_start(self, *_: Any) -> None:
        """Clear the kept frames."""
        self._ends = (Top(self.count, best=False), Top(self.count, best=True))

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Batch,
        batch_idx: int,  # noqa: ARG002 (Lightning's hook)
        dataloader_idx: int = 0,
    ) -> None:
        """Keep frames of a batch that are better or worse than the kept ones; corrupted frames are skipped."""
        if dataloader_idx > 0 or is_dry(trainer) or not reports(pl_module, LOCALIZATION):
            return
        assert isinstance(outputs, Mapping)  # what the task's `test_step` returns
        found, truth = outputs["probability"] >= pl_module.threshold, batch["mask"][:, 0, 0] > 0.5
        f1 = scores(pixel_counts(found, truth).cpu())["f1"].tolist()
        for i, (meta, value) in enumerate(zip(batch["meta"], f1, strict=True)):
            for end in self._ends:
                if not math.isnan(value) and end.takes(value, meta["clip"], meta["frames"][0]):
                    masks = (mask[i].cpu().numpy() for mask in (found, truth))
                    end.add(Example(value, meta["clip"], meta["frames"][0], first_frame(batch, i), *masks))

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Collect the frames of all processes, and write them in the first process."""
        kept = [example for end in self._ends for example in end]
        if trainer.world_size > 1:
            everyones: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(everyones, kept)
            self.on_test_epoch_start()
            for example in (example for kept in everyones for example in kept):
                for end in self._ends:
                    if end.takes(*example[:3]):
                        end.add(example)
        chosen = {(e.clip, e.frame): e for end in self._ends for e in end}
        if not chosen or not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir) / "test" / "examples"
        records = []
        for example in sorted(chosen.values(), key=lambda e: e[:3]):
            file = f"{example.clip}_{example.frame:05d}.jpg"
            write_image(folder / file, example.picture())
            records.append({"clip": example.clip, "frame": example.frame, "f1": example.f1, "file": file})
        write_json(folder / "examples.json", records)


class Top:
    """The frames with the highest or lowest F1, one per clip; the order of arrival does not matter.

    Args:
        count: number of frames to keep.
        best: keep the highest F1; otherwise the lowest.
    """

    def __init__(self, count: int, best: bool) -> None:
        self.count, self.best = count, best
        self._kept: dict[str, Example] = {}

    def __iter__(self) -> Iterator[Example]:
        return iter(self._kept.values())

    def takes(self, f1: float, clip: str, frame: int) -> bool:
        """Return whether to keep a frame; of equal frames, the first by name."""
        last = self._kept.get(clip) or (self._last() if len(self._kept) >= self.count else None)
        return last is None or self._order(f1, clip, frame) < self._order(*last[:3])

    def add(self, example: Example) -> None:
        """Keep a frame for which `takes` is true."""
        self._kept[example.clip] = example
        if len(self._kept) > self.count:
            del self._kept[self._last().clip]

    def _last(self) -> Example:
        return max(self, key=lambda example: self._order(*example[:3]))

    def _order(self, f1: float, clip: str, frame: int) -> tuple[float, str, int]:
        return (-f1 if self.best else f1, clip, frame)
