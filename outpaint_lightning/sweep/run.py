"""A sweep on this host: check it, start its workers, wait, say what came out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import optuna

from outpaint_lightning.io.files import write_json
from outpaint_lightning.processes.parent import die_with_parent
from outpaint_lightning.processes.pool import cores
from outpaint_lightning.sweep.results import best, table, write_best, write_plots, write_trials
from outpaint_lightning.sweep.space import Range
from outpaint_lightning.sweep.spec import Sweep
from outpaint_lightning.sweep.study import (
    LOST_AFTER,
    Turn,
    create_or_join,
    load,
    masked,
    only_refused,
    open_storage,
    storage_errors,
    tally,
)
from outpaint_lightning.sweep.worker import SIGNALS, Task
from outpaint_lightning.types import InputError

COMMAND = (sys.executable, "-m", "outpaint_lightning", "fit")
"""Of a trial, before its options."""
_SHOWN = 10
_POLL = 0.2  # seconds between looks at the workers


def sweep(told: Sweep, out: str | None, storage: str | None, workers: int | None) -> int:
    """Run a sweep, or go on with it; return 0, or 1 when all workers were lost before the end.

    Args:
        told: what to do.
        out: sweep folder, or None for `runs/<name>`.
        storage: URL of a database, or None for a file in the sweep folder.
        workers: trials at a time, or None for as many as the GPUs allow, and one without GPUs.

    Raises:
        InputError: the sweep, its space or the storage cannot be used.
        KeyboardInterrupt: it was asked to stop, and did.
    """
    folder, url = _places(told, out, storage)
    environments = share_out(told.devices, workers, visible_gpus())
    check(told, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with storage_errors(url):
        with Turn(folder / ".turn"):  # two that start at once would make the same tables
            store = open_storage(url, told.heartbeat)
            study = create_or_join(told, store, url)
        before = tally(study)
        if told.grid and before["finished"] + before["running"] + before["waiting"] < told.trials:
            raise InputError(
                f"{told.file}: trials: study {told.name!r} in {masked(url)} was not started with all; "
                "expected a number, or another name or --out for another study"
            )
        write_json(folder / "sweep.json", _plain_record(told, url))
        print(f"{told.name}: {before['finished']} of {told.trials} trials done, in {folder}", flush=True)
        tasks = [
            Task(told.mapping, str(told.file), str(folder), url, told.trials, COMMAND, environment)
            for environment in environments
        ]
        with _signals() as asked:
            bad = _wait([_start(task, i) for i, task in enumerate(tasks)], asked, LOST_AFTER * told.heartbeat)
        count = tally(study)
        if bad:
            if only_refused(study):
                optuna.delete_study(study_name=told.name, storage=store)  # else the corrected one would be refused
            raise InputError(bad)
        _report(study, told, folder)
        if asked:
            raise KeyboardInterrupt
        if count["finished"] < told.trials:
            print(
                f"{told.trials - count['finished']} trials are missing and no worker is left; the same command goes on"
            )
            return 1
    return 0


def list_trials(told: Sweep, out: str | None, storage: str | None) -> int:
    """Print the trials so far and refresh `trials.csv`; return 0.

    Raises:
        InputError: there is no such study.
    """
    folder, url = _places(told, out, storage)
    if storage is None and not (folder / "study.db").exists():
        raise InputError(f"{folder / 'study.db'}: no such file; expected that the sweep was started, or its --out")
    with storage_errors(url):
        folder.mkdir(parents=True, exist_ok=True)
        print(table(told, write_trials(load(told, open_storage(url, told.heartbeat), url), told, folder)))
    return 0


def check(told: Sweep, folder: Path) -> None:
    """Parse what trials will be told, and start none.

    Raises:
        InputError: a key, value or class does not exist, named as in the sweep's file.
    """
    from outpaint_lightning.experiment import run as experiment

    for values, where in (({}, ""), *((example, "space: ") for example in told.space.examples())):
        try:
            experiment.check(["fit", *told.words(values, folder / "trials" / "00000")])
        except InputError as error:
            if values or told.configs:
                raise InputError(f"{told.file}: {where}{error}") from error


def visible_gpus() -> list[str]:
    """Return the GPUs that CUDA shows to this process, by the names that CUDA_VISIBLE_DEVICES takes."""
    import torch

    count = torch.cuda.device_count()
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named[:count] if named else [str(index) for index in range(count)]


def share_out(devices: int, workers: int | None, gpus: Sequence[str]) -> list[dict[str, str]]:
    """Return what each worker's trials find in their environment: GPUs of their own, a fair share of the cores.

    Args:
        devices: of a trial.
        workers: how many, or None for as many as the GPUs allow, and one without GPUs.
        gpus: names of the GPUs.

    Raises:
        InputError: there are too few GPUs.
    """
    room = len(gpus) // devices
    if gpus and not room:
        raise InputError(f"devices: {devices} for a trial: expected at most the {len(gpus)} GPUs here")
    workers = max(room, 1) if workers is None else workers
    if workers < 1 or (gpus and workers > room):
        most = f" to {room}: {len(gpus)} GPUs, {devices} for a trial" if gpus else " or more"
        raise InputError(f"--workers {workers}: expected 1{most}")
    threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(max(cores() // workers // devices, 1))}
    return [
        {**threads, **({"CUDA_VISIBLE_DEVICES": ",".join(gpus[i * devices : (i + 1) * devices])} if gpus else {})}
        for i in range(workers)
    ]


def _places(told: Sweep, out: str | None, storage: str | None) -> tuple[Path, str]:
    folder = Path(out) if out else Path("runs") / told.name
    return folder, storage or f"sqlite:///{folder / 'study.db'}"


def _plain_record(told: Sweep, url: str) -> Mapping[str, object]:
    return {
        "name": told.name,
        "metrics": told.metrics,
        "directions": told.directions,
        "space": [parameter.key for parameter in told.space],
        "logarithmic": [parameter.key for parameter in told.space if isinstance(parameter, Range) and parameter.log],
        "configs": told.configs,
        "overrides": told.overrides,
        "storage": masked(url),
    }


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Yield a list that signals to stop are appended to, instead of what they do otherwise."""
    asked: list[int] = []
    before = {number: signal.signal(number, lambda number, _: asked.append(number)) for number in SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(task: Task, index: int) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a worker, in a session of its own: what to do at Ctrl-C is decided here."""
    log = Path(task.out) / "workers" / f"{os.getpid()}.{index}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "outpaint_lightning.sweep.worker"],
            stdin=subprocess.PIPE,
            stderr=file,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 (it takes no lock that a thread may hold)
        )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as told:
        told.write(json.dumps(asdict(task)).encode())
    return process, log


def _wait(crew: Sequence[tuple[subprocess.Popen[bytes], Path]], asked: Sequence[int], patience: int) -> str | None:
    """Wait for the workers, and tell them to stop when asked to or when one found the sweep at fault.

    Returns:
        What is at fault, or None.
    """
    working, bad, told = dict(enumerate(crew)), None, False
    while working:
        for index, (process, log) in [*working.items()]:
            code = process.poll()
            if code is None:
                continue
            del working[index]
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            if code in (0, 130, -signal.SIGTERM):  # the last: it had not begun
                log.unlink()
            elif code == 2:
                bad = bad or (said[-1] if said else "a worker refused the sweep")
            elif code < 0:
                how = signal.Signals(-code).name
                print(f"worker {index} was killed ({how}); its trial is tried again in {patience} s", flush=True)
            else:
                print(f"worker {index} broke off: {said[-1] if said else code} (see {log})", flush=True)
        if (asked or bad) and not told:
            told = True
            for process, _ in working.values():
                process.terminate()
        time.sleep(_POLL)
    return bad


def _report(study: optuna.Study, told: Sweep, folder: Path) -> None:
    """Write the files and print the best."""
    found = write_trials(study, told, folder)
    states = Counter(row["state"].lower() for row in found)
    print(f"\n{len(found)} trials: {', '.join(f'{number} {state}' for state, number in states.items())}")
    ranked = best(study, told)
    files = ["trials.csv", *write_plots(study, told, folder)]
    if ranked:
        by_number = {row["number"]: row for row in found}
        shown = [by_number[trial.number] for trial in ranked[:_SHOWN]]
        print(table(told, [{k: v for k, v in row.items() if k not in ("state", "reason")} for row in shown]))
        if write_best(ranked[0], told, folder):
            files.append("best.yaml")
        else:
            print(f"no best.yaml: trial {ranked[0].number} ran on {ranked[0].user_attrs['host']}, which has its files")
    print(f"{folder}: {', '.join(files)}", flush=True)
