"""Metrics as CSV: a file that neither a kill nor a full disk shortens."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from outpaint_lightning.io.files import atomic, full_disk_at


class MetricsLogger(CSVLogger):
    """Lightning's CSV logger, which keeps the rows that are already in its file.

    Lightning deletes the file when a training goes on, and empties it when a new metric needs another header, before
    it writes the old rows again. A kill or a full disk at that moment loses them.
    """

    @property
    @rank_zero_experiment
    def experiment(self) -> MetricsFile:
        """Return the writer of the file."""
        if not isinstance(self._experiment, MetricsFile):
            self._experiment = MetricsFile(self.log_dir)
        return self._experiment


class MetricsFile(ExperimentWriter):
    """Appends rows to `metrics.csv`, or replaces it by a whole file when its header changes."""

    def _check_log_dir_exists(self) -> None:
        """Leave the file there, which Lightning would delete."""

    def keep(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace the rows of the file by these; without a row, remove it.

        Raises:
            OSError: the disk is full; the error names the file, which is as before.
        """
        keys = sorted({key for row in rows for key in row})
        if rows:
            with atomic(self._path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, keys)
                writer.writeheader()
                writer.writerows(rows)
        else:
            self._path.unlink(missing_ok=True)
        self.metrics_keys = keys

    def save(self) -> None:
        """Write the rows that were recorded since the last call.

        Raises:
            OSError: the disk is full; the error names the file, which keeps its earlier rows.
        """
        if not self.metrics:
            return
        if {key for row in self.metrics for key in row} <= {*self.metrics_keys}:
            self._append()
        else:
            self.keep([*read_rows(self._path), *self.metrics])
        self.metrics = []

    @property
    def _path(self) -> Path:
        return Path(self.metrics_file_path)

    def _append(self) -> None:
        size = self._path.stat().st_size
        with full_disk_at(self._path):
            try:
                with self._path.open("a", newline="", encoding="utf-8") as file:
                    csv.DictWriter(file, self.metrics_keys).writerows(self.metrics)
            except OSError:
                os.truncate(self._path, size)
                raise


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file of metrics, without empty cells; a last row that a kill cut off is left out."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        lines = [line for line in file if line.endswith("\n")]
    return [{key: value for key, value in row.items() if value} for row in csv.DictReader(lines)]
