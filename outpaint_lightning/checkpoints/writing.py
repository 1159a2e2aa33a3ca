"""How checkpoints are written: a good one is never lost to a kill or a full disk."""

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
"""Name of the file in which Lightning's launcher of forked processes takes the trained weights to the first."""


class DurableCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its target, has the disk hold it, and renames it.

    Lightning writes to the system's folder for temporary files and moves the result. Across file systems, as on most
    clusters, a move copies onto the checkpoint that is there: whoever is killed meanwhile, or finds the disk full, has
    half a checkpoint and no other. Reading goes through `read_checkpoint`, as everywhere.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint; one that goes to a URL is written by Lightning.

        Raises:
            OSError: it cannot be written; names the checkpoint.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        buffer = io.BytesIO()  # torch, given a file, reports a full disk as corrupt content
        torch.save(checkpoint, buffer)
        with durable(Path(path)) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def load_checkpoint(self, path: str | Path, *_: Any, **__: Any) -> dict[str, Any]:
        """Read a checkpoint, weights with a card, or the weights alone that forked processes hand to the first.

        Raises:
            InputError: see `read_checkpoint`.
        """
        if Path(path).name == _HANDED_OVER:
            weights: dict[str, Any] = super().load_checkpoint(path, weights_only=True)
            return weights
        return read_checkpoint(Path(path))


def write_durably(trainer: pl.Trainer) -> None:
    """Have a trainer write its checkpoints so, unless the user or the strategy brings a writer of its own."""
    if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
        trainer.strategy.checkpoint_io = DurableCheckpointIO()
