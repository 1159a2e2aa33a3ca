"""The run folder of a command: what an earlier run left in it, and what this one records there first.

```
RUN/config.<command>.yaml      resolved, one for each command
RUN/metrics.csv                of fit; those of validate are in RUN/validate
RUN/checkpoints/ pictures/     of fit
RUN/validate/ test/ predict/   of the other commands
```
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

from outpaint_lightning.loggers import as_options
from outpaint_lightning.settings.read import read_mapping
from outpaint_lightning.types import InputError

_OF_FIT = ("checkpoints", "metrics.csv", "pictures", "validate", "test", "predict")


@dataclass(frozen=True)
class RunFolder:
    """The run folder, as one command sees it.

    Args:
        path: of the folder.
        command: `fit`, `validate`, `test` or `predict`.
        ckpt_path: the checkpoint that the command starts from, if any.
    """

    path: Path
    command: str
    ckpt_path: str | None

    @property
    def resumed(self) -> bool:
        """Whether a fit goes on from a checkpoint of its own."""
        own = self.path.resolve() / "checkpoints"
        return self.command == "fit" and Path(self.ckpt_path or "").resolve().parent == own

    def to_replace(self, overwrite: bool) -> list[Path]:
        """Return what an earlier run left here, which this one replaces.

        Raises:
            InputError: there is something, and `overwrite` is false.
        """
        names = _OF_FIT if self.command == "fit" else (self.command,)
        found = [self.path / name for name in names if (self.path / name).exists()]
        if found and not overwrite:
            resume = ", --ckpt_path last to go on" if self.command == "fit" else ""
            raise InputError(
                f"{found[0]} already exists: pass --overwrite to replace it{resume}, "
                "or another folder by --trainer.default_root_dir"
            )
        return found

    def csv_logger(self, step: int) -> CSVLogger:
        """Return a logger to `metrics.csv`, or `validate/metrics.csv`, which keeps the rows of a fit that goes on.

        Args:
            step: of the checkpoint that a fit goes on from; later rows are written again.
        """
        metrics = self.path / "metrics.csv"
        logger = CSVLogger(self.path, name="", version="" if self.command == "fit" else self.command)
        if self.resumed and metrics.exists() and not rank():
            with metrics.open(newline="") as file:
                rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
            rows = [row for row in rows if int(row["step"]) < step]
            if rows:
                logger.experiment.metrics = rows  # the logger has deleted the file
                logger.experiment.save()
        return logger


class SaveConfig(SaveConfigCallback):
    """Write the resolved config to `<run>/config.<command>.yaml`, one for each command, and give it to the loggers.

    This is also where what an earlier run left is removed: the data has been read by now, so a misspelled folder costs
    no checkpoint.
    """

    def __init__(self, *args: Any, replaced: Sequence[Path], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.replaced = replaced

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Remove, write and log."""
        for path in self.replaced:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        assert trainer.state.fn is not None
        path = Path(trainer.default_root_dir) / f"config.{trainer.state.fn.value}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.parser.save(self.config, str(path), skip_unset=False, overwrite=True, multifile=False)
        options = as_options(read_mapping(path, "the config just written"))
        for logger in trainer.loggers:
            if not isinstance(logger, CSVLogger):  # it would write one more file of the same
                logger.log_hyperparams(options)


def rank() -> int:
    """Return the number of this process among those of a training."""
    return int(getattr(rank_zero_only, "rank", 0))
