"""A sweep on the page: best trial, history, parallel coordinates, importance of its keys, table of trials."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.compare.pictures import embedded
from outpaint_lightning.compare.runs import Row, Sweep, to_number
from outpaint_lightning.pages import svg
from outpaint_lightning.pages.html import Cell, Head, digits, figure, key, note, number, section, table, text
from outpaint_lightning.types import InputError

OUTSIDE = ("number", "state", "value", "epochs", "seconds", "exceeds", "reason", "folder")
"""Columns of `trials.csv` that are not keys of the space."""
ENOUGH = 4  # minimum number of trials for a correlation
LOGARITHMIC = 30  # a key with a larger ratio of values gets a logarithmic axis, if its scale is unknown
WORDS = 8  # largest number of choices written at an axis
SHORT = 80  # characters of a cell
TICK = 18  # characters at an axis, which fit between two axes


class Study:
    """The trials of a sweep as numbers.

    Args:
        sweep: a sweep with trials.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.folder, self.trials = sweep.folder, sweep.trials
        metrics = [str(metric) for metric in sweep.record.get("metrics") or ()]
        self.columns = list(self.trials[0])
        self.objectives = [column for column in self.columns if column == "value" or column in metrics]
        self.keys = [column for column in self.columns if column not in (*OUTSIDE, *self.objectives)]
        self.keys = [name for name in self.keys if any(row[name] for row in self.trials)]
        self.logarithmic: list[str] | None = sweep.record.get("logarithmic")
        directions = sweep.record.get("directions") or ["maximize"]
        self.sign = -1 if directions[0] == "minimize" else 1
        self.titles = metrics if len(metrics) == len(self.objectives) else self.objectives
        ended = [row for row in self.trials if row["state"] == "COMPLETE"]
        reached = [(row, self.value(row)) for row in ended]
        self.complete = sorted(
            ((row, value) for row, value in reached if value is not None),
            key=lambda pair: (bool(pair[0].get("exceeds")), -self.sign * pair[1]),  # those within the constraints first
        )

    def value(self, row: Row, objective: int = 0) -> float | None:
        """Return the value of a trial."""
        return to_number(row[self.objectives[objective]]) if self.objectives else None

    def best(self) -> str:
        """Return a sentence about the best trial."""
        if not self.complete:
            return "None is complete yet."
        row = self.complete[0][0]
        reached = [f"{title} {digits(self.value(row, i), '.4f')}" for i, title in enumerate(self.titles)]
        values = ", ".join(f"{key(name)} {escape(_short(row[name]))}" for name in self.keys if row[name])
        return f"Best is trial {escape(row['number'])} with {escape(', '.join(reached))}: {values}."

    def history(self) -> str:
        """Return the chart of values in the order of trials."""
        reached = sorted((float(row["number"]), value) for row, value in self.complete)
        best = np.maximum.accumulate([self.sign * value for _, value in reached]) * self.sign
        so_far = [(at, float(value)) for (at, _), value in zip(reached, best, strict=True)]
        series = [svg.Series("best so far", "s1", so_far), svg.Series("trials", "sx", reached, joined=False)]
        return figure(svg.lines(series, "trial", self.titles[0]), "Complete trials in grey, the best so far in colour.")

    def trade(self) -> str:
        """Return the chart of the first two objectives; empty if there is only one."""
        if len(self.objectives) < 2:
            return ""
        points = [(value, other) for row, value in self.complete if (other := self.value(row, 1)) is not None]
        chart = svg.lines([svg.Series("trials", "s1", points, joined=False)], *self.titles[:2]) if points else ""
        return chart and figure(chart, "The first two objectives of the complete trials.")

    def correlations(self) -> str:
        """Return the table of each key's correlation with the first objective, and Optuna's picture if it exists."""
        found = [(name, correlated) for name in self.keys if (correlated := self.correlation(name))]
        rows = [
            [Cell(key(name), name, "t"), number(value, form), Cell(svg.bar(value), css="p"), number(of, "d")]
            for name, (value, form, of) in sorted(found, key=lambda pair: -abs(pair[1][0]))
        ]
        heads = [Head("key", "t"), Head("correlation"), Head("-1 to 1", "p"), Head("trials")]
        caption = (
            "How the first objective goes with each key: Spearman's rank correlation of numbers; of choices, without a "
            "sign, the correlation ratio (eta) of the ranks. It is no cause: keys that were moved together share it."
        )
        own = figure(table(heads, rows), caption) if rows else ""
        path = self.folder / "importances.png"
        if not path.exists():
            return own
        try:
            return own + figure(embedded(path, "importances"), "Importances, by Optuna.", "paper")
        except InputError as error:
            return own + note(escape(str(error)))

    def correlation(self, name: str) -> tuple[float, str, int] | None:
        """Return the correlation of a key with the first objective, its format, and the number of trials."""
        pairs = [(row[name], value) for row, value in self.complete if row[name]]
        words, reached = [word for word, _ in pairs], ranks([value for _, value in pairs])
        if len(pairs) < ENOUGH or len({*words}) < 2 or not reached.std():
            return None
        numbers = [value for word in words if (value := to_number(word)) is not None]
        if len(numbers) == len(pairs):
            return float(np.corrcoef(ranks(numbers), reached)[0, 1]), "+.2f", len(pairs)
        choice = np.unique(words, return_inverse=True)[1]
        means = np.bincount(choice, weights=reached) / np.bincount(choice)
        return float(means[choice].std() / reached.std()), ".2f", len(pairs)

    def parallel(self) -> str:
        """Return parallel coordinates of all trials that have values."""
        axes = [Axis([row[name] for row in self.trials if row[name]], self.is_logarithmic(name)) for name in self.keys]
        last = Axis([str(value) for _, value in self.complete], "loss" in self.titles[0])
        reached = {row["number"]: last.share(str(value)) for row, value in self.complete}
        threads = []
        for row in self.trials:
            shares = [axis.share(row[name]) for name, axis in zip(self.keys, axes, strict=True)]
            end = reached.get(row["number"])
            good = end if end is None or self.sign > 0 else 1 - end
            values = ", ".join(f"{name} {row[name]}" for name in self.keys if row[name])
            label = f"trial {row['number']}, {row['state'].lower()}: {values}"
            if any(share is not None for share in shares):
                threads.append(svg.Thread([*shares, end], good, label))
        titles = [*self.keys, self.titles[0]]
        chart = svg.parallel([(t, axis.words) for t, axis in zip(titles, [*axes, last], strict=True)], threads)
        log = [key(title) for title, axis in zip(titles, [*axes, last], strict=True) if axis.log]
        return figure(
            f'<div class="scroll" tabindex="0">{chart}</div>',
            "A line a trial, the better the bluer; one that did not complete is dashed and ends before the last axis. "
            "A line passes by the keys that its trial had not." + (f" Logarithmic: {', '.join(log)}." if log else ""),
            "full",
        )

    def is_logarithmic(self, name: str) -> bool | None:
        """Return whether a key's space is logarithmic; None if `sweep.json` of an older version does not say."""
        return name in self.logarithmic if self.logarithmic is not None else None

    def table(self) -> str:
        """Return the table of all trials, the best first."""
        complete = [row for row, _ in self.complete]
        rows = [*complete, *(row for row in self.trials if row not in complete)]
        columns = [column for column in self.columns if column != "folder" and any(row[column] for row in rows)]
        titles = dict(zip(self.objectives, self.titles, strict=True))
        numeric = {c for c in columns if all(to_number(row[c]) is not None for row in rows if row[c])}
        heads = [Head(titles.get(column, column), "n" if column in numeric else "t") for column in columns]
        cells = [
            [number(to_number(row[c]), ".5g") if c in numeric else text(_short(row[c])) for c in columns]
            for row in rows
        ]
        return table(heads, cells, f"All trials, the best first; their runs lie in {key(str(self.folder))}.", "tall")


class Axis:
    """Positions of a key's values on an axis, from 0 to 1.

    Args:
        values: all values as in `trials.csv`, at least one; numbers, otherwise choices.
        log: whether the axis is logarithmic, if all values are above 0; None decides by their ratio.
    """

    def __init__(self, values: Sequence[str], log: bool | None = None) -> None:
        numbers = [value for word in values if (value := to_number(word)) is not None]
        self.choices = sorted({*values}) if len(numbers) < len(values) else []
        self.low, self.high = (0.0, 1.0) if self.choices else (min(numbers), max(numbers))
        self.log = self.low > 0 and (self.high / self.low > LOGARITHMIC if log is None else log)

    def share(self, word: str) -> float | None:
        """Return the position of a value; None for an empty value."""
        if not word:
            return None
        if self.choices:
            return self.choices.index(word) / (len(self.choices) - 1) if len(self.choices) > 1 else 0.5
        ends = np.array([self.low, self.high, float(word)])
        low, high, value = np.log(ends) if self.log else ends
        return float((value - low) / (high - low)) if high > low else 0.5

    @property
    def words(self) -> list[str]:
        """The labels of its ticks, from the bottom up."""
        if self.choices:
            names = [_short(choice) for choice in self.choices]
            files = [name.rpartition("/")[2] for name in names]
            shown = [_short(name, TICK) for name in (files if len({*files}) == len(files) else names)]
            return shown if len(shown) <= WORDS else [shown[0], shown[-1]]
        middle = (self.low * self.high) ** 0.5 if self.log else (self.low + self.high) / 2
        values = (self.low, middle, self.high) if self.high > self.low else (self.low,)
        written = ([f"{value:.{precision}g}" for value in values] for precision in range(3, 18))
        return next((words for words in written if len({*words}) == len(words)), [f"{self.low:g}"])


def ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Return the rank of each value, from 0; equal values have their mean rank."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts + 1) / 2)[which])


def sweep_sections(sweeps: Sequence[Sweep]) -> Iterator[str]:
    """Yield a section for each sweep."""
    for i, sweep in enumerate(sweeps):
        yield section(f"sweep-{i}", f"Sweep {sweep.record.get('name') or sweep.folder.name}", *_content(sweep))


def _content(sweep: Sweep) -> Iterator[str]:
    if not sweep.trials:
        yield note(f"No trials in {key(f'{sweep.folder}/trials.csv')} yet; <code>sweep --list</code> refreshes it.")
        return
    study = Study(sweep)
    states = [row["state"] for row in sweep.trials]
    counts = ", ".join(f"{states.count(state)} {escape(state.lower())}" for state in dict.fromkeys(states))
    yield f"<p>{len(states)} trials: {counts}. {study.best()}</p>"
    if study.complete:
        yield f'<div class="charts">{study.history()}{study.trade()}{study.correlations()}</div>{study.parallel()}'
    yield study.table()


def _short(words: str, longest: int = SHORT) -> str:
    """Return a key's value for display: numbers rounded, classes without modules, long values shortened."""
    value = to_number(words)
    if value is not None:
        return f"{value:.4g}"
    named = re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Z])", "", words)
    return named if len(named) <= longest else f"{named[: longest - 1]}…"
