"""Write and print the result of a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from outpaint_lightning.callbacks.base import is_dry, log_table, number
from outpaint_lightning.io import write_csv, write_json
from outpaint_lightning.pictures.curves import curve_lines, curve_rows, write_curves


class TestReport(Callback):
    """Write `<run>/test/summary.json` and `per_video.csv`, and print the table of F1 beside its floors.

    After a test under corruptions also `robustness.csv` and `robustness.png`, and a line for each curve. For tasks that
    leave a result per video.
    """

    __test__ = False  # not a test case of pytest

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write and print, once, in the first process."""
        if not hasattr(pl_module, "per_video"):
            return
        if not trainer.is_global_zero or is_dry(trainer):
            return
        folder = Path(trainer.default_root_dir) / "test"
        summary: dict[str, Any] = {**pl_module.summary, "checkpoint": str(trainer.ckpt_path or "")}  # type: ignore[dict-item]
        write_json(folder / "summary.json", summary)
        write_csv(folder / "per_video.csv", pl_module.per_video)  # type: ignore[arg-type]
        log_table(trainer, "test/per_video", pl_module.per_video)  # type: ignore[arg-type]
        lines = [*result_table(summary), f"written to {folder}/summary.json and per_video.csv"]
        if "robustness" in summary:
            write_csv(folder / "robustness.csv", curve_rows(summary))
            write_curves(folder / "robustness.png", summary)
            lines[-1:] = [*curve_lines(summary), f"{lines[-1]}, robustness.csv and robustness.png"]
        print("\n".join(lines))


def result_table(summary: dict[str, Any]) -> list[str]:
    """Return the lines of a test's table: the net, its floors, its categories and forgers, authentic clips."""
    f1, interval = summary["f1"], summary["f1"]["interval"]
    lines = [
        f"{'pixel F1, mean over videos':32} {number(f1['mean'])}  ({f1['videos']} videos, variance "
        f"{number(f1['variance'])}, worst {number(f1['worst'])}, best {number(f1['best'])})",
        f"  {interval['level']:.0%} interval over {interval['resampled']:14} {number(interval['low'])}  to "
        f"{number(interval['high'])}",
        f"  at threshold {summary['threshold']:<17g} {_chosen(summary)}",
        *(f"  floor {name:24} {number(value)}" for name, value in summary["floors"].items()),
        f"{'gain over the best floor':32} {number(summary['gain'])}  (F1 - floor) / (1 - floor)",
    ]
    for title in ("by_category", "by_forger"):
        groups = summary[title].items()
        lines += [f"  {name:30} {number(group['f1'])}  ({group['videos']} videos)" for name, group in groups]
    authentic, auroc = summary["authentic"], summary["auroc"]
    seam, interior = (summary[region]["recall"] for region in ("seam", "interior"))
    lines += [
        f"{'found of seams, of interiors':32} {number(seam)}  {number(interior)}",
        f"{'AUROC of frames, of videos':32} {number(auroc['frame'])}  {number(auroc['video'])}",
        f"{'false positives, authentic pixels':32} {number(authentic['pixel_fpr'])}  ({authentic['videos']} videos)",
    ]
    if oracle := summary["oracle"]:
        best = f"at threshold {oracle['threshold']:g}, chosen on this very test"
        lines.append(f"{'oracle, not a result':32} {number(oracle['f1'])}  {best}")
    return lines


def _chosen(summary: dict[str, Any]) -> str:
    """Return where the threshold comes from."""
    choice = summary["threshold_choice"]
    if choice is None:
        return "fixed"
    return f"chosen on validation videos in epoch {choice['epoch']}, where F1 is {number(choice['f1'])}"
