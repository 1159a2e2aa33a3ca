"""Shared parts of callbacks: the tasks they serve, validation pictures, loggers' inputs, and dry runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from numpy.typing import NDArray

from outpaint_lightning.io import write_image
from outpaint_lightning.pictures import MarkedPicture, strip
from outpaint_lightning.results import OTHER, Kind, Result
from outpaint_lightning.types import Batch, InputError

Picture = NDArray[np.uint8]
"""`H W 3` RGB."""


class ValidationPictures(Callback, ABC):
    """Show pictures of a few samples after each validation of a training.

    They go to `<run>/pictures/epoch_0000.png` and to every logger that takes pictures; see `log_pictures`.

    Args:
        count: largest number of pictures.

    Raises:
        InputError: the count is below 1.
    """

    KIND: ClassVar[Kind]
    """The kind of results of the tasks that it serves; it ignores other tasks."""
    NAME: ClassVar[str]
    """The name of the pictures in a logger."""
    KEY: ClassVar[str]
    """A key of `meta`: one sample is shown for each of its first values."""
    COLUMNS: ClassVar[int] = 1
    """Number of pictures side by side in the file."""
    LEGEND: ClassVar[Mapping[str, Picture]] = {}
    """Legend below the pictures of the file: for each meaning, a sample of what is drawn."""

    def __init__(self, count: int) -> None:
        if count < 1:
            raise InputError(f"{type(self).__name__}.count is {count}: expected at least 1")
        self.count = count
        self._kept: dict[str, Any] = {}

    @abstractmethod
    def keep(self, outputs: Any, batch: Batch, sample: int) -> Any | None:
        """Return the data to keep of one sample, from the output of `validation_step`; None skips the sample."""

    def draw(self, kept: Any, pl_module: pl.LightningModule) -> MarkedPicture:  # noqa: ARG002
        """Turn a kept sample into a picture, after the validation has ended. The default returns it unchanged."""
        picture: MarkedPicture = kept
        return picture

    def on_validation_epoch_start(self, *_: Any) -> None:
        """Clear the kept samples."""
        self._kept = {}

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,  # noqa: ARG002 (Lightning's hook)
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Keep samples whose source or clip is not kept yet."""
        if not reports(pl_module, self.KIND) or not trainer.is_global_zero or is_dry(trainer):
            return
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        for sample, meta in enumerate(batch["meta"]):
            key: str = meta[self.KEY]  # type: ignore[literal-required]
            if len(self._kept) == self.count or key in self._kept:
                continue
            kept = self.keep(outputs, batch, sample)
            if kept is not None:
                self._kept[key] = kept

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the kept samples, write the picture and log it."""
        marked = [self.draw(kept, pl_module) for kept in self._kept.values()]
        if not marked:
            return
        pictures = [picture.drawn for picture in marked]
        rows = [pictures[i : i + self.COLUMNS] for i in range(0, len(pictures), self.COLUMNS)]
        rows[-1] += [np.full_like(pictures[0], 255)] * (len(rows[0]) - len(rows[-1]))
        whole = strip(rows, legend=self.LEGEND)
        write_image(Path(trainer.default_root_dir) / "pictures" / f"epoch_{trainer.current_epoch:04d}.png", whole)
        log_pictures(trainer, self.NAME, marked, whole)


def task_kind(pl_module: pl.LightningModule) -> Kind:
    """Return the kind of results that a task reports."""
    kind: Kind = getattr(pl_module, "kind", OTHER)
    return kind


def reports(pl_module: pl.LightningModule, kind: Kind) -> bool:
    """Return whether a task reports results of a kind."""
    return task_kind(pl_module) == kind


def result_of(pl_module: pl.LightningModule) -> Result | None:
    """Return the result of a task's last validation or test."""
    result: Result | None = getattr(pl_module, "result", None)
    return result


def first_frame(batch: Batch, sample: int) -> Picture:
    """Return the first frame of one sample."""
    image = (batch["image"][sample, 0].permute(1, 2, 0) * 255).round().byte()
    return np.asarray(image.cpu().numpy())


def log_pictures(trainer: pl.Trainer, name: str, pictures: Sequence[MarkedPicture], whole: Picture) -> None:
    """Give pictures to each logger in the richest form that it accepts.

    Our `WandbLogger` gets frames with masks and boxes as layers (`log_pictures`), Lightning's gets the drawn pictures
    (`log_image`), TensorBoard gets one image with all of them (`add_image`).
    """
    loggers: Sequence[Any] = trainer.loggers
    for logger in loggers:
        if hasattr(logger, "log_pictures"):
            logger.log_pictures(name, pictures, step=trainer.global_step)
        elif hasattr(logger, "log_image"):
            logger.log_image(name, [picture.drawn for picture in pictures], step=trainer.global_step)
        elif hasattr(logger.experiment, "add_image"):
            logger.experiment.add_image(name, whole, trainer.global_step, dataformats="HWC")


def log_table(trainer: pl.Trainer, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Give rows with equal columns to every logger that accepts tables, which is W&B's."""
    loggers: Sequence[Any] = trainer.loggers
    for logger in loggers:
        if rows and hasattr(logger, "log_table"):
            logger.log_table(name, columns=list(rows[0]), data=[list(row.values()) for row in rows])


def is_dry(trainer: pl.Trainer) -> bool:
    """Return whether this is a `fast_dev_run`, which writes nothing."""
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]  # a property that Lightning sets by a connector
