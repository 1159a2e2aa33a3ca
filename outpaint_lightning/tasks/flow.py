"""The tasks of completing optical flow where it is hidden: by a net alone, and against a critic."""

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
"""What a critic sees of two flows and two maps of edges."""
OBJECTS = (
    *("net", "critic", "criterion", "adversarial_loss", "optimizer", "critic_optimizer", "lr_scheduler"),
    *("critic_lr_scheduler", "turns", "baselines"),
)
"""Arguments of `AdversarialFlowTask` that are no plain values."""


class FlowRefinementTask(FlowTask, TrainedTask):
    """Train and judge a net that completes hidden vectors: in one pass, or by a fill and updates of it.

    See `FlowTask` for what is measured.

    Args:
        net: called with `flow_forward`, `flow_backward`, `hidden` (`B T 2 H W` each) and, where it makes updates,
            `steps`; returns a `nets.FlowCompletion`.
        criterion: called with that, the batch and the number of training steps done, returns `{"loss": ...,
            "loss/<term>": ...}`.
        optimizer: called with the parameters.
        lr_scheduler: called with the optimizer and the number of training steps; stepped after each of them.
        test_steps: updates made where the net does not train; null takes the net's own number.
        baselines: fills that a test judges beside the net, by name, called as `fill(flow_forward, flow_backward,
            hidden)`; null takes those of `default_baselines`.

    Raises:
        InputError: `test_steps` is below 1, or the net makes no updates.
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
            InputError: the loss is not finite; see `log_training`.
        """
        completion = self.net(batch["flow_forward"], batch["flow_backward"], batch["hidden"])
        return self.log_training(self.criterion(completion, batch, self.global_step), batch_idx)

    def validation_terms(self, completion: FlowCompletion, batch: Batch) -> dict[str, Tensor]:
        """Return the criterion's terms."""
        terms: dict[str, Tensor] = self.criterion(completion, batch, self.global_step)
        return terms


class AdversarialFlowTask(FlowTask, AdversarialTask):
    """Train a net that completes flow against a critic that sees completed and true flow, and judge it.

    The critic sees windows around the holes, of both flows, of their edges, or of both, and what is hidden. Known
    vectors are the same in both. The generator pays `criterion`, and `adversarial` times what the critic says.

    Source: Chatillon et al., *Towards video inpainting* (2020), sections 2.3 and 2.6: WGAN-GP (`gradient_penalty: 0.1`
    on flow, `1.0` with edges, `turns: SameBatch(critic_steps=5)`), `adversarial` 0.01 to 0.1. There, one share for the
    whole batch mixes real and made samples; here each has its own.

    Args:
        net: as for `FlowRefinementTask`. What is judged and saved as `net` is the average of its weights.
        critic: called with `B T C h w`, returns scores of any shape. C is 6 with `sees: flow`, 4 with `edges`, 8 with
            `both`.
        criterion: as for `FlowRefinementTask`, of the answer alone, such as `losses.CompletionCriterion`.
        sees: what the critic sees; edges need a net that says them, and those of the true flow are `jump_edges`.
        adversarial_loss: what both sides pay for scores; null takes `Wasserstein()`.
        adversarial: weight of what the generator pays for its scores.
        gradient_penalty: weight of `losses.gradient_penalty`.
        r1: weight of `losses.r1_penalty`, for the other losses.
        margin: pixels around the hole that the critic sees.
        optimizer: called with the generator's parameters.
        critic_optimizer: called with the critic's parameters.
        lr_scheduler: see `AdversarialTask`, as the next four.
        critic_lr_scheduler: of the critic.
        turns: null takes `SameBatch(1)`.
        decay: of the average of the generator's weights.
        clip: largest norm of a gradient.
        baselines: as for `FlowRefinementTask`.

    Raises:
        InputError: an option is not as described.
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
        """Return what the net that trains says: both flows and, where it says them, logits of edges, `B T C H W`."""
        said: FlowCompletion = self.trained(batch["flow_forward"], batch["flow_backward"], batch["hidden"])
        if said.edges is None and self.sees != "flow":
            raise InputError(f"{type(self).__name__}: sees is {self.sees}: the net says no edges (model.net.edges)")
        return torch.cat([said.forward[-1], said.backward[-1], *([] if said.edges is None else [said.edges])], 2)

    def compared(self, batch: Batch, made: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the critic takes for real and what it sees of the completion, `M T C h w` each."""
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
        """Return what the generator pays: the criterion, and the verdict of the critic."""
        edges = made[:, :, 4:] if made.shape[2] > 4 else None
        terms = dict(self.criterion(FlowCompletion([made[:, :, :2]], [made[:, :, 2:4]], edges=edges), batch, 0))
        real, fake = self.compared(batch, made)
        scores = self.critics["flow"](real).detach() if self.adversarial_loss.relative else None
        terms["loss/adversarial"] = self.adversarial_loss.generator(self.critics["flow"](fake), scores)
        terms["loss"] = terms["loss"] + self.adversarial * terms["loss/adversarial"]
        return terms

    def critic_terms(self, batch: Batch, made: Tensor) -> Terms:
        """Return what the critic pays for its scores, and for its slopes."""
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
