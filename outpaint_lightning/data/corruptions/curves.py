"""Reads files of corruptions.

A YAML file lists curves; `configs/corruptions/default.yaml` is an example. A curve names a part (a chain of `forge`, or
a frame change of `changes`), one option of the part, and the levels of that option from mild to strong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outpaint_lightning.data.corruptions.changes import FrameChange
from outpaint_lightning.forge.chains import Chain
from outpaint_lightning.settings.build import find_class
from outpaint_lightning.settings.find import find_config
from outpaint_lightning.settings.read import read_mapping
from outpaint_lightning.types import InputError, did_you_mean

KEYS = ("class_path", "option", "levels", "init_args")

Corruption = Chain | FrameChange


@dataclass(frozen=True)
class Curve:
    """One kind of corruption at several levels.

    Attributes:
        name: name in tables.
        option: the option of the part whose values are the levels.
        levels: values of the option, from mild to strong.
        corruptions: the part at each of these levels.
    """

    name: str
    option: str
    levels: tuple[float, ...]
    corruptions: tuple[Corruption, ...]


def read_curves(path: str | Path) -> list[Curve]:
    """Read a file of corruptions.

    Args:
        path: a YAML file, or the name of a file in `configs/corruptions`.

    Raises:
        InputError: names the file and the curve: the file does not exist or is not YAML, or a key, part, option or
            level cannot be used.
    """
    file = find_config(path, "configs/corruptions")
    content = read_mapping(file, f"names of curves, each with {', '.join(KEYS)}")
    curves = []
    for name, spec in content.items():
        try:
            curves.append(_curve(str(name), spec))
        except InputError as error:
            raise InputError(f"{file}: {name}: {error}") from error
    return curves


def _curve(name: str, spec: Any) -> Curve:
    if not isinstance(spec, Mapping):
        raise InputError(f"{spec!r}: expected the keys {', '.join(KEYS)}")
    for key in spec:
        if key not in KEYS:
            raise InputError(f"no key {key!r}; expected {', '.join(KEYS)}{did_you_mean(str(key), KEYS)}")
    for key in KEYS[:3]:
        if key not in spec:
            raise InputError(f"no {key}; expected {', '.join(KEYS[:3])}")
    part = find_class(str(spec["class_path"]), (Chain, FrameChange), {**Chain.known(), **FrameChange.known()})
    option = str(spec["option"])
    ranges = [known for known in part.option_names() if known != "every" and _is_range(getattr(part, known, None))]
    if option not in ranges:
        expected = f"expected one of {', '.join(ranges)}" if ranges else f"{part.title()} has none"
        raise InputError(f"option is {option!r}; {expected}{did_you_mean(option, ranges)}")
    levels = spec["levels"]
    if not isinstance(levels, list) or not levels or not all(type(level) in (int, float) for level in levels):
        raise InputError(f"levels is {levels!r}; expected a list of numbers, from mild to strong")
    if len(set(levels)) < len(levels):
        raise InputError(f"levels is {levels!r}; expected each level once")
    others = _others(spec.get("init_args") or {}, option)
    return Curve(name, option, tuple(levels), tuple(_at(part, others | {option: [level, level]}) for level in levels))


def _others(init_args: Any, option: str) -> dict[str, Any]:
    """Return the options that have the same value at every level."""
    if not isinstance(init_args, Mapping):
        raise InputError(f"init_args is {init_args!r}; expected option: value")
    for taken, why in ((option, "its values are the levels"), ("every", "each frame is judged at each level")):
        if taken in init_args:
            raise InputError(f"init_args has {taken!r}; expected none, as {why}")
    return dict(init_args)


def _at(part: type[Corruption], options: dict[str, Any]) -> Corruption:
    # By its dotted path, because a part finds only its own subclasses by name.
    corruption = part.build({"class_path": f"{part.__module__}.{part.__qualname__}", "init_args": options})
    if isinstance(corruption, Chain) and corruption.every != (1, 1):
        raise InputError(f"{part.title()}: every is {corruption.every}; expected a chain that keeps every frame")
    return corruption


def _is_range(default: Any) -> bool:
    return isinstance(default, tuple) and len(default) == 2 and all(type(value) in (int, float) for value in default)
