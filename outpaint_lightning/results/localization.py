"""The results of finding forged pixels in video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from outpaint_lightning.io.files import write_csv
from outpaint_lightning.pictures.curves import write_curves
from outpaint_lightning.results.kinds import Column, Kind, Rows, Summary
from outpaint_lightning.results.text import Cells, aligned, count, number


class Localization(Kind):
    """Pixel F1 per video with its floors, and a curve for each corruption."""

    def lines(self, summary: Summary, rows: Rows) -> list[str]:
        """Return the net's F1, its floors, categories and forgers, authentic clips, and the curves."""
        parts = (self._whole(summary, rows), _groups(summary), _details(summary), robustness_lines(summary))
        return aligned([cells for lines in parts for cells in lines])

    def _whole(self, summary: Summary, rows: Rows) -> Iterator[Cells]:
        f1, interval = summary["f1"], summary["f1"]["interval"]
        spread = ", ".join(f"{name} {number(f1[name])}" for name in ("variance", "worst", "best"))
        yield "pixel F1, mean over videos", number(f1["mean"]), f"{count(f1['videos'], 'video')}, {spread}"
        title = f"  {interval['level']:.0%} interval over {interval['resampled']}"
        yield title, number(interval["low"]), f"to {number(interval['high'])}{self.few_sources(rows)}"
        yield "  at threshold", f"{summary['threshold']:g}", _chosen(summary["threshold_choice"])
        yield from ((f"  floor {name}", number(value), "") for name, value in summary["floors"].items())
        yield "gain over the best floor", number(summary["gain"]), "(F1 - floor) / (1 - floor)"

    def write(self, folder: Path, summary: Summary) -> list[str]:
        """Write `robustness.csv` and `robustness.png` after a test with corruptions."""
        if "robustness" not in summary:
            return []
        write_csv(folder / "robustness.csv", robustness_rows(summary))
        write_curves(folder / "robustness.png", summary)
        return ["robustness.csv", "robustness.png"]


LOCALIZATION = Localization(
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
    monitored="val/f1",
    undefined="no judged validation frame has forged pixels",
    progress=("train/loss", "val/loss", "val/f1", "val/pixel_fpr"),
    pictures={"robustness.png": "F1 under corruptions"},
)


def robustness_lines(summary: Summary) -> Iterator[Cells]:
    """Yield the lines of a test's curves: the area under each, then F1 at each level; empty without corruptions."""
    if "robustness" in summary:
        yield "under corruption", "area", "F1 at each level"
    for name, curve in summary.get("robustness", {}).items():
        levels = zip(curve["levels"], curve["f1"], strict=True)
        points = "  ".join(f"{level:g}: {number(f1)}" for level, f1 in levels)
        yield f"  {name}, {curve['option']}", number(curve["area"]), points


def robustness_rows(summary: Summary) -> list[dict[str, Any]]:
    """Return `curve,option,level,f1,share,pixel_fpr` for each level of each curve; clean clips come first, no level."""
    f1 = summary["f1"]["mean"]
    clean = {"level": None, "f1": f1, "share": 1.0 if f1 else None, "pixel_fpr": summary["authentic"]["pixel_fpr"]}
    rows = []
    for name, curve in summary["robustness"].items():
        title = {"curve": name, "option": curve["option"]}
        rows.append({**title, **clean})
        values = zip(curve["levels"], curve["f1"], curve["share"], curve["pixel_fpr"], strict=True)
        rows += [{**title, **dict(zip(clean, value, strict=True))} for value in values]
    return rows


def _groups(summary: Summary) -> Iterator[Cells]:
    for title, key in (("by scene and camera", "by_category"), ("by forger", "by_forger")):
        if summary[key]:
            yield title, "F1", ""
        for name, group in summary[key].items():
            yield f"  {name}", number(group["f1"]), count(group["videos"], "video")


def _details(summary: Summary) -> Iterator[Cells]:
    for region in ("seam", "interior"):
        yield f"found of {region}s", number(summary[region]["recall"]), ""
    for unit in ("frame", "video"):
        yield f"AUROC of {unit}s", number(summary["auroc"][unit]), ""
    authentic = summary["authentic"]
    yield (
        "false positives, authentic pixels",
        number(authentic["pixel_fpr"]),
        f"{count(authentic['videos'], 'authentic video')}",
    )
    if oracle := summary["oracle"]:
        best = f"at threshold {oracle['threshold']:g}, chosen on this very test"
        yield "oracle, not a result", number(oracle["f1"]), best


def _chosen(choice: dict[str, Any] | None) -> str:
    """Return the origin of the threshold, in words."""
    if choice is None:
        return "fixed"
    return f"chosen on validation videos in epoch {choice['epoch']}, where F1 is {number(choice['f1'])}"
