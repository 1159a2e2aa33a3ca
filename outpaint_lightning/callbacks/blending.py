"""Callbacks that write the panoramas that a net paints around two photos, and show some of them during training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor

from outpaint_lightning.callbacks.base import ValidationPictures, is_dry, reports
from outpaint_lightning.callbacks.painting import as_pixels
from outpaint_lightning.io import ClipEntry, write_image, write_manifest, write_mask
from outpaint_lightning.pictures import FORGED, MarkedPicture, overlay, strip, titled
from outpaint_lightning.results import BLENDING
from outpaint_lightning.types import Batch, WindowMeta

ROWS = 12  # panoramas on the contact sheet
LEAST = 0.25  # smallest share of each photo that stays in a panorama
SHOWN = 96  # smallest height of a panorama on the sheet, in pixels


class PanoramaWriter(Callback):
    """Write the panoramas of `predict` as a dataset: `<run>/predict/frames`, `masks` and `manifest.csv`.

    The mask is the generated middle; the photos beside it are authentic pixels. Each panorama is cropped at both ends
    by random amounts that follow from its name, so that the position of the middle reveals nothing. At least a quarter
    of each photo stays. `contact_sheet.png` shows the first panoramas. Serves tasks that blend photos.
    """

    def __init__(self) -> None:
        self._entries: list[ClipEntry] = []
        self._shown: list[NDArray[np.uint8]] = []

    def on_predict_start(self, *_: Any) -> None:
        """Start with no panoramas."""
        self._entries, self._shown = [], []

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Tensor,
        batch: Batch,
        batch_idx: int,  # noqa: ARG002 (Lightning's hook)
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Write the panoramas of one batch."""
        if not reports(pl_module, BLENDING) or is_dry(trainer):
            return
        root = Path(trainer.default_root_dir) / "predict"
        size = batch["pair"].shape[3]
        for meta, panorama in zip(batch["meta"], outputs, strict=True):
            name = f"{meta['clip']}__{meta['partner']}"
            picture, mask = _cut(as_pixels(panorama[0]), size, name)
            write_image(root / "frames" / f"{name}.png", picture)
            write_mask(root / "masks" / f"{name}.png", mask)
            self._entries.append(_entry(root, name, meta))
            if len(self._shown) < ROWS:
                self._shown.append(_row(picture, mask, name))

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the manifest of all processes and the contact sheet, in the main process."""
        if not reports(pl_module, BLENDING) or is_dry(trainer) or not self._entries:
            return
        everyones = [self._entries]
        if trainer.world_size > 1:
            everyones = everyones * trainer.world_size
            torch.distributed.all_gather_object(everyones, self._entries)
        if trainer.is_global_zero:
            root = Path(trainer.default_root_dir) / "predict"
            written = {entry.clip: entry for entries in everyones for entry in entries}
            write_manifest(root / "manifest.csv", [*written.values()])
            write_image(root / "contact_sheet.png", _sheet(self._shown))


def _cut(picture: NDArray[np.uint8], size: int, name: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Crop a panorama at both ends, and return it with the mask of its middle.

    Args:
        picture: `size W 3`; its first and last `size` columns are the photos.
        size: width of a photo.
        name: the random crop follows from it.
    """
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]))
    left, right = rng.integers(0, round((1 - LEAST) * size), 2, endpoint=True).tolist()
    mask = np.zeros(picture.shape[:2], np.bool_)
    mask[:, size:-size] = True
    kept = slice(left, picture.shape[1] - right)
    return np.ascontiguousarray(picture[:, kept]), np.ascontiguousarray(mask[:, kept])


def _entry(root: Path, name: str, meta: WindowMeta) -> ClipEntry:
    return ClipEntry(
        clip=name, split="test", scene=meta["scene"] or "unknown", camera=meta["camera"] or "unknown",
        source=meta["source"], forger="band/blending/hard", frames=root / "frames" / f"{name}.png",
        masks=root / "masks" / f"{name}.png",
    )  # fmt: skip


def _row(picture: NDArray[np.uint8], mask: NDArray[np.bool_], name: str) -> NDArray[np.uint8]:
    """Return a panorama with its generated part marked, below its name."""
    times = max(1, -(-SHOWN // picture.shape[0]))
    enlarged = picture.repeat(times, 0).repeat(times, 1)
    marked = overlay(enlarged, mask.repeat(times, 0).repeat(times, 1))
    return titled(strip([[enlarged, marked]], legend=FORGED), name)


def _sheet(rows: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return rows of different widths below each other, with white to the right of narrower rows."""
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    )


class BlendingPictures(ValidationPictures):
    """Show some validation photos after each validation: input, painted and true photo, and a blended pair below them.

    Args:
        count: largest number of photos.

    Raises:
        InputError: the count is below 1.
    """

    KIND, NAME, KEY, COLUMNS = BLENDING, "media/val/panoramas", "clip", 2

    def __init__(self, count: int = 4) -> None:
        super().__init__(count)

    def keep(self, outputs: Any, batch: Batch, sample: int) -> MarkedPicture:
        """Return the picture of a sample."""
        meta = batch["meta"][sample]
        rows = {
            "hidden": batch["image"],
            "drawn": outputs["filled"],
            "true": batch["clean"],
            "a pair, blended": outputs["blended"],
        }
        return MarkedPicture(
            strip([[titled(as_pixels(panoramas[sample, 0]), name)] for name, panoramas in rows.items()]),
            caption=f"{meta['clip']}, {meta['partner']}",
        )
