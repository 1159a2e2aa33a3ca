"""Evaluation of painted photos: classes by a segmenter, pixel errors, distances between sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from outpaint_lightning.metrics import (
    ClassCounts,
    FillErrors,
    FrechetDistance,
    best_of,
    by_scene,
    frechet_summary,
    lpips,
    photo_rows,
    photo_scores,
    split_scores,
    summarize_fills,
)
from outpaint_lightning.nets import SeededFeatures
from outpaint_lightning.types import Batch, InputError, VideoInfo

REAL = "photo"
"""Name of the true photo among the evaluated ones: an upper bound for painted photos."""


class PhotoJudge:
    """Collects the metrics of the photos of a split. It is not a module, so the segmenter stays out of checkpoints.

    Args:
        videos: information on each photo.
        methods: names of the fills; the first is the net with the true layout.
        samples: number of composites from sampled layouts per photo; 0 for none.
        classes: number of classes C.
        segmenter: returns class scores `N C H W` of photos; None omits the scores of classes.
        features: net of the Fréchet distance; None for `SeededFeatures(2)`.
        distances: whether to compute the Fréchet distance and LPIPS.
        device: device of the photos.

    Raises:
        InputError: the segmenter has another number of classes (raised by `update`).
    """

    def __init__(
        self,
        videos: Sequence[VideoInfo],
        methods: Sequence[str],
        samples: int,
        classes: int,
        segmenter: nn.Module | None,
        features: nn.Module | None,
        distances: bool,
        device: torch.device,
    ) -> None:
        self.videos, self.methods, self.samples, self.classes = list(videos), list(methods), samples, classes
        self.position = {video["clip"]: at for at, video in enumerate(videos)}
        self.segmenter = None if segmenter is None else segmenter.eval().requires_grad_(False).to(device)
        self.pixels = FillErrors([1] * len(videos), len(methods)).to(device)
        self.counts = ClassCounts(len(videos), len(methods) + 1, classes).to(device)
        self.drawn = ClassCounts(len(videos), samples, classes).to(device) if samples else None
        self.frechet = FrechetDistance(features or SeededFeatures(2)).to(device) if distances else None
        self.frechet_name = type(features).__name__ if features is not None else SeededFeatures.__name__
        perceptual = lpips() if distances else None
        self.lpips: Any = None if perceptual is None else perceptual.to(device)
        self._differ: list[Tensor] = []

    def update(self, batch: Batch, made: Tensor) -> None:
        """Add a batch; `made` is `B M 3 H W`, one composite per method."""
        photos = [self.position[meta["clip"]] for meta in batch["meta"]]
        clean, mask = batch["clean"], batch["mask"]
        self.pixels.update(photos, [[0]] * len(photos), made.transpose(0, 1)[:, :, None], clean, mask)
        self._count(self.counts, photos, batch, torch.cat([made, clean], 1))
        if self.frechet is not None:
            self.frechet.update(clean, real=True)
            self.frechet.update(made[:, :1], real=False)
        if self.lpips is not None:
            self.lpips.update(made[:, 0], clean[:, 0])

    def update_drawn(self, batch: Batch, made: Tensor, differ: Tensor) -> None:
        """Add composites `B K 3 H W` of sampled layouts, and the `disagreement` of these layouts."""
        assert self.drawn is not None
        photos = [self.position[meta["clip"]] for meta in batch["meta"]]
        self._count(self.drawn, photos, batch, made)
        self._differ.append(differ)

    def _count(self, table: ClassCounts, photos: Sequence[int], batch: Batch, made: Tensor) -> None:
        if self.segmenter is None:
            return
        scores = self.segmenter(made.flatten(0, 1))
        if scores.ndim != 4 or scores.shape[1] != self.classes:
            raise InputError(
                f"model.segmenter: {type(self.segmenter).__name__} gives scores of shape {tuple(scores.shape)}; "
                f"expected N {self.classes} H W, one for each class of the data"
            )
        table.update(photos, scores.argmax(1).unflatten(0, made.shape[:2]), batch["layout"][:, 0], batch["mask"][:, 0])

    def summarize(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the summary of the split and one row per photo."""
        pixels, pixel_rows = summarize_fills(self.pixels, self.videos, self.methods)
        counts = self._counted(self.counts)
        own, floors = counts[:, 0], dict(zip(self.methods[1:], counts.unbind(1)[1:-1], strict=True))
        judge = "" if self.segmenter is None else type(self.segmenter).__name__
        summary = {
            "content": {**photo_scores(own, self.videos), **split_scores(own), "judge": judge,
                        "photos": len(self.videos)},
            "judged": self._judged(counts),
            "floors": {name: photo_scores(each, self.videos)["mean"] for name, each in floors.items()},
            "by_scene": by_scene(own, self.videos) if judge else {},
            **self._sampled(),
            "mae": pixels["mae"], "rmse": pixels["rmse"], "methods": pixels["methods"],
            "psnr": pixels["psnr"], "ssim": pixels["ssim"],
            "frechet": frechet_summary(self._distances()),
            "lpips": None if self.lpips is None else float(self.lpips.compute()),
        }  # fmt: skip
        errors = {row["clip"]: {key: row[key] for key in ("mae_hole", "psnr", "ssim")} for row in pixel_rows}
        rows = [{**row, **errors[row["clip"]]} for row in photo_rows(own, floors, self.videos) if row["clip"] in errors]
        return summary, rows

    def _distances(self) -> dict[str, FrechetDistance]:
        return {} if self.frechet is None else {f"{self.frechet_name} of photos": self.frechet}

    def _counted(self, table: ClassCounts) -> Tensor:
        """Return the counts of a table; NaN without a segmenter."""
        return torch.full_like(table.table, torch.nan) if self.segmenter is None else table.compute()

    def _judged(self, counts: Tensor) -> dict[str, dict[str, Any]]:
        """Return the scores of each method, of the true photo and of sampled layouts, by name."""
        named = dict(zip([*self.methods, REAL], counts.unbind(1), strict=True))
        remarks = {
            self.methods[0]: "painted by the true layout",
            REAL: "the true photo, as the judge sees it",
        }
        if self.drawn is not None:
            drawn = self._counted(self.drawn)
            named |= {"drawn": drawn, "drawn, best": best_of(drawn)}
            remarks |= {"drawn": "painted by layouts drawn", "drawn, best": f"of {self.samples}, by the true layout"}
        return {
            name: {"iou": photo_scores(each, self.videos)["mean"], **_split(each), "remark": remarks.get(name, "")}
            for name, each in named.items()
        }

    def _sampled(self) -> dict[str, Any]:
        if self.drawn is None:
            return {}
        drawn = self._counted(self.drawn)
        differ = float(torch.cat(self._differ).nanmean()) if self.samples > 1 and self._differ else None
        best = split_scores(best_of(drawn))
        return {"sampled": {**_split(drawn), "best": best, "samples": self.samples, "disagreement": differ}}


def _split(counts: Tensor) -> dict[str, float | None]:
    """Return the scores of a split from counts `N 3 C`, or from those of all samples together, `N K 3 C`."""
    return split_scores(counts if counts.ndim == 3 else counts.flatten(0, 1))
