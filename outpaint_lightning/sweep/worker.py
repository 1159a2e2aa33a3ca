"""The workers of a sweep: threads that each run one trial at a time until the study has enough.

Threads are enough, because every trial is its own process and its worker only waits for it. Optuna's
`optimize(n_jobs=...)` also uses threads, but they share one sampler and start a fixed number of trials, regardless of
other hosts. So each of our workers calls `optimize` for one trial whenever the study has room for one.
"""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from outpaint_lightning.sweep.results import line
from outpaint_lightning.sweep.spec import Sweep
from outpaint_lightning.sweep.study import SeededSampler, Turn, fail_lost, load, retried, tally, try_again
from outpaint_lightning.sweep.trial import Interrupted, Job, Report, TrialFailed
from outpaint_lightning.types import InputError

_WAIT = 0.5  # seconds between checks of a study without room


@dataclass(frozen=True)
class Worker:
    """Runs trials until the study has enough, or the worker is asked to stop.

    Args:
        sweep: the sweep.
        folder: folder of the sweep.
        command: command of a trial, before its options.
        storage: storage of the study.
        url: URL of the storage, for messages.
        environment: variables for its trials: GPUs, threads.
        stop: set when all workers must stop.
    """

    sweep: Sweep
    folder: Path
    command: Sequence[str]
    storage: RDBStorage
    url: str
    environment: Mapping[str, str]
    stop: threading.Event

    def run(self) -> None:
        """Run trials.

        Raises:
            InputError: a trial's command line is refused and no trial has succeeded yet.
            OSError: the disk is full.
            SQLAlchemyError: the storage fails.
        """
        study = load(self.sweep, self.storage, self.url)
        study.sampler = SeededSampler(self.sweep.sampler)
        study.pruner = self.sweep.pruner.make()
        while not self.stop.is_set():
            with Turn(self.folder / ".turn") as turn:
                fail_lost(study, self.sweep.heartbeat)
                count = tally(study)
                if count["finished"] >= self.sweep.trials:
                    return
                room = count["finished"] + count["running"] < self.sweep.trials
                if room and (count["waiting"] or not self.sweep.grid) and not self.stop.is_set():
                    self._next(study, turn)
                    continue
            self.stop.wait(_WAIT)  # a running trial may still be lost

    def _next(self, study: optuna.Study, turn: Turn) -> None:
        """Run one trial, print how it ended, and retry it if it failed for an external reason."""
        numbers: list[int] = []
        ended: list[TrialFailed] = []

        def objective(trial: optuna.Trial) -> float | list[float]:
            turn.release()
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
            if {*numbers} & retried(trials):  # Optuna refuses the result of a trial that has already ended
                print(f"trial {numbers[0]}: taken for lost while this host slept, and tried again", flush=True)
                return
            for number in numbers:
                if trials[number].state == TrialState.FAIL:  # because of a full disk or an unavailable storage
                    try_again(study, trials[number])
            raise
        trial = study.trials[numbers[0]]
        if trial.state == TrialState.FAIL and any(isinstance(failed, Interrupted) for failed in ended):
            try_again(study, trial)
        print(line(study, self.sweep, trial), flush=True)
        if any(failed.bad_input for failed in ended) and not tally(study)["good"]:
            raise InputError(f"{self.sweep.file}: trial {trial.number}: {ended[0]}")

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
            command=[*self.command, *sweep.words(values, self.folder / folder)],
            folder=self.folder / folder,
            environment={
                "WANDB_RUN_GROUP": sweep.name,
                "WANDB_JOB_TYPE": "trial",
                "WANDB_NAME": sweep.space.title(values),
                **self.environment,
            },
            timeout=None if sweep.timeout is None else 60 * sweep.timeout,
        )
        try:
            state = job.run(on_report, self.stop.is_set)
        finally:
            trial.set_user_attr("epochs", reports[-1].epoch + 1 if reports else 0)
        if state == "pruned":
            raise optuna.TrialPruned
        chosen = _chosen(sweep, reports)
        for name, limit in sweep.constraints.items():
            trial.set_constraint(name, chosen[name] - limit)
        worth = [chosen[name] for name in sweep.metrics]
        return worth[0] if len(worth) == 1 else worth


def run_workers(workers: Sequence[Worker], stop: threading.Event) -> None:
    """Run each worker in a thread, to its end; if one fails, stop the others and raise its exception."""
    with ThreadPoolExecutor(len(workers)) as pool:
        running = [pool.submit(worker.run) for worker in workers]
        done, _ = wait(running, return_when=FIRST_EXCEPTION)
        if any(future.exception() for future in done):
            stop.set()
    for future in running:
        future.result()


def _chosen(sweep: Sweep, reports: Sequence[Report]) -> Mapping[str, float]:
    """Return the metrics of the validation that counts.

    It is the last validation, or the best in the first metric, if possible among those within the constraints.
    """
    first, sign = sweep.metrics[0], -1 if sweep.directions[0] == "minimize" else 1
    known = [r.metrics for r in reports if all(math.isfinite(r.metrics[name]) for name in sweep.reported)]
    if not known:
        what = "was not a number in any validation" if reports else "was never logged: no validation took place"
        raise TrialFailed(f"{', '.join(sweep.reported)} {what}")
    limits = sweep.constraints.items()
    within = [metrics for metrics in known if all(metrics[name] <= limit for name, limit in limits)]
    return known[-1] if sweep.last else max(within or known, key=lambda metrics: sign * metrics[first])
