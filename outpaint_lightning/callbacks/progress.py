"""Progress for logs: one line per epoch when there is no terminal for a progress bar."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from outpaint_lightning.callbacks.base import task_kind


class PlainProgress(Callback):
    """Print one line at the end of each training epoch: epoch, steps, minutes and the main metrics."""

    def on_train_start(self, *_: Any) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line once, in the first process."""
        kind, logged = task_kind(pl_module), trainer.callback_metrics
        validated = (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
        names = [name for name in kind.progress if validated or name.startswith("train")]  # else val is outdated
        values = " ".join(kind.logged(name, float(logged[name])) for name in names if name in logged)
        minutes = (time.monotonic() - self._start) / 60
        if trainer.is_global_zero:
            print(f"epoch {trainer.current_epoch} step {trainer.global_step} {minutes:.1f} min {values}", flush=True)
