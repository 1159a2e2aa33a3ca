"""Builds the classes that YAML names: `{class_path: dotted path or name, init_args: {option: value}}`.

LightningCLI builds the classes of an experiment itself; this is for recipes, corruptions and sweeps.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outpaint_lightning.types import InputError, did_you_mean


@dataclass(frozen=True)
class ClassSpec:
    """A class that YAML names, and its options."""

    class_path: str
    init_args: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, value: Any, expected: str) -> ClassSpec:
        """Read a class from YAML: a class name alone, or `class_path` and optionally `init_args`.

        >>> ClassSpec.read({"class_path": "box", "init_args": {"area": [0.1, 0.2]}}, "a mask")
        ClassSpec(class_path='box', init_args={'area': [0.1, 0.2]})

        Args:
            value: the value from YAML.
            expected: what it should name, for messages.

        Raises:
            InputError: it has another form.
        """
        given = {"class_path": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping) or not {"class_path"} <= set(given) <= {"class_path", "init_args"}:
            raise InputError(f"{value!r}: expected {expected}, or class_path and init_args")
        options = given.get("init_args") or {}
        if not isinstance(options, Mapping) or not all(isinstance(key, str) for key in options):
            raise InputError(f"{given['class_path']}: init_args is {options!r}; expected option: value")
        return cls(str(given["class_path"]), options)


def find_class(path: str, kinds: tuple[type, ...], known: Mapping[str, type]) -> Any:
    """Return the class with a name or a dotted path; the module of a dotted path is imported.

    Args:
        path: `box`, or `my_package.Box`.
        kinds: base classes; it must be a subclass of one of them.
        known: classes by name.

    Raises:
        InputError: there is no such class, or it is of another kind.
    """
    names = " or ".join(kind.__name__ for kind in kinds)
    if path in known:
        return known[path]
    module, _, name = path.rpartition(".")
    if not module:
        raise InputError(f"{names} {path!r}: expected one of {', '.join(known)}{did_you_mean(path, known)}")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:  # ValueError, TypeError: for odd spellings
        raise InputError(f"{path}: cannot be imported ({error}); expected a {names}") from error
    if not (isinstance(found, type) and issubclass(found, kinds)):
        raise InputError(f"{path}: expected a {names}")
    return found
