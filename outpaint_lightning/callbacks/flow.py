"""Callbacks that write the flows that a refiner completes, and show its updates during training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor

from outpaint_lightning.callbacks.base import ValidationPictures, is_dry, reports
from outpaint_lightning.io import write_flow
from outpaint_lightning.pictures import MarkedPicture, flow_colours, strip
from outpaint_lightning.results import FLOW
from outpaint_lightning.types import Batch

if TYPE_CHECKING:
    from outpaint_lightning.nets.flow.completion import FlowCompletion

DIRECTIONS = ("forward", "backward")


class FlowWriter(Callback):
    """Write the flows from `predict` to `<run>/predict/<clip>/forward/00000.flow.png` and `backward/`.

    Vectors that were neither known nor hidden are marked as not valid. If windows share a frame, the later window's
    flow is kept. Serves flow refiners.
    """

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: FlowCompletion,
        batch: Batch,
        batch_idx: int,  # noqa: ARG002 (Lightning's hook)
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Write the flows of one batch."""
        if not reports(pl_module, FLOW) or is_dry(trainer):
            return
        root = Path(trainer.default_root_dir) / "predict"
        valid = ((batch["hidden"] + batch["valid"]) > 0.5).cpu().numpy()  # B T direction H W
        for i, meta in enumerate(batch["meta"]):
            for at, (name, flow) in enumerate(zip(DIRECTIONS, (outputs.forward, outputs.backward), strict=True)):
                for t, frame in enumerate(meta["frames"]):
                    file = root / meta["clip"] / name / f"{frame:05d}.flow.png"
                    write_flow(file, _channels_last(flow[-1][i, t]), valid[i, t, at])


class FlowPictures(ValidationPictures):
    """Show the updates of a few validation windows after each validation of a training.

    Each of the first videos gives one window, and the window gives the frame with the largest hole. The upper row shows
    its forward flow: the true one, the filled one, and the one after each update. The lower row shows the hole in
    black, and the confidence at the start and after each update (white is 1). Where the net gives no confidence, the
    lower row shows the hole again. See `ValidationPictures`. Serves flow refiners.

    Args:
        count: largest number of windows.

    Raises:
        InputError: the count is below 1.
    """

    KIND, NAME, KEY = FLOW, "media/val/flow", "clip"

    def __init__(self, count: int = 4) -> None:
        super().__init__(count)

    def keep(self, outputs: Any, batch: Batch, sample: int) -> MarkedPicture:
        """Return the updates of a window."""
        return MarkedPicture(drawn(outputs["completion"], batch, sample), caption=batch["meta"][sample]["clip"])


def drawn(completion: FlowCompletion, batch: Batch, window: int) -> NDArray[np.uint8]:
    """Draw the updates of one window of a batch, as `FlowPictures` says: uint8 `H' W' 3` RGB.

    All flows share one colour scale, that of the true flow.
    """
    hidden = batch["hidden"][window, :, 0]
    frame = int(hidden.flatten(1).sum(1).argmax())
    true = _channels_last(batch["flow_forward"][window, frame])
    longest = float(np.linalg.norm(true, axis=2).max())
    flows = [true, *(_channels_last(flow[window, frame]) for flow in completion.forward)]
    known = 1 - hidden[frame]
    said = [confidence[window, frame, 0] for confidence in completion.confidence or []]
    shades = [known, *[known] * (len(completion.forward) - len(said)), *said]
    below = [np.rint(255 * shade.float().cpu().numpy()).astype(np.uint8)[..., None].repeat(3, 2) for shade in shades]
    heads = ("true", "filled", *(f"update {i}" for i in range(1, len(flows) - 1)))
    return strip([[flow_colours(flow, longest) for flow in flows], below], heads)


def _channels_last(flow: Tensor) -> NDArray[np.float32]:
    """Return a flow `2 H W` as float32 `H W 2`."""
    return np.ascontiguousarray(flow.float().permute(1, 2, 0).cpu().numpy())
