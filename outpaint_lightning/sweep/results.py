"""The output of a sweep: lines and tables, `trials.csv`, `best.yaml`, plots."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from outpaint_lightning.io.files import atomic, write_csv
from outpaint_lightning.sweep.spec import REPORTER, Sweep
from outpaint_lightning.sweep.study import retried

Row = Mapping[str, Any]


def line(study: optuna.Study, sweep: Sweep, trial: FrozenTrial) -> str:
    """Return the line that is printed when a trial has ended."""
    title = sweep.space.title(sweep.space.values(trial.params))
    took = f"{trial.duration.total_seconds():.0f} s" if trial.duration else "no time"
    if trial.state == TrialState.FAIL:
        log = f"{trial.user_attrs['folder']}/log.txt"
        return f"trial {trial.number}: failed, {title}, {took}: {trial.user_attrs['reason']} (see {log})"
    values = ", ".join(f"{name} {value:.4f}" for name, value in zip(sweep.metrics, trial.values or (), strict=False))
    if trial.state == TrialState.PRUNED:
        return f"trial {trial.number}: pruned at {values}, {title}, {took}"
    excess = _excess(trial)
    exceeds = f", exceeds {excess}" if excess else ""
    return f"trial {trial.number}: {values}{exceeds}{_best_so_far(study, sweep)} {title}, {took}"


def _excess(trial: FrozenTrial) -> str:
    """Return the constraints that a trial exceeds, and by how much; an empty string if it exceeds none."""
    return ", ".join(f"{name} by {value:.4g}" for name, value in trial.constraints.items() if value > 0)


def _best_so_far(study: optuna.Study, sweep: Sweep) -> str:
    """Return the best trial of a study with one metric; an empty string while all trials exceed a constraint."""
    if len(sweep.metrics) > 1:
        return ""
    ranked = best(study, sweep)
    if not ranked or _excess(ranked[0]):
        return ""
    return f" (best {(ranked[0].values or [0])[0]:.4f} of trial {ranked[0].number})"


def rows(study: optuna.Study, sweep: Sweep) -> list[dict[str, Any]]:
    """Return one row per trial, by number: the columns of `trials.csv`."""
    trials = study.get_trials(deepcopy=False)
    again = retried(trials)
    return [_row(sweep, trial, lost=trial.number in again) for trial in trials]


def _row(sweep: Sweep, trial: FrozenTrial, lost: bool) -> dict[str, Any]:
    names = sweep.metrics if len(sweep.metrics) > 1 else ["value"]
    worth = trial.values or [None] * len(names)
    values = sweep.space.values(trial.params)
    reason = trial.user_attrs.get("reason") if trial.state == TrialState.FAIL else None
    if trial.state == TrialState.FAIL and not reason:
        reason = "its host was lost"
    return {
        "number": trial.number,
        "state": trial.state.name,
        **dict(zip(names, worth, strict=True)),
        **{parameter.key: values.get(parameter.key) for parameter in sweep.space},
        "epochs": trial.user_attrs.get("epochs"),
        "seconds": round(trial.duration.total_seconds(), 1) if trial.duration else None,
        **({"exceeds": _excess(trial) or None} if sweep.constraints else {}),
        "reason": f"{reason}; tried again" if lost else reason,
        "folder": trial.user_attrs.get("folder"),
    }


def best(study: optuna.Study, sweep: Sweep) -> list[FrozenTrial]:
    """Return the completed trials, best first: by the metric; with several metrics the Pareto front, by the first one.

    Trials that exceed a constraint come after those that exceed none.
    """
    sign = -1 if sweep.directions[0] == "maximize" else 1
    several = len(sweep.metrics) > 1
    found = study.best_trials if several else study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(found, key=lambda trial: (bool(_excess(trial)), sign * (trial.values or [0])[0], trial.number))


def table(sweep: Sweep, rows: Sequence[Row]) -> str:
    """Return rows as text with aligned columns; keys have their short names."""
    order, titles = [key for key in (rows[0] if rows else {}) if key != "folder"], sweep.space.names()
    lines = [[titles.get(key, key) for key in order], *([_cell(row[key]) for key in order] for row in rows)]
    widths = [max(len(one[i]) for one in lines) for i in range(len(order))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(one, widths, strict=True)).rstrip() for one in lines
    )


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def write_trials(study: optuna.Study, sweep: Sweep, out: Path) -> list[dict[str, Any]]:
    """Write `trials.csv`, and return its rows."""
    found = rows(study, sweep)
    write_csv(out / "trials.csv", found)
    return found


def write_best(trial: FrozenTrial, sweep: Sweep, out: Path) -> bool:
    """Write `best.yaml`: the resolved experiment of a trial, with its own run folder and without the trial reporter.

    Return False if that was impossible because the trial ran on another host, which has its files.
    """
    config = out / trial.user_attrs["folder"] / "config.fit.yaml"
    if not config.exists():
        return False
    experiment = yaml.safe_load(config.read_text(encoding="utf-8"))
    experiment = _moved(experiment, experiment["trainer"]["default_root_dir"], f"runs/{sweep.name}_best")
    experiment.pop("overwrite", None)
    trainer = experiment["trainer"]
    trainer["callbacks"] = [one for one in trainer["callbacks"] if one["class_path"] != REPORTER]
    worth = ", ".join(f"{name} {value:.4f}" for name, value in zip(sweep.metrics, trial.values or (), strict=True))
    with atomic(out / "best.yaml") as temporary:
        head = f"# Trial {trial.number} of the sweep {sweep.name}: {worth}.\n"
        temporary.write_text(head + yaml.safe_dump(experiment, sort_keys=False), encoding="utf-8")
    return True


def _moved(part: Any, old: str, new: str) -> Any:
    """Return a config in which every path inside the folder `old` is moved to `new`."""
    if isinstance(part, dict):
        return {key: _moved(value, old, new) for key, value in part.items()}
    if isinstance(part, list):
        return [_moved(value, old, new) for value in part]
    inside = isinstance(part, str) and (part == old or part.startswith(old + os.sep))
    return new + part.removeprefix(old) if inside else part


def write_plots(study: optuna.Study, sweep: Sweep, out: Path) -> list[str]:
    """Draw the plots for which there are enough trials; return the names of the files."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.visualization import matplotlib as plots

    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    varied = {
        key for trial in done for key in trial.params if any(t.params.get(key) != trial.params[key] for t in done)
    }
    several = len(sweep.metrics) > 1
    target: dict[str, Any] = {"target": lambda trial: trial.values[0]} if several else {}
    named = {**target, "target_name": sweep.metrics[0]}
    drawings: dict[str, tuple[bool, Callable[[], Any]]] = {
        "history.png": (bool(done), lambda: plots.plot_optimization_history(study, **named)),
        "importances.png": (
            len(done) > 1 and bool(varied),
            lambda: plots.plot_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), **named),
        ),
        "pareto.png": (
            1 < len(sweep.metrics) < 4 and bool(done),
            lambda: plots.plot_pareto_front(study, target_names=[*sweep.metrics]),
        ),
    }
    written = []
    for name, (possible, draw) in drawings.items():
        if not possible:
            continue
        with warnings.catch_warnings(action="ignore"):  # Optuna marks these plots as experimental
            axes = draw()
        with atomic(out / name) as temporary:
            axes.figure.savefig(temporary, dpi=120, bbox_inches="tight")
        pyplot.close(axes.figure)
        written.append(name)
    return written
