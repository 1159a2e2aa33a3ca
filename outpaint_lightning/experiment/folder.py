"""The run folder of a command: the files of an earlier run in it, and the files that this run writes first.

```
RUN/config.<command>.yaml      resolved config, one per command
RUN/metrics.csv                metrics of fit; those of validate are in RUN/validate
RUN/checkpoints/ pictures/     files of fit
RUN/validate/ test/ predict/   files of the other commands
```
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

from outpaint_lightning.io.files import atomic
from outpaint_lightning.loggers import as_options
from outpaint_lightning.loggers.metrics import MetricsLogger, read_rows
from outpaint_lightning.settings.read import read_mapping
from outpaint_lightning.types import InputError

_OF_FIT = ("checkpoints", "metrics.csv", "pictures", "validate", "test", "predict")


@dataclass(frozen=True)
class RunFolder:
    """The run folder of one command.

    Args:
        path: path of the folder.
        command: `fit`, `validate`, `test` or `predict`.
        ckpt_path: checkpoint from which the command starts, if any.
    """

    path: Path
    command: str
    ckpt_path: str | None

    @property
    def resumed(self) -> bool:
        """Whether a fit continues from one of its own checkpoints."""
        own = self.path.resolve() / "checkpoints"
        return self.command == "fit" and Path(self.ckpt_path or "").resolve().parent == own

    def to_replace(self, overwrite: bool) -> list[Path]:
        """Return the files of an earlier run that this run replaces.

        Raises:
            InputError: there are such files, and `overwrite` is False.
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

    def csv_logger(self, step: int) -> MetricsLogger:
        """Return a logger to `metrics.csv` or `validate/metrics.csv`; a resumed fit keeps its earlier rows.

        Args:
            step: step of the checkpoint from which a fit continues; later rows are written again.
        """
        logger = MetricsLogger(self.path, name="", version="" if self.command == "fit" else self.command)
        if self.resumed and not rank():
            rows = [row for row in read_rows(self.path / "metrics.csv") if int(row["step"]) < step]
            logger.experiment.keep(rows)
        return logger


class SaveConfig(SaveConfigCallback):
    """Write the resolved config to `<run>/config.<command>.yaml`, and give it to the loggers.

    It also removes the files of an earlier run. The data has been read by then, so a misspelled folder destroys no
    checkpoint.
    """

    def __init__(self, *args: Any, replaced: Sequence[Path], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.replaced = replaced

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Remove old files, then write and log the config."""
        for path in self.replaced:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for logger in trainer.loggers:
            if isinstance(logger, CSVLogger):  # its folder may be one of them: Lightning opens it before this
                Path(logger.log_dir).mkdir(parents=True, exist_ok=True)
        assert trainer.state.fn is not None
        path = Path(trainer.default_root_dir) / f"config.{trainer.state.fn.value}.yaml"
        with atomic(path) as temporary:
            self.parser.save(self.config, str(temporary), skip_unset=False, multifile=False)
        options = as_options(read_mapping(path, "the config just written"))
        for logger in trainer.loggers:
            if not isinstance(logger, CSVLogger):  # it would write the same file again
                logger.log_hyperparams(options)


def rank() -> int:
    """Return the rank of this process in a training."""
    return int(getattr(rank_zero_only, "rank", 0))
