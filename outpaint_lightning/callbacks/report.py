"""Writes and prints the result of a test, for every kind of task."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from outpaint_lightning.callbacks.base import is_dry, log_table, result_of
from outpaint_lightning.checkpoints.card import new_card
from outpaint_lightning.io import write_csv, write_json
from outpaint_lightning.results import tested


class TestReport(Callback):
    """Write and print the `result` that a task leaves after a test, as defined by the result's kind.

    `<run>/test/` gets `summary.json`, the kind's table (`per_video.csv` or `per_image.csv`) and the kind's other files.
    The table is also given to loggers that accept tables. `seal` copies `card.json` into the checkpoint.
    """

    __test__ = False  # not a test case of pytest

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write and print once, in the first process."""
        result = result_of(pl_module)
        if result is None or not trainer.is_global_zero or is_dry(trainer):
            return
        kind, folder = result.kind, Path(trainer.default_root_dir) / "test"
        summary = {**result.summary, "checkpoint": str(trainer.ckpt_path or "")}
        write_json(folder / "summary.json", summary)
        write_csv(folder / kind.table, result.rows)
        log_table(trainer, f"test/{Path(kind.table).stem}", result.rows)
        files = ["summary.json", kind.table, *kind.write(folder, summary)]
        if kind.columns and isinstance(pl_module, pl.LightningModule):
            data = Path(getattr(trainer.datamodule, "root", None) or "").name  # type: ignore[attr-defined]
            found = tested(kind, summary, result.rows, data)
            write_json(folder / "card.json", new_card(pl_module.state_dict(), tested=found))
            files.append("card.json")
        print("\n".join([*kind.lines(summary, result.rows), f"written to {folder}: {', '.join(files)}"]))
