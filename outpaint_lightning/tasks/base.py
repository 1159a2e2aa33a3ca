"""What all tasks share: logging, the stop at values that are not finite, the result of a split, and the optimizer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.core.mixins.hparams_mixin import _given_hyperparameters
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from outpaint_lightning.results import Kind, Result
from outpaint_lightning.types import Batch, InputError


class Diverged(InputError):
    """A loss or a weight is not finite: the training diverged with these options."""


class BaseTask(pl.LightningModule):
    """A task whose criterion returns `{"loss": ..., "loss/<term>": ...}` and which leaves a `Result`.

    Attributes:
        kind: the kind of its results. Callbacks that report and show results read its definition.
        writers: callbacks that the command line adds to the trainer, unless the config has them already.
        result: the result of the last validation or test; None before the first.
    """

    kind: ClassVar[Kind]
    writers: ClassVar[tuple[type[Callback], ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.result: Result | None = None

    def log_training(self, terms: Mapping[str, Tensor], batch_idx: int, side: str = "") -> Tensor:
        """Log the terms of a training batch, means over processes, and return this process's loss.

        Args:
            terms: `loss` and `loss/<term>`.
            batch_idx: number of the batch in its epoch.
            side: prefix of the terms' names in a training with two sides: `critic/`.

        Raises:
            Diverged: the loss is not finite. No step is taken, so the last checkpoint stays good.
        """
        values = self.trainer.strategy.reduce(torch.stack([value.detach() for value in terms.values()]))
        shared = dict(zip(terms, values, strict=True))
        if not shared["loss"].isfinite():
            raise Diverged(
                f"{side}loss is {shared['loss'].item()} at step {self.global_step} (epoch {self.current_epoch}, batch "
                f"{batch_idx}): training stopped, checkpoints of earlier epochs are kept; try a lower learning rate"
            )
        self.log_dict({f"train/{side}{name}": value for name, value in shared.items()}, prog_bar=True)
        return terms["loss"]

    def log_validation(self, terms: Mapping[str, Tensor], batch: Batch) -> None:
        """Log the terms of a validation batch: means over the samples of all batches and processes."""
        # Lightning divides the sum of all sizes by the number of processes in whole numbers: 3 samples on 2 are 1.
        size = len(batch["meta"]) * self.trainer.world_size
        values = {f"val/{name}": value for name, value in terms.items()}
        self.log_dict(values, on_epoch=True, batch_size=size, sync_dist=True)

    def report(
        self,
        split: str,
        result: Result,
        monitored: Mapping[str, float | None],
        values: Mapping[str, float | None],
    ) -> None:
        """Keep the result of a split and log its numbers as `<split>/<name>`.

        Args:
            split: `val` or `test`.
            result: what callbacks write and print.
            monitored: numbers that checkpoints monitor. An undefined one is logged as NaN, the worst of all values to a
                checkpoint.
            values: other numbers. An undefined one is not logged.
        """
        self.result = result
        known = {name: float("nan") if value is None else value for name, value in monitored.items()}
        known |= {name: value for name, value in values.items() if value is not None}
        self.log_dict({f"{split}/{name}": value for name, value in known.items()})

    def on_train_epoch_end(self) -> None:
        """Stop before weights that are not finite are written to a checkpoint.

        Raises:
            Diverged: naming the first such parameter.
        """
        for name, parameter in self.named_parameters():
            if not parameter.isfinite().all():
                raise Diverged(
                    f"{name} is not finite after step {self.global_step} (epoch {self.current_epoch}): training "
                    "stopped, checkpoints of earlier epochs are kept; try a lower learning rate"
                )


class TrainedTask(BaseTask):
    """A task that trains with one optimizer.

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
            raise InputError(
                f"{type(self).__name__}: lr_scheduler needs an end; set trainer.max_epochs or trainer.max_steps"
            )
        scheduler = self.lr_scheduler(optimizer, int(steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def unsaved(*objects: str) -> list[str]:
    """Return the names of the arguments that are objects; the hyperparameters leave them out.

    The CLI builds a task from its plain config, so nothing is left out there. In Python the arguments are live objects.
    """
    return [] if _given_hyperparameters.get() else [*objects]


def accepts(function: Callable[..., Any], name: str) -> bool:
    """Return whether a function accepts an argument of this name."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def is_count(value: Any) -> bool:
    """Return whether a value from a checkpoint is an integer from 1 to 100,000."""
    return type(value) is int and 1 <= value <= 100_000


def is_share(value: Any) -> bool:
    """Return whether a value from a checkpoint is a number from 0 to 1."""
    return type(value) is float and 0 <= value <= 1
