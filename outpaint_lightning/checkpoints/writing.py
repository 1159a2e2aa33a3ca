"""Writes checkpoints so that a kill or a full disk never destroys a good one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from outpaint_lightning.checkpoints.files import read_checkpoint
from outpaint_lightning.io.output import durable

_HANDED_OVER = ".temp.ckpt"
"""Name of the file with which Lightning's launcher of forked processes passes the trained weights to the first."""


class DurableCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file beside its target, flushes it to the disk, and renames it.

    Lightning writes to the system's temporary folder and moves the result. Across file systems, as on most clusters, a
    move copies over the existing checkpoint: if the process is killed meanwhile, or the disk is full, only half a
    checkpoint is left. Reading uses `read_checkpoint`, as everywhere.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint; for a URL, Lightning writes it.

        Raises:
            OSError: it cannot be written; the error names the checkpoint.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        buffer = io.BytesIO()  # if torch writes to a file, it reports a full disk as corrupt content
        torch.save(checkpoint, buffer)
        with durable(Path(path)) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def load_checkpoint(self, path: str | Path, *_: Any, **__: Any) -> dict[str, Any]:
        """Read a checkpoint, weights with a card, or the weights that forked processes pass to the first process.

        Raises:
            InputError: see `read_checkpoint`.
        """
        if Path(path).name == _HANDED_OVER:
            weights: dict[str, Any] = super().load_checkpoint(path, weights_only=True)
            return weights
        return read_checkpoint(Path(path))


def write_durably(trainer: pl.Trainer) -> None:
    """Let a trainer write its checkpoints this way, unless the user or the strategy has another writer."""
    if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
        trainer.strategy.checkpoint_io = DurableCheckpointIO()
