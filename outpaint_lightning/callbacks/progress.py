"""Progress for logs: a line an epoch where there is no terminal to draw a bar on."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

SHOWN = ("train/loss", "val/loss", "val/f1", "val/f1_and_iou", "val/pixel_fpr")


class PlainProgress(Callback):
    """Print one line at the end of each training epoch: epoch, steps, minutes and the main metrics."""

    def on_train_start(self, *_: Any) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Print the line, once, in the first process."""
        judged = (trainer.current_epoch + 1) % (
            trainer.check_val_every_n_epoch or 1
        ) == 0  # else val is an earlier one's
        shown = [name for name in SHOWN if name in trainer.callback_metrics and (judged or name.startswith("train"))]
        values = " ".join(f"{name} {float(trainer.callback_metrics[name]):.4f}" for name in shown)
        minutes = (time.monotonic() - self._start) / 60
        if trainer.is_global_zero:
            print(f"epoch {trainer.current_epoch} step {trainer.global_step} {minutes:.1f} min {values}", flush=True)
