"""The task of completing optical flow where it is hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from outpaint_lightning.callbacks import FlowWriter
from outpaint_lightning.metrics import (
    EDGE_JUMP,
    FILL,
    REFINED,
    STRATA,
    RefinementErrors,
    end_point_error,
    strata,
    summarize_refinement,
)
from outpaint_lightning.nets.flow import fills
from outpaint_lightning.results import FLOW, Result
from outpaint_lightning.tasks.base import TrainedTask, unsaved
from outpaint_lightning.types import Batch, FlowData, InputError, datamodule

if TYPE_CHECKING:
    from outpaint_lightning.nets.flow.refiner import Refinement

Flows = tuple[Tensor, Tensor]
"""Forward and backward, `B T 2 H W` each."""


def default_baselines() -> dict[str, nn.Module]:
    """Return the fills that a test judges beside the net, by name."""
    return {
        "zero": fills.ZeroFill(),
        "nearest": fills.NearestFill(),
        "harmonic": fills.HarmonicFill(),
        "biharmonic": fills.BiharmonicFill(),
        "inertia": fills.InertiaFill(),
    }


def _harmonic_true_edges(batch: Batch) -> Flows:
    """Fill harmonically, cut at the true motion edges."""
    true = batch["flow_forward"], batch["flow_backward"]
    return fills.harmonic_with_edges(*true, batch["hidden"], guide=torch.cat(true, 2), jump=EDGE_JUMP)


BOUNDS: dict[str, Callable[[Batch], Flows]] = {"harmonic_true_edges": _harmonic_true_edges}
"""Methods that know something of the true flow. What they reach is a bound, not a floor."""


class FlowRefinementTask(TrainedTask):
    """Train and judge a net that fills hidden vectors and then updates them step by step.

    Metrics are mean end-point errors over videos, in pixels, of hidden vectors alone: `val/epe_hole`, and `val/gain`,
    the share of its own fill's error that the net removes. A test also judges other fills, and leaves its whole result
    in `result`, which the `TestReport` callback writes.

    Args:
        net: called with `flow_forward`, `flow_backward`, `hidden` (`B T 2 H W` each) and `steps`, returns a
            `nets.Refinement`.
        criterion: called with that, the batch and the number of training steps done, returns `{"loss": ...,
            "loss/<term>": ...}`.
        optimizer: called with the parameters.
        lr_scheduler: called with the optimizer and the number of training steps; stepped after each of them.
        test_steps: updates made where the net does not train; null takes the net's own number.
        baselines: fills that a test judges beside the net, by name, called as `fill(flow_forward, flow_backward,
            hidden)`; null takes those of `default_baselines`.

    Raises:
        InputError: `test_steps` is below 1.
    """

    kind = FLOW
    writers = (FlowWriter,)

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
        self.save_hyperparameters(
            ignore=unsaved("net", "criterion", "optimizer", "lr_scheduler", "baselines"), logger=False
        )
        self.net, self.criterion = net, criterion
        self.test_steps = test_steps
        self.baselines = default_baselines() if baselines is None else baselines

    def forward(self, flow_forward: Tensor, flow_backward: Tensor, hidden: Tensor) -> Refinement:
        """Complete flows `B T 2 H W`, whatever they hold where `hidden` is 1."""
        refinement: Refinement = self.net(flow_forward, flow_backward, hidden, steps=self.test_steps)
        return refinement

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch.

        Raises:
            InputError: the loss is not finite; see `log_training`.
        """
        refinement = self.net(batch["flow_forward"], batch["flow_backward"], batch["hidden"])
        return self.log_training(self.criterion(refinement, batch, self.global_step), batch_idx)

    def on_validation_epoch_start(self) -> None:
        """Start a table."""
        self._start("val", [REFINED, FILL])

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Refinement]:  # noqa: ARG002 (Lightning's hook)
        """Log the loss and enter the batch; returns what the net says, `refinement`, for callbacks."""
        refinement: Refinement = self(batch["flow_forward"], batch["flow_backward"], batch["hidden"])
        self.log_validation(self.criterion(refinement, batch, self.global_step), batch)
        self._enter(batch, refinement, [])
        return {"refinement": refinement}

    def on_validation_epoch_end(self) -> None:
        """Log the errors over the validation videos."""
        self._finish("val")

    def on_test_epoch_start(self) -> None:
        """Start a table."""
        self._start("test", [REFINED, FILL, *self.baselines, *BOUNDS])

    def test_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 (Lightning's hook)
        """Enter the batch, as the net and as each baseline completes it."""
        given = batch["flow_forward"], batch["flow_backward"], batch["hidden"]
        others = [fill(*given) for fill in self.baselines.values()]
        self._enter(batch, self(*given), [*others, *(bound(batch) for bound in BOUNDS.values())])

    def on_test_epoch_end(self) -> None:
        """Log the test's numbers and keep the whole result for the report."""
        self._finish("test")

    def predict_step(self, batch: Batch, batch_idx: int) -> Refinement:  # noqa: ARG002 (Lightning's hook)
        """Return what the net says."""
        refinement: Refinement = self(batch["flow_forward"], batch["flow_backward"], batch["hidden"])
        return refinement

    def _start(self, split: str, methods: list[str]) -> None:
        data: FlowData = datamodule(self.trainer, FlowData)
        self._videos = data.videos(split)
        self._position = {video["clip"]: i for i, video in enumerate(self._videos)}
        self._methods = methods
        self._errors = RefinementErrors([video["frames"] for video in self._videos], len(methods)).to(self.device)
        self._steps: int | None = None

    def _enter(self, batch: Batch, refinement: Refinement, others: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Enter a batch: the net's last answer, its first, and what others say, forward and backward each."""
        directions = zip(refinement.forward, refinement.backward, strict=True)
        fill, *_, refined = directions
        flows = torch.stack([torch.stack(pair, 3) for pair in (refined, fill, *others)])  # M B T 2 direction H W
        true = torch.stack([batch["flow_forward"], batch["flow_backward"]], 3)
        self._errors.update(
            videos=[self._position[meta["clip"]] for meta in batch["meta"]],
            frames=[meta["frames"][0] for meta in batch["meta"]],
            error=end_point_error(flows.transpose(3, 4), true.transpose(2, 3)),
            members=strata(batch),
            sure=refinement.confidence[-1],
        )
        self._steps = len(refinement.forward) - 1

    def _finish(self, split: str) -> None:
        """Leave the result of a split and log its means."""
        data: FlowData = datamodule(self.trainer, FlowData)
        bounds = [name for name in BOUNDS if name in self._methods]
        learned = any(True for _ in getattr(self.net, "fill", nn.Identity()).parameters())
        summary, rows = summarize_refinement(self._errors, self._videos, self._methods, bounds, learned)
        about = {"steps": self._steps, "protocol": data.protocol, "setup": data.hole_setup}
        epe = summary["epe"]
        values = {
            **{f"epe_{stratum}": epe[stratum] for stratum in STRATA[1:]},
            "above_1px": summary["above_1px"]["hole"],
            "worse_than_fill": float(summary["worse_than_fill"]["videos"]),
            "ause_ratio": summary["confidence"]["ratio"],
            **{f"floor_{name}": value for name, value in summary["floors"].items()},
            **{f"bound_{name}": value for name, value in summary["bounds"].items()},
        }
        monitored = {"epe_hole": epe["hole"], "gain": summary["gain"]}
        self.report(split, Result(self.kind, {**summary, **about}, rows), monitored, values)
