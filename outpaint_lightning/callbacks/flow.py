"""Write, print and show what a flow refiner does: its test's result, its flows, and pictures of its updates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor

from outpaint_lightning.callbacks.base import ValidationPictures, is_dry, log_table, number
from outpaint_lightning.io import write_csv, write_flow, write_json
from outpaint_lightning.metrics import REFINED, STRATA
from outpaint_lightning.pictures import MarkedPicture, flow_colours, strip
from outpaint_lightning.types import Batch

if TYPE_CHECKING:
    from outpaint_lightning.nets.flow.refiner import Refinement

DIRECTIONS = ("forward", "backward")


class FlowReport(Callback):
    """Write `<run>/test/summary.json` and `per_video.csv`, and print the errors of the net beside those of the fills.

    Does so for tasks that complete flow.
    """

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write and print, once, in the first process."""
        if not _completes_flow(pl_module) or not trainer.is_global_zero or is_dry(trainer):
            return
        folder = Path(trainer.default_root_dir) / "test"
        summary: dict[str, Any] = {**pl_module.summary, "checkpoint": str(trainer.ckpt_path or "")}  # type: ignore[dict-item]
        write_json(folder / "summary.json", summary)
        write_csv(folder / "per_video.csv", pl_module.per_clip)  # type: ignore[arg-type]
        log_table(trainer, "test/per_video", pl_module.per_clip)  # type: ignore[arg-type]
        print("\n".join([*flow_table(summary), f"written to {folder}/summary.json and per_video.csv"]))


def flow_table(summary: Mapping[str, Any]) -> list[str]:
    """Return the lines of a test's table: a row of errors for the net and for each fill, then gain and confidence."""
    epe, worse, confidence = (summary[name] for name in ("epe", "worse_than_fill", "confidence"))
    lines = [
        f"{'end-point error, pixels':32} "
        + "".join(f"{name.replace('_', ' '):>12}" for name in (*STRATA, "above 1 px")),
    ]
    for name, errors in summary["methods"].items():
        kind = next((kind for kind in ("floor", "bound") if name in summary[f"{kind}s"]), "learned")
        title = f"{summary['steps']} updates" if name == REFINED else f"  {kind} {name}"
        values = [*(errors["epe"][stratum] for stratum in STRATA), errors["above_1px"]["hole"]]
        lines.append(f"{title:32} " + "".join(f"{number(value):>12}" for value in values))
    return [
        *lines,
        f"{'in the hole, 95% over sources':32} {number(epe['low'])} to {number(epe['high'])}  ({epe['videos']} videos, "
        f"protocol {summary['protocol']}, setup {summary['setup']})",
        f"{'gain over the best floor':32} {number(summary['gain'])}  (floor - error) / floor; over its own fill "
        f"{number(summary['gain_over_fill'])}",
        f"{'videos worse than their fill':32} {worse['videos']} of {worse['of']}, by {number(worse['largest'])} px at "
        "most",
        f"{'error by confidence, least first':32} {' '.join(number(value) for value in confidence['deciles'])}",
        f"{'AUSE':32} {number(confidence['ause'])}  ({number(confidence['ratio'])} of what no knowledge gives)",
    ]


class FlowWriter(Callback):
    """Write what `predict` completes to `<run>/predict/<clip>/forward/00000.flow.png` and `backward/`.

    Vectors that were neither known nor to be completed are marked as not valid. Where windows share a frame, the later
    window's stays. Does so for tasks that complete flow.
    """

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Refinement,
        batch: Batch,
        batch_idx: int,  # noqa: ARG002 (Lightning's hook)
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Write the flows of one batch."""
        if not _completes_flow(pl_module) or is_dry(trainer):
            return
        root = Path(trainer.default_root_dir) / "predict"
        answered = ((batch["hidden"] + batch["valid"]) > 0.5).cpu().numpy()  # B T direction H W
        for i, meta in enumerate(batch["meta"]):
            for at, (name, flow) in enumerate(zip(DIRECTIONS, (outputs.forward, outputs.backward), strict=True)):
                for t, frame in enumerate(meta["frames"]):
                    file = root / meta["clip"] / name / f"{frame:05d}.flow.png"
                    write_flow(file, _channels_last(flow[-1][i, t]), answered[i, t, at])


class FlowPictures(ValidationPictures):
    """Show the updates of a few validation windows after each validation of a training.

    Of one window of each of the first videos, the frame with the largest hole: a row of its flow forward, true, filled
    and after each update, and below it the hole, in black, and the confidence at the start and after each update, white
    for 1. See `ValidationPictures`. Does so for tasks that complete flow.

    Args:
        count: windows shown, at most.

    Raises:
        InputError: the count is below 1.
    """

    NAME, KEY = "media/val/flow", "clip"

    def __init__(self, count: int = 4) -> None:
        super().__init__(count)

    def is_for(self, pl_module: pl.LightningModule) -> bool:
        """Return whether a task completes flow."""
        return _completes_flow(pl_module)

    def keep(self, outputs: Any, batch: Batch, sample: int) -> MarkedPicture:
        """Return the updates of a window."""
        return MarkedPicture(drawn(outputs["refinement"], batch, sample), caption=batch["meta"][sample]["clip"])


def drawn(refinement: Refinement, batch: Batch, window: int) -> NDArray[np.uint8]:
    """Draw the updates of one window of a batch, as `FlowPictures` says: uint8 `H' W' 3` RGB.

    All flows have the colours of one scale, that of the true one.
    """
    hidden = batch["hidden"][window, :, 0]
    frame = int(hidden.flatten(1).sum(1).argmax())
    true = _channels_last(batch["flow_forward"][window, frame])
    longest = float(np.linalg.norm(true, axis=2).max())
    flows = [true, *(_channels_last(flow[window, frame]) for flow in refinement.forward)]
    shades = [1 - hidden[frame], *(confidence[window, frame, 0] for confidence in refinement.confidence)]
    below = [np.rint(255 * shade.float().cpu().numpy()).astype(np.uint8)[..., None].repeat(3, 2) for shade in shades]
    return strip([[flow_colours(flow, longest) for flow in flows], below])


def _channels_last(flow: Tensor) -> NDArray[np.float32]:
    """Return a flow `2 H W` as float32 `H W 2`."""
    return np.ascontiguousarray(flow.float().permute(1, 2, 0).cpu().numpy())


def _completes_flow(pl_module: pl.LightningModule) -> bool:
    """Whether a task leaves a result per clip of flow, not of images or masks."""
    return hasattr(pl_module, "per_clip")
