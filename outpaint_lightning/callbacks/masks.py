"""Shows predicted masks while a localizer trains."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import lightning.pytorch as pl
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.callbacks.base import Picture, ValidationPictures, first_frame
from outpaint_lightning.pictures import FORGED, MarkedPicture, overlay, strip
from outpaint_lightning.results import LOCALIZATION
from outpaint_lightning.types import Batch

WIDTH = 384  # pixels of each of the three pictures in a row


class _Frame(NamedTuple):
    """The data for a frame's picture: uint8 `H W 3` RGB, the forged probability and the true mask, `H W` each."""

    clip: str
    image: Picture
    probability: NDArray[np.float32]
    truth: NDArray[np.bool_]


class MaskPictures(ValidationPictures):
    """Show some forged validation frames with the found and the true mask, after each validation of a training.

    It shows one frame from each of the first sources, scaled to a common width; see `ValidationPictures`. The threshold
    is the one of the validation's F1. Serves localizers.

    Args:
        count: largest number of frames.

    Raises:
        InputError: the count is below 1.
    """

    KIND, NAME, KEY, LEGEND = LOCALIZATION, "media/val/masks", "source", FORGED

    def __init__(self, count: int = 4) -> None:
        super().__init__(count)

    def keep(self, outputs: Any, batch: Batch, sample: int) -> _Frame | None:
        """Return a forged frame and the net's output for it; None for an authentic frame."""
        truth = batch["mask"][sample, 0, 0] > 0.5
        if not truth.any():
            return None
        masks = (mask.cpu().numpy() for mask in (outputs["probability"][sample].float(), truth))
        return _Frame(batch["meta"][sample]["clip"], first_frame(batch, sample), *masks)

    def draw(self, kept: _Frame, pl_module: pl.LightningModule) -> MarkedPicture:
        """Return the frame, the frame with the found mask, and the frame with the true mask, side by side."""
        height, width = kept.truth.shape
        size = WIDTH, round(height * WIDTH / width)
        frame = cv2.resize(kept.image, size, interpolation=cv2.INTER_AREA)
        threshold: Any = pl_module.threshold  # already chosen if it is to be chosen, because there is a forged frame
        masks: dict[str, NDArray[np.bool_]] = {
            name: cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT) > 0
            for name, mask in (("found", kept.probability >= threshold), ("true", kept.truth))
        }
        heads = ("frame", f"found, from {threshold:.2f} on", "true")
        drawn = strip([[frame, *(overlay(frame, mask) for mask in masks.values())]], heads)
        return MarkedPicture(drawn, frame, masks, caption=kept.clip)
