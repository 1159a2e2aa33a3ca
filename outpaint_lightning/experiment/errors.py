"""Turn jsonargparse's nested messages into one line with the nearest valid name."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from outpaint_lightning.types import did_you_mean

# Lines that only repeat the given value or the alternatives of a union.
_NOISE = re.compile(
    r"Given value|Subtypes: |Errors:|Does not validate|Expected a <class 'NoneType'>|Expected a path but", re.ASCII
)
_PACKAGES = ("tasks", "data", "nets", "losses", "augment", "callbacks")


def one_line(message: str) -> str:
    """Return the part of a parser's message that says what is wrong, with a suggestion where a name was misspelled."""
    for pattern, explain in _PATTERNS:
        if match := re.search(pattern, message):
            return explain(match, message)
    lines = [line.strip(" -") for line in message.splitlines() if not _NOISE.search(line)]
    return " ".join(filter(None, lines))


def with_key(message: str, config: Mapping[str, Any]) -> str:
    """Return a message that begins with a class and its option, as `UNet: width is 0`, with the option's key instead.

    Args:
        message: one line.
        config: parsed. Where it names the class more than once, or not at all, the message stays as it is.

    >>> with_key("UNet: width is 0", {"model": {"net": {"class_path": "nets.UNet", "init_args": {"width": 0}}}})
    'model.net.width is 0'
    """
    found = re.match(r"(?P<owner>\w+): (?P<option>\w+) ", message)
    if found is None:
        return message
    keys = [key for key in _keys_of(config, found["owner"], found["option"]) if key]
    return f"{keys[0]}.{message.removeprefix(found['owner'] + ': ')}" if len(keys) == 1 else message


def _keys_of(part: Any, owner: str, option: str, key: str = "") -> Iterator[str]:
    """Yield the keys of a config under which a class of some name has an option."""
    if isinstance(part, Mapping):
        options = part.get("init_args") or {}
        if str(part.get("class_path", "")).rpartition(".")[2] == owner and option in options:
            yield key
        for name, value in part.items():
            inner = key if name == "init_args" else f"{key}.{name}".lstrip(".")
            yield from _keys_of(value, owner, option, inner)
    elif isinstance(part, list | tuple):
        for i, value in enumerate(part):
            yield from _keys_of(value, owner, option, f"{key}[{i}]")


def _option(match: re.Match[str], message: str) -> str:
    where = re.findall(r'Parser key "([\w.]+)"', message)
    prefix = ".".join(where) + ": " if where else ""
    name = match["name"]
    return f"{prefix}no option {name!r}{did_you_mean(name, _option_names())}"


def _class(match: re.Match[str], message: str) -> str:
    where = re.findall(r'Parser key "([\w.]+)"', message)
    prefix = ".".join(where) + ": " if where else ""
    name = match["name"]
    near = did_you_mean(name.rpartition(".")[2], _classes())
    return f"{prefix}no class {name!r}; expected a class name or an import path{near}"


def _value(match: re.Match[str], message: str) -> str:
    keys = ".".join(re.findall(r'Parser key "([\w.]+)"', message)) or "value"
    return f"{keys}: expected {match['type']}, got {match['value']!r}"


_PATTERNS: tuple[tuple[str, Callable[[re.Match[str], str], str]], ...] = (
    (r"unrecognized arguments: --(?P<name>[\w.+]+)", _option),
    (r"Option '(?P<name>[\w.]+)' is not accepted", _option),
    (r"does not accept option '(?P<name>[\w.]+)'", _option),
    (r"Problem with given class_path '(?P<name>[\w.]+)'", _class),
    (r"Expected a dot import path string: (?P<name>[\w.]+)", _class),
    (r"Expected a <class '(?P<type>\w+)'>\. Got value: (?P<value>.*)", _value),
)


def _classes() -> dict[str, type]:
    """Every class that a YAML of ours may name."""
    modules = [importlib.import_module(f"outpaint_lightning.{name}") for name in _PACKAGES]
    return {name: value for module in modules for name, value in vars(module).items() if inspect.isclass(value)}


def _option_names() -> Iterator[str]:
    """Every option of those classes and of the trainer, alone and with the prefix it has on the command line."""
    import lightning.pytorch as pl

    for prefix, owners in (("model.", _classes().values()), ("data.", _classes().values()), ("trainer.", [pl.Trainer])):
        yield prefix.rstrip(".")
        for owner in owners:
            for name in inspect.signature(owner).parameters:
                yield name
                yield prefix + name
    yield from ("seed_everything", "ckpt_path", "config", "overwrite")
