"""The specification of a sweep: one YAML, read and checked before anything starts."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar

import optuna
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from outpaint_lightning.settings.build import ClassSpec, find_class
from outpaint_lightning.settings.find import find_config
from outpaint_lightning.settings.read import read_mapping
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


Made = TypeVar("Made", BaseSampler, BasePruner)


@dataclass(frozen=True)
class Factory(Generic[Made]):
    """Makes samplers or pruners of one class, with the options of the sweep's file."""

    kind: type[Made]
    options: Mapping[str, Any]

    @classmethod
    def read(cls, given: Any, base: type, module: ModuleType, where: str) -> Factory[Any]:
        """Read the factory of a class from YAML, and test it by making one object.

        Args:
            given: name of a class of Optuna, or dotted path of any class; or `class_path` and `init_args`.
            base: required base class.
            module: module with Optuna's classes.
            where: file and key, for messages.

        Raises:
            InputError: there is no such class, or it does not accept the options.
        """
        known = {name: getattr(module, name) for name in module.__all__ if name[0].isupper()}
        try:
            spec = ClassSpec.read(given, "a class")
            factory = cls(find_class(spec.class_path, (base,), known), spec.init_args)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        try:
            with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
                factory.make()
        except (TypeError, ValueError) as error:
            raise InputError(f"{where}: {factory.kind.__name__}: {error}") from error
        return factory

    def make(self, **changes: Any) -> Made:
        """Make an object; `changes` override the options of the file."""
        return self.kind(**{**self.options, **changes})


@dataclass(frozen=True)
class Sweep:
    """One sweep.

    Raises:
        InputError: something is misspelled, missing or impossible; the message names file and key.
    """

    file: Path
    """The sweep's file: paths of configs are relative to its folder, and messages name it."""
    mapping: Mapping[str, Any]
    """The file's content, resolved."""
    name: str
    configs: Sequence[str]
    overrides: Mapping[str, Any]
    metrics: Sequence[str]
    directions: Sequence[Literal["maximize", "minimize"]]
    constraints: Mapping[str, float]
    """For each constrained metric, the largest value with which a trial may be the best."""
    last: bool
    """Whether a trial's value is that of its last validation instead of its best."""
    grid: bool
    """Whether every combination is tried once."""
    trials: int
    devices: int
    timeout: float | None
    """Minutes."""
    heartbeat: int
    """Seconds."""
    sampler: Factory[BaseSampler]
    pruner: Factory[BasePruner]
    space: Space
    first: Sequence[Values]

    @classmethod
    def of(cls, mapping: Mapping[str, Any], file: Path) -> Sweep:
        """Return the sweep that a YAML's content describes."""
        given = _checked(mapping, file)
        metrics, directions, configs = (_list(given[key]) for key in ("metric", "direction", "configs"))
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
            sampler=Factory.read(given["sampler"], BaseSampler, optuna.samplers, f"{file}: sampler"),
            pruner=Factory.read(given["pruner"] or "NopPruner", BasePruner, optuna.pruners, f"{file}: pruner"),
            space=space,
            first=first,
        )

    def record(self) -> dict[str, str]:
        """Return the settings shared by all trials of a study, as canonical JSON; other settings need another study."""
        parts = {
            "metric": self.metrics,
            "direction": self.directions,
            "constraints": self.constraints,
            "value": "last" if self.last else "best",
            "space": [[key, options] for key, options in self.mapping["space"].items()],  # the order matters
            "configs": self.configs,
            "overrides": self.overrides,
        }
        return {name: json.dumps(part, sort_keys=True) for name, part in parts.items()}

    @property
    def reported(self) -> list[str]:
        """The metrics that trials report: those that are optimized, then those that are constrained."""
        return [*self.metrics, *(name for name in self.constraints if name not in self.metrics)]

    def words(self, values: Values, folder: Path) -> list[str]:
        """Return the options of `fit` for a trial with these values and this run folder; fixed options come first."""
        configs = [*self.configs, *([values["config"]] if "config" in values else [])]
        options: dict[str, Any] = (
            {"trainer.devices": self.devices, "trainer.strategy": "ddp"} if self.devices > 1 else {}
        )
        options |= {**self.overrides, **{key: value for key, value in values.items() if key != "config"}}
        own = (
            ("trainer.default_root_dir", str(folder)),
            ("trainer.callbacks+", REPORTER),  # may occur twice: last, so that its option follows it
            ("trainer.callbacks.metrics", self.reported),
        )
        files = [word for name in configs for word in ("--config", str(self.find(str(name))))]
        return [*files, *(f"--{key}={text(value)}" for key, value in (*options.items(), *own)), "--overwrite"]

    def find(self, name: str) -> Path:
        """Return an experiment's file: beside the sweep's file, in the working directory, or a shipped one.

        Raises:
            InputError: it is in none of them.
        """
        return find_config(name, beside=self.file.parent)


def read_sweep(
    path: str | Path, trials: int | None = None, overrides: Values | None = None, configs: Sequence[str] = ()
) -> Sweep:
    """Read a sweep.

    Args:
        path: a YAML, or the name of a shipped one: `localizer_gamma`.
        trials: number of trials instead of the file's; of a grid, the first ones.
        overrides: keys of the trials that replace the file's or are added to them.
        configs: further experiments, which override the file's.

    Raises:
        InputError: the file does not exist, is not YAML, or is not a sweep.
    """
    file = find_config(path, "sweeps")
    try:
        mapping: Any = OmegaConf.to_container(OmegaConf.create(read_mapping(file, "a sweep")), resolve=True)
    except OmegaConfBaseException as error:
        raise InputError(f"{file}: {str(error).splitlines()[0]}") from error
    written = mapping.get("overrides") or {}
    if overrides and isinstance(written, Mapping):  # otherwise `Sweep.of` refuses it
        mapping["overrides"] = {**written, **overrides}
    if configs:
        mapping["configs"] = [*_list(mapping.get("configs")), *configs]
    sweep = Sweep.of(mapping, file)
    if trials is None:
        return sweep
    if trials < 1:
        raise InputError(f"--trials {trials}: expected a number above 0")
    return replace(sweep, trials=min(trials, sweep.trials) if sweep.grid else trials)


def _checked(mapping: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Return a YAML's content with defaults, after checking each key by itself, and the metrics.

    Raises:
        InputError: a key does not exist, or its value is not the expected one.
    """
    for key in mapping:
        if key not in _DEFAULTS:
            raise InputError(f"{file}: no key {key!r}{did_you_mean(str(key), _DEFAULTS)}")
    given = {**_DEFAULTS, **mapping}
    for key, (holds, expected) in _RULES.items():
        if not holds(given[key]):
            raise InputError(f"{file}: {key}: expected {expected}, got {given[key]!r}")
    metrics, directions, configs = (_list(given[key]) for key in ("metric", "direction", "configs"))
    if not metrics or not all(isinstance(name, str) for name in metrics):
        raise InputError(f"{file}: metric: expected a name such as val/f1, or a list of names")
    if len(directions) != len(metrics) or any(one not in DIRECTIONS for one in directions):
        raise InputError(f"{file}: direction: expected {' or '.join(DIRECTIONS)} for each metric, got {directions}")
    if len(metrics) > 1 and given["pruner"] is not None:
        raise InputError(f"{file}: pruner: expected none with several metrics, which Optuna cannot prune by")
    if not all(isinstance(name, str) for name in configs):
        raise InputError(f"{file}: configs: expected files or names of shipped experiments, got {configs!r}")
    return given


def _list(value: Any) -> list[Any]:
    return [] if value is None else [*value] if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _first(rows: list[Values], space: Space, where: str) -> list[Values]:
    for row in rows:
        for key, value in row.items():
            parameter = space.find(key, where)
            if not parameter.holds(value):
                raise InputError(f"{where}: {key}: expected {parameter.expected()}, got {value!r}")
    return rows
