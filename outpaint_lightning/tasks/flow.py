"""The tasks of completing hidden optical flow: with a net alone, and with a net against a critic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from outpaint_lightning.losses import AdversarialLoss, Wasserstein, gradient_penalty, r1_penalty
from outpaint_lightning.nets.flow.completion import FlowCompletion
from outpaint_lightning.nets.flow.edges import jump_edges
from outpaint_lightning.nets.flow.windows import Windows
from outpaint_lightning.tasks.adversarial import AdversarialTask, Schedule, Terms
from outpaint_lightning.tasks.base import TrainedTask, accepts, unsaved
from outpaint_lightning.tasks.flow_judging import FlowTask, default_baselines
from outpaint_lightning.tasks.turns import Turns
from outpaint_lightning.types import Batch, InputError

Sees = Literal["flow", "edges", "both"]
CHANNELS: dict[str, list[int]] = {"flow": [0, 1, 2, 3], "edges": [4, 5], "both": [0, 1, 2, 3, 4, 5]}
"""Channels of two flows (0 to 3) and two edge maps (4 and 5) that a critic gets."""
OBJECTS = (
    *("net", "critic", "criterion", "adversarial_loss", "optimizer", "critic_optimizer", "lr_scheduler"),
    *("critic_lr_scheduler", "turns", "baselines"),
)
"""Arguments of `AdversarialFlowTask` that are objects, not plain values."""


class FlowRefinementTask(FlowTask, TrainedTask):
    """Train and evaluate a net that completes hidden vectors, in one pass or by a fill and updates.

    See `FlowTask` for the metrics.

    Args:
        net: called with `flow_forward`, `flow_backward`, `hidden` (`B T 2 H W` each) and, if it has updates, `steps`;
            returns a `nets.FlowCompletion`.
        criterion: called with the completion, the batch and the number of finished training steps; returns `{"loss":
            ..., "loss/<term>": ...}`.
        optimizer: called with the parameters.
        lr_scheduler: called with the optimizer and the number of training steps; stepped after each step.
        test_steps: number of updates outside training; null uses the net's own number.
        baselines: fills that a test evaluates beside the net, by name, called as `fill(flow_forward, flow_backward,
            hidden)`; null for `default_baselines`.

    Raises:
        InputError: `test_steps` is below 1, or the net has no updates.

    Example:
        >>> from outpaint_lightning.losses import RefinementCriterion
        >>> from outpaint_lightning.nets import FlowRefiner
        >>> task = FlowRefinementTask(FlowRefiner(channels=4, steps=1), RefinementCriterion())
        >>> flow, hidden = torch.ones(1, 2, 2, 16, 16), torch.zeros(1, 2, 2, 16, 16)
        >>> hidden[..., 4:12, 4:12] = 1
        >>> task(flow, flow, hidden).forward[-1].shape
        torch.Size([1, 2, 2, 16, 16])
    """

    def __init__(
        self,
        net: nn.Module,
        criterion: nn.Module,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: Callable[[Optimizer, int], LRScheduler] | None = None,
        test_steps: int | None = None,
        baselines: dict[str, nn.Module] | None = None,
    ) -> None:
        super().__init__(optimizer, lr_scheduler)
        if test_steps is not None and test_steps < 1:
            raise InputError(f"{type(self).__name__}: test_steps is {test_steps}: expected at least 1, or null")
        if test_steps is not None and not accepts(net.forward, "steps"):
            owner, made = type(self).__name__, type(net).__name__
            raise InputError(f"{owner}: test_steps is {test_steps}: {made} makes no updates; expected null")
        self.save_hyperparameters(
            ignore=unsaved("net", "criterion", "optimizer", "lr_scheduler", "baselines"), logger=False
        )
        self.net, self.criterion = net, criterion
        self.test_steps = test_steps
        self.baselines = default_baselines() if baselines is None else baselines

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch.

        Raises:
            Diverged: the loss is not finite; see `log_training`.
        """
        completion = self.net(batch["flow_forward"], batch["flow_backward"], batch["hidden"])
        return self.log_training(self.criterion(completion, batch, self.global_step), batch_idx)

    def validation_terms(self, completion: FlowCompletion, batch: Batch) -> dict[str, Tensor]:
        """Return the criterion's terms."""
        terms: dict[str, Tensor] = self.criterion(completion, batch, self.global_step)
        return terms


class AdversarialFlowTask(FlowTask, AdversarialTask):
    """Train and evaluate a net that completes flow, against a critic that compares completed with true flow.

    The critic gets windows around the holes: both flows, their edges, or both, and the hole masks. Known vectors are
    the same in true and completed flow. The generator's loss is `criterion` plus `adversarial` times its adversarial
    loss.

    Source: Chatillon et al., *Towards video inpainting* (2020), sections 2.3 and 2.6: WGAN-GP (`gradient_penalty: 0.1`
    on flow, `1.0` with edges, `turns: SameBatch(critic_steps=5)`), `adversarial` 0.01 to 0.1. There, one random share
    mixes the real and completed samples of the whole batch; here each sample has its own.

    Args:
        net: as for `FlowRefinementTask`. Its averaged weights are evaluated and saved as `net`.
        critic: called with `B T C h w`, returns scores of any shape. C is 6 with `sees: flow`, 4 with `edges`, 8 with
            `both`.
        criterion: as for `FlowRefinementTask`, for the last flow only, such as `losses.CompletionCriterion`.
        sees: input of the critic. Edges need a net that predicts them; the edges of the true flow are `jump_edges`.
        adversarial_loss: the adversarial loss of both sides; null for `Wasserstein()`.
        adversarial: weight of the generator's adversarial loss.
        gradient_penalty: weight of `losses.gradient_penalty`.
        r1: weight of `losses.r1_penalty`, for losses other than `Wasserstein`.
        margin: number of pixels around the hole in the critic's windows.
        optimizer: called with the generator's parameters.
        critic_optimizer: called with the critic's parameters.
        lr_scheduler: see `AdversarialTask`.
        critic_lr_scheduler: see `AdversarialTask`.
        turns: null for `SameBatch(1)`.
        decay: see `AdversarialTask`.
        clip: see `AdversarialTask`.
        baselines: as for `FlowRefinementTask`.

    Raises:
        InputError: an option is out of range.

    Example:
        >>> from outpaint_lightning.losses import CompletionCriterion
        >>> from outpaint_lightning.nets import FlowCritic, FlowRefiner
        >>> critic = FlowCritic(frames=2, channels=6, width=4, layers=2)
        >>> task = AdversarialFlowTask(FlowRefiner(channels=4, steps=1), critic, CompletionCriterion())
        >>> flow, hidden = torch.ones(1, 2, 2, 16, 16), torch.zeros(1, 2, 2, 16, 16)
        >>> hidden[..., 4:12, 4:12] = 1
        >>> task(flow, flow, hidden).forward[-1].shape
        torch.Size([1, 2, 2, 16, 16])
    """

    def __init__(
        self,
        net: nn.Module,
        critic: nn.Module,
        criterion: nn.Module,
        sees: Sees = "flow",
        adversarial_loss: AdversarialLoss | None = None,
        adversarial: float = 0.1,
        gradient_penalty: float = 0.1,
        r1: float = 0.0,
        margin: int = 4,
        optimizer: OptimizerCallable = torch.optim.Adam,
        critic_optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: Schedule | None = None,
        critic_lr_scheduler: Schedule | None = None,
        turns: Turns | None = None,
        decay: float = 0.99,
        clip: float | None = None,
        baselines: dict[str, nn.Module] | None = None,
    ) -> None:
        super().__init__(
            net, {"flow": critic}, optimizer, critic_optimizer, lr_scheduler, critic_lr_scheduler, turns, decay, clip
        )
        owner = type(self).__name__
        if sees not in CHANNELS:
            raise InputError(f"{owner}: sees is {sees!r}: expected one of {', '.join(CHANNELS)}")
        given = {"adversarial": adversarial, "gradient_penalty": gradient_penalty, "r1": r1, "margin": margin}
        for name, value in given.items():
            if not value >= 0:
                raise InputError(f"{owner}: {name} is {value}: expected 0 or more")
        self.save_hyperparameters(ignore=unsaved(*OBJECTS), logger=False)
        self.criterion, self.sees = criterion, sees
        self.adversarial_loss = adversarial_loss or Wasserstein()
        self.adversarial, self.gradient_penalty, self.r1, self.margin = adversarial, gradient_penalty, r1, margin
        self.baselines = default_baselines() if baselines is None else baselines

    def generate(self, batch: Batch) -> Tensor:
        """Return the trained net's output: both flows and, if it predicts edges, their logits, `B T C H W`.

        Raises:
            InputError: the critic gets edges, and the net predicts none.
        """
        said: FlowCompletion = self.trained(batch["flow_forward"], batch["flow_backward"], batch["hidden"])
        if said.edges is None and self.sees != "flow":
            raise InputError(
                f"{type(self).__name__}: sees is {self.sees}: the net gives no edges; expected model.net.edges: true"
            )
        return torch.cat([said.forward[-1], said.backward[-1], *([] if said.edges is None else [said.edges])], 2)

    def compared(self, batch: Batch, made: Tensor) -> tuple[Tensor, Tensor]:
        """Return the critic's real samples and its completed samples, `M T C h w` each."""
        flows = torch.cat([batch["flow_forward"], batch["flow_backward"]], 2)
        true = jump_edges(flows.reshape(-1, 2, *flows.shape[-2:]), batch["valid"].flatten(0, 2)[:, None] > 0.5)
        edges = true.view_as(batch["valid"]).to(flows)
        said = made[:, :, 4:].sigmoid() if made.shape[2] > 4 else edges
        hidden, judged = batch["hidden"], batch["valid"] * batch["hidden"] > 0.5
        guessed = torch.cat([judged.repeat_interleave(2, 2), judged], 2)
        real = torch.cat([flows, edges], 2)
        fake = torch.where(guessed, torch.cat([made[:, :, :4], said], 2), real)
        hole = (hidden > 0.5).amax((1, 2))[:, None]
        windows = Windows.around(hole, self.margin) if hole.any() else Windows.whole(hole)
        seen = [torch.cat([both[:, :, CHANNELS[self.sees]], hidden], 2) for both in (real, fake)]
        first, second = (torch.unflatten(windows.cut(each.flatten(1, 2)), 1, each.shape[1:3]) for each in seen)
        return first, second

    def generator_terms(self, batch: Batch, made: Tensor) -> Terms:
        """Return the generator's losses: those of the criterion, and the adversarial loss."""
        edges = made[:, :, 4:] if made.shape[2] > 4 else None
        terms = dict(self.criterion(FlowCompletion([made[:, :, :2]], [made[:, :, 2:4]], edges=edges), batch, 0))
        real, fake = self.compared(batch, made)
        scores = self.critics["flow"](real).detach() if self.adversarial_loss.relative else None
        terms["loss/adversarial"] = self.adversarial_loss.generator(self.critics["flow"](fake), scores)
        terms["loss"] = terms["loss"] + self.adversarial * terms["loss/adversarial"]
        return terms

    def critic_terms(self, batch: Batch, made: Tensor) -> Terms:
        """Return the critic's losses: the adversarial loss, and the penalties on its gradient."""
        critic = self.critics["flow"]
        real, fake = self.compared(batch, made)
        if self.r1:
            real = real.requires_grad_()
        scores = critic(real)
        loss = self.adversarial_loss.critic(scores, critic(fake))
        terms = {"loss/adversarial": loss.detach()}
        if self.gradient_penalty:
            mix = torch.rand(len(real), device=real.device)
            terms["loss/slope"] = gradient_penalty(critic, real, fake, mix)
            loss = loss + self.gradient_penalty * terms["loss/slope"]
        if self.r1:
            terms["loss/r1"] = r1_penalty(real, scores)
            loss = loss + self.r1 * terms["loss/r1"]
        return {"loss": loss, **terms}
