"""What mask samplers, fills and seams have in common: a name, and parameters sampled apart from their application."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar, Self

import numpy as np

from outpaint_lightning.types import InputError, did_you_mean

Parameters = dict[str, Any]
"""Sampled values, plain enough for JSON. With them a part is applied again and gives the same pixels."""


class Part:
    """One axis of a forger. What a constructor takes shapes the *sampling*; applying depends on the parameters only.

    A subclass is found by its `name` or its dotted path, so a new one needs no list to be edited.
    """

    name: ClassVar[str] = ""

    @property
    def class_path(self) -> str:
        """The dotted path by which `named` gets this class back."""
        return f"{type(self).__module__}.{type(self).__qualname__}"

    @classmethod
    def named(cls, name: str) -> type[Self]:
        """Return the subclass called `name`, or the one at the dotted path `name`.

        Raises:
            InputError: There is none.
        """
        if "." in name:
            module, _, attribute = name.rpartition(".")
            try:
                found = getattr(importlib.import_module(module), attribute)
            except (ImportError, AttributeError) as error:
                raise InputError(f"{name}: cannot be imported ({error}); expected a {cls.__name__}") from error
            if isinstance(found, type) and issubclass(found, cls):
                return found
            raise InputError(f"{name}: expected a {cls.__name__}")
        known = {part.name: part for part in cls.__subclasses__() if part.name}
        if name not in known:
            raise InputError(f"{cls.__name__} {name!r}: expected one of {', '.join(known)}{did_you_mean(name, known)}")
        return known[name]


class ClipFreePart(Part):
    """A part whose parameters do not depend on the clip: fills and seams."""

    def sample(self, rng: np.random.Generator) -> Parameters:  # noqa: ARG002 - for the parts that leave things to chance
        """Draw the parameters of one forgery; none unless a subclass says otherwise."""
        return {}
