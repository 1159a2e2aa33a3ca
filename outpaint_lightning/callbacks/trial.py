"""The messages from a trial of a sweep to the worker that started it, as files in its run folder."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from outpaint_lightning.io import write_json
from outpaint_lightning.io.files import full_disk_at
from outpaint_lightning.types import Batch, InputError, did_you_mean


class TrialReporter(Callback):
    """Report each validation of a fit, and end the fit early if a file `STOP` exists in the run folder.

    It does not depend on Optuna. In the run folder it writes

    - `reports.jsonl`: a line per validation, `{"epoch": 0, "step": 12, "metrics": {"val/f1": 0.41}}`, on disk when the
      validation ends;
    - `result.json`: `{"state": "complete" | "pruned" | "failed", "error": null | "Class: line"}` when the fit ends.
      A fit without it has crashed, even with exit code 0;
    - `error.<rank>.json`: error of one process, and its time; the first error causes those of the other processes.

    Args:
        metrics: names of logged metrics, such as `val/f1`.

    Raises:
        InputError: a metric was not logged before the end of a validation.
    """

    def __init__(self, metrics: list[str]) -> None:
        self.metrics = metrics
        self._pruned = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Report the metrics, and stop all processes if asked to."""
        if trainer.sanity_checking:
            return
        logged = trainer.callback_metrics
        for name in self.metrics:
            if name not in logged:
                known = ", ".join(sorted(logged))
                raise InputError(f"metric {name!r} was not logged{did_you_mean(name, logged)} (logged: {known})")
        if trainer.is_global_zero:
            metrics = {name: float(logged[name]) for name in self.metrics}
            report = {"epoch": trainer.current_epoch, "step": trainer.global_step, "metrics": metrics}
            path = _run(trainer) / "reports.jsonl"
            with full_disk_at(path), path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(report) + "\n")
                file.flush()
                os.fsync(file.fileno())
        self._obey(trainer)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002 (Lightning's hook)
        outputs: Any,  # noqa: ARG002
        batch: Batch,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Stop if asked to; checked after batches 1, 2, 4, 8 ... of an epoch, because it synchronises all processes."""
        if (batch_idx + 1).bit_count() == 1:
            self._obey(trainer)

    def _obey(self, trainer: pl.Trainer) -> None:
        """Stop all processes if a file `STOP` exists."""
        asked = trainer.is_global_zero and (_run(trainer) / "STOP").exists()
        if trainer.strategy.broadcast(asked):
            self._pruned = trainer.should_stop = True

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Record how the fit ended."""
        if trainer.is_global_zero:
            _write_result(trainer, "pruned" if self._pruned else "complete", None)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Record the error of this process."""
        line = next(iter(str(exception).splitlines()), "")
        error = f"{type(exception).__name__}: {line}" if line else type(exception).__name__
        write_json(_run(trainer) / f"error.{trainer.global_rank}.json", {"error": error, "time": time.time()})
        if trainer.is_global_zero:
            _write_result(trainer, "failed", error)


def _run(trainer: pl.Trainer) -> Path:
    return Path(trainer.default_root_dir)


def _write_result(trainer: pl.Trainer, state: str, error: str | None) -> None:
    write_json(_run(trainer) / "result.json", {"state": state, "error": error})
