"""Writes a comparison of runs: one self-contained page, and a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from outpaint_lightning.compare.config import as_text, without_seeds
from outpaint_lightning.compare.groups import Group, group, seed_of
from outpaint_lightning.compare.judged import other_frames
from outpaint_lightning.compare.page import TABLE, counted, kinds, render
from outpaint_lightning.compare.runs import Sweep, find, to_number
from outpaint_lightning.io import atomic, write_csv
from outpaint_lightning.io.output import is_free, sole_writer
from outpaint_lightning.pages.html import digits
from outpaint_lightning.results import number_at
from outpaint_lightning.types import InputError

PAGE = "index.html"


def compare(runs: Sequence[str | Path], out: str | Path, *, overwrite: bool = False) -> list[str]:
    """Write `<out>/index.html`, a self-contained page, and `<out>/compare.csv`, one line per run.

    >>> for line in outpaint_lightning.compare(["runs/plain", "runs/flip"], "compared"):  # doctest: +SKIP
    ...     print(line)

    Args:
        runs: run folders, folders of runs or sweep folders; the first run is the baseline.
        out: folder for the result.
        overwrite: replace the page and the table of an earlier comparison; other files are not changed.

    Returns:
        One line per experiment with its main number, and one with the path of the page.

    Raises:
        InputError: a folder holds no run or an unreadable file, or the result would replace an existing file.
    """
    out = Path(out)
    with sole_writer(out):
        _require_free(out, overwrite)
        found, sweeps = find(runs)
        groups = group(found) if found else []
        page = render(groups, sweeps, out)
        with atomic(out / PAGE) as temporary:  # renamed last: a table without a page counts as incomplete
            temporary.write_text(page, encoding="utf-8")
            table = [*rows(groups), *(row for sweep in sweeps for row in trial_rows(sweep))]
            write_csv(out / TABLE, [{_text(key): _text(value) for key, value in row.items()} for row in table])
    return [*_lines(groups), f"{counted(groups, sweeps)} -> {out / PAGE}"]


def rows(groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    """Yield the line of each run: its numbers, and the keys of the configs that differ."""
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


def _text(value: Any) -> Any:
    """Return a cell that spreadsheets do not run as a formula: names and configs in it may be a stranger's."""
    risky = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") and to_number(value) is None
    return f"'{value}" if risky else value


def _lines(groups: Sequence[Group]) -> Iterator[str]:
    """Yield one line per experiment with its main number, and a warning for each tested on other frames."""
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
    for kind in kinds(groups):
        of_kind = [each for each in groups if each.kind == kind]
        for name, words in other_frames(of_kind).items():
            yield f"warning: the test of {name} judged other frames than that of {of_kind[0].name}: {words}"


def _require_free(out: Path, overwrite: bool) -> None:
    """Raise `InputError` if something would be replaced. A table alone is left from a killed command."""
    page = out / PAGE
    blocking = page if page.exists() else out
    if not overwrite and (page.exists() or not is_free(out, TABLE)):
        raise InputError(f"{blocking} already exists; pass --overwrite")
