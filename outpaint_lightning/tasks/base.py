"""What the training of any task shares: the optimizer and its schedule, and stopping at a loss that is not finite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.core.mixins.hparams_mixin import _given_hyperparameters
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from outpaint_lightning.types import Batch, InputError


class Diverged(InputError):
    """A loss or a weight is not finite: the experiment can be run, but not with these values."""


class TrainedTask(pl.LightningModule):
    """A task that trains with an optimizer of the config on a criterion's `{"loss": ..., "loss/<term>": ...}`.

    Args:
        optimizer: called with the parameters.
        lr_scheduler: called with the optimizer and the number of training steps; stepped after each of them.
    """

    def __init__(
        self, optimizer: OptimizerCallable, lr_scheduler: Callable[[Optimizer, int], LRScheduler] | None
    ) -> None:
        super().__init__()
        self.optimizer, self.lr_scheduler = optimizer, lr_scheduler

    def configure_optimizers(self) -> Any:
        """Build the optimizer and, where given, its schedule over all steps of the training."""
        optimizer = self.optimizer(self.parameters())
        if self.lr_scheduler is None:
            return optimizer
        steps = self.trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise InputError("model.lr_scheduler needs an end: set trainer.max_epochs or trainer.max_steps")
        scheduler = self.lr_scheduler(optimizer, int(steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def log_training(self, terms: Mapping[str, Tensor], batch_idx: int) -> Tensor:
        """Log the terms of a training batch, means over processes, and return this process's loss.

        Raises:
            Diverged: the loss is not finite. Nothing is stepped, so the last checkpoint stays good.
        """
        values = self.trainer.strategy.reduce(torch.stack([value.detach() for value in terms.values()]))
        shared = dict(zip(terms, values, strict=True))
        if not shared["loss"].isfinite():
            raise Diverged(
                f"loss is {shared['loss'].item()} at step {self.global_step} (epoch {self.current_epoch}, batch "
                f"{batch_idx}): training stopped, checkpoints of earlier epochs are kept; try a lower learning rate"
            )
        self.log_dict({f"train/{name}": value for name, value in shared.items()}, prog_bar=True)
        return terms["loss"]

    def log_validation(self, terms: Mapping[str, Tensor], batch: Batch) -> None:
        """Log the terms of a validation batch: means over the samples of all batches and processes."""
        # Lightning divides the sum of all sizes by the number of processes in whole numbers: 3 samples on 2 are 1.
        size = len(batch["meta"]) * self.trainer.world_size
        values = {f"val/{name}": value for name, value in terms.items()}
        self.log_dict(values, on_epoch=True, batch_size=size, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Stop before a checkpoint is written of weights that are not finite.

        Raises:
            Diverged: naming the first such parameter.
        """
        for name, parameter in self.named_parameters():
            if not parameter.isfinite().all():
                raise Diverged(
                    f"{name} is not finite after step {self.global_step} (epoch {self.current_epoch}): training "
                    "stopped, checkpoints of earlier epochs are kept; try a lower learning rate"
                )


def unsaved(*objects: str) -> list[str]:
    """Return which arguments of a task its hyperparameters leave out, of those that are objects.

    Built by the CLI, the hyperparameters are its plain config, and none is; built in Python they would be live.
    """
    return [] if _given_hyperparameters.get() else [*objects]
