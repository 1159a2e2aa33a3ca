"""Callbacks that write the layouts and composites of contextual outpainting, and show some of them during training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor

from outpaint_lightning.callbacks.base import Picture, ValidationPictures, is_dry, task_kind
from outpaint_lightning.io import write_image
from outpaint_lightning.io.index import write_index
from outpaint_lightning.pictures import MarkedPicture, strip
from outpaint_lightning.pictures.layouts import layout_colours
from outpaint_lightning.results import LAYOUTS, OUTPAINTING
from outpaint_lightning.types import Batch

ROWS = 12
"""Number of photos on the contact sheet."""
SMALLEST = 96
"""Smallest shorter side of a photo in a picture, in pixels; smaller photos are enlarged by an integer factor."""


class LayoutWriter(Callback):
    """Write the output of `predict`: `<run>/predict/<photo>/layout_0.png` and, if painted, `photo_0.png`.

    A layout is an index image in the format of the dataset. It has classes also where the foreground is. The contact
    sheet `<run>/predict/contact_sheet.png` shows, for the first photos, the input and each layout with the painted
    photo. Serves layout generators and outpainters.
    """

    def __init__(self) -> None:
        self._rows: list[list[Picture]] = []
        self._heads: list[str] = []

    def on_predict_epoch_start(self, *_: Any) -> None:
        """Start with an empty sheet."""
        self._rows = []

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: dict[str, Tensor],
        batch: Batch,
        batch_idx: int,  # noqa: ARG002 (Lightning's hook)
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Write the files of one batch."""
        if task_kind(pl_module) not in (LAYOUTS, OUTPAINTING) or is_dry(trainer):
            return
        classes = int(pl_module.net.classes)  # type: ignore[union-attr, arg-type]  # both kinds of net have it
        for sample, meta in enumerate(batch["meta"]):
            layouts = outputs["layouts"][sample].cpu().numpy().astype(np.uint8)
            photos = [_pixels(photo) for photo in outputs["filled"][sample]] if "filled" in outputs else []
            folder = Path(trainer.default_root_dir) / "predict" / meta["clip"]
            for number, layout in enumerate(layouts):
                write_index(folder / f"layout_{number}.png", layout)
            for number, photo in enumerate(photos):
                write_image(folder / f"photo_{number}.png", photo)
            self._heads = ["given", *(["layout", "painted"] if photos else ["layout"]) * len(layouts)]
            if len(self._rows) < ROWS:
                coloured = [layout_colours(layout, classes) for layout in layouts]
                painted = [each for pair in zip(coloured, photos, strict=True) for each in pair] if photos else coloured
                self._rows.append([_enlarged(each) for each in (_pixels(batch["image"][sample, 0]), *painted)])

    def on_predict_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Write the contact sheet of this process."""
        if self._rows and trainer.is_global_zero:
            sheet = strip(self._rows, self._heads)
            write_image(Path(trainer.default_root_dir) / "predict" / "contact_sheet.png", sheet)


class LayoutPictures(ValidationPictures):
    """Show some validation photos after each validation of a training: input, sampled layouts and true layout.

    Serves layout generators.

    Args:
        count: largest number of photos.

    Raises:
        InputError: the count is below 1.
    """

    KIND, NAME, KEY = LAYOUTS, "media/val/layouts", "clip"

    def __init__(self, count: int = 6) -> None:
        super().__init__(count)

    def keep(self, outputs: Any, batch: Batch, sample: int) -> tuple[MarkedPicture, NDArray[np.uint8]]:
        """Return the photo and its layouts. They are coloured later, when the number of classes is known."""
        shown = [*outputs["layouts"][sample, :4], batch["layout"][sample, 0]]
        photo = MarkedPicture(_pixels(batch["image"][sample, 0]), caption=batch["meta"][sample]["clip"])
        return photo, np.stack([layout.cpu().numpy().astype(np.uint8) for layout in shown])

    def draw(self, kept: Any, pl_module: pl.LightningModule) -> MarkedPicture:
        """Return the picture of a photo."""
        photo, layouts = kept
        classes = int(pl_module.net.classes)  # type: ignore[union-attr, arg-type]
        row = [photo.drawn, *(layout_colours(layout, classes) for layout in layouts)]
        heads = ("given", *["drawn"] * (len(layouts) - 1), "true")
        return MarkedPicture(strip([[_enlarged(each) for each in row]], heads), caption=photo.caption)


class OutpaintingPictures(ValidationPictures):
    """Show some validation photos after each validation: input, painted from the true layout, and true photo.

    Serves outpainters.

    Args:
        count: largest number of photos.

    Raises:
        InputError: the count is below 1.
    """

    KIND, NAME, KEY = OUTPAINTING, "media/val/photos", "clip"

    def __init__(self, count: int = 6) -> None:
        super().__init__(count)

    def keep(self, outputs: Any, batch: Batch, sample: int) -> MarkedPicture:
        """Return the picture of a photo."""
        photos = (batch["image"][sample, 0], outputs["filled"][sample, 0], batch["clean"][sample, 0])
        row = [_enlarged(_pixels(photo)) for photo in photos]
        return MarkedPicture(strip([row], ("given", "painted", "true")), caption=batch["meta"][sample]["clip"])


def _pixels(photo: Tensor) -> Picture:
    """Return a photo `3 H W` in [0, 1] as uint8 `H W 3`."""
    colours = photo.detach().float().nan_to_num().clamp(0, 1).mul(255).round().byte()
    return np.ascontiguousarray(colours.permute(1, 2, 0).cpu().numpy())


def _enlarged(picture: Picture) -> Picture:
    times = max(1, -(-SMALLEST // min(picture.shape[:2])))
    enlarged: Picture = picture.repeat(times, 0).repeat(times, 1)
    return enlarged
