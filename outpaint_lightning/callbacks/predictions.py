"""Write what `predict` finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from outpaint_lightning.callbacks.base import is_dry
from outpaint_lightning.io import write_mask
from outpaint_lightning.types import Batch


class MaskWriter(BasePredictionWriter):
    """Write each predicted mask to `<run>/predict/<clip>/00000.png`, in the layout of a dataset's masks.

    Does so for tasks that predict masks `B H W` and nothing else.
    """

    def __init__(self) -> None:
        super().__init__(write_interval="batch")

    def write_on_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002 (Lightning's hook)
        prediction: Any,
        batch_indices: Sequence[int] | None,  # noqa: ARG002
        batch: Batch,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int,  # noqa: ARG002
    ) -> None:
        """Write the masks of one batch."""
        if not isinstance(prediction, Tensor):
            return
        if is_dry(trainer):
            return
        root = Path(trainer.default_root_dir) / "predict"
        for meta, mask in zip(batch["meta"], prediction.cpu().numpy(), strict=True):
            write_mask(root / meta["clip"] / f"{meta['frames'][0]:05d}.png", mask)
