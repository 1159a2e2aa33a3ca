"""Finds and reads run folders and sweep folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from outpaint_lightning.compare.config import flatten
from outpaint_lightning.io import natural_key, read_json, read_table
from outpaint_lightning.io.reading import inside
from outpaint_lightning.results import Kind, is_number, kind_of
from outpaint_lightning.settings.read import read_mapping
from outpaint_lightning.types import InputError, did_you_mean

CONFIGS = ("fit", "test", "validate", "predict")
"""Commands whose config describes a run, the most informative first."""
DEPTH = 3
"""Number of levels below a given folder that are searched for runs."""

Points = list[tuple[float, float]]
Row = dict[str, str]


@dataclass(frozen=True)
class Run:
    """The content of a run folder. Parts that do not exist yet are empty, and listed in `missing`."""

    folder: Path
    config: dict[str, Any]
    """Flat, see `config`; `test: data.root` is a key of the data with another value in the test than in the fit."""
    summary: dict[str, Any]
    rows: list[Row]
    """Rows of the test's table, one per video or image."""
    curves: dict[str, Points]
    """Steps and values of each column of `metrics.csv`."""
    examples: list[dict[str, Any]]
    """Records of `test/examples/examples.json`."""
    missing: list[str] = field(default_factory=list)

    @cached_property
    def kind(self) -> Kind:
        """The definition of its numbers."""
        return kind_of(str(self.config.get("model") or ""), self.summary)


@dataclass(frozen=True)
class Sweep:
    """The content of a sweep folder."""

    folder: Path
    record: dict[str, Any]
    """`sweep.json`."""
    trials: list[Row]


def find(paths: Sequence[str | os.PathLike[str]]) -> tuple[list[Run], list[Sweep]]:
    """Read the runs and sweeps at or below some folders, in order, each once.

    Raises:
        InputError: a folder is missing or holds neither, or a file cannot be read.
    """
    runs: dict[Path, Run] = {}
    sweeps: dict[Path, Sweep] = {}
    for path in map(Path, paths):
        folders = _folders(path)
        if not folders:
            raise InputError(
                f"{path}: no run; expected a run folder (config.fit.yaml, metrics.csv, test/), a folder of runs or a "
                "sweep"
            )
        for folder in folders:
            key = folder.resolve()
            if _is_sweep(folder):
                sweeps.setdefault(key, read_sweep(folder)) if key not in sweeps else None
            elif key not in runs:
                runs[key] = read_run(folder)
    return [*runs.values()], [*sweeps.values()]


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        InputError: a file in it cannot be read.
    """
    summary_file = folder / "test" / "summary.json"
    summary = read_json(summary_file, dict, "what a test writes") if summary_file.exists() else {}
    config = _config(folder)
    kind = kind_of(str(config.get("model") or ""), summary)
    table, metrics, examples = (
        folder / name for name in (f"test/{kind.table}", "metrics.csv", "test/examples/examples.json")
    )
    missing = {
        "no config": not config,
        "no config.fit.yaml": bool(config and not (folder / "config.fit.yaml").exists()),
        "no test yet": not summary,
        f"no test/{kind.table}": bool(summary and kind.value and not table.exists()),
        "no metrics.csv": not metrics.exists(),
    }
    return Run(
        folder,
        config,
        summary,
        rows=_rows(table, "clip", kind.value) if summary and kind.value and table.exists() else [],
        curves=_curves(metrics) if metrics.exists() else {},
        examples=_examples(examples) if examples.exists() else [],
        missing=[words for words, is_missing in missing.items() if is_missing],
    )


def read_sweep(folder: Path) -> Sweep:
    """Read a sweep folder.

    Raises:
        InputError: a file in it cannot be read.
    """
    file, table = folder / "sweep.json", folder / "trials.csv"
    record = read_json(file, dict, "the record of a sweep") if file.exists() else {}
    for key in ("metrics", "directions", "logarithmic"):
        if not isinstance(record.get(key, []), list):
            raise InputError(f"{file}: {key} is {record[key]!r}; expected a list")
    trials = _rows(table, "number", "state") if table.exists() else []
    for row in trials:
        if not row["number"].isdecimal():
            raise InputError(f"{table}: number is {row['number']!r}; expected that of a trial")
    return Sweep(folder, record, trials)


def _folders(path: Path, depth: int = DEPTH) -> list[Path]:
    """Return the runs and sweeps at or below a folder, in natural order."""
    if not path.is_dir():
        if path.exists():
            raise InputError(f"{path}: is a file; expected a run folder, a folder of runs or a sweep")
        near = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(f"{path}: no such folder{did_you_mean(path.name, near)}")
    if _is_sweep(path) or _is_run(path):
        return [path]
    below = sorted((entry for entry in path.iterdir() if entry.is_dir()), key=natural_key) if depth else []
    return [found for entry in below if not entry.name.startswith(".") for found in _folders(entry, depth - 1)]


def _is_sweep(folder: Path) -> bool:
    return (folder / "sweep.json").exists() or (folder / "trials.csv").exists()


def _is_run(folder: Path) -> bool:
    names = ("metrics.csv", "test/summary.json", *(f"config.{command}.yaml" for command in CONFIGS))
    return any((folder / name).is_file() for name in names)


def _config(folder: Path) -> dict[str, Any]:
    """Return the flat config of a run, with the values of the data that its test changed."""
    read = {c: _yaml(folder / f"config.{c}.yaml") for c in CONFIGS if (folder / f"config.{c}.yaml").exists()}
    config = next(iter(read.values()), {})
    tested = {k: v for k, v in read.get("test", {}).items() if k.startswith("data.") and config.get(k, ...) != v}
    return {**config, **{f"test: {key}": value for key, value in tested.items()}}


def _yaml(path: Path) -> dict[str, Any]:
    return dict(flatten(read_mapping(path, "the config that a run writes")))


def _rows(path: Path, *columns: str) -> list[Row]:
    """Return the rows of a table that must have some columns; empty names are ignored."""
    rows = read_table(path)
    for column in filter(None, columns):
        if rows and column not in rows[0]:
            raise InputError(f"{path}: no column {column!r}{did_you_mean(column, rows[0])}")
    return rows


def _curves(path: Path) -> dict[str, Points]:
    curves: dict[str, Points] = {}
    for row in read_table(path):
        for name, text in row.items():
            value, step = to_number(text), to_number(row.get("step", ""))
            if value is not None and step is not None and name not in ("epoch", "step"):
                curves.setdefault(name, []).append((step, value))
    return curves


def _examples(path: Path) -> list[dict[str, Any]]:
    records = read_json(path, list, "a list of the examples of a test")
    for record in records:
        if (
            not isinstance(record, dict)
            or {"clip", "frame", "f1", "file"} - record.keys()
            or not is_number(record["f1"])
        ):
            raise InputError(f"{path}: {str(record)[:100]}: expected clip, frame, f1 and file")
        if not inside(path.parent / str(record["file"]), path.parent):
            raise InputError(f"{path}: file is {record['file']!r}; expected one in {path.parent}")
    return records  # type: ignore[no-any-return]  # what JSON holds


def to_number(text: str) -> float | None:
    """Return the finite number in a table's cell, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
