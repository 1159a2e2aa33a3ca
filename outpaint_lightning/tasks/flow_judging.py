"""The evaluation that all tasks of flow completion share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

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
from outpaint_lightning.nets.flow.edge_fills import harmonic_with_edges
from outpaint_lightning.results import FLOW, Result
from outpaint_lightning.tasks.base import BaseTask, accepts
from outpaint_lightning.types import Batch, FlowData, InputError, datamodule

if TYPE_CHECKING:
    from outpaint_lightning.nets.flow.completion import FlowCompletion

Flows = tuple[Tensor, Tensor]
"""Forward and backward flow, `B T 2 H W` each."""


def default_baselines() -> dict[str, nn.Module]:
    """Return the fills that a test evaluates beside the net, by name."""
    return {
        "zero": fills.ZeroFill(),
        "nearest": fills.NearestFill(),
        "harmonic": fills.HarmonicFill(),
        "biharmonic": fills.BiharmonicFill(),
        "inertia": fills.InertiaFill(),
    }


def _harmonic_true_edges(batch: Batch) -> Flows:
    """Fill harmonically, with links cut at the true motion edges."""
    true = batch["flow_forward"], batch["flow_backward"]
    return harmonic_with_edges(*true, batch["hidden"], guide=torch.cat(true, 2), jump=EDGE_JUMP)


BOUNDS: dict[str, Callable[[Batch], Flows]] = {"harmonic_true_edges": _harmonic_true_edges}
"""Methods that use part of the true flow. Their result is an upper bound, not a baseline."""


class FlowTask(BaseTask):
    """Evaluates a net that completes flow.

    Metrics are mean end-point errors over videos, in pixels, of hidden vectors only: `val/epe_hole`, and `val/gain`,
    the share of the error of the net's own fill that the net removes. A test also evaluates other fills, and stores its
    whole result in `result`, which the `TestReport` callback writes.

    Attributes:
        net: called with `flow_forward`, `flow_backward` and `hidden` (`B T 2 H W` each), and `steps` if it has updates;
            returns a `nets.FlowCompletion`.
        baselines: fills that a test evaluates beside the net, by name, called as `fill(flow_forward, flow_backward,
            hidden)`.
        test_steps: number of updates outside training; None uses the net's own number.
    """

    kind = FLOW
    writers = (FlowWriter,)

    net: nn.Module
    baselines: dict[str, nn.Module]
    test_steps: int | None = None

    def forward(self, flow_forward: Tensor, flow_backward: Tensor, hidden: Tensor) -> FlowCompletion:
        """Complete flows `B T 2 H W`, which may hold any values where `hidden` is 1."""
        steps = {"steps": self.test_steps} if accepts(self.net.forward, "steps") else {}
        completion: FlowCompletion = self.net(flow_forward, flow_backward, hidden, **steps)
        return completion

    def validation_terms(self, completion: FlowCompletion, batch: Batch) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the loss of a validation batch and its terms; none by default."""
        return {}

    def on_validation_epoch_start(self) -> None:
        """Create empty metrics."""
        self._start("val", [REFINED, FILL])

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, FlowCompletion]:  # noqa: ARG002 (Lightning's hook)
        """Log the loss and update the metrics; return the net's output, `completion`, for callbacks."""
        completion: FlowCompletion = self(batch["flow_forward"], batch["flow_backward"], batch["hidden"])
        if terms := self.validation_terms(completion, batch):
            self.log_validation(terms, batch)
        self._enter(batch, completion, [])
        return {"completion": completion}

    def on_validation_epoch_end(self) -> None:
        """Log the errors over the validation videos."""
        self._finish("val")

    def on_test_epoch_start(self) -> None:
        """Create empty metrics."""
        self._start("test", [REFINED, FILL, *self.baselines, *BOUNDS])

    def test_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 (Lightning's hook)
        """Update the metrics of the net, of each baseline and of each bound."""
        given = batch["flow_forward"], batch["flow_backward"], batch["hidden"]
        others = [fill(*given) for fill in self.baselines.values()]
        self._enter(batch, self(*given), [*others, *(bound(batch) for bound in BOUNDS.values())])

    def on_test_epoch_end(self) -> None:
        """Log the test's numbers and store the whole result for the report."""
        self._finish("test")

    def predict_step(self, batch: Batch, batch_idx: int) -> FlowCompletion:  # noqa: ARG002 (Lightning's hook)
        """Return the output of the net."""
        completion: FlowCompletion = self(batch["flow_forward"], batch["flow_backward"], batch["hidden"])
        return completion

    def _start(self, split: str, methods: list[str]) -> None:
        data: FlowData = datamodule(self.trainer, FlowData)
        own = getattr(self.net, "setup", "all")
        if own not in ("all", data.hole_setup):
            raise InputError(
                f"data.setup is {data.hole_setup}: the net completes holes of setup {own} (model.net.setup); expected "
                f"{own}, or a net of setup all"
            )
        self._videos = data.videos(split)
        self._position = {video["clip"]: i for i, video in enumerate(self._videos)}
        self._methods = methods
        self._errors = RefinementErrors([video["frames"] for video in self._videos], len(methods)).to(self.device)
        self._updates: int | None = None

    def _enter(self, batch: Batch, completion: FlowCompletion, others: Sequence[Flows]) -> None:
        """Update the metrics with the net's last flow, its fill, and the flows of other methods."""
        answers = [*zip(completion.forward, completion.backward, strict=True)]  # the fill alone, of a net of 0 updates
        pairs = answers[-1], answers[0], *others
        flows = torch.stack([torch.stack(pair, 3) for pair in pairs])  # M B T 2 direction H W
        true = torch.stack([batch["flow_forward"], batch["flow_backward"]], 3)
        self._errors.update(
            videos=[self._position[meta["clip"]] for meta in batch["meta"]],
            frames=[meta["frames"][0] for meta in batch["meta"]],
            error=end_point_error(flows.transpose(3, 4), true.transpose(2, 3)),
            members=strata(batch),
            sure=None if completion.confidence is None else completion.confidence[-1],
        )
        self._updates = len(completion.forward) - 1

    def _finish(self, split: str) -> None:
        """Store the result of a split and log its means."""
        data: FlowData = datamodule(self.trainer, FlowData)
        bounds = [name for name in BOUNDS if name in self._methods]
        learned = any(True for _ in getattr(self.net, "fill", nn.Identity()).parameters())
        summary, rows = summarize_refinement(self._errors, self._videos, self._methods, bounds, learned)
        about = {"steps": self._updates, "protocol": data.protocol, "setup": data.hole_setup}
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
