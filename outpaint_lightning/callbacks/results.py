"""Write and print the result of a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from outpaint_lightning.io import write_csv, write_json


class TestReport(Callback):
    """Write `<run>/test/summary.json` and `per_video.csv`, and print the table of F1 beside its floors.

    Does so for tasks that leave a result per video.
    """

    __test__ = False  # not a test case of pytest

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write and print, once, in the first process."""
        if not hasattr(pl_module, "per_video"):
            return
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]  # set by a connector
            return
        folder = Path(trainer.default_root_dir) / "test"
        summary: dict[str, Any] = {**pl_module.summary, "checkpoint": str(trainer.ckpt_path or "")}  # type: ignore[dict-item]
        write_json(folder / "summary.json", summary)
        write_csv(folder / "per_video.csv", pl_module.per_video)  # type: ignore[arg-type]
        print("\n".join([*result_table(summary), f"written to {folder}/summary.json and per_video.csv"]))


def result_table(summary: dict[str, Any]) -> list[str]:
    """Return the lines of a test's table: the net, its floors, its categories and forgers, authentic clips."""
    f1 = summary["f1"]
    lines = [
        f"{'pixel F1, mean over videos':32} {_score(f1['mean'])}  ({f1['videos']} videos, variance "
        f"{_score(f1['variance'])}, worst {_score(f1['worst'])}, best {_score(f1['best'])})",
        *(f"  floor {name:24} {_score(value)}" for name, value in summary["floors"].items()),
        f"{'gain over the best floor':32} {_score(summary['gain'])}  (F1 - floor) / (1 - floor)",
    ]
    for title in ("by_category", "by_forger"):
        groups = summary[title].items()
        lines += [f"  {name:30} {_score(group['f1'])}  ({group['videos']} videos)" for name, group in groups]
    authentic = summary["authentic"]
    lines.append(
        f"{'false positives, authentic pixels':32} {_score(authentic['pixel_fpr'])}  ({authentic['videos']} videos)"
    )
    return lines


def _score(value: float | None) -> str:
    return "    -" if value is None else f"{value:.3f}"
