"""One worker of a sweep: asks the study for values, runs a trial with them, tells how it ended, again and again.

`python -m outpaint_lightning.sweep.worker` reads its task as JSON from stdin, so that no password of a storage is seen
among the processes or on disk. It imports neither torch nor Lightning.
"""

from __future__ import annotations

import json
import math
import signal
import socket
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from optuna.trial import TrialState

from outpaint_lightning.sweep.results import line
from outpaint_lightning.sweep.spec import Sweep
from outpaint_lightning.sweep.study import (
    SeededSampler,
    Turn,
    fail_lost,
    load,
    open_storage,
    retried,
    storage_errors,
    tally,
    try_again,
)
from outpaint_lightning.sweep.trial import Interrupted, Job, Report, TrialFailed
from outpaint_lightning.types import InputError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WAIT = 0.5  # seconds between looks at a study that has no room


@dataclass(frozen=True)
class Task:
    """What a worker is told.

    Args:
        sweep: content of the sweep's file, as read.
        file: of the sweep.
        out: sweep folder.
        storage: URL.
        trials: how many in all.
        command: of a trial, before its options.
        environment: of its trials: GPUs, threads.
    """

    sweep: Mapping[str, object]
    file: str
    out: str
    storage: str
    trials: int
    command: Sequence[str]
    environment: Mapping[str, str]


class Worker:
    """Runs trials until the study has enough, or a signal comes."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.sweep = replace(Sweep.of(task.sweep, Path(task.file)), trials=task.trials)
        self.out = Path(task.out)
        self.stopping = False
        self._turn = Turn(self.out / ".turn")
        for number in SIGNALS:  # also SIGINT, which a shell's background jobs are born deaf to
            signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def run(self) -> None:
        """Run trials.

        Raises:
            InputError: the storage fails; or a trial's command line is refused before any trial got anywhere.
        """
        sweep = self.sweep
        with storage_errors(self.task.storage):
            study = load(sweep, open_storage(self.task.storage, sweep.heartbeat), self.task.storage)
            study.sampler = SeededSampler(sweep.sampler)
            study.pruner = sweep.pruner.make(**sweep.pruner.options) if sweep.pruner else optuna.pruners.NopPruner()
            while not self.stopping:
                with self._turn:
                    fail_lost(study, sweep.heartbeat)
                    count = tally(study)
                    if count["finished"] >= sweep.trials:
                        return
                    room = count["finished"] + count["running"] < sweep.trials
                    if room and (count["waiting"] or not sweep.grid) and not self.stopping:
                        self._next(study)
                        continue
                time.sleep(_WAIT)  # a running trial may yet be lost

    def _next(self, study: optuna.Study) -> None:
        """Run one trial, say how it ended, and see to one that failed."""
        numbers: list[int] = []
        ended: list[TrialFailed] = []

        def objective(trial: optuna.Trial) -> float | list[float]:
            self._turn.release()
            numbers.append(trial.number)
            try:
                return self._objective(trial)
            except (TrialFailed, OSError) as error:
                trial.set_user_attr("reason", str(error))
                if isinstance(error, TrialFailed):
                    trial.set_user_attr("refused", error.bad_input)
                    ended.append(error)
                raise

        try:
            study.optimize(objective, n_trials=1, catch=(TrialFailed,))
        except Exception:
            trials = study.trials
            if {*numbers} & retried(trials):  # Optuna will not be told of a trial that has ended
                print(f"trial {numbers[0]}: taken for lost while this worker slept, and tried again", flush=True)
                return
            for number in numbers:
                if trials[number].state == TrialState.FAIL:  # of a full disk, or a storage that was away
                    try_again(study, trials[number])
            raise
        trial = study.trials[numbers[0]]
        if trial.state == TrialState.FAIL and any(isinstance(failed, Interrupted) for failed in ended):
            try_again(study, trial)
        print(line(study, self.sweep, trial), flush=True)
        if any(failed.bad_input for failed in ended) and not tally(study)["good"]:
            raise InputError(f"{self.task.file}: trial {trial.number}: {ended[0]}")

    def _objective(self, trial: optuna.Trial) -> float | list[float]:
        sweep = self.sweep
        folder = Path("trials") / f"{trial.number:05d}"
        trial.set_user_attr("folder", str(folder))
        trial.set_user_attr("host", socket.gethostname())
        values = sweep.space.suggest(trial)
        reports: list[Report] = []

        def on_report(report: Report) -> bool:
            reports.append(report)
            if len(sweep.metrics) > 1:
                return False
            trial.report(report.metrics[sweep.metrics[0]], len(reports) - 1)
            return trial.should_prune()

        job = Job(
            command=[*self.task.command, *sweep.words(values, self.out / folder)],
            folder=self.out / folder,
            environment={
                "WANDB_RUN_GROUP": sweep.name,
                "WANDB_JOB_TYPE": "trial",
                "WANDB_NAME": sweep.space.title(values),
                **self.task.environment,
            },
            timeout=None if sweep.timeout is None else 60 * sweep.timeout,
        )
        try:
            state = job.run(on_report, lambda: self.stopping)
        finally:
            trial.set_user_attr("epochs", reports[-1].epoch + 1 if reports else 0)
        if state == "pruned":
            raise optuna.TrialPruned
        chosen = self._chosen(reports)
        for name, limit in sweep.constraints.items():
            trial.set_constraint(name, chosen[name] - limit)
        worth = [chosen[name] for name in sweep.metrics]
        return worth[0] if len(worth) == 1 else worth

    def _chosen(self, reports: Sequence[Report]) -> Mapping[str, float]:
        """Return the metrics of the validation that counts.

        That is the last, or the best in the first metric: of those within the constraints where there are any.
        """
        first, sign = self.sweep.metrics[0], -1 if self.sweep.directions[0] == "minimize" else 1
        known = [r.metrics for r in reports if all(math.isfinite(r.metrics[name]) for name in self.sweep.reported)]
        if not known:
            what = "was not a number in any validation" if reports else "was never logged: no validation took place"
            raise TrialFailed(f"{', '.join(self.sweep.reported)} {what}")
        limits = self.sweep.constraints.items()
        within = [metrics for metrics in known if all(metrics[name] <= limit for name, limit in limits)]
        return known[-1] if self.sweep.last else max(within or known, key=lambda metrics: sign * metrics[first])


def main() -> int:
    """Run the worker whose task is on stdin; return 0, 2 for bad input, or 130 when it was stopped."""
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    worker = Worker(Task(**json.load(sys.stdin)))
    try:
        worker.run()
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:  # a full disk
        print(f"{error.filename or error}: {error.strerror or ''}; the same command goes on", file=sys.stderr)
        return 2
    return 130 if worker.stopping else 0


if __name__ == "__main__":
    sys.exit(main())
