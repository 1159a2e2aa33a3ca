"""The results of detecting whether an image is forged, and where."""

from __future__ import annotations

from collections.abc import Iterator

from outpaint_lightning.results.kinds import Column, Kind, Rows, Summary
from outpaint_lightning.results.text import Cells, aligned, count, number


class Regions(Kind):
    """The class, the box and the mask of images, with their floors."""

    def lines(self, summary: Summary, rows: Rows) -> list[str]:
        """Return the class and the box with their floors, kinds of masks and forgers, and the mask."""
        parts = (_class(summary), self._box(summary, rows), _groups(summary), _details(summary))
        return aligned([cells for lines in parts for cells in lines])

    def _box(self, summary: Summary, rows: Rows) -> Iterator[Cells]:
        iou = summary["iou"]
        yield (
            "IoU of the box, mean",
            number(iou["mean"]),
            f"of images found {number(iou['found'])}; above 0.5 {number(iou['above_50'])}, above 0.75 "
            f"{number(iou['above_75'])}; GIoU {number(summary['giou'])}",
        )
        yield "  95% interval over sources", number(iou["low"]), f"to {number(iou['high'])}{self.few_sources(rows)}"
        floors = {name: value for name, value in summary["floors"].items() if name not in self.foreign_floors}
        yield from ((f"  floor {name}", number(value), "") for name, value in floors.items())
        yield "  gain over the best floor", number(summary["gain"]["iou"]), "(IoU - floor) / (1 - floor)"


REGIONS = Regions(
    "regions",
    task="RegionTask",
    sign="giou",
    columns=(
        Column("iou.mean", "IoU of the box"),
        Column("gain.iou", "gain over floor"),
        Column("iou.found", "IoU where found"),
        Column("iou.above_50", "above 0.5", ".1%"),
        Column("iou.above_75", "above 0.75", ".1%"),
        Column("giou", "GIoU"),
        Column("f1", "F1 of the class"),
        Column("gain.f1", "its gain"),
        Column("precision", "precision"),
        Column("recall", "recall"),
        Column("auroc", "AUROC"),
        Column("mask.f1", "pixel F1 of the mask"),
    ),
    interval="iou",
    top=1.0,
    foreign_floors=frozenset({"all_forged"}),
    table="per_image.csv",
    unit="image",
    value="iou",
    groups=(("family of masks", "by_family", "iou"), ("forger", "by_forger", "iou")),
    curves=("val/iou", "val/f1", "val/loss", "train/loss"),
    monitored="val/f1_and_iou",
    undefined="no judged validation image is forged",
    progress=("train/loss", "val/loss", "val/f1", "val/f1_and_iou"),
    pictures={
        "examples.png": "images whose box is found best, as the median, and worst; true boxes green, found yellow"
    },
)


def _class(summary: Summary) -> Iterator[Cells]:
    images = summary["images"]
    numbers = ", ".join(f"{name} {number(summary[name.lower()])}" for name in ("precision", "recall", "AUROC"))
    counts = f"{images['forged']} forged, {count(images['authentic'], 'authentic image')}"
    yield "F1 of the class", number(summary["f1"]), f"{numbers}; {counts}"
    yield "  floor all_forged", number(summary["floors"]["all_forged"]), ""
    yield "  gain over it", number(summary["gain"]["f1"]), "(F1 - floor) / (1 - floor)"


def _groups(summary: Summary) -> Iterator[Cells]:
    for title, key in (("by family of masks", "by_family"), ("by forger", "by_forger")):
        if summary[key]:
            yield title, "F1", "IoU", ""
        for name, group in summary[key].items():
            yield f"  {name}", number(group["f1"]), number(group["iou"]), count(group["images"], "image")


def _details(summary: Summary) -> Iterator[Cells]:
    gap = summary["rectangle_gap"]
    yield "rectangles less other masks", number(gap["f1"]), number(gap["iou"]), ""
    if mask := summary.get("mask"):
        yield (
            "pixel F1 of the mask, mean",
            number(mask["f1"]),
            f"IoU {number(mask['iou'])}, IoU of its box {number(mask['box_iou'])}, false positives on authentic "
            f"images {number(mask['pixel_fpr'])}",
        )
    if found := summary.get("detections"):
        yield (
            "mean average precision",
            number(found["map"]),
            f"of all regions, IoU 0.5 to 0.95; at 0.5 {number(found['map_50'])}, at 0.75 {number(found['map_75'])}; "
            f"recall {number(found['recall'])}",
        )
    weights = "pretrained weights" if summary["pretrained"] else "scratch"
    yield "trained from", f"{weights}, images of {'x'.join(map(str, summary['size'] or '?'))}"
