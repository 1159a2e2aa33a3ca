"""The common base of all adversarial training: order of steps, gradients, weight averaging, checks."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.core.optimizer import LightningOptimizer, do_nothing_closure
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import get_ema_multi_avg_fn

from outpaint_lightning.tasks.base import BaseTask
from outpaint_lightning.tasks.turns import GENERATOR, SameBatch, Turns
from outpaint_lightning.types import Batch, InputError

Schedule = Callable[[Optimizer, int], LRScheduler]
Terms = Mapping[str, Tensor]
"""`{"loss": ..., "loss/<term>": ...}`."""


class AdversarialTask(BaseTask):
    """A generator trained against critics, each side with its own optimizer.

    A subclass defines the output of the generator for a batch (`generate`) and the losses of both sides
    (`generator_terms`, `critic_terms`). Losses are logged as `train/loss...` and `train/critic/loss...`.

    Only steps of the generator are counted, in `trainer.max_steps`, in checkpoints and in the log. (Lightning counts
    the steps of all optimizers, issue 17958.) An adversarial loss says little about quality, so let checkpoints monitor
    a validation metric.

    Args:
        net: the generator. Its averaged weights are evaluated, saved as `net` and loaded elsewhere.
        critics: the critics by name.
        optimizer: called with the generator's parameters.
        critic_optimizer: called with the critics' parameters.
        lr_scheduler: called with the generator's optimizer and its number of steps; stepped after each step.
        critic_lr_scheduler: the same for the critics.
        turns: the order of generator and critic steps; null for `SameBatch()`.
        decay: decay of the exponential moving average of the generator's weights, in [0, 1); 0 uses the latest weights.
            In the first steps it is at most (1 + step) / (10 + step), so that the initial weights lose influence
            quickly.
        clip: largest gradient norm, for each side; null does not clip.

    Raises:
        InputError: `decay` or `clip` is out of range, or there is no critic.
    """

    def __init__(
        self,
        net: nn.Module,
        critics: dict[str, nn.Module],
        optimizer: OptimizerCallable,
        critic_optimizer: OptimizerCallable,
        lr_scheduler: Schedule | None,
        critic_lr_scheduler: Schedule | None,
        turns: Turns | None,
        decay: float,
        clip: float | None,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        if not critics:
            raise InputError(f"{owner}: critics is {{}}: expected one at least")
        if not 0 <= decay < 1:
            raise InputError(f"{owner}: decay is {decay}: expected a number from 0 to below 1")
        if clip is not None and not clip > 0:
            raise InputError(f"{owner}: clip is {clip}: expected a positive number, or null")
        self.automatic_optimization = False
        self.net = net.requires_grad_(False)
        self.trained = copy.deepcopy(net).requires_grad_(True)
        self.critics = nn.ModuleDict(critics)
        self.turns = turns or SameBatch()
        self.decay, self.clip = decay, clip
        self._optimizers = optimizer, critic_optimizer
        self._schedules = lr_scheduler, critic_lr_scheduler

    @abstractmethod
    def generate(self, batch: Batch) -> Any:
        """Return the output of the trained generator for a batch: a tensor, or an object with a `detach()` method."""

    @abstractmethod
    def generator_terms(self, batch: Batch, made: Any) -> Terms:
        """Return the generator's losses for its output `made`."""

    @abstractmethod
    def critic_terms(self, batch: Batch, made: Any) -> Terms:
        """Return the critics' losses; `made` has no gradient."""

    def setup(self, stage: str) -> None:
        """Configure DDP for steps in which only one side has gradients."""
        if stage == "fit" and isinstance(self.trainer.strategy, DDPStrategy):
            # No public option reaches it once the trainer is built, and its default makes torch raise an error.
            self.trainer.strategy._ddp_kwargs.setdefault("find_unused_parameters", True)

    def configure_optimizers(self) -> Any:
        """Build both optimizers and, if given, their schedules."""
        sides = self.trained, self.critics
        optimizers = [make(side.parameters()) for make, side in zip(self._optimizers, sides, strict=True)]
        built = zip(self._schedules, optimizers, self._steps(), strict=True)
        schedules = [make(optimizer, steps) for make, optimizer, steps in built if make is not None]
        return optimizers, schedules

    def _steps(self) -> tuple[int, int]:
        """Return the planned number of steps of the generator and of the critics."""
        if self._schedules == (None, None):
            return 0, 0
        steps = self.planned_steps("lr_scheduler")
        return round(steps), round(steps * self.turns.critic_steps)

    def planned_steps(self, option: str) -> float:
        """Return the planned number of steps of the generator.

        Args:
            option: name of the option that needs this number, for the error message.

        Raises:
            InputError: the training has no end.
        """
        batches = self.trainer.estimated_stepping_batches
        if batches == float("inf"):
            raise InputError(
                f"{type(self).__name__}: {option} needs an end; set trainer.max_epochs or trainer.max_steps"
            )
        return batches if batches == self.trainer.max_steps else batches * self.turns.generator_steps

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Take the steps that are due for this batch.

        Raises:
            Diverged: a loss is not finite; see `log_training`.
        """
        given: Any = self.optimizers()
        generator, critic = given
        # Lightning sets these before each batch; they would also count the critics' steps.
        critic._on_before_step = critic._on_after_step = do_nothing_closure
        turns = self.turns.at(self.trainer.fit_loop.total_batch_idx)
        with torch.set_grad_enabled(GENERATOR in turns):
            made = self.generate(batch)
        for turn in turns:
            if turn == GENERATOR:
                with self.toggled_optimizer(generator):
                    loss = self.log_training(self.generator_terms(batch, made), batch_idx)
                    self._step(0, generator, loss)
                self._average()
            else:
                with self.toggled_optimizer(critic):
                    terms = self.critic_terms(batch, made.detach())
                    self._step(1, critic, self.log_training(terms, batch_idx, side="critic/"))

    def _step(self, side: int, optimizer: LightningOptimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        if self.clip is not None:
            self.clip_gradients(optimizer, self.clip, "norm")  # type: ignore[arg-type]  # it accepts both types
        optimizer.step()
        for schedule in self._schedules_of(side):
            schedule.step()

    def _schedules_of(self, side: int) -> list[LRScheduler]:
        given: Any = self.lr_schedulers() or []
        every = given if isinstance(given, list) else [given]
        owners = [number for number, make in enumerate(self._schedules) if make is not None]
        return [schedule for owner, schedule in zip(owners, every, strict=True) if owner == side]

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights towards the trained weights; copy buffers, such as batch statistics."""
        step = self.global_step
        decay = min(self.decay, (1 + step) / (10 + step)) if self.decay else 0.0
        update: Any = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        update([*self.net.parameters()], [*self.trained.parameters()], step)
        for own, other in zip(self.net.buffers(), self.trained.buffers(), strict=True):
            own.copy_(other)
