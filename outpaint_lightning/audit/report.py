"""The report of an audit: one page of text, and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from outpaint_lightning.audit.findings import ERROR, Finding, first_of_each_kind
from outpaint_lightning.audit.run import Report

SHOWN, SHOWN_OF_MANY, MANY = 5, 2, 4
"""Findings shown per kind: with up to `MANY` kinds, and with more kinds."""


def as_json(report: Report) -> str:
    """Return `root`, `findings` and `statistics` as JSON; paths inside the root are relative to it."""
    findings = [asdict(finding) | {"path": _path(report, finding)} for finding in report.findings]
    content = {"root": str(report.root), "findings": findings, "statistics": report.statistics}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def as_text(report: Report) -> str:
    """Return one page: the first findings of each kind with advice, then the statistics."""
    return "\n".join([*_findings(report), *_summary(report), *_splits(report), *_floors(report), *_files(report)])


def _path(report: Report, finding: Finding) -> str:
    inside = finding.path != report.root and finding.path.is_relative_to(report.root)
    return str(finding.path.relative_to(report.root)) if inside else str(finding.path)


def _findings(report: Report) -> Iterator[str]:
    kinds = {finding.kind for finding in report.findings}
    width = max(map(len, kinds), default=0)
    for found, more in first_of_each_kind(report.findings, SHOWN if len(kinds) <= MANY else SHOWN_OF_MANY):
        for finding in found:
            yield f"{finding.severity:8} {finding.kind:{width}}  {_path(report, finding)}: {finding.message}"
            yield f"{'':9}{'':{width}}  advice: {finding.advice}"
        if more:
            yield f"{'':9}{found[0].kind:{width}}  and {more} more (all of them with --json)"
    if kinds:
        yield ""


def _summary(report: Report) -> Iterator[str]:
    errors = sum(finding.severity == ERROR for finding in report.findings)
    warnings = len(report.findings) - errors
    numbers = report.statistics
    yield (
        f"{_count(len(report.findings), 'finding')} ({_count(errors, 'error')}, {_count(warnings, 'warning')}) in "
        f"{_count(numbers['clips'], 'clip')} ({_count(numbers['sources'], 'source')}, "
        f"{_count(numbers['frames'], 'frame')})"
    )


def _splits(report: Report) -> Iterator[str]:
    numbers = report.statistics
    yield f"\n{'':12}{'sources':>8}{'authentic':>11}{'forged':>8}{'frames':>8}   forged area: min to max, quartiles"
    for split, row in numbers["splits"].items():
        frames = row["authentic"]["frames"] + row["forged"]["frames"]
        area = "  ".join(f"{share:6.1%}" for share in numbers["area"].get(split, []))
        yield (
            f"{split or 'all':12}{row['sources']:8}{row['authentic']['clips']:11}{row['forged']['clips']:8}{frames:8}"
            f"   {area}"
        ).rstrip()


def _floors(report: Report) -> Iterator[str]:
    floors = report.statistics["floors"]
    if not floors:
        return
    names = [name for name in next(iter(floors.values())) if name != "clips"]
    yield "\nfloors: F1 per video of masks that never look at a frame, learnt from the training masks"
    yield f"{'':12}{'clips':>8}" + "".join(f"{name.replace('_', ' '):>12}" for name in names)
    for split, row in floors.items():
        yield f"{split:12}{row['clips']:8}" + "".join(f"{row[name]:12.3f}" for name in names)
    cells = {
        (row["fill"], row["mask"]): max(row[name] for name in names) for row in report.statistics["floors_by_forger"]
    }
    if cells:
        fills, masks = (sorted({key[axis] for key in cells}) for axis in (0, 1))
        rows = [["best floor", *masks]]
        for fill in fills:
            rows.append([fill, *(f"{cells[fill, mask]:.3f}" if (fill, mask) in cells else "-" for mask in masks)])
        first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
        yield ""
        for name, *values in rows:
            yield f"{name:{first}}" + "".join(
                f"  {value:>{width}}" for value, width in zip(values, others, strict=True)
            )


def _files(report: Report) -> Iterator[str]:
    yield "\nfiles, as clips authentic + forged"
    for attribute, values in report.statistics["attributes"].items():
        shown = ", ".join(f"{value} {row['authentic']}+{row['forged']}" for value, row in values.items())
        yield f"  {attribute}: {shown}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
