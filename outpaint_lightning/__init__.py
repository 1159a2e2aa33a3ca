"""Make, find and repair outpainted and inpainted regions in video and images, with PyTorch Lightning.

The verbs of the command line are functions here, too: `outpaint_lightning.forge("clips", "data/forged")`. None of them
imports torch before it is called.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from outpaint_lightning.audit.run import audit
    from outpaint_lightning.benchmark.run import benchmark
    from outpaint_lightning.compare.run import compare
    from outpaint_lightning.demo.run import demo
    from outpaint_lightning.export.run import export
    from outpaint_lightning.forge.run import forge
    from outpaint_lightning.inpaint.run import inpaint
    from outpaint_lightning.localize.run import localize
    from outpaint_lightning.seal.run import seal
    from outpaint_lightning.sweep.run import sweep
    from outpaint_lightning.weights.run import weights

__version__ = "0.1.0"
__all__ = [
    "audit",
    "benchmark",
    "compare",
    "demo",
    "export",
    "forge",
    "inpaint",
    "load_task",
    "localize",
    "seal",
    "sweep",
    "weights",
]


def load_task(path: str | Path) -> pl.LightningModule:
    """Build the task that a checkpoint describes, with its weights, in evaluation mode.

    >>> task = load_task("runs/localizer/small")  # doctest: +SKIP
    >>> probability = task(image)  # doctest: +SKIP

    Args:
        path: a checkpoint; a run folder, whose best checkpoint is taken; or the name of weights that ship, such as
            `default`.

    Raises:
        InputError: there is no such checkpoint, or it cannot be rebuilt.
    """
    from outpaint_lightning.checkpoints.rebuild import load_task as load

    return load(path)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # to a type checker, a module with `__getattr__` has every name

    def __getattr__(name: str) -> Any:
        """Import the package of a verb, which is called like the function of its name; see `verbs`."""
        if name in __all__:
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
