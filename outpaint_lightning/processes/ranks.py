"""Processes of one training: they end together, and one of them reports the reason."""

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
"""Prefix of the keys in the shared store that describe the first failure."""


@contextmanager
def one_voice() -> Iterator[None]:
    """Report an error once, from the process that fails first; the others exit silently.

    The other processes would report the same error, or that they lost the connection. Processes that a launcher such as
    torchrun or SLURM starts, and that fail before they are connected, report once per machine.

    Raises:
        SystemExit: in the other processes, with the exit code of the first: 130 if interrupted, 2 for an InputError,
            else 1.
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
        except RuntimeError:  # the store ended with the first process, so another failed before
            return own
    launched = "TORCHELASTIC_RUN_ID" in os.environ, "SLURM_LOCALID" in os.environ
    on_machine = os.environ.get("SLURM_LOCALID" if launched[1] else "LOCAL_RANK", "0")
    return own if any(launched) and int(on_machine) else None


def end_with_parent() -> None:
    """Let a process that Lightning started end when its parent is killed."""
    started = int(os.environ.get("LOCAL_RANK", "0")) > 0
    if started and "TORCHELASTIC_RUN_ID" not in os.environ and "SLURM_LOCALID" not in os.environ:
        die_with_parent()


def stop_in_order(trainer: pl.Trainer) -> None:
    """Let SIGTERM only set a flag, which the loops check after every batch, and forward it to started processes.

    Lightning's own handler also broadcasts, at an arbitrary point of the interrupted code. If the other processes wait
    in another exchange, or get the signal twice (when it is sent to the whole process group), none of them ends
    (Lightning issue 20806).
    """
    connector = trainer._signal_connector

    def note(number: int, _frame: FrameType | None) -> None:
        launcher = trainer.strategy.launcher
        if not connector.received_sigterm and isinstance(launcher, _SubprocessScriptLauncher):
            launcher.kill(signal.Signals(number))
        connector.received_sigterm = True

    connector._sigterm_notifier_fn = note  # type: ignore[method-assign,assignment]
