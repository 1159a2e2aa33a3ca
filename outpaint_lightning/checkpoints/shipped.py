"""The weights that come with the package, by name. Nothing heavy is imported: `--help` names the default."""

from __future__ import annotations

from pathlib import Path

SUFFIX = ".safetensors"
"""Of weights that are passed on; see `weights`."""
DEFAULT = "default"
"""Stands for the localizer that ships, and where `localize` is given an image for the region detector."""
LOCALIZER = "localizer"
REGIONS = "regions"
FOLDER = Path(__file__).resolve().parent.parent / "weights"


def shipped() -> dict[str, Path]:
    """Return the files of weights that come with the package, by name; each has its card beside it."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIX}"))}


def find_shipped(name: str) -> Path | None:
    """Return the weights of some name, those of the localizer for `default`; None where none are called so."""
    return shipped().get(LOCALIZER if name == DEFAULT else name)
