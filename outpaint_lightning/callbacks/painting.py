"""Callbacks that write the clips that a generator fills, and show some of them during training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor

from outpaint_lightning.callbacks.base import ValidationPictures, is_dry, reports
from outpaint_lightning.io import atomic, write_image
from outpaint_lightning.pictures import MarkedPicture, strip, titled
from outpaint_lightning.results import PAINTING
from outpaint_lightning.types import Batch

SHOWN = 4  # frames shown per clip, evenly spaced
SMALLEST = 96  # pixels of the shorter side in a picture; smaller frames are enlarged by an integer factor


class ClipWriter(Callback):
    """Write the clips that `predict` fills to `<run>/predict/<clip>/00000.png`; one-channel fields to `00000.npy`.

    Serves generators.
    """

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Tensor,
        batch: Batch,
        batch_idx: int,  # noqa: ARG002 (Lightning's hook)
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Write the frames of one batch."""
        if not reports(pl_module, PAINTING) or is_dry(trainer):
            return
        root = Path(trainer.default_root_dir) / "predict"
        for meta, clip in zip(batch["meta"], outputs, strict=True):
            for number, frame in zip(meta["frames"], clip, strict=True):
                if len(frame) == 3:
                    write_image(root / meta["clip"] / f"{number:05d}.png", as_pixels(frame))
                    continue
                with atomic(root / meta["clip"] / f"{number:05d}.npy") as path, path.open("wb") as file:
                    np.save(file, frame[0].float().cpu().numpy())


class PaintingPictures(ValidationPictures):
    """Show some validation clips after each validation of a training: observed, filled and clean in three rows.

    It shows one clip for each of the first kinds of occlusion, with four frames side by side; see `ValidationPictures`.
    Serves generators.

    Args:
        count: largest number of clips.

    Raises:
        InputError: the count is below 1.
    """

    KIND, NAME, KEY = PAINTING, "media/val/clips", "forger"

    def __init__(self, count: int = 4) -> None:
        super().__init__(count)

    def keep(self, outputs: Any, batch: Batch, sample: int) -> MarkedPicture:
        """Return the picture of a clip."""
        meta = batch["meta"][sample]
        rows = {"observed": batch["image"], "filled": outputs["filled"], "clean": batch["clean"]}
        picture = strip([[titled(strip([_frames(clips[sample])]), name)] for name, clips in rows.items()])
        return MarkedPicture(picture, caption=f"{meta['clip']}, {meta['forger']}")


def _frames(clip: Tensor) -> list[NDArray[np.uint8]]:
    """Return some frames of a clip `T C H W` as pictures."""
    chosen = np.unique(np.linspace(0, len(clip) - 1, SHOWN).round().astype(int))
    times = max(1, -(-SMALLEST // min(clip.shape[-2:])))
    return [as_pixels(clip[t]).repeat(times, 0).repeat(times, 1) for t in chosen]


def as_pixels(frame: Tensor) -> NDArray[np.uint8]:
    """Return a frame `C H W` in [0, 1] as uint8 `H W 3`; NaN becomes black."""
    colours = frame.detach().float().nan_to_num().clamp(0, 1).mul(255).round().byte().expand(3, -1, -1)
    return np.ascontiguousarray(colours.permute(1, 2, 0).cpu().numpy())
