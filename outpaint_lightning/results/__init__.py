"""The results of each kind of task: one file per kind, without torch. A new kind is added to `KINDS`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from outpaint_lightning.results.blending import BLENDING
from outpaint_lightning.results.flow import FLOW
from outpaint_lightning.results.kinds import OTHER, Column, Kind, Result, Summary, is_number, number_at, part
from outpaint_lightning.results.known import tested
from outpaint_lightning.results.layouts import LAYOUTS, SEGMENTATION
from outpaint_lightning.results.localization import LOCALIZATION
from outpaint_lightning.results.outpainting import OUTPAINTING
from outpaint_lightning.results.painting import PAINTING
from outpaint_lightning.results.regions import REGIONS

__all__ = [
    "BLENDING",
    "FLOW",
    "KINDS",
    "LAYOUTS",
    "LOCALIZATION",
    "OTHER",
    "OUTPAINTING",
    "PAINTING",
    "REGIONS",
    "SEGMENTATION",
    "Column",
    "Kind",
    "Result",
    "is_number",
    "kind_of",
    "number_at",
    "part",
    "tested",
]

KINDS = (LOCALIZATION, REGIONS, FLOW, OUTPAINTING, PAINTING, BLENDING, LAYOUTS, SEGMENTATION)


def kind_of(task: str, summary: Summary) -> Kind:
    """Return the kind of a run.

    Args:
        task: name of the task's class; empty if unknown.
        summary: summary of its test, which determines the kind if the task is unknown.

    Returns:
        One of `KINDS`; for another task, a kind whose columns are all numbers of the summary.
    """
    for kind in KINDS:
        if task in (kind.task, *kind.also) or (not task and number_at(summary, kind.sign) is not None):
            return kind
    keys = [key for key, value in _leaves(summary) if is_number(value)]
    return Kind(task or "runs", task=task, sign="", columns=tuple(Column(key, key, ".4g") for key in keys))


def _leaves(summary: Summary, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys of a summary and their values."""
    for key, value in summary.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
