"""Charts as inline SVG, drawn with the page's own colours: `s0`, `s1`, ... are classes of series."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 360, 220
RIGHT, TOP, BOTTOM = 8, 8, 34
TITLE, DIGIT = 20, 6
"""Widths left of an axis: of its title, and of each digit of its ticks."""
STRIP = (150, 14)
"""Width and height of a small chart within a row of a table."""
FEW = 3  # points of a line that are dots as well
Range = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """A line or a cloud of points."""

    name: str
    css: str
    points: Sequence[tuple[float, float]]
    labels: Sequence[str] = ()
    """One a point, shown under the pointer."""
    joined: bool = True
    """Whether a line joins the points."""


@dataclass(frozen=True)
class Thread:
    """A line of parallel coordinates."""

    shares: Sequence[float | None]
    """Where it crosses each axis, from 0 to 1; None for an axis that it passes by."""
    good: float | None
    """How good it is, from 0 to 1; None where that is not known."""
    label: str


def lines(
    series: Sequence[Series],
    x: str,
    y: str,
    *,
    levels: Sequence[tuple[str, float]] = (),
    log: bool = False,
    span: Range | None = None,
) -> str:
    """Return a chart of lines, single points as dots, with a dashed line at each level.

    Args:
        series: the first is drawn on top.
        x: title of the horizontal axis.
        y: title of the vertical axis.
        levels: the name and value of each.
        log: whether the vertical axis is logarithmic.
        span: of the vertical axis; None takes that of the values.
    """
    heights = [v for s in series for _, v in s.points] + [value for _, value in levels]
    across = [u for s in series for u, _ in s.points]
    frame = _Frame(_range(across), span or _range(heights, log), log=log, whole=all(u.is_integer() for u in across))
    lowest = min((value for _, value in levels), default=None)
    marked = [_level(frame, name, value, above=value != lowest) for name, value in levels]
    drawn = [line for line, _ in marked]
    for each in reversed(series):
        spots = [frame.place(*point) for point in each.points]
        path = f'<path d="M{"L".join(f"{u:.1f} {v:.1f}" for u, v in spots)}"/>' if each.joined else ""
        alone = spots if len(spots) <= FEW or not each.joined else []
        dots = "".join(f'<circle cx="{u:.1f}" cy="{v:.1f}" r="2.2"/>' for u, v in alone)
        name = escape(each.name)
        drawn.append(f'<g class="line {each.css}" data-g="{name}"><title>{name}</title>{path}{dots}</g>')
    return frame.svg([*drawn, *(label for _, label in marked)], x, y, f"{y} over {x} of {len(series)} lines")


def cloud(series: Series, x: str, y: str, span: Range) -> str:
    """Return a square chart of points on equal axes, with the diagonal on which both are equal."""
    frame = _Frame(span, span, side=HEIGHT + 90)
    (a, b), (c, d) = frame.place(span[0], span[0]), frame.place(span[1], span[1])
    drawn = [f'<line class="level" x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}"/>']
    for point, label in zip(series.points, series.labels, strict=True):
        u, v = frame.place(*point)
        drawn.append(f'<circle class="dot {series.css}" cx="{u:.1f}" cy="{v:.1f}" r="3">{_title(label)}</circle>')
    return frame.svg(drawn, x, y, f"{y} against {x}, {len(series.points)} points")


def parallel(axes: Sequence[tuple[str, Sequence[str]]], threads: Iterable[Thread]) -> str:
    """Return parallel coordinates, the best threads on top.

    Args:
        axes: title of each, and the words at its ticks, spread evenly from its foot to its top; one in the middle.
        threads: the lines across them.
    """
    width, height, top, bottom = max(1.5 * WIDTH, 110 * len(axes)), 250, 26, 16
    step = (width - 92) / max(1, len(axes) - 1)
    at = [46 + i * step for i in range(len(axes))]

    def up(share: float) -> float:
        return top + (1 - share) * (height - top - bottom)

    drawn = []
    for thread in sorted(threads, key=lambda thread: -1 if thread.good is None else thread.good):
        spots = [f"{u:.1f} {up(share):.1f}" for u, share in zip(at, thread.shares, strict=True) if share is not None]
        style = ' none"' if thread.good is None else f'" style="--q:{thread.good * 100:.0f}%"'
        drawn.append(f'<path class="thread{style} d="M{"L".join(spots)}">{_title(thread.label)}</path>')
    for u, (title, words) in zip(at, axes, strict=True):
        drawn.append(
            f'<line class="axis" x1="{u:.1f}" x2="{u:.1f}" y1="{top}" y2="{height - bottom}"/>'
            f'<text class="name" x="{u:.1f}" y="12" text-anchor="middle">{escape(_short(title))}{_title(title)}</text>'
        )
        for i, word in enumerate(words):
            v = up(i / (len(words) - 1) if len(words) > 1 else 0.5)
            # On paper from the axis on: a bit of a line before a number would look like a minus.
            drawn.append(
                f'<rect class="paper" x="{u + 0.5:.1f}" y="{v - 6:.1f}" width="{DIGIT * len(word) + 5}" height="12"/>'
                f'<text class="tick" x="{u + 4:.1f}" y="{v + 3:.1f}">{escape(word)}</text>'
            )
    return (
        f'<svg viewBox="0 0 {width:g} {height}" class="fixed" width="{width:g}" height="{height}" role="img" '
        f'aria-label="parallel coordinates">{"".join(drawn)}</svg>'
    )


def strip(css: str, span: Range, dot: float, whisker: Range | None = None, marks: Sequence[float] = ()) -> str:
    """Return a dot on a scale, with its interval and marks such as a floor, for a row of a table."""
    at = _scale(span)
    low, high = map(at, whisker or (dot, dot))
    return _strip(
        f'{_marks(at, marks)}<line class="whisker {css}" x1="{low:.1f}" x2="{high:.1f}" y1="7" y2="7"/>'
        f'<circle class="dot {css}" cx="{at(dot):.1f}" cy="7" r="3.2"/>'
    )


def dumbbell(
    colours: tuple[str, str], span: Range, before: float, after: float, css: str, marks: Sequence[float] = ()
) -> str:
    """Return two dots on a scale, joined, for a row of a table.

    Args:
        colours: classes of the two dots.
        span: the scale's ends.
        before: where the first dot is, an open one.
        after: where the second is.
        css: class of what joins them.
        marks: such as a floor.
    """
    at = _scale(span)
    return _strip(
        f'{_marks(at, marks)}<line class="bar {css}" x1="{at(before):.1f}" x2="{at(after):.1f}" y1="7" y2="7"/>'
        f'<circle class="open {colours[0]}" cx="{at(before):.1f}" cy="7" r="2.8"/>'
        f'<circle class="dot {colours[1]}" cx="{at(after):.1f}" cy="7" r="3.2"/>'
    )


def bar(value: float) -> str:
    """Return a bar from the middle of a scale from -1 to 1, for a row of a table."""
    at = _scale((-1, 1))
    left, right = sorted((at(0), at(value)))
    css = "good" if value > 0 else "bad"
    return _strip(
        f'<line class="mark" x1="{at(0):.1f}" x2="{at(0):.1f}" y1="0" y2="14"/>'
        f'<rect class="{css}" x="{left:.1f}" y="3" width="{right - left:.1f}" height="8"/>'
    )


def ticks(span: Range, count: int = 5, whole: bool = False) -> list[float]:
    """Return round numbers within a range, about `count` of them; `whole` ones where there is nothing between."""
    rough = max((span[1] - span[0]) / count, int(whole))
    power = 10.0 ** math.floor(math.log10(rough))
    steps = (s * power for s in (1, 2, 2.5, 5, 10))
    step = next(step for step in steps if step >= rough * 0.999 and not (whole and step % 1))
    first, last = math.ceil(span[0] / step - 1e-9), math.floor(span[1] / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


class _Frame:
    """Axes with their grid."""

    def __init__(self, x: Range, y: Range, *, log: bool = False, whole: bool = False, side: int = 0) -> None:
        self.x, self.y, self.log, self.whole = x, y, log, whole
        self.width, self.height = (side, side) if side else (WIDTH, HEIGHT)
        self.left = TITLE + DIGIT * max(len(f"{value:g}") for value in self._levels())

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point lies."""
        low, high, y = (math.log10(v) for v in (*self.y, y)) if self.log else (*self.y, y)
        u = self.left + (x - self.x[0]) / (self.x[1] - self.x[0]) * (self.width - self.left - RIGHT)
        v = TOP + (high - y) / (high - low) * (self.height - TOP - BOTTOM)
        return u, v

    def svg(self, drawn: Sequence[str], x: str, y: str, label: str) -> str:
        """Return the whole chart."""
        bottom, left, right, parts = self.height - BOTTOM, self.left, self.width - RIGHT, []
        for value in self._levels():
            v = self.place(self.x[0], value)[1]
            parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{v:.1f}" y2="{v:.1f}"/>')
            parts.append(f'<text class="tick" x="{left - 4}" y="{v + 3:.1f}" text-anchor="end">{value:g}</text>')
        for value in ticks(self.x, whole=self.whole):
            u = self.place(value, self.y[0])[0]
            parts.append(f'<text class="tick" x="{u:.1f}" y="{bottom + 12}" text-anchor="middle">{value:g}</text>')
        parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
        parts.append(
            f'<text class="name" x="{(left + right) / 2}" y="{self.height - 6}" text-anchor="middle">{escape(x)}</text>'
            f'<text class="name" transform="translate(9 {(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
            f"{escape(y)}</text>"
        )
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(label)}">'
            f"{''.join(parts)}{''.join(drawn)}</svg>"
        )

    def _levels(self) -> list[float]:
        if not self.log:
            return ticks(self.y)
        powers = range(math.floor(math.log10(self.y[0])), math.ceil(math.log10(self.y[1])) + 1)
        return [v for p in powers for s in (1, 2, 5) if self.y[0] <= (v := s * 10.0**p) <= self.y[1]]


def _range(values: Sequence[float], log: bool = False) -> Range:
    """Return a range that holds all values with some air, and is never empty."""
    low, high = min(values), max(values)
    if log:
        return low * 0.9, high * 1.1
    air = (high - low) * 0.03 or abs(high) * 0.1 or 1
    return (low if low == 0 else low - air), high + air


def _scale(span: Range) -> Callable[[float], float]:
    width = STRIP[0] - 10
    return lambda value: 5 + (min(max(value, span[0]), span[1]) - span[0]) / (span[1] - span[0]) * width


def _marks(at: Callable[[float], float], marks: Sequence[float]) -> str:
    return "".join(f'<line class="mark" x1="{at(m):.1f}" x2="{at(m):.1f}" y1="2" y2="12"/>' for m in marks)


def _strip(content: str) -> str:
    return f'<svg class="strip" width="{STRIP[0]}" height="{STRIP[1]}" aria-hidden="true">{content}</svg>'


def _level(frame: _Frame, name: str, value: float, above: bool) -> tuple[str, str]:
    """Return a dashed line and its label, which is drawn over other lines and stands above or below its own."""
    v = frame.place(frame.x[0], value)[1]
    right = frame.width - RIGHT
    below = not above and v + 14 < frame.height - BOTTOM
    return (
        f'<line class="level" x1="{frame.left}" x2="{right}" y1="{v:.1f}" y2="{v:.1f}"/>',
        f'<text class="tick halo" x="{frame.left + 4}" y="{v + (11 if below else -4):.1f}">{escape(name)}</text>',
    )


def _title(words: str) -> str:
    return f"<title>{escape(words)}</title>"


def _short(title: str, longest: int = 16) -> str:
    last = title.rpartition(".")[2]
    return last if len(last) <= longest else f"{last[: longest - 1]}…"
