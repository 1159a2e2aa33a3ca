"""The findings of an audit."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from outpaint_lightning.types import InputError

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Finding:
    """One problem of a dataset: something is wrong, or results on it are less meaningful than they seem."""

    severity: str
    """`ERROR`: it cannot be read, contradicts itself, or gives wrong results. `WARNING`: it needs a look."""
    kind: str
    """One word, the same for all findings of one check."""
    path: Path
    """The file or folder concerned."""
    message: str
    """One line that starts neither with the path nor with a capital letter."""
    advice: str
    """What to do, in one line."""


def of_error(kind: str, error: InputError, advice: str) -> Finding:
    """Return an error of the package as a finding; its message begins with the path concerned.

    Names may contain ": " too, so the path ends at the first ": " after its longest existing part.
    """
    line = str(error)
    known = max((at.start() for at in re.finditer("/|: ", line) if os.path.exists(line[: at.start()])), default=0)
    rest, _, message = line[known:].partition(": ")
    return Finding(ERROR, kind, Path(line[:known] + rest), message, advice)


def first_of_each_kind(findings: Iterable[Finding], count: int) -> Iterator[tuple[list[Finding], int]]:
    """Yield for each kind up to `count` findings and the number of the others."""
    kinds: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        kinds[finding.kind].append(finding)
    for found in kinds.values():
        yield found[:count], max(0, len(found) - count)


def listed(names: Sequence[str], count: int = 5, separator: str = ", ") -> str:
    """Return the first `count` names and the number of the others."""
    more = [f"{len(names) - count} more"] if len(names) > count else []
    return separator.join([*names[:count], *more])
