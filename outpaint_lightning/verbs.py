"""Packages that can be called like the function of the same name.

`outpaint_lightning.forge` is both a package (with recipes, masks and fills) and a function. As soon as anything inside
the package is imported, Python binds the name to the package. So the package itself is callable:
`outpaint_lightning.forge(...)` runs `outpaint_lightning.forge.run.forge`, and `outpaint_lightning.forge.recipe` is
still the module. Type checkers see the function, which `outpaint_lightning/__init__.py` imports for them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspect import Signature


class Verb(ModuleType):
    """A package that can be called. The call imports its module `run` and runs the function of the package's name."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function."""
        return self._function()(*args, **kwargs)

    @property
    def __signature__(self) -> Signature:
        """The signature of the function, for `inspect.signature` and interactive help."""
        from inspect import signature

        return signature(self._function())

    def _function(self) -> Callable[..., Any]:
        name = self.__name__.rpartition(".")[2]
        function: Callable[..., Any] = getattr(importlib.import_module(f"{self.__name__}.run"), name)
        return function


def make_callable(package: str) -> None:
    """Make a package a `Verb`. Its `__init__` calls this once, with `__name__`."""
    sys.modules[package].__class__ = Verb
