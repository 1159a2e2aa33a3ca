"""Audits a dataset: scans every clip, then runs every check on all of them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from outpaint_lightning.audit.findings import ERROR, Finding, first_of_each_kind
from outpaint_lightning.audit.integrity import contradicting_masks, problem, problems
from outpaint_lightning.audit.leaks import duplicates
from outpaint_lightning.audit.scan import scan
from outpaint_lightning.audit.shortcuts import area, balance, categories, confounded, position
from outpaint_lightning.audit.statistics import statistics
from outpaint_lightning.audit.survey import Survey
from outpaint_lightning.io import ClipEntry, read_dataset
from outpaint_lightning.io.dataset import ProblemKind
from outpaint_lightning.processes.pool import each_clip
from outpaint_lightning.types import InputError

CHECKS: tuple[Callable[[Survey], Iterable[Finding]], ...] = (
    problems,
    contradicting_masks,
    duplicates,
    confounded,
    position,
    area,
    categories,
    balance,
)


WARNED = 3
"""Number of findings per kind that are printed before training."""


@dataclass(frozen=True)
class Report:
    """The result of an audit."""

    root: Path
    findings: list[Finding]
    """Errors first; within a severity, in the order of the checks."""
    statistics: dict[str, Any]
    """JSON-able; see `statistics.statistics`."""


def audit(root: str | Path, *, quick: bool = False, workers: int = 1) -> Report:
    """Audit a dataset.

    >>> report = outpaint_lightning.audit("data/forged", quick=True)  # doctest: +SKIP
    >>> report.findings  # doctest: +SKIP
    []

    Args:
        root: the dataset, in any layout that `read_dataset` knows.
        quick: use only names, lists and headers, and the bytes of one frame of each clip; no frame or mask is decoded.
        workers: processes; more than 1 need a main module that can be imported. A quick audit uses at most one.

    Raises:
        InputError: there is no dataset, none of its clips can be used, or `workers` is not a number of processes.
    """
    root = Path(root)
    raised: list[tuple[ProblemKind, InputError]] = []
    entries = read_dataset(root, on_problem=lambda *problem: raised.append(problem))
    if not entries:
        raise raised[0][1]
    return _report(root, entries, [problem(kind, error) for kind, error in raised], quick, workers)


def _report(root: Path, entries: Sequence[ClipEntry], raised: Iterable[Finding], quick: bool, workers: int) -> Report:
    look = partial(scan, quick=quick)
    # Headers are read before processes could start; a number below 1 is still refused.
    clips = each_clip(look, entries, min(workers, 1), "") if quick else each_clip(look, entries, workers, "audit")
    survey = Survey(root, tuple(clips), tuple(raised))
    findings = [finding for check in CHECKS for finding in check(survey)]
    findings.sort(key=lambda finding: finding.severity != ERROR)
    return Report(root, findings, statistics(survey))


def print_warnings(root: str | Path) -> None:
    """Print the findings of a quick audit to stderr, one per line and some of each kind.

    A dataset that `read_dataset` refuses is skipped; reading it later raises the error.
    """
    try:
        entries = read_dataset(root)
    except (InputError, OSError):
        return
    findings = _report(Path(root), entries, (), quick=True, workers=1).findings
    for found, more in first_of_each_kind(findings, WARNED):
        for finding in found:
            print(f"audit: {finding.severity}: {finding.path}: {finding.message}", file=sys.stderr)
        if more:
            command = f"outpaint-lightning audit {shlex.quote(str(root))}"
            print(f"audit: {found[0].kind}: and {more} more: {command}", file=sys.stderr)
