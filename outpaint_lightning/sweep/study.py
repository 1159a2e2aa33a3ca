"""The study of a sweep: its storage, its creation, and which of its trials count.

Optuna provides storage, heartbeats, samplers, pruners and queues of trials. This module adds what it does not provide:

- **Exactly the requested number of trials.** `MaxTrialsCallback` checks after a trial has ended, so each further worker
  overshoots by one; ours take turns and count running trials.
- **Trials stopped by Ctrl-C are always retried, trials of a killed host twice.** `RetryHeartbeatStaleTrialCallback`
  counts both alike, and copies the results of the lost trial (its folder) to the new one.
- **A trial whose host was killed before its first heartbeat** never becomes stale in Optuna.
- **A study with another space, base or metric than this file** would be continued by `load_if_exists`.
- **One seed, many workers.** Optuna's samplers would propose the same values in each worker and after each start; if
  reseeded, other values in every run.
"""

from __future__ import annotations

import fcntl
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import (
    DuplicatedStudyError,
    ExperimentalWarning,
    StorageInternalError,
    UpdateFinishedTrialError,
)
from optuna.samplers import BaseSampler, GridSampler, QMCSampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, ProgrammingError, SQLAlchemyError

from outpaint_lightning.sweep.spec import Factory, Sweep
from outpaint_lightning.types import InputError

LOST_AFTER = 3
"""Number of missed heartbeats after which a trial counts as lost."""
_RETRIES_OF_LOST = 2
_PATIENCE = 60  # seconds to wait for another process to create the study
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
_OF_ONE_SEED = (GridSampler, QMCSampler)  # samplers whose trials share one sequence


class Turn:
    """A lock for one worker of a host at a time, across processes; freed by `release` or at the block's end.

    Args:
        path: path of the lock file, the same for all workers.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> Turn:
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def release(self) -> None:
        """Free the lock; calling it again does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __exit__(self, *_: object) -> None:
        self.release()


class SeededSampler(BaseSampler):
    """Makes a new sampler for each trial, seeded by the sweep's seed and the trial's place; retries take no place.

    So an interrupted sweep proposes the same values as one that was not interrupted. A sampler with a fixed sequence
    keeps the sweep's seed, and uses the first values that no trial has.
    """

    def __init__(self, factory: Factory[BaseSampler]) -> None:
        self._factory = factory
        self._sampler = factory.make()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Make the trial's sampler."""
        seed = self._factory.options.get("seed")
        if seed is not None and not isinstance(self._sampler, _OF_ONE_SEED):
            own = int(np.random.SeedSequence((seed, _place(study, trial))).generate_state(1)[0])
            self._sampler = self._factory.make(seed=own)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Forward to the trial's sampler."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Forward to the trial's sampler."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Forward to the trial's sampler."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Forward to the trial's sampler."""
        self._sampler.after_trial(study, trial, state, values)


def _place(study: optuna.Study, trial: FrozenTrial) -> int:
    """Return how many trials came before this one, without retries; a retry has the place of what it retries."""
    history = RetryHeartbeatStaleTrialCallback.retry_history
    [first, *_] = [*history(trial), trial.number]
    return sum(other.number < first and not history(other) for other in study.get_trials(deepcopy=False))


def file_url(path: Path) -> str:
    """Return the URL of a database file; `?`, `#`, `%` and braces in its name are quoted.

    >>> file_url(Path("runs/lr?/study.db"))
    'sqlite:///runs/lr%3F/study.db'
    """
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def masked(url: str) -> str:
    """Return the URL of a storage without its password."""
    return make_url(url).render_as_string(hide_password=True)


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn errors of a storage into an InputError with its URL, without the password."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        line = str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]
        password = make_url(url).password
        line = line.replace(str(password), "***") if password else line
        raise InputError(f"storage {masked(url)}: {line}; the same command goes on once it can be used") from error


def open_storage(url: str, heartbeat: int) -> RDBStorage:
    """Open a database with a heartbeat every `heartbeat` seconds; lost trials are retried twice.

    Raises:
        InputError: it is not a URL, its driver is missing, or its tables are not Optuna's of this version.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # otherwise it prints its own lines about each trial
    warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats and fixed parameters; for all threads
    try:
        backend = make_url(url).get_backend_name()
    except ArgumentError as error:
        raise InputError("storage: expected a URL such as postgresql+psycopg://user@host/database") from error
    options: dict[str, Any] = {"pool_pre_ping": True}  # a connection may have been closed during a long trial
    if backend == "sqlite":
        options["connect_args"] = {"timeout": 60}  # seconds to wait while another worker writes
    try:
        return _connect(url, options, heartbeat)
    except (IntegrityError, ProgrammingError):  # another host was creating the same tables
        time.sleep(1)
        return _connect(url, options, heartbeat)
    except (ImportError, RuntimeError) as error:  # missing driver, or tables of another Optuna version
        hint = ": pip install 'outpaint_lightning[postgres]'" if backend == "postgresql" else ""
        raise InputError(f"storage {masked(url)}: {str(error).splitlines()[0]}{hint}") from error


def _connect(url: str, options: dict[str, Any], heartbeat: int) -> RDBStorage:
    return RDBStorage(
        url,
        options,
        heartbeat_interval=heartbeat,
        grace_period=LOST_AFTER * heartbeat,
        heartbeat_stale_trial_callback=_try_lost_again,
    )


def create_or_join(sweep: Sweep, storage: RDBStorage, url: str) -> optuna.Study:
    """Return the sweep's study. The first process creates it and queues the first trials.

    Raises:
        InputError: a study of that name has another metric, space, base or overrides; or its creation never ended.
    """
    try:
        study = optuna.create_study(storage=storage, study_name=sweep.name, directions=[*sweep.directions])
    except DuplicatedStudyError:
        return _join(sweep, storage, url)
    for name, value in sweep.record().items():
        study.set_user_attr(name, value)
    for row in sweep.space.combinations("trials: all") if sweep.grid else sweep.first:
        study.enqueue_trial(sweep.space.stored(row))
    study.set_user_attr("ready", True)
    return study


def _join(sweep: Sweep, storage: RDBStorage, url: str) -> optuna.Study:
    study = optuna.load_study(study_name=sweep.name, storage=storage)
    patience = time.monotonic() + _PATIENCE
    while not study.user_attrs.get("ready"):
        if time.monotonic() > patience:
            raise InputError(
                f"study {sweep.name!r} in {masked(url)} was never completed by who created it; "
                "expected another name, or that it is deleted"
            )
        time.sleep(0.2)
    found = study.user_attrs
    for name, value in sweep.record().items():
        if found.get(name) != value:
            raise InputError(
                f"study {sweep.name!r} in {masked(url)} has another {name}: {found.get(name)}, not {value}; "
                "expected another name or --out for another study"
            )
    return study


def load(sweep: Sweep, storage: RDBStorage, url: str) -> optuna.Study:
    """Return an existing study.

    Raises:
        InputError: it does not exist.
    """
    try:
        return optuna.load_study(study_name=sweep.name, storage=storage)
    except KeyError as error:
        raise InputError(f"no study {sweep.name!r} in {masked(url)}; expected that the sweep was started") from error


def retried(trials: Sequence[FrozenTrial]) -> set[int]:
    """Return the numbers of the trials that are retried."""
    return {number for trial in trials for number in RetryHeartbeatStaleTrialCallback.retry_history(trial)}


def try_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a trial again that failed for an external reason, with its values but without its results."""
    history = [*RetryHeartbeatStaleTrialCallback.retry_history(trial), trial.number]
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            system_attrs={"failed_trial": trial.number, **trial.system_attrs, "retry_history": history},
        )
    )


def _try_lost_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a lost trial again, a limited number of times; stopped trials have a reason and are not counted."""
    history = (*RetryHeartbeatStaleTrialCallback.retry_history(trial), trial.number)
    if sum(study.trials[number].user_attrs.get("reason") is None for number in history) <= _RETRIES_OF_LOST:
        try_again(study, trial)


def fail_lost(study: optuna.Study, heartbeat: int) -> None:
    """Mark running trials without a heartbeat as failed, and queue them again.

    Optuna handles trials with at least one heartbeat. If a host is killed before that, the trial has not even recorded
    its folder.
    """
    optuna.storages.fail_stale_trials(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        started = trial.datetime_start or datetime.now()
        if "folder" not in trial.user_attrs and datetime.now() - started > timedelta(seconds=LOST_AFTER * heartbeat):
            with suppress(UpdateFinishedTrialError, ValueError):  # another worker was faster
                study.tell(trial.number, state=TrialState.FAIL)
                _try_lost_again(study, trial)


def tally(study: optuna.Study) -> Counter[str]:
    """Count trials: `finished` (without those that are retried), `good`, `running` and `waiting`."""
    trials = study.get_trials(deepcopy=False)
    again = retried(trials)
    return Counter(
        finished=sum(trial.state in _ENDED and trial.number not in again for trial in trials),
        good=sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials),
        running=sum(trial.state == TrialState.RUNNING for trial in trials),
        waiting=sum(trial.state == TrialState.WAITING for trial in trials),
    )


def only_refused(study: optuna.Study) -> bool:
    """Return whether all trials of a study failed because their command lines were refused."""
    trials = study.get_trials(deepcopy=False, states=(*_ENDED, TrialState.RUNNING))
    again = retried(study.get_trials(deepcopy=False))
    refused = [trial.user_attrs.get("refused", False) for trial in trials if trial.number not in again]
    return bool(refused) and all(refused)
