"""`compare` as a page of its own and a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from outpaint_lightning import __version__
from outpaint_lightning.compare.comparison import Comparison
from outpaint_lightning.compare.config import as_text, without_seeds
from outpaint_lightning.compare.curves import curves
from outpaint_lightning.compare.groups import Group, group, seed_of
from outpaint_lightning.compare.judged import other_frames
from outpaint_lightning.compare.pictures import links, pictures
from outpaint_lightning.compare.runs import Run, Sweep, find
from outpaint_lightning.compare.sections import differences, lead, numbers, parts, provenance
from outpaint_lightning.compare.sweeps import sweep_sections
from outpaint_lightning.compare.videos import videos
from outpaint_lightning.io import atomic, write_csv
from outpaint_lightning.io.output import is_free, sole_writer
from outpaint_lightning.pages.html import digits, note, section
from outpaint_lightning.results import number_at
from outpaint_lightning.types import InputError

PAGE, TABLE = "index.html", "compare.csv"
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

_TITLE = re.compile(r'<h1>(.*?)</h1>|<section id="([^"]+)">\n<h2>(.*?)</h2>')


def compare(runs: Sequence[str | Path], out: str | Path, *, overwrite: bool = False) -> list[str]:
    """Write `<out>/index.html`, which needs nothing else, and `<out>/compare.csv`, a line a run.

    Args:
        runs: run folders, folders of runs or sweep folders; the first run is the baseline.
        out: folder to write into.
        overwrite: replace the page and the table of an earlier comparison; nothing else is touched.

    Returns:
        Lines that tell the result.

    Raises:
        InputError: a folder holds no run or a file that cannot be read, or the result would replace something.
    """
    out = Path(out)
    with sole_writer(out):
        _require_free(out, overwrite)
        found, sweeps = find(runs)
        groups = group(found) if found else []
        page = render(groups, sweeps, out)
        with atomic(out / PAGE) as temporary:  # takes its place last: without it, the table counts as half a result
            temporary.write_text(page, encoding="utf-8")
            write_csv(out / TABLE, list(rows(groups)) + [row for sweep in sweeps for row in trial_rows(sweep)])
    return [*_told(groups), f"{counted(groups, sweeps)} -> {out / PAGE}"]


def render(groups: Sequence[Group], sweeps: Sequence[Sweep], out: Path) -> str:
    """Return the page.

    Args:
        groups: the experiments.
        sweeps: the sweeps.
        out: where the page will lie, for its links.
    """
    comparisons = [Comparison([g for g in groups if g.kind == kind]) for kind in _kinds(groups)]
    body = "".join([*(_chapter(c, out, len(comparisons) > 1) for c in comparisons), *sweep_sections(sweeps)])
    if groups:
        body += section("runs", "Runs", provenance(groups))
    title = f"Comparison of {counted(groups, sweeps)}"
    contents = "".join(
        f'<a href="#{anchor}">{name}</a>' if anchor else f"<b>{kind}</b>" for kind, anchor, name in _TITLE.findall(body)
    )
    pages = files("outpaint_lightning.pages")
    style, script = (pages.joinpath(f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style></head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1><nav>{contents}</nav></header>\n<main>\n{body}</main>\n"
        f"<footer>outpaint-lightning {__version__}; the numbers of all runs are in {TABLE} beside this page.</footer>\n"
        f"<script>\n{script}</script>\n</body></html>\n"
    )


def rows(groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    """Yield the line of each run: its numbers, and the keys of the configs whose values differ."""
    configs = [without_seeds(run.config) for each in groups for run in each.runs]
    keys = dict.fromkeys(key for config in configs for key in config)
    differing = [key for key in keys if len({as_text(config.get(key, ...)) for config in configs}) > 1]
    for each in groups:
        for run in each.runs:
            numbers = {column.key: number_at(run.summary, column.key) for column in each.kind.columns}
            floors = {f"floors.{name}": value for name, value in each.kind.floors(run.summary).items()}
            config = {key: as_text(run.config[key]) for key in differing if key in run.config}
            start = {"experiment": each.name, "seed": seed_of(run), "kind": each.kind.name}
            yield {**start, **numbers, **floors, **config, "folder": str(run.folder), "missing": ", ".join(run.missing)}


def trial_rows(sweep: Sweep) -> Iterator[dict[str, Any]]:
    """Yield the line of each trial of a sweep."""
    for row in sweep.trials:
        yield {"experiment": f"{sweep.folder.name}/{row['number']}", "kind": "trial", **row}


def counted(groups: Sequence[Group], sweeps: Sequence[Sweep]) -> str:
    """Return how many experiments, runs and sweeps there are, in words."""
    runs = sum(len(each.runs) for each in groups)
    things = [(len(groups), "experiment"), (runs if runs > len(groups) else 0, "run"), (len(sweeps), "sweep")]
    return ", ".join(f"{count} {thing}{'s' * (count != 1)}" for count, thing in things if count)


def _chapter(comparison: Comparison, out: Path, titled: bool) -> str:
    """Return the sections of one kind of experiment, below its name where there are several kinds."""
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
    """Yield what runs have not, the runs of each gap together."""
    gaps: dict[str, list[Run]] = {}
    for each in groups:
        for run in each.runs:
            for words in run.missing:
                gaps.setdefault(words, []).append(run)
    for words, of in gaps.items():
        yield note(f"{escape(words.capitalize())}: {escape(', '.join(str(run.folder) for run in of))}.")


def _kinds(groups: Sequence[Group]) -> list[Any]:
    return [kind for i, kind in enumerate(g.kind for g in groups) if kind not in [g.kind for g in groups[:i]]]


def _told(groups: Sequence[Group]) -> Iterator[str]:
    """Yield a line for each experiment, its deciding number, and one for each whose test judged other frames."""
    width = max((len(each.name) for each in groups), default=0)
    for each in groups:
        title = each.kind.columns[0].title if each.kind.columns else ""
        sd, score = each.deviation(each.kind.columns[0].key) if each.kind.columns else None, each.score
        spread = f" ± {digits(sd)}" if sd is not None else ""
        yield (
            f"{each.name:{width}}  {title} {digits(score)}{spread}"
            if score is not None
            else f"{each.name:{width}}  no test yet"
        )
    for kind in _kinds(groups):
        of_kind = [each for each in groups if each.kind == kind]
        for name, words in other_frames(of_kind).items():
            yield f"warning: the test of {name} judged other frames than that of {of_kind[0].name}: {words}"


def _require_free(out: Path, overwrite: bool) -> None:
    """Raise `InputError` where something lies that may not be replaced. A table alone is what a killed command left."""
    page = out / PAGE
    taken = page if page.exists() else out
    if not overwrite and (page.exists() or not is_free(out, TABLE)):
        raise InputError(f"{taken} already exists; pass --overwrite")
