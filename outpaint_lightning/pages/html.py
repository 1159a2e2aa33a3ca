"""Markup: numbers, tables that sort, sections."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    html: str
    sort: float | str | None = None
    """What the table is sorted by; None comes last, whichever way."""
    css: str = ""
    shade: float | None = None
    """Of the background, in [-1, 1]: green above 0, red below."""


@dataclass(frozen=True)
class Head:
    """The head of a column."""

    title: str
    css: str = "n"
    """`n` numbers, `t` text, `p` a picture, which does not sort."""
    hint: str = ""


def text(words: object) -> Cell:
    """Return a cell of text."""
    return Cell(escape(str(words)), str(words), "t")


def number(value: float | None, form: str = ".3f", *, shade: float | None = None, css: str = "") -> Cell:
    """Return a cell of a number, a dash for none."""
    return Cell(digits(value, form), value, f"n {css}".strip(), shade)


def digits(value: float | None, form: str = ".3f") -> str:
    """Return a number with a true minus sign; a dash for none."""
    return DASH if value is None else format(value, form).replace("-", "\N{MINUS SIGN}")


def spread(mean: float | None, deviation: float | None, form: str = ".3f") -> Cell:
    """Return a cell of a mean and, where there is one, its standard deviation."""
    more = "" if deviation is None else f'<small class="sd"> ± {digits(deviation, form)}</small>'
    return Cell(digits(mean, form) + more, mean, "n")


def key(name: str) -> str:
    """Return a dotted key as code that may break after its dots."""
    return f"<code>{_breaking(name)}</code>"


def table(heads: Sequence[Head], rows: Iterable[Sequence[Cell]], caption: str = "", css: str = "") -> str:
    """Return a table whose columns sort by their heads; the first column stays in sight.

    Args:
        heads: of the columns.
        rows: as many cells each.
        caption: HTML, below the table.
        css: classes of it.
    """
    body = "\n".join(f"<tr>{_first(row[0])}{''.join(map(_cell, row[1:]))}</tr>" for row in rows)
    below = f'<p class="cap">{caption}</p>' if caption else ""
    return (
        f'<div class="scroll {css}" tabindex="0"><table>\n<thead><tr>{"".join(map(_head, heads))}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>{below}"
    )


def section(anchor: str, title: str, *parts: str) -> str:
    """Return a titled section; none where there is nothing in it."""
    content = "\n".join(filter(None, parts))
    return f'<section id="{escape(anchor)}">\n<h2>{escape(title)}</h2>\n{content}\n</section>\n' if content else ""


def figure(content: str, caption: str, css: str = "") -> str:
    """Return a figure with its caption, both HTML."""
    return f'<figure class="{css}">{content}<figcaption>{caption}</figcaption></figure>'


def note(html: str) -> str:
    """Return a remark."""
    return f'<p class="note">{html}</p>'


def _breaking(name: str) -> str:
    """Return a name as HTML that may break after its dots, slashes and underscores."""
    return re.sub(r"([._/])", r"\1<wbr>", escape(name))


def _head(head: Head) -> str:
    hint = f' title="{escape(head.hint)}"' if head.hint else ""
    if head.css == "p":
        return f'<th scope="col" class="p"{hint}>{escape(head.title)}</th>'
    return (
        f'<th scope="col" class="{head.css}" aria-sort="none"{hint}><button type="button">'
        f"{_breaking(head.title)}</button></th>"
    )


def _first(cell: Cell) -> str:
    return f'<th scope="row"{_attributes(cell)}>{cell.html}</th>'


def _cell(cell: Cell) -> str:
    return f"<td{_attributes(cell)}>{cell.html}</td>"


def _attributes(cell: Cell) -> str:
    sort = "" if cell.sort is None else f' data-v="{escape(str(cell.sort))}"'
    shaded = cell.shade is not None and round(cell.shade, 2) != 0
    css = f"{cell.css} {'up' if (cell.shade or 0) > 0 else 'down'}" if shaded else cell.css
    style = f' style="--d:{abs(cell.shade or 0) * 100:.0f}%"' if shaded else ""
    named = f' class="{css}"' if css else ""
    return f"{sort}{named}{style}"
