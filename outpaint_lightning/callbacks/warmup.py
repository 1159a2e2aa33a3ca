"""Raise the weight of a loss term at the start of a training."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from outpaint_lightning.types import InputError


class LossWarmup(Callback):
    """Raise a weight of the criterion linearly from 0 to its configured value over the first steps of a training.

    The weight depends on the trainer's step only, so a training that continues from a checkpoint uses the same weights
    as one without a break. Validation always uses the full weight, so its losses can be compared.

    Args:
        weight: attribute of `criterion`, a number; such as `beta` of `RegionCriterion`.
        steps: optimizer steps until the full weight.

    Raises:
        InputError: `steps` is below 1; or, at the start of a training, the criterion has no such number.
    """

    def __init__(self, weight: str, steps: int) -> None:
        if steps < 1:
            raise InputError(f"LossWarmup: steps is {steps}: expected at least 1")
        self.weight, self.steps = weight, steps
        self._full = 0.0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002 (Lightning's)
        """Remember the full weight."""
        criterion: Any = pl_module.criterion
        full = getattr(criterion, self.weight, None)
        if not isinstance(full, int | float):
            numbers = sorted(name for name, value in vars(criterion).items() if type(value) in (int, float))
            raise InputError(
                f"LossWarmup: weight is {self.weight!r}; expected a number of {type(criterion).__name__}: "
                f"{', '.join(numbers)}"
            )
        self._full = full

    def on_train_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,  # noqa: ARG002 (Lightning's hook)
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Set the weight of this step."""
        self._set(pl_module, min(1.0, (trainer.global_step + 1) / self.steps))

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the full weight."""
        if trainer.state.fn == "fit":
            self._set(pl_module, 1.0)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002 (Lightning's)
        """Set the full weight."""
        self._set(pl_module, 1.0)

    def _set(self, pl_module: pl.LightningModule, share: float) -> None:
        setattr(pl_module.criterion, self.weight, self._full * share)
