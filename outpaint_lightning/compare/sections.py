"""The first sections of the page: numbers of the experiments, differences, numbers by category, paths of runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from outpaint_lightning.compare.comparison import Comparison
from outpaint_lightning.compare.config import Change, changes, seeds, without_seeds
from outpaint_lightning.compare.groups import Group, Interval, seed_of
from outpaint_lightning.pages import svg
from outpaint_lightning.pages.html import (
    DASH,
    Cell,
    Head,
    digits,
    key,
    note,
    number,
    spread,
    table,
    text,
)
from outpaint_lightning.results import number_at, part
from outpaint_lightning.results.kinds import FEW_SOURCES
from outpaint_lightning.results.text import count

VERDICTS = {1: "good sure", -1: "bad sure", 0: "even"}
"""CSS classes of a difference, by verdict."""


def lead(comparison: Comparison) -> str:
    """Return the result in two sentences, with a warning if the tests used other frames."""
    return _result(comparison) + _other_frames(comparison)


def _other_frames(comparison: Comparison) -> str:
    found = comparison.other_frames
    if not found:
        return ""
    rows = "".join(f"<li><b>{escape(name)}</b>: {escape(words)}</li>" for name, words in found.items())
    return (
        '<div class="warning"><p>These tests judged other frames than that of '
        f"<b>{escape(comparison.baseline.name)}</b>, so their numbers are not directly comparable:</p>"
        f"<ul>{rows}</ul></div>"
    )


def _result(comparison: Comparison) -> str:
    best, baseline = comparison.best, comparison.baseline
    if baseline.score is None:
        return note(f"The baseline <b>{escape(baseline.name)}</b> has no result of a test yet.")
    own = f"{comparison.title} {digits(baseline.score)}"
    floor = f"; the best floor, {escape(baseline.floor[0])}, has {digits(baseline.floor[1])}" if baseline.floor else ""
    start = f"The baseline <b>{escape(baseline.name)}</b> has {own}{floor}."
    if best is None:
        return f"<p>{start}</p>"
    gain = comparison.gains[best.name]
    gain_text = f", {digits(gain.mean, '+.3f')} {_bounds(gain)}".rstrip() if gain else ""
    verdicts = [comparison.verdict(group) for group in comparison.others]
    others = (
        " By the 95&nbsp;% interval of the difference, better than the baseline: "
        f"{verdicts.count(1)} of {len(verdicts)} others; worse: {verdicts.count(-1)}."
    )
    return (
        f"<p>{start} Best of the others is <b>{escape(best.name)}</b> with {digits(best.score)}{gain_text}."
        f"{others if len(verdicts) > 1 and comparison.kind.value else ''}</p>"
    )


def numbers(comparison: Comparison) -> str:
    """Return the table of the main numbers."""
    groups, kind = comparison.groups, comparison.kind
    columns = [column for column in kind.columns if any(group.values(column.key) for group in groups)]
    if not columns:
        return note("No number in any <code>test/summary.json</code> yet.")
    first, *rest = columns
    seeded = any(len(group.runs) > 1 for group in groups)
    intervals, floors = any(group.interval for group in groups), any(group.floor for group in groups)
    heads = [Head("experiment", "t"), *([Head("runs")] if seeded else []), Head(first.title)]
    if intervals:
        scale = " to ".join(digits(end, ".2f") for end in comparison.span)
        heads.append(Head(scale, "p", "with the 95 % interval; the tick is the best floor"))
    if comparison.others and kind.value:
        heads.append(Head("to baseline", hint=f"mean difference over the {kind.unit}s that both judged"))
    heads += [Head(column.title) for column in rest] + ([Head("best floor")] if floors else [])
    rows = []
    for group in groups:
        cells = [comparison.name(group), *([number(len(group.runs), "d")] if seeded else [])]
        cells.append(spread(group.mean(first.key), group.deviation(first.key), first.form))
        cells += [_interval(comparison, group)] if intervals else []
        cells += [_gain(comparison, group)] if comparison.others and kind.value else []
        cells += [number(group.mean(column.key), column.form) for column in rest]
        cells += [number(group.floor and group.floor[1])] if floors else []
        rows.append(cells)
    caption = "± is the sample standard deviation over the runs (n - 1). " if seeded else ""
    if kind.value:
        caption += (
            "Lines and brackets are 95 % bootstrap intervals: sources are drawn"
            f"{', and runs where there are several' if seeded else ''}. Differences are paired, {kind.unit} by "
            f"{kind.unit}, and bold where the interval leaves out 0. The tick is the best floor."
            f"{_few_sources(comparison)}"
        )
    return table(heads, rows, caption)


def _few_sources(comparison: Comparison) -> str:
    """Return a remark if the intervals have few sources, as `Kind.few_sources`; otherwise an empty string."""
    counts = [len({unit.source for unit in group.units.values()}) for group in comparison.groups if group.units]
    if not counts or min(counts) >= FEW_SOURCES:
        return ""
    return f" <b>Only {count(min(counts), 'source')}: the intervals are no more than a hint.</b>"


def differences(comparison: Comparison) -> str:
    """Return the table of each experiment's config values that differ from the baseline's."""
    base = comparison.baseline.first.config
    rows = []
    for group in comparison.others:
        config = group.first.config
        found = changes(without_seeds(base), without_seeds(config))
        same = "nothing" if seeds(base) == seeds(config) else "nothing but seeds"
        nothing = same if base and config else "no config to compare"
        items = "".join(map(_change, found)) or f"<li>{nothing}</li>"
        rows.append([comparison.name(group), Cell(f'<ul class="changes">{items}</ul>', len(found), "t")])
    if not rows:
        return ""
    heads = [Head("experiment", "t"), Head(f"changed from {comparison.baseline.name}", "t", "sorts by how many")]
    return table(heads, rows, "Seeds, folders, loggers and paths of checkpoints are left out.", css="prose")


def parts(comparison: Comparison) -> Iterator[str]:
    """Yield a table for each grouping of the videos in the tests."""
    for title, of, value in comparison.kind.groups:
        values: dict[str, dict[str, float]] = {}
        sizes: dict[str, float | None] = {}
        for group in comparison.groups:
            summaries = [part(run.summary, of) for run in group.runs if run.summary]
            for name in dict.fromkeys(name for summary in summaries for name in summary):
                members = [summary[name] for summary in summaries if name in summary]
                found = [number for member in members if (number := number_at(member, value)) is not None]
                if found:
                    values.setdefault(group.name, {})[name] = sum(found) / len(found)
                    sizes.setdefault(name, number_at(members[0], f"{comparison.kind.unit}s"))
        if values:
            heads = [Head(name if size is None else f"{name} ({size:g})", hint=name) for name, size in sizes.items()]
            yield f"<h3>{escape(title)}</h3>{comparison.shaded('experiment', heads, values)}"


def provenance(groups: Sequence[Group]) -> str:
    """Return the table of all runs: folder, seed, checkpoint, and missing parts."""
    rows = []
    for group in groups:
        for run in group.runs:
            missing = ", ".join(run.missing)
            rows.append(
                [
                    text(group.name),
                    text(seed_of(run)),
                    Cell(key(str(run.folder)), str(run.folder), "t"),
                    Cell(key(str(run.summary.get("checkpoint") or DASH)), css="t"),
                    Cell(f'<span class="bad">{missing}</span>' if missing else "complete", missing, "t"),
                ]
            )
    heads = [Head(title, "t") for title in ("experiment", "seed", "run folder", "checkpoint of the test", "state")]
    return table(heads, rows, css="prose tall")


def _interval(comparison: Comparison, group: Group) -> Cell:
    interval = group.interval
    if interval is None:
        return Cell(DASH, css="p")
    whisker = (interval.low, interval.high) if interval.low is not None and interval.high is not None else None
    marks = [group.floor[1]] if group.floor else []
    return Cell(svg.strip(comparison.css(group), comparison.span, interval.mean, whisker, marks), css="p")


def _gain(comparison: Comparison, group: Group) -> Cell:
    gain = comparison.gains.get(group.name)
    if gain is None:
        return number(None)
    shown = f'<span class="{VERDICTS[comparison.verdict(group)]}">{digits(gain.mean, "+.3f")}</span>'
    return Cell(f"{shown} <small>{_bounds(gain)}</small>", gain.mean, "n")


def _bounds(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return ""
    return f"[{digits(interval.low, '+.3f')}, {digits(interval.high, '+.3f')}]"


def _change(change: Change) -> str:
    name, before, after = change
    name = key(name.partition("[")[0] if None in (before, after) else name)
    if before is None:
        return f"<li>{name} + {_value(after)}</li>"
    if after is None:
        return f"<li>{name} without {_value(before)}</li>"
    return f"<li>{name} <s>{escape(before)}</s> → {_value(after)}</li>"


def _value(words: str | None) -> str:
    """Return a value as HTML; a class's name is bold."""
    name, bracket, options = (words or "").partition("(")
    return f"<b>{escape(name)}</b>{escape(bracket + options)}"
