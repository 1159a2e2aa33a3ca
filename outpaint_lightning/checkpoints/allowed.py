"""The classes that a checkpoint may build. A file may come from a stranger, so every name is checked before an import.

The check reads plain values only, and it is strict, because the code that builds classes from them is lenient: it also
reads class names, YAML and interpolations in strings, and nested keys in dotted ones.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from outpaint_lightning.types import InputError

ALLOWED = (
    "outpaint_lightning.tasks",
    "outpaint_lightning.nets",
    "outpaint_lightning.losses",
    "torch.nn",
    "torch.optim",
    "torchvision.models",
)
"""Packages whose classes may be named. Functions may not: those of torchvision.models download weights."""
VARIABLE = "OUTPAINT_LIGHTNING_TRUST"
"""Environment variable with further modules that the user trusts, separated by commas; child processes inherit it."""
DEEPEST = 32
"""Limit of nesting; real checkpoints stay far below."""

_NETS = "outpaint_lightning.nets"
MOVED = {
    **{f"{_NETS}.{module}": f"{_NETS}.localizers.{module}" for module in ("heads", "raft", "unet")},
    **{f"{_NETS}.{module}": f"{_NETS}.detectors.{module}" for module in ("backbones", "region")},
    **{f"{_NETS}.{module}": f"{_NETS}.flow.{module}" for module in ("blend", "fills", "refiner")},
    **{f"{_NETS}.{module}": f"{_NETS}.layers.{module}" for module in ("partial_conv", "residual_filters")},
}
"""Modules that older checkpoints may name, and the present modules of their classes."""

_NAME = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)+", re.ASCII)
_KEY = re.compile(r"[\w-]+", re.ASCII)


def trust(module: str) -> None:
    """Let checkpoints name classes of a module or package, in this process and its children.

    Raises:
        InputError: the text is not the name of a module.
    """
    if not all(part.isidentifier() for part in module.split(".")):
        raise InputError(f"--trust {module!r}: expected the name of a module, as my_net or my_package.nets")
    os.environ[VARIABLE] = ",".join(dict.fromkeys([*trusted(), module]))


def trusted() -> list[str]:
    """Return the modules that the user trusts."""
    return [module for module in os.environ.get(VARIABLE, "").split(",") if module]


def checked(value: Any, extra: Sequence[str] = (), depth: int = 0) -> Any:
    """Return a copy of a checkpoint's value in which every class is an allowed one, with its present module.

    Names of pretrained weights are removed, because the checkpoint itself holds the weights.

    Args:
        value: plain values, and lists and mappings of them.
        extra: modules whose classes it may name besides `ALLOWED` and `trusted`.
        depth: nesting depth of the value.

    Raises:
        InputError: it names another class, holds text that could be read as more than text, or is not made of plain
            values.
    """
    if depth > DEEPEST:
        raise InputError(f"its options are nested more than {DEEPEST} deep")
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _checked_text(value, extra)
        case list() | tuple():
            return [checked(item, extra, depth + 1) for item in value]
        case dict():
            return {_checked_key(key): _checked_item(key, item, extra, depth + 1) for key, item in value.items()}
        case _:
            raise InputError(f"its options hold a {type(value).__name__}; expected plain values")


def class_paths(value: Any) -> Iterator[str]:
    """Yield the value of every `class_path` in nested lists and mappings."""
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        if key == "class_path":
            yield str(item)
        elif isinstance(item, Mapping | list | tuple):
            yield from class_paths(item)


def require_class(name: str, extra: Sequence[str] = ()) -> None:
    """Import the class with a name that was checked.

    Raises:
        InputError: there is no such class; or it comes from elsewhere, such as a module imported by an allowed module.
    """
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"it names {name}, which cannot be imported ({error})") from error
    own = isinstance(found, type) and _inside(found.__module__, ALLOWED)
    if not own and not _inside(name, [*trusted(), *extra]):
        raise InputError(f"it names {name}, which is no class of {', '.join(ALLOWED)}")


def _checked_item(key: str, item: Any, extra: Sequence[str], depth: int) -> Any:
    if key == "weights" and isinstance(item, str):
        return None
    if key in ("class_path", "_class_path"):
        return _checked_name(item, extra)
    return checked(item, extra, depth)


def _checked_key(key: Any) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InputError(f"it has the option {key!r}; expected a name")
    return key


def _checked_name(name: Any, extra: Sequence[str]) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"it names the class {name!r}; expected one with its module")
    module, _, attribute = name.rpartition(".")
    present = f"{MOVED.get(module, module)}.{attribute}"
    if not _inside(present, [*ALLOWED, *trusted(), *extra]):
        top = name.partition(".")[0]
        raise InputError(f"it names {name}, which is not of this package; if you trust it, give --trust {top}")
    return present


def _checked_text(text: str, extra: Sequence[str]) -> str:
    """Return the text if it is only text, or the class that it names if that is allowed."""
    if "${" in text:
        raise InputError(f"its options hold {text!r}; values of a checkpoint are not filled in")
    try:
        meaning = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        meaning = text
    if isinstance(meaning, Mapping | list | set):
        raise InputError(f"its options hold the text {text[:80]!r}, which reads as YAML")
    importable = _NAME.fullmatch(text) and importlib.util.find_spec(text.partition(".")[0])
    return _checked_name(text, extra) if importable else text


def _inside(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)
