"""What the DataModules' loaders share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from outpaint_lightning.types import InputError, WindowMeta


def loader(dataset: Dataset[Any], workers: int, *, repeated: bool = False, **options: Any) -> DataLoader[Any]:
    """Return a loader; the workers of one that is `repeated` every epoch stay, those of others end with it.

    Args:
        dataset: of windows.
        workers: processes; 0 loads in the main process.
        repeated: every epoch.
        options: further ones of `DataLoader`.
    """
    return DataLoader(
        dataset,
        num_workers=workers,
        persistent_workers=repeated and workers > 0,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_one_thread,
        **options,
    )


def require_one_size(sizes: Sequence[tuple[int, ...]], metas: Sequence[WindowMeta], remedy: str) -> None:
    """Raise InputError, naming two clips and what to do, unless all windows of a batch have one height and width."""
    clips = {size: meta["clip"] for size, meta in zip(sizes, metas, strict=True)}
    if len(clips) > 1:
        (a, clip_a), (b, clip_b) = list(clips.items())[:2]
        raise InputError(
            f"clips {clip_a!r} ({a[0]}x{a[1]}) and {clip_b!r} ({b[0]}x{b[1]}) do not fit in one batch: {remedy}"
        )


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(0)  # the workers are the parallelism
