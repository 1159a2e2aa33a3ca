"""Turns errors of jsonargparse, OmegaConf, Lightning and torch into one line with the nearest valid name."""

from __future__ import annotations

import importlib
import inspect
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf.errors import OmegaConfBaseException

from outpaint_lightning.settings.messages import relevant_lines
from outpaint_lightning.types import InputError, did_you_mean

_PACKAGES = ("tasks", "data", "nets", "losses", "augment", "callbacks")


def one_line(message: str) -> str:
    """Return the relevant part of a parser's message, with a suggestion for a misspelled name."""
    for pattern, explain in _PATTERNS:
        if match := re.search(pattern, message):
            return explain(match, message)
    keys, rest = _split_keys(" ".join(relevant_lines(message)))
    return f"{keys}: {rest}" if keys else rest


def _split_keys(message: str) -> tuple[str, str]:
    """Split the keys at the start of a message from the rest: each parser on the way has put its own there.

    >>> _split_keys('Parser key "model": Parser key "net": residual: no class')
    ('model.net', 'residual: no class')
    """
    found = re.match(r'(?:Parser key "[\w.]+": ?)*', message)
    start = found[0] if found else ""
    return ".".join(re.findall(r'"([\w.]+)"', start)), message[len(start) :]


def with_key(message: str, config: Mapping[str, Any]) -> str:
    """Replace a class and its option at the start of a message, as in `UNet: width is 0`, by the option's key.

    Args:
        message: one line.
        config: parsed config. If it names the class more than once or not at all, the message does not change.

    >>> with_key("UNet: width is 0", {"model": {"net": {"class_path": "nets.UNet", "init_args": {"width": 0}}}})
    'model.net.width is 0'
    """
    found = re.match(r"(?P<owner>\w+): (?P<option>\w+) ", message)
    if found is None:
        return message
    keys = [key for key in _keys_of(config, found["owner"], found["option"]) if key]
    return f"{keys[0]}.{message.removeprefix(found['owner'] + ': ')}" if len(keys) == 1 else message


@contextmanager
def keyed_errors(config: Mapping[str, Any]) -> Iterator[None]:
    """Let an InputError name the key instead of a class and its option; see `with_key`."""
    try:
        yield
    except InputError as error:
        message = with_key(str(error), config)
        if message == str(error):
            raise
        raise type(error)(message) from error


def _keys_of(part: Any, owner: str, option: str, key: str = "") -> Iterator[str]:
    """Yield the keys of a config under which a class with this name has an option."""
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


@contextmanager
def config_errors() -> Iterator[None]:
    """Turn errors of a constructor, or of a config that cannot be resolved, into an InputError.

    jsonargparse adds its own text to a constructor's message.
    """
    try:
        yield
    except InputError:
        raise
    except OmegaConfBaseException as error:
        raise InputError(f"config: {str(error).splitlines()[0]}") from error
    except MisconfigurationException as error:
        raise InputError(f"trainer: {str(error).splitlines()[0]}") from error
    except ValueError as error:
        raise InputError(one_line(str(error))) from error


@contextmanager
def run_errors(ckpt_path: str | None) -> Iterator[None]:
    """Turn errors of a running command into an InputError, if the user can fix them.

    Args:
        ckpt_path: the loaded checkpoint, for messages.

    Raises:
        InputError: bad input, also from a worker process; weights of another net; settings that contradict each other.
        KeyboardInterrupt: the user stopped it; Lightning then raises SystemExit.
    """
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    except InputError as error:  # from a worker process it begins with that process's traceback
        raise InputError(str(error).strip().splitlines()[-1].rpartition("InputError: ")[2]) from error
    except MisconfigurationException as error:
        raise InputError(str(error).splitlines()[0]) from error
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError) as error:
        if not _is_of_restoring(error):
            raise
        raise InputError(
            f"{ckpt_path}: its training cannot go on ({type(error).__name__}: {one_line(str(error))[:100]})"
        ) from error
    except RuntimeError as error:
        first, _, detail = str(error).partition("\n")
        if "loading state_dict" not in first:
            raise
        raise InputError(f"{ckpt_path}: weights of another net ({detail.strip().split(',')[0]} ...)") from error


def _is_of_restoring(error: Exception) -> bool:
    """Return whether an error was raised while Lightning restored the state of a checkpoint."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals["__name__"].endswith(".checkpoint_connector") for frame, _ in frames)


def _option(match: re.Match[str], message: str) -> str:
    where = re.findall(r'Parser key "([\w.]+)"', message)
    prefix = ".".join(where) + ": " if where else ""
    name = match["name"]
    return f"{prefix}no option {name!r}{did_you_mean(name, _option_names() - {name})}"  # another class may have it


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
    """Return every class that our YAML files may name."""
    modules = [importlib.import_module(f"outpaint_lightning.{name}") for name in _PACKAGES]
    return {name: value for module in modules for name, value in vars(module).items() if inspect.isclass(value)}


def _option_names() -> set[str]:
    """Return every option of those classes and of the trainer, with and without its prefix on the command line."""
    import lightning.pytorch as pl

    names = {"seed_everything", "ckpt_path", "config", "overwrite", "model", "data", "trainer"}
    for prefix, owners in (("model.", _classes().values()), ("data.", _classes().values()), ("trainer.", [pl.Trainer])):
        options = {name for owner in owners for name in inspect.signature(owner).parameters}
        names |= options | {prefix + name for name in options}
    return names
