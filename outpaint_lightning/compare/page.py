"""The page of `compare`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from outpaint_lightning import __version__
from outpaint_lightning.compare.comparison import Comparison
from outpaint_lightning.compare.curves import curves
from outpaint_lightning.compare.groups import Group
from outpaint_lightning.compare.pictures import links, pictures
from outpaint_lightning.compare.runs import Run, Sweep
from outpaint_lightning.compare.sections import differences, lead, numbers, parts, provenance
from outpaint_lightning.compare.sweeps import sweep_sections
from outpaint_lightning.compare.videos import videos
from outpaint_lightning.pages.document import document
from outpaint_lightning.pages.html import note, section

TABLE = "compare.csv"
"""The table's file, beside the page."""


def render(groups: Sequence[Group], sweeps: Sequence[Sweep], out: Path) -> str:
    """Return the page.

    Args:
        groups: the experiments.
        sweeps: the sweeps.
        out: folder of the page, for its links.
    """
    comparisons = [Comparison([g for g in groups if g.kind == kind]) for kind in kinds(groups)]
    body = "".join([*(_chapter(c, out, len(comparisons) > 1) for c in comparisons), *sweep_sections(sweeps)])
    if groups:
        body += section("runs", "Runs", provenance(groups))
    title = f"Comparison of {counted(groups, sweeps)}"
    footer = f"outpaint-lightning {__version__}; the numbers of all runs are in {TABLE} beside this page."
    return document(title, body, footer)


def counted(groups: Sequence[Group], sweeps: Sequence[Sweep]) -> str:
    """Return the number of experiments, runs and sweeps, in words."""
    runs = sum(len(each.runs) for each in groups)
    things = [(len(groups), "experiment"), (runs if runs > len(groups) else 0, "run"), (len(sweeps), "sweep")]
    return ", ".join(f"{count} {thing}{'s' * (count != 1)}" for count, thing in things if count)


def _chapter(comparison: Comparison, out: Path, titled: bool) -> str:
    """Return the sections of one kind of experiment, with its name as a title if there are several kinds."""
    groups, kind = comparison.groups, comparison.kind
    sections = (
        ("Numbers", [*_missing(groups), lead(comparison), numbers(comparison)]),
        ("What differs", [differences(comparison)]),
        (f"{kind.unit.capitalize()} by {kind.unit}", videos(comparison)),
        ("Kinds of footage and forgery", parts(comparison)),
        ("Curves", curves(comparison)),
        ("Pictures", [*pictures(groups), links(groups, out)]),
    )
    start = f"<h1>{escape(kind.name.capitalize())}</h1>" if titled else ""
    return start + "".join(section(f"{kind.name}-{i}", title, *content) for i, (title, content) in enumerate(sections))


def _missing(groups: Sequence[Group]) -> Iterator[str]:
    """Yield what runs lack; runs with the same gap share one note."""
    gaps: dict[str, list[Run]] = {}
    for each in groups:
        for run in each.runs:
            for words in run.missing:
                gaps.setdefault(words, []).append(run)
    for words, of in gaps.items():
        yield note(f"{escape(words.capitalize())}: {escape(', '.join(str(run.folder) for run in of))}.")


def kinds(groups: Sequence[Group]) -> list[Any]:
    """Return the kinds of some experiments, each once, in order of appearance."""
    return [kind for i, kind in enumerate(g.kind for g in groups) if kind not in [g.kind for g in groups[:i]]]
