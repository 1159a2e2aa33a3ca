"""The results of layout generators and of segmenters."""

from __future__ import annotations

from outpaint_lightning.results.kinds import Column, Kind, Rows, Summary
from outpaint_lightning.results.text import Cells, aligned, count, number


class Layouts(Kind):
    """Scores of sampled layouts and of the most common layout, and retrieval."""

    def lines(self, summary: Summary, rows: Rows) -> list[str]:
        """Return a table of scores, the difference between samples, and a table of retrieval."""
        iou, found, best = summary["iou"], summary["retrieval"], summary["best"]
        told = count(summary["samples"], "sample")
        parts: list[list[Cells]] = [
            [
                ("layouts", "mIoU of a photo", "mIoU of the split", "accuracy", ""),
                ("net, mean of samples", *_scores(iou["mean"], summary), told),
                ("net, best of them", "", *_scores(best["miou"], best)[1:], "by the true layout"),
                *[(f"  floor {name}", number(value), "", "", "") for name, value in self.floors(summary).items()],
            ],
            [
                ("mIoU of a photo, 95% over photos", number(iou["low"]),
                 f"to {number(iou['high'])}{self.few_sources(rows)}; {count(iou['photos'], 'photo')}"),
                ("share of the background on which two samples differ", number(summary["disagreement"]), ""),
            ],
            [
                ("layout nearest to the foreground", "share", "chance", ""),
                ("  is its own", number(found["top1"]), number(found["chance"], ".4f"), ""),
                ("  has nearly the same classes", number(found["alike"]), number(found["alike_chance"]), ""),
            ],
        ]  # fmt: skip
        return [line for cells in parts for line in aligned(cells)]


def _scores(first: float | None, scores: Summary) -> tuple[str, str, str]:
    return number(first), number(scores["miou"]), number(scores["accuracy"])


LAYOUTS = Layouts(
    "layout generator",
    task="LayoutTask",
    sign="retrieval.chance",
    columns=(
        Column("iou.mean", "mIoU of a photo"),
        Column("miou", "mIoU of the split"),
        Column("accuracy", "accuracy"),
        Column("best.miou", "mIoU, best sample"),
        Column("retrieval.top1", "retrieval, top 1"),
        Column("retrieval.alike", "retrieval, same classes"),
        Column("disagreement", "samples differ"),
    ),
    interval="iou",
    top=1.0,
    table="per_photo.csv",
    unit="photo",
    value="iou",
    row_floor="iou_",
    groups=(("scene", "by_scene", "iou"),),
    curves=("val/layout_iou", "val/top1", "val/disagreement", "train/loss"),
    monitored="val/layout_iou",
    undefined="no validation photo has a background whose classes are known",
    progress=("train/loss", "val/layout_iou", "val/top1"),
)


class Segmentation(Kind):
    """Classes of pixels, predicted from the photo itself."""

    def lines(self, summary: Summary, rows: Rows) -> list[str]:
        """Return the scores and their floor."""
        iou = summary["iou"]
        few = f"to {number(iou['high'])}{self.few_sources(rows)}; {count(iou['photos'], 'photo')}"
        cells: list[Cells] = [
            ("mIoU of a photo", number(iou["mean"]), ""),
            *[(f"  floor {name}", number(value), "") for name, value in self.floors(summary).items()],
            ("  95% over photos", number(iou["low"]), few),
            ("mIoU of the split", number(summary["miou"]), ""),
            ("accuracy", number(summary["accuracy"]), ""),
        ]
        return aligned(cells)


SEGMENTATION = Segmentation(
    "segmenter",
    task="SegmentationTask",
    sign="segmented",
    columns=(
        Column("iou.mean", "mIoU of a photo"),
        Column("miou", "mIoU of the split"),
        Column("accuracy", "accuracy"),
    ),
    interval="iou",
    top=1.0,
    table="per_photo.csv",
    unit="photo",
    value="iou",
    row_floor="iou_",
    groups=(("scene", "by_scene", "iou"),),
    curves=("val/segment_iou", "train/loss"),
    monitored="val/segment_iou",
    undefined="no validation photo has a class that is known",
    progress=("train/loss", "val/segment_iou"),
)
