"""The experiments video by video: the baseline against the best of the others, and all of them together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from outpaint_lightning.compare.comparison import Comparison
from outpaint_lightning.compare.groups import Group, Unit
from outpaint_lightning.pages import svg
from outpaint_lightning.pages.html import Cell, Head, digits, figure, note, number, table, text

NAMED = 3  # videos named in a sentence

Pairs = Sequence[tuple[Unit, Unit]]
"""The values of the baseline and of the best other experiment in each video."""


def videos(comparison: Comparison) -> Iterator[str]:
    """Yield the figure and the tables of all videos or images; empty before two experiments are tested."""
    baseline, best, unit = comparison.baseline, comparison.best, comparison.kind.unit
    if best is None or not best.units or not baseline.units:
        return
    pairs = [(of_baseline, best.units[name]) for name, of_baseline in baseline.units.items() if name in best.units]
    if any(group.units and group.units.keys() != baseline.units.keys() for group in comparison.others):
        yield note(f"The experiments were not tested on the same {unit}s: differences are over those in common.")
    if pairs:
        pairs.sort(key=lambda pair: -comparison.better(pair[1].value - pair[0].value))
        top = comparison.kind.top or max(side.value for pair in pairs for side in pair) * 1.03 or 1
        yield _sentence(comparison, best, pairs)
        shown = (draw(comparison, best, pairs, top) for draw in (_scatter, _table))
        yield f'<div class="beside">{"".join(shown)}</div>'
    if len(comparison.others) > 1:
        yield f"<details><summary>Every {unit}, all experiments</summary>{_matrix(comparison)}</details>"


def _sentence(comparison: Comparison, best: Group, pairs: Pairs) -> str:
    """Return the largest improvements, and the largest losses or else the smallest improvement."""
    differences = [comparison.better(after.value - before.value) for before, after in pairs]
    up, down = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    unit = comparison.kind.unit

    def names(some: Pairs) -> str:
        return ", ".join(f"{escape(a.name)} ({digits(b.value - a.value, '+.3f')})" for a, b in some)

    largest = f" Largest improvements: {names(pairs[: min(NAMED, up)])}." if up else ""
    least = f" Worse in {down}, most in {names(pairs[::-1][: min(NAMED, down)])}."
    smallest = f" Worse in none; the smallest improvement is {names(pairs[-1:])}."
    return (
        f"<p><b>{escape(best.name)}</b> against the baseline <b>{escape(comparison.baseline.name)}</b>: better in {up} "
        f"of {len(pairs)} {unit}s.{largest}{least if down else smallest}</p>"
    )


def _scatter(comparison: Comparison, best: Group, pairs: Pairs, top: float) -> str:
    points = [(before.value, after.value) for before, after in pairs]
    labels = [f"{before.name}: {digits(before.value)} → {digits(after.value)}" for before, after in pairs]
    x, y = (f"{comparison.title}, {group.name}" for group in (comparison.baseline, best))
    chart = svg.cloud(svg.Series(best.name, comparison.css(best), points, labels), x, y, (0, top))
    side = "above" if comparison.kind.lower else "below"
    return figure(chart, f"Each point is one {comparison.kind.unit}; {side} the diagonal it got worse.", "square")


def _table(comparison: Comparison, best: Group, pairs: Pairs, top: float) -> str:
    """Return the table of all pairs, largest improvement first, without empty columns."""
    colours = (comparison.css(comparison.baseline), comparison.css(best))
    rows = []
    for before, after in pairs:
        change = after.value - before.value
        css = "good" if comparison.better(change) > 0 else "bad"
        marks = [] if before.floor is None else [before.floor]
        cells = [text(before.name), number(before.value)]
        cells.append(Cell(svg.dumbbell(colours, (0, top), before.value, after.value, css, marks), css="p"))
        cells += [number(after.value), number(change, "+.3f", css=css), number(before.floor)]
        rows.append([*cells, text(before.group), text(before.forger)])
    scale = f"0 to {top:.3g}"
    heads = [
        Head(comparison.kind.unit, "t"), Head(comparison.baseline.name), Head(scale, "p", "the tick is the best floor"),
        Head(best.name), Head("change"), Head("best floor"), Head("category", "t"), Head("forger", "t"),
    ]  # fmt: skip
    known = [i for i, head in enumerate(heads) if head.css == "p" or any(row[i].sort not in (None, "") for row in rows)]
    return f"<div>{table([heads[i] for i in known], [[row[i] for i in known] for row in rows], css='tall')}</div>"


def _matrix(comparison: Comparison) -> str:
    tested = [group for group in comparison.groups if group.units]
    names = dict.fromkeys(name for group in tested for name in group.units)
    values = {name: {g.name: g.units[name].value for g in tested if name in g.units} for name in names}
    return comparison.shaded(comparison.kind.unit, [Head(group.name) for group in tested], values, across=True)
