"""The files that say what was found in one input, beside its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from outpaint_lightning.io import atomic, write_json
from outpaint_lightning.localize.examined import Examined
from outpaint_lightning.localize.options import Options
from outpaint_lightning.localize.page import REPORT, render


def write_records(folder: Path, examined: Examined, options: Options) -> None:
    """Write `score.json`, `summary.json` and `report.html` of an input."""
    write_json(folder / "score.json", score_of(examined))
    write_json(folder / "summary.json", examined.summary)
    write_page(folder / REPORT, render(examined, options, [path.name for path in folder.iterdir()]))


def write_page(path: Path, page: str) -> None:
    """Write a page."""
    with atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def score_of(examined: Examined) -> dict[str, Any]:
    """Return what `score.json` holds: the verdict, what it rests on, and the answers after changes."""
    rechecked = [each._asdict() for each in examined.rechecked]
    return {"input": examined.summary["input"], **examined.verdict.plain, "rechecked": rechecked}
