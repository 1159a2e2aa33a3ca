"""The files that say what was found in one input, beside its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from outpaint_lightning.io import write_json
from outpaint_lightning.localize.examined import Examined
from outpaint_lightning.localize.options import Options


def write_records(folder: Path, examined: Examined, options: Options) -> None:  # noqa: ARG001 (used with the page)
    """Write `score.json` and `summary.json` of an input."""
    write_json(folder / "score.json", score_of(examined))
    write_json(folder / "summary.json", examined.summary)


def score_of(examined: Examined) -> dict[str, Any]:
    """Return what `score.json` holds: the verdict, what it rests on, and the answers after changes."""
    rechecked = [each._asdict() for each in examined.rechecked]
    return {"input": examined.summary["input"], **examined.verdict.plain, "rechecked": rechecked}
