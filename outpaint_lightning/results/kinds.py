"""What the results of each task hold: where its numbers are, and how they read."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    """A number of `summary.json`."""

    key: str
    """Dotted."""
    title: str
    form: str = ".3f"
    """Format of one value."""


@dataclass(frozen=True)
class Kind:
    """The results of one task."""

    name: str
    task: str
    """Class of `model`; empty for results of no task known here."""
    sign: str
    """Dotted key that only this kind's summary has; empty for none."""
    columns: tuple[Column, ...]
    """The first is the one that decides."""
    interval: str = ""
    """Dotted key of what holds its `low` and `high`."""
    lower: bool = False
    """The less, the better."""
    top: float | None = None
    """The largest value there can be."""
    foreign_floors: frozenset[str] = frozenset()
    """Those of `floors` that belong to another number than the first."""
    table: str = "per_video.csv"
    unit: str = "video"
    value: str = ""
    """Column of the table that the first number is the mean of."""
    row_floor: str = ""
    """What the table's column of a floor begins with; empty where it has none."""
    groups: tuple[tuple[str, str, str], ...] = ()
    """Title, key of `summary.json`, and the number of each of its members."""
    curves: tuple[str, ...] = ()
    """Columns of `metrics.csv` worth drawing."""

    def floors(self, summary: Mapping[str, Any]) -> dict[str, float]:
        """Return the floors of the first number that are defined."""
        return {k: v for k, v in part(summary, "floors").items() if k not in self.foreign_floors and is_number(v)}

    def best(self, values: Mapping[str, float]) -> tuple[str, float] | None:
        """Return the best of named values, the first of equals; None if there is none."""
        order = min if self.lower else max
        return order(values.items(), key=lambda item: item[1]) if values else None


LOCALIZER = Kind(
    "localizer",
    task="LocalizationTask",
    sign="authentic.pixel_fpr",
    columns=(
        Column("f1.mean", "pixel F1"),
        Column("gain", "gain over floor"),
        Column("f1.variance", "variance over videos"),
        Column("f1.worst", "worst video"),
        Column("iou.mean", "IoU"),
        Column("precision.mean", "precision"),
        Column("recall.mean", "recall"),
        Column("authentic.pixel_fpr", "false alarms", ".1%"),
        Column("seam.recall", "of seams"),
        Column("interior.recall", "of interiors"),
        Column("auroc.frame", "AUROC frames"),
        Column("auroc.video", "AUROC videos"),
        Column("threshold", "threshold", ".2f"),
        Column("oracle.f1", "F1 at best threshold"),
    ),
    interval="f1.interval",
    top=1.0,
    value="f1",
    row_floor="floor_",
    groups=(
        ("scene and camera", "by_category", "f1"),
        ("forger", "by_forger", "f1"),
        ("corruption: area under the curve", "robustness", "area"),
    ),
    curves=("val/f1", "val/pixel_fpr", "val/loss", "train/loss"),
)
REGIONS = Kind(
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
)
REFINER = Kind(
    "refiner",
    task="FlowRefinementTask",
    sign="epe.hole",
    columns=(
        Column("epe.hole", "error in the hole, px"),
        Column("gain", "gain over floor"),
        Column("gain_over_fill", "gain over its fill"),
        Column("epe.near_edges", "near edges, px"),
        Column("epe.occluded", "occluded, px"),
        Column("epe.frame", "whole frame, px"),
        Column("above_1px.hole", "above 1 px", ".1%"),
        Column("worse_than_fill.videos", "videos worse than fill", "g"),
        Column("confidence.ause", "AUSE"),
    ),
    interval="epe",
    lower=True,
    value="epe_hole",
    row_floor="epe_hole_",
    curves=("val/epe_hole", "val/above_1px", "val/loss", "train/loss"),
)
KINDS = (LOCALIZER, REGIONS, REFINER)


def kind_of(task: str, summary: Mapping[str, Any]) -> Kind:
    """Return the kind of a run by its task, else by its summary; one made of the summary's numbers for another."""
    for kind in KINDS:
        if task == kind.task or (not task and number_at(summary, kind.sign) is not None):
            return kind
    keys = [key for key, value in _leaves(summary) if is_number(value)]
    return Kind(task or "runs", task=task, sign="", columns=tuple(Column(key, key, ".4g") for key in keys))


def number_at(summary: Mapping[str, Any], key: str) -> float | None:
    """Return the number under a dotted key; None where there is none."""
    value: Any = summary
    for word in key.split("."):
        value = value.get(word) if isinstance(value, Mapping) else None
    return float(value) if is_number(value) else None


def part(summary: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the mapping under a key; an empty one where there is none."""
    found = summary.get(key)
    return found if isinstance(found, Mapping) else {}


def is_number(value: Any) -> bool:
    """Return whether a value of JSON is a finite number: Python's JSON may hold NaN, Infinity and larger integers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _leaves(summary: Mapping[str, Any], path: str = "") -> list[tuple[str, Any]]:
    """Return the dotted keys of a summary and what they hold."""
    found = []
    for key, value in summary.items():
        inside = isinstance(value, Mapping)
        found += _leaves(value, f"{path}{key}.") if inside else [(f"{path}{key}", value)]
    return found
