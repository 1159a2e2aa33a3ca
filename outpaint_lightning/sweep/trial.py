"""One trial: a `fit` in its own processes, followed and stopped through files and signals.

Optuna calls a function in its own process. But a training may crash or run out of memory, or it may consist of several
processes, each of which would open its own trials if Optuna ran inside it. So the training does not know Optuna; the
two communicate through files in the run folder, see `callbacks.TrialReporter`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outpaint_lightning.processes.parent import die_with_parent

POLL = 0.2  # seconds between checks of a trial
_PATIENCE = 15  # seconds to end after SIGTERM
_OF_OTHER_LAUNCHERS = ("LOCAL_", "NODE_", "GROUP_", "WORLD_SIZE", "RANK", "ROLE_", "MASTER_", "SLURM_", "TORCHELASTIC_")


class TrialFailed(Exception):
    """A trial failed; the message is the reason.

    Args:
        reason: one line.
        bad_input: whether the trial's command line was refused.
    """

    def __init__(self, reason: str, bad_input: bool = False) -> None:
        super().__init__(reason)
        self.bad_input = bad_input


class Interrupted(TrialFailed):
    """A trial was stopped because its worker had to stop."""


@dataclass(frozen=True)
class Report:
    """One validation."""

    epoch: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Job:
    """A trial's command, its folder and its time limit.

    Args:
        command: program and arguments.
        folder: run folder; files of an earlier trial are removed.
        environment: variables added to the worker's own environment.
        timeout: time limit in seconds, or None.
    """

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    timeout: float | None

    def run(self, on_report: Callable[[Report], bool], asked_to_stop: Callable[[], bool]) -> str:
        """Run to the end and return how the trial ended: `complete` or `pruned`.

        Args:
            on_report: called with each validation; if it returns True, the trial is pruned.
            asked_to_stop: called every `POLL` seconds.

        Raises:
            TrialFailed: the trial crashed or took too long.
            Interrupted: the trial was asked to stop.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        end = time.monotonic() + (self.timeout or float("inf"))
        reports = self._reports()
        with self._process() as process:
            ended = False
            while not ended:
                ended = process.poll() is not None  # before reading the reports, so that the last ones count
                for report in iter(lambda: next(reports), None):
                    if on_report(report):
                        (self.folder / "STOP").touch()
                if ended:
                    break
                if asked_to_stop():
                    raise Interrupted("interrupted")
                if time.monotonic() > end:
                    raise TrialFailed(f"took longer than {(self.timeout or 0) / 60:g} minutes (timeout)")
                time.sleep(POLL)
        result = _read(self.folder / "result.json")
        if process.returncode or result.get("state") not in ("complete", "pruned"):
            kind = str(result.get("error") or "InputError").partition(":")[0]  # without subclasses, such as Diverged
            refused = process.returncode == 2 and kind == "InputError"
            raise TrialFailed(self._reason(process.returncode, result), bad_input=refused)
        return str(result["state"])

    @contextmanager
    def _process(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start the process in its own session, and leave no process of that session behind."""
        own = {key: value for key, value in os.environ.items() if not key.startswith(_OF_OTHER_LAUNCHERS)}
        with (self.folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**own, **self.environment},
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 (it takes no lock that another thread may hold)
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()  # only rank 0: a DDP job hangs if all ranks get SIGTERM
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_PATIENCE)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _reports(self) -> Iterator[Report | None]:
        """Yield each report once its line is complete, and None when there is no further report yet."""
        path, seen = self.folder / "reports.jsonl", 0
        while True:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
            for line in lines[seen:]:
                if line.endswith("\n"):
                    seen += 1
                    report = json.loads(line)
                    yield Report(report["epoch"], report["metrics"])
            yield None

    def _reason(self, code: int, result: Mapping[str, Any]) -> str:
        """Return the reason of a failure in one line: the first error of any rank, the fit's own, or the log's end."""
        errors = [_read(path) for path in self.folder.glob("error.*.json")]
        first = min(errors, key=lambda error: error.get("time", 0), default=result).get("error")
        log = (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = log[-1].removeprefix("outpaint-lightning: error: ") if log else "no output"
        line = first if first and code != 2 else last
        return f"killed by {signal.Signals(-code).name}: {line}" if code < 0 else str(line)


def _read(path: Path) -> dict[str, Any]:
    """Return a record, or an empty one if it is missing or broken."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
