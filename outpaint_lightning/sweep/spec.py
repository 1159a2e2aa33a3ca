"""What a sweep is: one YAML, read and checked before anything starts."""

from __future__ import annotations

import importlib
import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna.exceptions import ExperimentalWarning

from outpaint_lightning.io.files import shipped_config
from outpaint_lightning.sweep.space import Space, Values, text
from outpaint_lightning.types import InputError, did_you_mean

REPORTER = "outpaint_lightning.callbacks.TrialReporter"
DIRECTIONS = ("maximize", "minimize")
_DEFAULTS: dict[str, Any] = {
    "name": None,
    "configs": None,
    "overrides": {},
    "metric": None,
    "direction": "maximize",
    "constraints": {},
    "value": "best",
    "trials": None,
    "devices": 1,
    "timeout": None,
    "heartbeat": 30,
    "sampler": {"class_path": "TPESampler", "init_args": {"seed": 0}},
    "pruner": None,
    "space": None,
    "first": [],
}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _are_limits(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(limit, int | float) and math.isfinite(limit)
        for name, limit in value.items()
    )


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "name": (lambda v: isinstance(v, str) and v != "" and "/" not in v, "a name without slashes"),
    "overrides": (lambda v: isinstance(v, Mapping), "{key: value}"),
    "constraints": (_are_limits, "{metric: largest value}"),
    "value": (lambda v: v in ("best", "last"), "best or last"),
    "trials": (lambda v: v == "all" or _is_count(v), "a number above 0, or all"),
    "devices": (_is_count, "a number above 0"),
    "timeout": (lambda v: v is None or (isinstance(v, int | float) and 0 < v < math.inf), "minutes above 0, or null"),
    "heartbeat": (_is_count, "whole seconds above 0"),
    "first": (lambda v: isinstance(v, list) and all(isinstance(row, Mapping) for row in v), "a list of {key: value}"),
}


@dataclass(frozen=True)
class Part:
    """A sampler or pruner: a class and its options."""

    make: Callable[..., Any]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Sweep:
    """One sweep.

    Raises:
        InputError: anything in it is misspelled, missing or impossible; the message names file and key.
    """

    file: Path
    """Where it was read, which relative paths of configs start from, and which messages name."""
    mapping: Mapping[str, Any]
    """As written, resolved: what another process needs to make the same sweep."""
    name: str
    configs: Sequence[str]
    overrides: Mapping[str, Any]
    metrics: Sequence[str]
    directions: Sequence[Literal["maximize", "minimize"]]
    constraints: Mapping[str, float]
    """The largest value of each further metric with which a trial may be the best."""
    last: bool
    """Whether a trial is worth what its last validation says, instead of its best."""
    grid: bool
    """Whether every combination is tried once."""
    trials: int
    devices: int
    timeout: float | None
    """Minutes."""
    heartbeat: int
    """Seconds."""
    sampler: Part
    pruner: Part | None
    space: Space
    first: Sequence[Values]

    @classmethod
    def of(cls, mapping: Any, file: Path) -> Sweep:
        """Return the sweep that a YAML's content describes."""
        if not isinstance(mapping, Mapping):
            raise InputError(f"{file}: expected keys and values")
        for key in mapping:
            if key not in _DEFAULTS:
                raise InputError(f"{file}: no key {key!r}{did_you_mean(str(key), _DEFAULTS)}")
        given = {**_DEFAULTS, **mapping}
        for key, (holds, expected) in _RULES.items():
            if not holds(given[key]):
                raise InputError(f"{file}: {key}: expected {expected}, got {given[key]!r}")
        metrics, directions = _list(given["metric"]), _list(given["direction"])
        if not metrics or not all(isinstance(name, str) for name in metrics):
            raise InputError(f"{file}: metric: expected a name such as val/f1, or a list of names")
        if len(directions) != len(metrics) or any(one not in DIRECTIONS for one in directions):
            raise InputError(f"{file}: direction: expected {' or '.join(DIRECTIONS)} for each metric, got {directions}")
        if len(metrics) > 1 and given["pruner"] is not None:
            raise InputError(f"{file}: pruner: expected none with several metrics, which Optuna cannot prune by")
        configs = _list(given["configs"])
        space = Space.read(given["space"], f"{file}: space")
        if not configs and space[0].key != "config":
            raise InputError(f"{file}: configs: expected at least one experiment, such as localizer/small.yaml")
        for key in given["overrides"]:
            if any(p.key == key for p in space):
                raise InputError(f"{file}: overrides: {key} is in the space as well")
        grid, first = given["trials"] == "all", _first(given["first"], space, f"{file}: first")
        if grid and first:
            raise InputError(f"{file}: first: expected none with trials: all")
        return cls(
            file=file,
            mapping=dict(mapping),
            name=given["name"],
            configs=configs,
            overrides=given["overrides"],
            metrics=metrics,
            directions=directions,
            constraints=dict(given["constraints"]),
            last=given["value"] == "last",
            grid=grid,
            trials=len(space.combinations(f"{file}: trials: all")) if grid else given["trials"],
            devices=given["devices"],
            timeout=given["timeout"],
            heartbeat=given["heartbeat"],
            sampler=_part(given["sampler"], "samplers", f"{file}: sampler"),
            pruner=None if given["pruner"] is None else _part(given["pruner"], "pruners", f"{file}: pruner"),
            space=space,
            first=first,
        )

    def record(self) -> dict[str, str]:
        """Return what all trials of a study share, each as canonical JSON: another one is another study."""
        parts = {
            "metric": self.metrics,
            "direction": self.directions,
            "constraints": self.constraints,
            "value": "last" if self.last else "best",
            "space": [[key, options] for key, options in self.mapping["space"].items()],  # their order counts
            "configs": self.configs,
            "overrides": self.overrides,
        }
        return {name: json.dumps(part, sort_keys=True) for name, part in parts.items()}

    @property
    def reported(self) -> list[str]:
        """The metrics that trials report: those that are optimized, then those that are constrained."""
        return [*self.metrics, *(name for name in self.constraints if name not in self.metrics)]

    def words(self, values: Values, folder: Path) -> list[str]:
        """Return the options of `fit` for a trial with these values and this run folder; what is fixed comes first."""
        configs = [*self.configs, *([values["config"]] if "config" in values else [])]
        options: dict[str, Any] = (
            {"trainer.devices": self.devices, "trainer.strategy": "ddp"} if self.devices > 1 else {}
        )
        options |= {**self.overrides, **{key: value for key, value in values.items() if key != "config"}}
        own = (
            ("trainer.default_root_dir", str(folder)),
            ("trainer.callbacks+", REPORTER),  # may be there twice: last, so that its option follows it
            ("trainer.callbacks.metrics", self.reported),
        )
        files = [word for name in configs for word in ("--config", str(self.find(name)))]
        return [*files, *(f"--{key}={text(value)}" for key, value in (*options.items(), *own)), "--overwrite"]

    def find(self, name: str) -> Path:
        """Return an experiment: beside the sweep's file, from the working directory, or else a shipped one.

        Raises:
            InputError: it is in none of these places.
        """
        own = next((path for path in (self.file.parent / name, Path(name)) if path.is_file()), None)
        return own or shipped_config(name)


def read_sweep(
    path: str, trials: int | None = None, overrides: Values | None = None, configs: Sequence[str] = ()
) -> Sweep:
    """Read a sweep.

    Args:
        path: a YAML, or the name of a shipped one.
        trials: how many, instead of the file's number; of a grid, the first ones.
        overrides: keys of its trials that replace or join the file's.
        configs: further experiments, which win over the file's.

    Raises:
        InputError: there is no such file, it is no YAML, or not a sweep.
    """
    file = Path(path)
    if not file.is_file():
        file = shipped_config(path.removeprefix("sweeps/"), "sweeps")
    try:
        mapping = OmegaConf.to_container(OmegaConf.load(file), resolve=True)
    except OmegaConfBaseException as error:
        raise InputError(f"{file}: {str(error).splitlines()[0]}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not a YAML: {' '.join(str(error).split())}") from error
    if isinstance(mapping, dict):
        if overrides:
            mapping["overrides"] = {**(mapping.get("overrides") or {}), **overrides}
        if configs:
            mapping["configs"] = [*_list(mapping.get("configs")), *configs]
    sweep = Sweep.of(mapping, file)
    if trials is None:
        return sweep
    if trials < 1:
        raise InputError(f"--trials {trials}: expected a number above 0")
    return replace(sweep, trials=min(trials, sweep.trials) if sweep.grid else trials)


def _list(value: Any) -> list[Any]:
    return [] if value is None else [*value] if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _first(rows: list[Values], space: Space, where: str) -> list[Values]:
    for row in rows:
        for key, value in row.items():
            parameter = space.find(key, where)
            if not parameter.holds(value):
                raise InputError(f"{where}: {key}: expected {parameter.expected()}, got {value!r}")
    return rows


def _part(given: Any, module: str, where: str) -> Part:
    """Return a class of `optuna.<module>` or of an import path, checked by making one."""
    given = {"class_path": given} if isinstance(given, str) else given
    if not isinstance(given, Mapping) or not {"class_path"} <= set(given) <= {"class_path", "init_args"}:
        raise InputError(f"{where}: expected a class, or class_path and init_args, got {given!r}")
    path, options = str(given["class_path"]), given.get("init_args") or {}
    owner, _, name = path.rpartition(".")
    known = f"optuna.{module}"
    try:
        make = getattr(importlib.import_module(owner or known), name)
    except (ImportError, AttributeError) as error:
        classes = [cls for cls in dir(importlib.import_module(known)) if cls[0].isupper()]
        raise InputError(f"{where}: no class {path!r} in {owner or known}{did_you_mean(name, classes)}") from error
    try:
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            make(**options)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {name}: {error}") from error
    return Part(make, options)
