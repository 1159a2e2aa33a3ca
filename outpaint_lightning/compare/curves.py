"""Curves of the experiments: over the threshold, and during training."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from outpaint_lightning.compare.comparison import Comparison
from outpaint_lightning.compare.groups import Group
from outpaint_lightning.pages import svg
from outpaint_lightning.pages.html import figure, note
from outpaint_lightning.results import is_number, part

POINTS = 150  # points of a drawn line
LOGARITHMIC = 20  # a chart of a loss or a rate with a larger ratio of values gets a logarithmic axis


def curves(comparison: Comparison) -> Iterator[str]:
    """Yield the charts under one legend, and a note on the values without a curve."""
    names = comparison.kind.curves or sorted({c for g in comparison.groups for run in g.runs for c in run.curves})
    learnt = {name: list(_learning(comparison, name)) for name in names}
    drawn = {name: series for name, series in learnt.items() if any(len(each.points) > 1 for each in series)}
    charts = [*_thresholds(comparison), *(_chart(name, series) for name, series in drawn.items())]
    if charts:
        legend = "".join(f"<li>{comparison.name(group).html}</li>" for group in comparison.groups)
        yield f'<ul class="legend">{legend}</ul><div class="charts">{"".join(charts)}</div>'
    if single := [name for name, series in learnt.items() if series and name not in drawn]:
        yield note(f"Logged once a run, so no curve: {escape(', '.join(single))}.")


def _thresholds(comparison: Comparison) -> Iterator[str]:
    """Yield the chart of the main number at every threshold, if the tests have it."""
    series = [
        svg.Series(group.name, comparison.css(group), points)
        for group in comparison.groups
        if (points := _mean_curve(group))
    ]
    if series:
        floor = comparison.baseline.floor
        levels = [(f"floor {floor[0]}", floor[1])] if floor else []
        chart = svg.lines(_in_order(series), "threshold", comparison.title, levels=levels)
        yield figure(chart, "At every threshold: mean over the test's videos and the runs of an experiment.")


def _mean_curve(group: Group) -> list[tuple[float, float]]:
    """Return the threshold curve of an experiment, at the thresholds for which all its tests have a value."""
    found = [curve for run in group.runs if (curve := part(run.summary, "curve"))]
    values: dict[float, list[float]] = {}
    for curve in found:
        columns = (curve.get(name) for name in ("thresholds", "f1"))
        for threshold, f1 in zip(*(c if isinstance(c, list) else [] for c in columns), strict=False):
            if is_number(threshold) and is_number(f1):
                values.setdefault(threshold, []).append(f1)
    return [(threshold, sum(f1) / len(f1)) for threshold, f1 in values.items() if len(f1) == len(found)]


def _learning(comparison: Comparison, name: str) -> Iterator[svg.Series]:
    """Yield one line for each run that logged this column of `metrics.csv`."""
    for group in comparison.groups:
        for run in group.runs:
            if points := run.curves.get(name):
                yield svg.Series(group.name, comparison.css(group), thinned(points))


def _chart(name: str, series: Sequence[svg.Series]) -> str:
    heights = [height for each in series for _, height in each.points]
    log = _may_be_logarithmic(name) and min(heights) > 0 and max(heights) / min(heights) > LOGARITHMIC
    caption = f"<code>{escape(name)}</code>, a line a run{', on a logarithmic axis' if log else ''}."
    return figure(svg.lines(_in_order(series), "step", name, log=log), caption)


def _may_be_logarithmic(name: str) -> bool:
    """Return whether a column is a loss or a learning rate; on a log axis, a score near 0 would seem to jump."""
    return bool({*re.split(r"[/_-]", name)} & {"loss", "lr"})


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most `POINTS` points: the means of blocks of neighbouring points."""
    size = -(-len(points) // POINTS)
    blocks = [points[i : i + size] for i in range(0, len(points), size)]
    return [(sum(x for x, _ in block) / len(block), sum(y for _, y in block) / len(block)) for block in blocks]


def _in_order(series: Sequence[svg.Series]) -> list[svg.Series]:
    """Return coloured series before grey ones, the baseline first; the first is drawn on top."""
    return sorted(series, key=lambda each: each.css)
