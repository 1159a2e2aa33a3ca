"""The search space of a sweep: ranges and choices under the keys of the command line."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import optuna

from outpaint_lightning.types import InputError, did_you_mean

Values = Mapping[str, Any]
"""Values of some keys of a space, as in the YAML."""


@dataclass(frozen=True)
class Parameter(ABC):
    """One key of a space."""

    key: str
    """The key on the command line, such as `model.criterion.gamma`; or `config`, a further experiment file."""
    when: Values = field(kw_only=True)
    """Values that other keys must have for this key to apply, with the conditions of those keys."""

    @abstractmethod
    def suggest(self, trial: optuna.Trial) -> Any:
        """Return the value that a study proposes."""

    @abstractmethod
    def grid(self) -> Sequence[Any] | None:
        """Return every value, or None if there are infinitely many."""

    @abstractmethod
    def examples(self) -> Sequence[Any]:
        """Return values of each different kind, which are parsed before any trial starts."""

    @abstractmethod
    def holds(self, value: Any) -> bool:
        """Return whether a value is allowed for this key."""

    @abstractmethod
    def expected(self) -> str:
        """Return the allowed values in words."""

    def stored(self, value: Any) -> Any:
        """Return a value as a study stores it."""
        return value

    def plain(self, stored: Any) -> Any:
        """Return a stored value as in the YAML."""
        return stored

    def asked(self, values: Values) -> bool:
        """Return whether this key applies, given the values of the keys before it."""
        return all(key in values and values[key] == value for key, value in self.when.items())


@dataclass(frozen=True)
class Range(Parameter):
    """Numbers from `low` to `high` inclusive; integers if both are."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether the values are integers."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))

    def suggest(self, trial: optuna.Trial) -> float:
        """Return a number."""
        if self.whole:
            return trial.suggest_int(self.key, int(self.low), int(self.high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log)

    def grid(self) -> Sequence[float] | None:
        """Return the steps."""
        step = self.step or (1 if self.whole and not self.log else None)
        if step is None:
            return None
        return [_tidy(self.low + i * step) for i in range(math.floor((self.high - self.low) / step + 1e-9) + 1)]

    def examples(self) -> Sequence[float]:
        """Return one number, because all numbers are parsed alike."""
        return [self.low]

    def holds(self, value: Any) -> bool:
        """Return whether it is a number in the range and on a step."""
        if not _is_number(value) or not self.low <= value <= self.high or (self.whole and value != int(value)):
            return False
        steps: float = (value - self.low) / self.step if self.step else 0
        return abs(steps - round(steps)) < 1e-6

    def expected(self) -> str:
        """Return the bounds."""
        return f"{self.low} to {self.high}" + (f" in steps of {self.step}" if self.step else "")


@dataclass(frozen=True)
class Choices(Parameter):
    """One of some values of any YAML type. Studies store strings unchanged and other values as JSON."""

    choices: Sequence[Any]

    def suggest(self, trial: optuna.Trial) -> Any:
        """Return one of the choices."""
        return self.plain(trial.suggest_categorical(self.key, [self.stored(value) for value in self.choices]))

    def grid(self) -> Sequence[Any]:
        """Return all choices."""
        return self.choices

    def examples(self) -> Sequence[Any]:
        """Return all choices that may name a class, a file or an option; if there are none, the first choice."""
        return [value for value in self.choices if not _is_number(value)] or self.choices[:1]

    def holds(self, value: Any) -> bool:
        """Return whether it is one of the choices; 1, 1.0 and true are different."""
        return self.stored(value) in map(self.stored, self.choices)

    def expected(self) -> str:
        """Return all choices as text."""
        return f"one of {', '.join(map(text, self.choices))}"

    def stored(self, value: Any) -> str:
        """Return the value as text."""
        return text(value)

    def plain(self, stored: Any) -> Any:
        """Return the choice with that text."""
        return next(value for value in self.choices if self.stored(value) == stored)


class Space(tuple[Parameter, ...]):
    """The parameters of a sweep, in the order in which they are sampled and written on the command line."""

    @classmethod
    def read(cls, mapping: Any, where: str) -> Space:
        """Return the space that a YAML mapping describes.

        Args:
            mapping: maps a key to `{low, high[, step, log, when]}` or `{choices[, when]}`.
            where: file and key, for messages.

        Raises:
            InputError: a key or option is unknown, a range is empty, or a condition can never be met.
        """
        if not isinstance(mapping, Mapping) or not mapping:
            raise InputError(f"{where}: expected at least one key with a range or choices")
        space = cls()
        for key, options in mapping.items():
            space = cls((*space, _parameter(str(key), options, space, f"{where}.{key}")))
        return space

    def find(self, key: str, where: str) -> Parameter:
        """Return the parameter of a key.

        Raises:
            InputError: there is no such key.
        """
        keys = {parameter.key: parameter for parameter in self}
        if key not in keys:
            raise InputError(f"{where}: no key {key!r} in the space above it{did_you_mean(str(key), keys)}")
        return keys[key]

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Return the values that a study proposes for a trial."""
        values: dict[str, Any] = {}
        for parameter in self:
            if parameter.asked(values):
                values[parameter.key] = parameter.suggest(trial)
        return values

    def values(self, stored: Values) -> dict[str, Any]:
        """Return the values of a trial from its stored record."""
        return {p.key: p.plain(stored[p.key]) for p in self if p.key in stored}

    def stored(self, values: Values) -> dict[str, Any]:
        """Return values as a study stores them."""
        return {p.key: p.stored(values[p.key]) for p in self if p.key in values}

    def combinations(self, where: str) -> list[dict[str, Any]]:
        """Return every combination; the last key changes fastest.

        Raises:
            InputError: a key has infinitely many values.
        """
        rows: list[dict[str, Any]] = [{}]
        for parameter in self:
            grid = parameter.grid()
            if grid is None:
                raise InputError(
                    f"{where}: {parameter.key} has no step: expected choices or steps, or a number of trials"
                )
            rows = [
                more
                for row in rows
                for more in ([{**row, parameter.key: v} for v in grid] if parameter.asked(row) else [row])
            ]
        return rows

    def examples(self) -> Iterator[dict[str, Any]]:
        """Yield a few sets of values that together contain every key, and every value of a different kind."""
        missing = {(p.key, i) for p in self for i in range(len(p.examples()))}
        while missing:
            key, index = min(missing)
            parameter = self.find(key, "")
            wanted = {**parameter.when, key: parameter.examples()[index]}
            row: dict[str, Any] = {}
            for parameter in self:
                if parameter.asked(row):
                    examples = parameter.examples()
                    new = (i for i in range(len(examples)) if (parameter.key, i) in missing)
                    row[parameter.key] = wanted.get(parameter.key, examples[next(new, 0)])
            missing -= {
                (p.key, i) for p in self for i, v in enumerate(p.examples()) if p.key in row and row[p.key] == v
            }
            yield row

    def names(self) -> dict[str, str]:
        """Return for each key its shortest ending that no other key has: `gamma` for `model.criterion.gamma`."""
        parts = {p.key: p.key.split(".") for p in self}
        endings = {key: [".".join(words[i:]) for i in range(len(words))] for key, words in parts.items()}
        return {
            key: next((e for e in reversed(own) if sum(e in other for other in endings.values()) == 1), key)
            for key, own in endings.items()
        }

    def title(self, values: Values) -> str:
        """Return a short text that distinguishes a trial from others: `gamma=0.82 lr=0.0003`."""
        return " ".join(f"{name}={_short(values[key])}" for key, name in self.names().items() if key in values)


def text(value: Any) -> str:
    """Return a value as text for the command line."""
    return value if isinstance(value, str) else json.dumps(value)


def _parameter(key: str, options: Any, above: Space, where: str) -> Parameter:
    if not isinstance(options, Mapping):
        raise InputError(f"{where}: expected {{low: ..., high: ...}} or {{choices: [...]}}, got {options!r}")
    kind = ("choices", "when") if "choices" in options else ("low", "high", "step", "log", "when")
    for word in options:
        if word not in kind:
            raise InputError(f"{where}: no option {word!r}{did_you_mean(str(word), kind)}; expected {', '.join(kind)}")
    when = _closed(options.get("when") or {}, above, f"{where}.when")
    return _choices(key, options["choices"], when, where) if "choices" in options else _range(key, options, when, where)


def _closed(when: Any, above: Space, where: str) -> dict[str, Any]:
    """Return a condition together with the conditions of the keys that it names."""
    if not isinstance(when, Mapping):
        raise InputError(f"{where}: expected {{key: value}}, got {when!r}")
    closed: dict[str, Any] = {}
    for key, value in when.items():
        parameter = above.find(key, where)
        if not parameter.holds(value):
            raise InputError(f"{where}: {key} is never {value!r}: expected {parameter.expected()}")
        for other, needed in {**parameter.when, key: value}.items():
            if closed.setdefault(other, needed) != needed:
                raise InputError(f"{where}: {other} cannot be {closed[other]!r} and {needed!r} at once")
    return closed


def _choices(key: str, choices: Any, when: Values, where: str) -> Choices:
    if not isinstance(choices, Sequence) or isinstance(choices, str) or not choices:
        raise InputError(f"{where}.choices: expected a list of at least one value, got {choices!r}")
    texts = [text(choice) for choice in choices]
    for i, one in enumerate(texts):
        if one in texts[:i]:
            raise InputError(f"{where}.choices: {one} is there twice")
    return Choices(key, choices, when=when)


def _range(key: str, options: Values, when: Values, where: str) -> Range:
    low, high, step, log = (options.get(name) for name in ("low", "high", "step", "log"))
    for name, value in (("low", low), ("high", high), *([("step", step)] if step is not None else [])):
        if not _is_number(value) or not math.isfinite(value):
            raise InputError(f"{where}.{name}: expected a number, got {value!r}")
    assert low is not None
    assert high is not None
    if not isinstance(log, bool | None):
        raise InputError(f"{where}.log: expected true or false, got {log!r}")
    if not low < high:
        raise InputError(f"{where}: low is {low}, high {high}: expected low below high")
    if log and (low <= 0 or step is not None):
        raise InputError(f"{where}: log: expected a low above 0 and no step, got low {low}, step {step}")
    if step is not None and not 0 < step <= high - low:
        raise InputError(f"{where}.step: expected above 0 and at most {_tidy(high - low)}, got {step}")
    return Range(key, low, high, step, bool(log), when=when)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _tidy(value: float) -> float:
    """Return a sum of floats without rounding digits: 0.3 for 0.1 + 2 * 0.1."""
    return round(value, 12)


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("class_path", text(value))
    if isinstance(value, str):
        return value if "/" in value else value.rpartition(".")[2]
    return f"{value:.3g}" if isinstance(value, float) else text(value).replace(" ", "")
