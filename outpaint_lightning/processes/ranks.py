"""Processes that train together: they leave together, and one of them says why."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

import lightning.pytorch as pl
import torch.distributed as dist
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from torch.distributed.distributed_c10d import _get_default_store

from outpaint_lightning.processes.parent import die_with_parent
from outpaint_lightning.types import InputError

_FAILED = "outpaint_lightning/failed"
"""What processes that train together keep in their store about the one that failed first."""


@contextmanager
def one_voice() -> Iterator[None]:
    """Let an error reach the user once, from the process that fails first; the others leave without a word.

    What the others would say is the same, or that they lost touch with the first. Processes that a launcher starts, as
    torchrun and SLURM do, and that fail before they have met, speak once on each machine.

    Raises:
        SystemExit: in the others, with the code of that process: 130 if interrupted, 2 for an InputError, 1 otherwise.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        codes = {KeyboardInterrupt: 130, InputError: 2}
        own = next((code for kind, code in codes.items() if isinstance(error, kind)), 1)
        first = _first_failure(own)
        if first is None:
            raise
        raise SystemExit(first) from error


def _first_failure(own: int) -> int | None:
    """Return the exit code of the process that failed first, or None in that process itself."""
    if dist.is_available() and dist.is_initialized():
        try:
            store = _get_default_store()
            if store.add(f"{_FAILED}/count", 1) == 1:
                store.set(f"{_FAILED}/code", str(own))
                return None
            store.wait([f"{_FAILED}/code"], timedelta(seconds=2))
            return int(store.get(f"{_FAILED}/code"))
        except RuntimeError:  # the store is with the first process, which has gone: others were before us
            return own
    launched = "TORCHELASTIC_RUN_ID" in os.environ, "SLURM_LOCALID" in os.environ
    on_machine = os.environ.get("SLURM_LOCALID" if launched[1] else "LOCAL_RANK", "0")
    return own if any(launched) and int(on_machine) else None


def end_with_parent() -> None:
    """Have a process that Lightning started end when the one that started it is killed."""
    started = int(os.environ.get("LOCAL_RANK", "0")) > 0
    if started and "TORCHELASTIC_RUN_ID" not in os.environ and "SLURM_LOCALID" not in os.environ:
        die_with_parent()


def stop_in_order(trainer: pl.Trainer) -> None:
    """Have SIGTERM only noted, as the loops look for that note after every batch, and passed on to processes started.

    Lightning's own handler also broadcasts, in whatever the signal interrupts: where the other processes wait in
    another exchange, or get the signal twice, as when it is sent to all of a process group, none of them ends
    (Lightning issue 20806).
    """
    connector = trainer._signal_connector

    def note(number: int, _frame: FrameType | None) -> None:
        launcher = trainer.strategy.launcher
        if not connector.received_sigterm and isinstance(launcher, _SubprocessScriptLauncher):
            launcher.kill(signal.Signals(number))
        connector.received_sigterm = True

    connector._sigterm_notifier_fn = note  # type: ignore[method-assign,assignment]
