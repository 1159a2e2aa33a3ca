"""Audit a dataset: look at every clip, then let every check look at all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from outpaint_lightning.audit.findings import ERROR, Finding
from outpaint_lightning.audit.integrity import problem, problems, unexpected_masks
from outpaint_lightning.audit.leaks import duplicates
from outpaint_lightning.audit.scan import scan
from outpaint_lightning.audit.shortcuts import area, balance, categories, confounded, position
from outpaint_lightning.audit.statistics import statistics
from outpaint_lightning.audit.survey import Survey
from outpaint_lightning.io import read_dataset
from outpaint_lightning.io.dataset import ProblemKind
from outpaint_lightning.io.parallel import each_clip
from outpaint_lightning.types import InputError

CHECKS: tuple[Callable[[Survey], Iterable[Finding]], ...] = (
    problems,
    unexpected_masks,
    duplicates,
    confounded,
    position,
    area,
    categories,
    balance,
)


@dataclass(frozen=True)
class Report:
    """The result of an audit."""

    root: Path
    findings: list[Finding]
    """Errors first; within a severity in the order of the checks."""
    statistics: dict[str, Any]
    """JSON-able; see `statistics.statistics`."""


def audit(root: str | Path, *, quick: bool = False, workers: int = 1) -> Report:
    """Audit a dataset.

    Args:
        root: the dataset, in any layout that `read_dataset` knows.
        quick: only what names, lists and headers tell, and the bytes of one frame of each clip: neither frames nor
            masks are decoded.
        workers: processes; more than 1 need a main module that can be imported. A quick audit takes one.

    Raises:
        InputError: there is no dataset, no clip in it can be used, or `workers` is no number of processes.
    """
    root = Path(root)
    told: list[tuple[ProblemKind, InputError]] = []
    entries = read_dataset(root, on_problem=lambda *problem: told.append(problem))
    if not entries:
        raise told[0][1]
    look = partial(scan, quick=quick)
    clips = tuple(map(look, entries) if quick else each_clip(look, entries, workers, "audit"))
    survey = Survey(root, clips, tuple(problem(kind, error) for kind, error in told))
    findings = [finding for check in CHECKS for finding in check(survey)]
    findings.sort(key=lambda finding: finding.severity != ERROR)
    return Report(root, findings, statistics(survey))


def quick_findings(root: str | Path) -> list[Finding]:
    """Return the findings of a quick audit.

    Raises:
        InputError: see `audit`.
    """
    return audit(root, quick=True).findings


def print_warnings(root: str | Path) -> None:
    """Print what a quick audit finds, a line each, to stderr; what cannot be read is left to its reader."""
    try:
        findings = quick_findings(root)
    except InputError:
        return
    for finding in findings:
        print(f"audit: {finding.severity}: {finding.path}: {finding.message}", file=sys.stderr)
