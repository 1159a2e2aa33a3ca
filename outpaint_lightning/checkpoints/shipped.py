"""The weights that are shipped with the package, by name. It imports nothing heavy, because `--help` uses it."""

from __future__ import annotations

from pathlib import Path

SUFFIX = ".safetensors"
"""Suffix of distributed weights; see `weights`."""
DEFAULT = "default"
"""Name that stands for the shipped localizer and, for images given to `localize`, the shipped region detector."""
LOCALIZER = "localizer"
REGIONS = "regions"
FOLDER = Path(__file__).resolve().parent.parent / "weights"


def shipped() -> dict[str, Path]:
    """Return the files of shipped weights, by name; each has its card beside it."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIX}"))}


def find_shipped(name: str) -> Path | None:
    """Return the shipped weights with a name, for `default` those of the localizer; None if there are none."""
    return shipped().get(LOCALIZER if name == DEFAULT else name)
