"""The experiments of one kind with their baseline, and their colours on the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from html import escape

from outpaint_lightning.compare.groups import Group, Interval, versus
from outpaint_lightning.compare.judged import other_frames
from outpaint_lightning.pages.html import Cell, Head, number, table, text
from outpaint_lightning.results import Kind

COLOURS = 8  # experiments that have their own colour, including the baseline's black; others are grey
DARKEST = 0.7  # shade of the largest difference in a table


class Comparison:
    """The experiments of one kind; the first one is the baseline.

    Args:
        groups: at least one experiment, in the order of display.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = list(groups)
        self.baseline, *self.others = self.groups
        self.kind: Kind = self.baseline.kind
        tested = [group for group in self.others if group.score is not None]
        ranked = sorted(tested, key=lambda group: -self.better(group.score or 0))
        self.best = ranked[0] if ranked and self.baseline.score is not None else None
        untested = [group for group in self.others if group.score is None]
        self._css = {group.name: f"s{i}" for i, group in enumerate([self.baseline, *ranked, *untested][:COLOURS])}

    @property
    def title(self) -> str:
        """Title of the number that ranks the runs."""
        return self.kind.columns[0].title if self.kind.columns else ""

    def css(self, group: Group) -> str:
        """Return the CSS class of an experiment's colour."""
        return self._css.get(group.name, "sx")

    def name(self, group: Group) -> Cell:
        """Return the table cell with an experiment's name."""
        name = escape(group.name)
        role = " <small>baseline</small>" if group is self.baseline and self.others else ""
        return Cell(f'<span class="key {self.css(group)}" data-g="{name}">{name}</span>{role}', group.name, "t")

    def better(self, difference: float) -> float:
        """Return a difference with its sign changed if needed, so that positive means better."""
        return -difference if self.kind.lower else difference

    @cached_property
    def gains(self) -> dict[str, Interval | None]:
        """Mean difference of each other experiment to the baseline, over the videos that both tested."""
        return {group.name: versus(group, self.baseline) for group in self.others}

    def verdict(self, group: Group) -> int:
        """Return 1 if an experiment is better than the baseline, -1 if worse, 0 if its interval contains 0."""
        gain = self.gains[group.name]
        if gain is None or gain.low is None or gain.high is None or gain.low * gain.high <= 0:
            return 0
        return 1 if self.better(gain.mean) > 0 else -1

    @cached_property
    def other_frames(self) -> dict[str, str]:
        """For each experiment tested on other frames than the first test: how the frames differ, in words."""
        return other_frames(self.groups)

    @cached_property
    def span(self) -> tuple[float, float]:
        """The scale for the main numbers, their intervals and floors; at least one group must have a number."""
        scored = [group for group in self.groups if group.interval]
        ends = [end for group in scored for end in group.interval or () if end is not None]
        ends += [group.floor[1] for group in scored if group.floor]
        air = 0.04 * (max(ends) - min(ends)) or 0.1
        return min(ends) - air, max(ends) + air

    def shaded(
        self, corner: str, heads: Sequence[Head], values: Mapping[str, Mapping[str, float]], *, across: bool = False
    ) -> str:
        """Return a table of values, shaded by their difference to the baseline.

        Args:
            corner: title of the first column.
            heads: heads of the other columns; their key in `values` is the hint, or the title without a hint.
            values: for each row, the values by column.
            across: whether each column is an experiment; otherwise each row is one.
        """
        base = values.get(self.baseline.name, {})
        columns = [head.hint or head.title for head in heads]
        differences = {
            name: [self._difference(row, column, row if across else base, across) for column in columns]
            for name, row in values.items()
        }
        most = max((abs(d) for row in differences.values() for d in row), default=0) or 1
        names = {} if across else {group.name: self.name(group) for group in self.groups}
        rows = []
        for name, row in values.items():
            pairs = zip(columns, differences[name], strict=True)
            rows.append(
                [names.get(name) or text(name), *(number(row.get(c), shade=_shade(d / most)) for c, d in pairs)]
            )
        caption = f"Shaded by the difference to {escape(self.baseline.name)}: green is better." if self.others else ""
        return table([Head(corner, "t"), *heads], rows, caption, css="tall" if across else "")

    def _difference(self, row: Mapping[str, float], column: str, base: Mapping[str, float], across: bool) -> float:
        """Return by how much a value is better than the baseline's; 0 if either is missing."""
        reference = base.get(self.baseline.name if across else column)
        return 0.0 if reference is None or column not in row else self.better(row[column] - reference)


def _shade(difference: float) -> float:
    """Return the shade of a difference in [-1, 1]: its root, so that small ones stay visible beside a large one."""
    return math.copysign(DARKEST * math.sqrt(abs(difference)), difference)
