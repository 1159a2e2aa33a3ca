"""What an audit finds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from outpaint_lightning.types import InputError

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a dataset, or that makes results on it mean less than they seem to."""

    severity: str
    """`ERROR`: it cannot be read, contradicts itself, or its results are wrong. `WARNING`: look at it."""
    kind: str
    """One word, the same for all findings of one check."""
    path: Path
    """What to look at."""
    message: str
    """One line, that starts with neither the path nor a capital."""
    advice: str
    """One line: what to do."""


def of_error(kind: str, error: InputError, advice: str) -> Finding:
    """Return an error of the package as a finding; its message begins with the path that it is about."""
    path, _, message = str(error).partition(": ")
    return Finding(ERROR, kind, Path(path), message, advice)
