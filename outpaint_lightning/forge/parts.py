"""The base of masks, fills, seams and chains: a name, and parameters that are sampled before they are applied."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.settings.build import ClassSpec, find_class
from outpaint_lightning.types import InputError, did_you_mean

Parameters = dict[str, Any]
"""Sampled values, plain enough for JSON. Applying a part with the same parameters gives the same pixels."""


@dataclass(frozen=True, eq=False)
class Footage:
    """The input of a forgery; it is never modified.

    Attributes:
        frames: the authentic clip, uint8 `T H W 3`; a photo has T = 1.
        objects: masks of an object in it, bool `T H W`, for parts that need `objects`.
        donor: frames of another source, uint8 `T' H' W' 3`, for parts that need a `donor`.

    Example:
        >>> Footage.blank(frames=8, height=96, width=128).shape
        (8, 96, 128)
    """

    frames: NDArray[np.uint8]
    objects: NDArray[np.bool_] | None = None
    donor: NDArray[np.uint8] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """T, H and W of the clip."""
        frames, height, width = self.frames.shape[:3]
        return frames, height, width

    @classmethod
    def blank(cls, frames: int, height: int, width: int) -> Self:
        """Return footage without content, for functions that use its shape only; it takes no memory."""
        return cls(np.broadcast_to(np.uint8(0), (frames, height, width, 3)))


class Part:
    """One axis of a forgery. The constructor's options control the *sampling*; applying depends on the parameters only.

    A subclass is found by its `name` or its dotted path, so adding one needs no edit of a list.
    """

    name: ClassVar[str] = ""
    needs: ClassVar[frozenset[str]] = frozenset()
    """The contents that `Footage` must have besides frames: `objects`, `donor`, both or none."""
    limits: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """Smallest and largest value of numeric options; by default 0 and infinity."""

    @property
    def class_path(self) -> str:
        """The dotted path by which `named` finds this class."""
        return f"{type(self).__module__}.{type(self).__qualname__}"

    @classmethod
    def named(cls, name: str) -> type[Self]:
        """Return the subclass called `name`, or the one at the dotted path `name`.

        Raises:
            InputError: there is no such class.
        """
        found: type[Self] = find_class(name, (cls,), cls.known())
        return found

    @classmethod
    def recorded(cls, entry: Any) -> tuple[Self, Parameters]:
        """Return the part and the parameters of a record. Nothing is imported, because the record may be a stranger's.

        Raises:
            InputError: the entry is malformed, or its class is neither in this package nor in an imported module.
        """
        path, params = (entry.get(key) if isinstance(entry, Mapping) else None for key in ("class_path", "params"))
        if not isinstance(path, str) or not isinstance(params, dict):
            raise InputError(f"record: {str(entry)[:100]}: expected class_path and params of a {cls.title()}")
        module = path.rpartition(".")[0]
        if not module.startswith("outpaint_lightning.forge.") and module not in sys.modules:
            raise InputError(f"record: {path} is not of this package; if you trust it, import {module} first")
        return cls.named(path)(), params

    @classmethod
    def build(cls, spec: str | Mapping[str, Any] | Self) -> Self:
        """Construct a part from its name or from `{class_path: name or dotted path, init_args: {...}}`.

        Raises:
            InputError: the class or an option is unknown, or a value is not accepted.
        """
        if isinstance(spec, cls):
            return spec
        described = ClassSpec.read(spec, f"the name of a {cls.__name__}")
        part, options = cls.named(described.class_path), described.init_args
        known = part.option_names()
        for key, value in options.items():
            if key not in known:
                expected = f"expected one of {', '.join(known)}" if known else "it has none"
                raise InputError(f"{part.title()}: no option {key!r}; {expected}{did_you_mean(str(key), known)}")
            _check(f"{part.title()}: {key}", value, getattr(part, key, None), *part.limits.get(key, (0, math.inf)))
        try:
            return part(**{key: _tupled(value) for key, value in options.items()})
        except (TypeError, ValueError) as error:
            raise InputError(f"{part.title()}: {error}") from error

    @classmethod
    def title(cls) -> str:
        """Return its name; for a class without one, the class's name."""
        return cls.name or cls.__name__

    @classmethod
    def option_names(cls) -> list[str]:
        """Return the names of the constructor's options."""
        return [field.name for field in dataclasses.fields(cls) if field.init] if dataclasses.is_dataclass(cls) else []

    @classmethod
    def known(cls) -> dict[str, type[Self]]:
        """Return the imported subclasses that have a name, by name."""
        return {part.name: part for part in cls._descendants() if part.name}

    @classmethod
    def _descendants(cls) -> Iterator[type[Self]]:
        for part in cls.__subclasses__():
            yield part
            yield from part._descendants()


NUMBERS: dict[type, tuple[str, tuple[type, ...]]] = {int: ("whole number", (int,)), float: ("number", (int, float))}


def _check(what: str, value: Any, default: Any, lowest: float, highest: float) -> None:
    """Raise `InputError` unless `value` has the type of its default; a pair must have two numbers in rising order."""
    many = isinstance(default, tuple)
    kind = type(default[0] if many else default)
    if kind not in NUMBERS:  # the part itself checks it
        return
    called, accepted = NUMBERS[kind]
    values = value if many and isinstance(value, list | tuple) else [value]
    fine = all(type(number) in accepted for number in values)
    if not (fine and len(values) == 1 + many and lowest <= values[0] <= values[-1] <= highest):
        expected = f"two {called}s in rising order" if many else f"a {called}"
        raise InputError(f"{what} is {value!r}; expected {expected}, from {lowest:g} to {highest:g}")


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


class ClipFreePart(Part):
    """A part whose parameters do not depend on the clip: fills, seams and chains."""

    def sample(self, rng: np.random.Generator) -> Parameters:  # noqa: ARG002 - for subclasses that draw something
        """Draw the parameters of one forgery; by default there are none."""
        return {}
