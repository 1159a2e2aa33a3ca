"""A sweep on this host: checks it, runs its workers, writes the results."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import optuna

from outpaint_lightning.experiment.inputs import find_inputs
from outpaint_lightning.io.files import write_json
from outpaint_lightning.processes.pool import cores
from outpaint_lightning.sweep.results import best, table, write_best, write_plots, write_trials
from outpaint_lightning.sweep.space import Range
from outpaint_lightning.sweep.spec import Sweep, read_sweep
from outpaint_lightning.sweep.study import (
    Turn,
    create_or_join,
    file_url,
    load,
    masked,
    only_refused,
    open_storage,
    storage_errors,
    tally,
)
from outpaint_lightning.sweep.worker import Worker, run_workers
from outpaint_lightning.types import InputError

COMMAND = (sys.executable, "-m", "outpaint_lightning", "fit")
"""The command of a trial without its options."""
_SHOWN = 10
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGINT: background jobs of a shell start with it ignored


def sweep(
    plan: Sweep | str | Path, out: str | Path | None = None, storage: str | None = None, workers: int | None = None
) -> int:
    """Run a sweep, or continue it; return 0.

    >>> outpaint_lightning.sweep("localizer_gamma", workers=2)  # doctest: +SKIP
    0

    Args:
        plan: the sweep: a YAML file, the name of a shipped one, or the result of `read_sweep`.
        out: sweep folder, or None for `runs/<name>`.
        storage: URL of a database, or None for a file in the sweep folder.
        workers: number of parallel trials; None means as many as the GPUs allow, and one without GPUs.

    Raises:
        InputError: the sweep, its space or the storage cannot be used.
        KeyboardInterrupt: a signal asked to stop; the sweep has stopped.
    """
    plan = plan if isinstance(plan, Sweep) else read_sweep(plan)
    folder, url = _locations(plan, out, storage)
    check(plan, folder)
    environments = share_out(plan.devices, workers, visible_gpus())
    folder.mkdir(parents=True, exist_ok=True)
    with storage_errors(url):
        with Turn(folder / ".turn"):  # two sweeps that start at once would create the same tables
            store = open_storage(url, plan.heartbeat)
            study = create_or_join(plan, store, url)
        _require_whole_grid(plan, study, url)
        write_json(folder / "sweep.json", _plain_record(plan, url))
        print(f"{plan.name}: {tally(study)['finished']} of {plan.trials} trials done, in {folder}", flush=True)
        with _signals_set(stop := threading.Event()) as asked, _failures(plan, study, store):
            run_workers([Worker(plan, folder, COMMAND, store, url, each, stop) for each in environments], stop)
        _report(study, plan, folder)
        if asked:
            raise KeyboardInterrupt
    return 0


def list_trials(plan: Sweep, out: str | Path | None, storage: str | None) -> int:
    """Print the trials so far and refresh `trials.csv`; return 0.

    Raises:
        InputError: there is no such study.
    """
    folder, url = _locations(plan, out, storage)
    if storage is None and not (folder / "study.db").exists():
        raise InputError(f"{folder / 'study.db'}: no such file; expected that the sweep was started, or its --out")
    with storage_errors(url):
        folder.mkdir(parents=True, exist_ok=True)
        print(table(plan, write_trials(load(plan, open_storage(url, plan.heartbeat), url), plan, folder)))
    return 0


def check(plan: Sweep, folder: Path) -> None:
    """Find the files that the command lines of trials name, and parse the lines; start no trial.

    Raises:
        InputError: a file, key, value or class does not exist; it is named as in the sweep's file.
    """
    run = folder / "trials" / "00000"
    examples = [*plan.space.examples()]
    with _named(plan.file):
        find_inputs("fit", plan.words(examples[0], run))

    from outpaint_lightning.experiment.run import check as check_line
    from outpaint_lightning.experiment.run import make_parser

    parser = make_parser()
    if plan.configs:
        with _named(plan.file):
            check_line(parser, ["fit", *plan.words({}, run)])
    for values in examples:
        with _named(f"{plan.file}: space"):
            check_line(parser, ["fit", *plan.words(values, run)])


@contextmanager
def _named(where: Path | str) -> Iterator[None]:
    """Prefix the messages of errors with a file's name."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def visible_gpus() -> list[str]:
    """Return the GPUs that CUDA shows to this process, in the notation of CUDA_VISIBLE_DEVICES."""
    import torch

    count = torch.cuda.device_count()
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named[:count] if named else [str(index) for index in range(count)]


def share_out(devices: int, workers: int | None, gpus: Sequence[str]) -> list[dict[str, str]]:
    """Return the environment of each worker's trials: its own GPUs and an equal share of the cores.

    Args:
        devices: number of GPUs per trial.
        workers: number of workers; None means as many as the GPUs allow, and one without GPUs.
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


def _locations(plan: Sweep, out: str | Path | None, storage: str | None) -> tuple[Path, str]:
    """Return the sweep's folder and the URL of its study."""
    folder = Path(out).expanduser() if out else Path("runs") / plan.name
    return folder, storage or file_url(folder / "study.db")


def _require_whole_grid(plan: Sweep, study: optuna.Study, url: str) -> None:
    """Refuse a grid in a study that was created with a number of trials: its combinations are not queued."""
    count = tally(study)
    if plan.grid and count["finished"] + count["running"] + count["waiting"] < plan.trials:
        raise InputError(
            f"{plan.file}: trials: study {plan.name!r} in {masked(url)} was created with a fixed number of trials; "
            "give a number, or use another name or --out for `trials: all`"
        )


def _plain_record(plan: Sweep, url: str) -> Mapping[str, object]:
    return {
        "name": plan.name,
        "metrics": plan.metrics,
        "directions": plan.directions,
        "space": [parameter.key for parameter in plan.space],
        "logarithmic": [parameter.key for parameter in plan.space if isinstance(parameter, Range) and parameter.log],
        "configs": plan.configs,
        "overrides": plan.overrides,
        "storage": masked(url),
    }


@contextmanager
def _signals_set(stop: threading.Event) -> Iterator[list[int]]:
    """Let the signals that end a program set `stop` instead; yield the list of received signals."""
    asked: list[int] = []

    def note(number: int, _: object) -> None:
        asked.append(number)
        stop.set()

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _failures(plan: Sweep, study: optuna.Study, storage: optuna.storages.BaseStorage) -> Iterator[None]:
    """Turn an error that ends all workers into one line."""
    try:
        yield
    except InputError:
        if only_refused(study):
            optuna.delete_study(study_name=plan.name, storage=storage)  # otherwise the corrected sweep would be refused
        raise
    except OSError as error:  # a full disk
        raise InputError(f"{error.filename or error}: {error.strerror or ''}; the same command goes on") from error


def _report(study: optuna.Study, plan: Sweep, folder: Path) -> None:
    """Write the result files and print the best trials."""
    found = write_trials(study, plan, folder)
    states = Counter(row["state"].lower() for row in found)
    print(f"\n{len(found)} trials: {', '.join(f'{number} {state}' for state, number in states.items())}")
    ranked = best(study, plan)
    files = ["trials.csv", *write_plots(study, plan, folder)]
    if ranked:
        by_number = {row["number"]: row for row in found}
        shown = [by_number[trial.number] for trial in ranked[:_SHOWN]]
        print(table(plan, [{k: v for k, v in row.items() if k not in ("state", "reason")} for row in shown]))
        if write_best(ranked[0], plan, folder):
            files.append("best.yaml")
        else:
            print(f"no best.yaml: trial {ranked[0].number} ran on {ranked[0].user_attrs['host']}, which has its files")
    print(f"{folder}: {', '.join(files)}", flush=True)
