"""Finds the YAML files that are shipped with the package, by name, from any folder."""

from __future__ import annotations

from pathlib import Path

from outpaint_lightning.types import InputError, nearest

SUFFIXES = (".yaml", ".yml", ".json")
_PACKAGE = Path(__file__).parents[1]
_ROOTS = (_PACKAGE, _PACKAGE.parent)  # an installed package contains the files; in the repository they are beside it


def find_config(name: str | Path, folder: str = "configs", beside: Path | None = None) -> Path:
    """Return the file for a name: a path, or the name of a shipped file, with or without suffix.

    >>> find_config("localizer/small").name
    'small.yaml'

    Args:
        name: `mine.yaml`, `localizer/small`, `configs/localizer/small.yaml`. A path relative to the working directory
            takes precedence over a shipped file.
        folder: folder of the shipped files: `configs`, `configs/forge`, `configs/corruptions` or `sweeps`.
        beside: folder to search first, such as that of the file that contains the name.

    Raises:
        InputError: there is no such file; the message gives the nearest existing name.
    """
    own = [Path(name)] if beside is None else [beside / name, Path(name)]
    found = next((path for path in own if path.is_file()), None) or _shipped(str(name), folder)
    if found is None:
        raise InputError(f"{name}: no such file{_suggestion(Path(name), folder)}")
    return found


def shipped_configs(folder: str = "configs") -> list[str]:
    """Return the sorted names of the shipped files, without suffix: `localizer/baseline`, ..."""
    roots = [root / folder for root in _ROOTS]
    return sorted({p.relative_to(root).with_suffix("").as_posix() for root in roots for p in root.rglob("*.yaml")})


def _shipped(name: str, folder: str) -> Path | None:
    """Return the shipped file for a name that may include its folder: `configs/forge/default`, `forge/default.yaml`."""
    parts = Path(folder).parts
    prefixes = ["/".join((*parts[depth:], "")) for depth in range(len(parts) + 1)]
    stems = dict.fromkeys(name.removeprefix(prefix).removesuffix(".yaml") for prefix in prefixes)
    files = (root / folder / f"{stem}.yaml" for stem in stems for root in _ROOTS)
    found = next((path for path in files if path.is_file()), None)
    return found.relative_to(Path.cwd()) if found and found.is_relative_to(Path.cwd()) else found


def _suggestion(name: Path, folder: str) -> str:
    """Return a hint at the nearest file: one beside the path, else a shipped one."""
    beside = [p.name for p in name.parent.glob("*") if p.suffix in SUFFIXES] if name.parent.is_dir() else []
    if near := nearest(name.name, beside):
        return f"; did you mean {str(name.parent / near)!r}?"
    shipped = shipped_configs(folder)
    by_ending = {each.rpartition("/")[2]: each for each in shipped} | {each: each for each in shipped}
    stem = name.with_suffix("").as_posix().removeprefix(f"{folder}/")
    near = nearest(stem, by_ending) or nearest(stem.rpartition("/")[2], by_ending)
    if near:
        return f"; did you mean {by_ending[near]!r}?"
    return f"; expected a YAML file, or one of {', '.join(each for each in shipped if each.count('/') < 2)}"
