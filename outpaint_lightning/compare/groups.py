"""Experiments: runs that differ only in their seeds, their means, and the uncertainty of differences."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.compare.config import as_text, seeds, without_seeds
from outpaint_lightning.compare.runs import Row, Run, to_number
from outpaint_lightning.results import Kind, number_at

LEVEL = 0.95
RESAMPLES = 10_000
_BLOCK = 500  # resamples drawn at a time

Values = NDArray[Any]


class Unit(NamedTuple):
    """A video or an image of a test, with its value averaged over the runs of an experiment."""

    name: str
    group: str
    """Scene and camera, if known."""
    forger: str
    source: str
    floor: float | None
    """Best floor in the first run."""
    value: float


class Interval(NamedTuple):
    """A mean with its confidence interval; None where it is undefined."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Group:
    """An experiment: one run, or several that differ in their seeds."""

    name: str
    runs: tuple[Run, ...]

    @property
    def kind(self) -> Kind:
        """The definition of its numbers."""
        return self.runs[0].kind

    @property
    def first(self) -> Run:
        """The run that represents the others: the first with a test."""
        return next((run for run in self.runs if run.summary), self.runs[0])

    def values(self, key: str) -> list[float]:
        """Return one number from the summary of each run that has it."""
        return [value for run in self.runs if (value := number_at(run.summary, key)) is not None]

    def mean(self, key: str) -> float | None:
        """Return the mean of a number over the runs; None if no run has it."""
        values = self.values(key)
        return sum(values) / len(values) if values else None

    def deviation(self, key: str) -> float | None:
        """Return its sample standard deviation (n - 1) over the runs; None for fewer than two runs."""
        values = self.values(key)
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    @property
    def score(self) -> float | None:
        """The mean of the main number."""
        return self.mean(self.kind.columns[0].key) if self.kind.columns else None

    @cached_property
    def floor(self) -> tuple[str, float] | None:
        """Name and value of the best floor, by its mean over the runs."""
        floors = [self.kind.floors(run.summary) for run in self.runs if run.summary]
        common = [name for name in (floors[0] if floors else {}) if all(name in each for each in floors)]
        return self.kind.best({name: sum(each[name] for each in floors) / len(floors) for name in common})

    @cached_property
    def tables(self) -> list[dict[str, Unit]]:
        """For each tested run, its tested videos or images, by name."""
        return [{unit.name: unit for unit in _units(run)} for run in self.runs if run.rows]

    @cached_property
    def units(self) -> dict[str, Unit]:
        """The videos or images that every tested run has, by name, in the table's order."""
        return {
            name: unit._replace(value=sum(table[name].value for table in self.tables) / len(self.tables))
            for name, unit in (self.tables[0] if self.tables else {}).items()
            if all(name in table for table in self.tables)
        }

    def values_of(self, names: Sequence[str]) -> Values:
        """Return `runs videos`: the values of each run in videos that all runs have."""
        return np.array([[table[name].value for name in names] for table in self.tables])

    @cached_property
    def interval(self) -> Interval | None:
        """The main number: for one run with its test's interval; several runs are resampled too, see `bootstrap`."""
        if self.score is None:
            return None
        low, high = (number_at(self.first.summary, f"{self.kind.interval}.{end}") for end in ("low", "high"))
        if len(self.values(self.kind.columns[0].key)) > 1:
            drawn = bootstrap(self.values_of([*self.units]), [unit.source for unit in self.units.values()])
            low, high = drawn[1:] if drawn else (None, None)
        return Interval(self.score, low, high)


def group(runs: Sequence[Run]) -> list[Group]:
    """Join the runs whose configs differ only in their seeds, in the order of their first runs."""
    alike: dict[str, list[Run]] = {}
    for run in runs:
        config = sorted((key, as_text(value)) for key, value in without_seeds(run.config).items())
        alike.setdefault(repr((run.kind.name, config)) if config else str(run.folder), []).append(run)
    members = [each for same in alike.values() for each in ([same] if _seeds_differ(same) else [[run] for run in same])]
    order = {run.folder: i for i, run in enumerate(runs)}
    members.sort(key=lambda each: order[each[0].folder])
    return [Group(name, tuple(each)) for name, each in zip(_names(members), members, strict=True)]


def seed_of(run: Run) -> str:
    """Return the seed of a run, or its seeds if they differ."""
    return ", ".join(dict.fromkeys(map(as_text, seeds(run.config).values())))


def versus(other: Group, baseline: Group) -> Interval | None:
    """Return the mean difference to a baseline over the common videos; None if there are none."""
    common = [name for name in baseline.units if name in other.units]
    sources = [baseline.units[name].source for name in common]
    return bootstrap(other.values_of(common), sources, baseline.values_of(common)) if common else None


def bootstrap(values: Values, sources: Sequence[str], less: Values | None = None, seed: int = 0) -> Interval | None:
    """Return a mean with its percentile bootstrap interval: sources are drawn with replacement, and so are runs.

    For one run it equals `metrics.bootstrap_interval`, but it does not import torch, so that `compare` answers in a
    second. The interval of a difference is paired: both sides use the videos of the same sources.

    Args:
        values: `runs videos`.
        sources: source of each video; videos of one source are drawn together.
        less: `runs videos` of a baseline whose mean is subtracted; its runs are drawn independently.
        seed: the same seed gives the same interval.

    Returns:
        None without videos; `low` and `high` are None with a single source.
    """
    if not values.size:
        return None
    units, unit = np.unique(np.array(sources), return_inverse=True)
    counts, rng = np.bincount(unit), np.random.default_rng(seed)
    sides = [np.stack([np.bincount(unit, weights=run) for run in side]) for side in (values, less) if side is not None]
    signs = (1, -1)
    mean = sum(sign * side.mean(0).sum() for sign, side in zip(signs, sides, strict=False)) / counts.sum()
    if len(units) == 1:
        return Interval(float(mean), None, None)

    def drawn(things: int) -> Values:
        return rng.multinomial(things, [1 / things] * things, size=_BLOCK)

    means = []
    for _ in range(RESAMPLES // _BLOCK):
        of_source = drawn(len(units))
        sums = sum(sign * (drawn(len(side)) @ side) / len(side) for sign, side in zip(signs, sides, strict=False))
        means.append((sums * of_source).sum(1) / (counts * of_source).sum(1))
    low, high = np.quantile(np.concatenate(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(mean), float(low), float(high))


def _units(run: Run) -> Iterator[Unit]:
    """Yield the videos or images of a test that have a defined value."""
    kind, floors = run.kind, run.kind.floors(run.summary)
    for row in run.rows:
        value = to_number(row[kind.value])
        if value is None:
            continue
        own = {name: to_number(row.get(kind.row_floor + name, "")) for name in floors if kind.row_floor}
        best = kind.best({name: floor for name, floor in own.items() if floor is not None})
        name = f"{row['clip']} / {row['frame']}" if row.get("frame", "0") != "0" else row["clip"]
        yield Unit(name, _category(row), row.get("forger", ""), row.get("source") or name, best and best[1], value)


def _category(row: Row) -> str:
    return "/".join(filter(None, (row.get("scene"), row.get("camera"))))


def _seeds_differ(runs: Sequence[Run]) -> bool:
    return len({repr(seeds(run.config)) for run in runs}) == len(runs)


def _names(members: Sequence[Sequence[Run]]) -> list[str]:
    """Return a short name for each experiment: its runs' path below the folder that all runs have in common."""
    folders = [[run.folder.resolve() for run in runs] for runs in members]
    root = Path(os.path.commonpath([folder for each in folders for folder in each]))
    used: dict[str, int] = {}
    names = []
    for each in folders:
        common = Path(os.path.commonpath(each))
        if common == root:  # runs of several experiments in one folder, or only one experiment
            words = os.path.commonprefix([folder.name for folder in each]).rstrip("_-. ")  # noqa: RUF071 (letters are meant)
            name = words if len(members) > 1 and words else root.name
        else:
            name = common.relative_to(root).as_posix()
        used[name] = used.get(name, 0) + 1
        names.append(name if used[name] == 1 else f"{name} ({used[name]})")
    return names
