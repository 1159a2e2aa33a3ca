"""The loader that all DataModules use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, Dataset

from outpaint_lightning.data.samplers import EpochSampler, OrderedSampler
from outpaint_lightning.types import Batch, InputError, WindowMeta


def loader(
    dataset: Dataset[Any],
    trainer: pl.Trainer | None,
    *,
    batch_size: int,
    workers: int,
    collate: Callable[[Any], Batch],
    shuffled: int | None = None,
    repeated: bool = False,
) -> DataLoader[Any]:
    """Return a loader for this process's share of a dataset; see `samplers`.

    Args:
        dataset: dataset of windows.
        trainer: gives the number of processes and the rank; None means one process.
        batch_size: windows in a batch, per process.
        workers: processes that load; 0 loads in the main process.
        collate: makes a batch from windows.
        shuffled: seed of the random order; None keeps the windows in order.
        repeated: keep the workers alive between epochs.
    """
    processes, rank = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=OrderedSampler(dataset, batch_size, processes, rank)
        if shuffled is None
        else EpochSampler(dataset, batch_size, processes, rank, shuffled),
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=repeated and workers > 0,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_one_thread,
    )


def is_first(trainer: pl.Trainer | None) -> bool:
    """Return whether this is the process that prints."""
    return trainer is None or trainer.is_global_zero


def require_one_size(sizes: Sequence[tuple[int, ...]], metas: Sequence[WindowMeta], remedy: str) -> None:
    """Raise InputError with two clips and a remedy, unless all windows of a batch have one height and width."""
    clips = {size: meta["clip"] for size, meta in zip(sizes, metas, strict=True)}
    if len(clips) > 1:
        (a, clip_a), (b, clip_b) = list(clips.items())[:2]
        raise InputError(
            f"clips {clip_a!r} ({a[0]}x{a[1]}) and {clip_b!r} ({b[0]}x{b[1]}) do not fit in one batch: {remedy}"
        )


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(0)  # the workers already run in parallel
