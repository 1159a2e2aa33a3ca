"""Writes the masks that `predict` finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import BasePredictionWriter

from outpaint_lightning.callbacks.base import is_dry, reports
from outpaint_lightning.io import write_mask
from outpaint_lightning.results import LOCALIZATION
from outpaint_lightning.types import Batch


class MaskWriter(BasePredictionWriter):
    """Write each predicted mask to `<run>/predict/<clip>/00000.png`, in the layout of a dataset's masks.

    Serves localizers.
    """

    def __init__(self) -> None:
        super().__init__(write_interval="batch")

    def write_on_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,  # noqa: ARG002 (Lightning's hook)
        batch: Batch,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int,  # noqa: ARG002
    ) -> None:
        """Write the masks of one batch."""
        if not reports(pl_module, LOCALIZATION) or is_dry(trainer):
            return
        root = Path(trainer.default_root_dir) / "predict"
        for meta, mask in zip(batch["meta"], prediction.cpu().numpy(), strict=True):
            write_mask(root / meta["clip"] / f"{meta['frames'][0]:05d}.png", mask)
