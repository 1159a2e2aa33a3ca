"""Packages that are called like the function of their name.

`outpaint_lightning.forge` is a package with recipes, masks and fills in it, and a verb. Python binds the name to the
package as soon as anything inside it is imported, whatever it stood for before. So the package itself is callable:
`outpaint_lightning.forge(...)` runs `outpaint_lightning.forge.run.forge`, and `outpaint_lightning.forge.recipe` is
still the module. To type checkers the name is the function, which `outpaint_lightning/__init__.py` imports for them.
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
    """A package that runs the function of its name in its module `run`, which is imported by the call."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function."""
        return self._function()(*args, **kwargs)

    @property
    def __signature__(self) -> Signature:
        """The function's, for `inspect.signature` and interactive help."""
        from inspect import signature

        return signature(self._function())

    def _function(self) -> Callable[..., Any]:
        name = self.__name__.rpartition(".")[2]
        function: Callable[..., Any] = getattr(importlib.import_module(f"{self.__name__}.run"), name)
        return function


def make_callable(package: str) -> None:
    """Make a package a `Verb`; called once in its `__init__`, with `__name__`."""
    sys.modules[package].__class__ = Verb
