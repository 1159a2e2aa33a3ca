"""What all adversarial trainings share: turns, gradients, the average of the weights, checks."""

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
    """A generator against critics, each with an optimizer of its own.

    A subclass says what the generator makes of a batch (`generate`) and what both sides pay (`generator_terms`,
    `critic_terms`). Losses are logged as `train/loss...` and `train/critic/loss...`.

    What counts as a step is a step of the generator: `trainer.max_steps`, the step of a checkpoint and of the log.
    (Lightning counts the steps of all optimizers, issue 17958.) An adversarial loss says little about quality, so let
    checkpoints monitor a number of the validation.

    Args:
        net: the generator. What is judged, saved as `net` and loaded elsewhere is the average of its weights.
        critics: by name.
        optimizer: called with the generator's parameters.
        critic_optimizer: called with the critics' parameters.
        lr_scheduler: called with the generator's optimizer and the number of its steps; stepped after each of them.
        critic_lr_scheduler: the same for the critics.
        turns: who takes a step when; null takes `SameBatch()`.
        decay: of the average of the generator's weights, below 1; 0 takes the weights as they are. In the first steps
            it is at most (1 + step) / (10 + step), so that the first weights are soon forgotten.
        clip: largest norm of a gradient, of each side; null leaves it.

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
        """Return what the generator that trains makes of a batch: a tensor, or tensors that `detach()` together."""

    @abstractmethod
    def generator_terms(self, batch: Batch, made: Any) -> Terms:
        """Return what the generator pays for what it made."""

    @abstractmethod
    def critic_terms(self, batch: Batch, made: Any) -> Terms:
        """Return what the critics pay; `made` has no gradient."""

    def setup(self, stage: str) -> None:
        """Let DDP expect steps in which only one side has gradients."""
        if stage == "fit" and isinstance(self.trainer.strategy, DDPStrategy):
            # No public way leads to it once the trainer is built, and its default ends in an error of torch's.
            self.trainer.strategy._ddp_kwargs.setdefault("find_unused_parameters", True)

    def configure_optimizers(self) -> Any:
        """Build both optimizers and, where given, their schedules."""
        sides = self.trained, self.critics
        optimizers = [make(side.parameters()) for make, side in zip(self._optimizers, sides, strict=True)]
        built = zip(self._schedules, optimizers, self._steps(), strict=True)
        schedules = [make(optimizer, steps) for make, optimizer, steps in built if make is not None]
        return optimizers, schedules

    def _steps(self) -> tuple[int, int]:
        """Return how many steps the generator and the critics will take."""
        if self._schedules == (None, None):
            return 0, 0
        steps = self.planned_steps("lr_scheduler")
        return round(steps), round(steps * self.turns.critic_steps)

    def planned_steps(self, option: str) -> float:
        """Return how many steps the generator will take.

        Args:
            option: what needs to know it, for the message.

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
        """Take the steps that are due on this batch.

        Raises:
            Diverged: a loss is not finite; see `log_training`.
        """
        given: Any = self.optimizers()
        generator, critic = given
        # Lightning sets these before each batch; they would count a critic's step, and so would its schedules.
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
            self.clip_gradients(optimizer, self.clip, "norm")  # type: ignore[arg-type]  # it takes either
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
        """Move the averaged weights towards those that train; buffers, such as statistics of batches, are copied."""
        step = self.global_step
        decay = min(self.decay, (1 + step) / (10 + step)) if self.decay else 0.0
        update: Any = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        update([*self.net.parameters()], [*self.trained.parameters()], step)
        for own, other in zip(self.net.buffers(), self.trained.buffers(), strict=True):
            own.copy_(other)
