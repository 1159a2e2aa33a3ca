"""Configs as flat keys, spelled as on the command line, and the differences between two of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Flat = Mapping[str, Any]
"""`model.net` is the name of a class, `model.net.updates` its option, `data.augmentations[TimeWarp].p` the option of a
class in a list."""

_OF_THE_RUN = re.compile(r"(.+\.)?(default_root_dir|dirpath|ckpt_path|overwrite|verbose)|trainer\.logger\b.*")
_SEED = re.compile(r"(.+[. ])?(seed|seed_everything)")
_SHOWN = 5  # options shown of a class that another class replaced


class Change(NamedTuple):
    """A key whose values differ; None on the side that lacks the key."""

    key: str
    before: str | None
    after: str | None


def flatten(config: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the flat keys of a parsed config and their values, without keys that only give a run's paths."""
    if _OF_THE_RUN.fullmatch(path):
        return
    match config:
        case {"class_path": str(name)}:
            yield path, name.rpartition(".")[2]
            yield from flatten(config.get("init_args") or {}, path)
        case dict():
            for key, value in config.items():
                yield from flatten(value, f"{path}.{key}" if path else str(key))
        case list() if not config or any(isinstance(item, dict) for item in config):
            names = [_class_name(item) or str(i) for i, item in enumerate(config)]
            for i, (name, item) in enumerate(zip(names, config, strict=True)):
                again = names[:i].count(name)
                yield from flatten(item, f"{path}[{name}{f' {again + 1}' if again else ''}]")
        case _:
            yield path, config


def without_seeds(config: Flat) -> dict[str, Any]:
    """Return a flat config without its seeds."""
    return {key: value for key, value in config.items() if not _SEED.fullmatch(key)}


def seeds(config: Flat) -> dict[str, Any]:
    """Return the seeds of a flat config by their keys."""
    return {key: value for key, value in config.items() if _SEED.fullmatch(key)}


def changes(before: Flat, after: Flat) -> list[Change]:
    """Return the differences; the options of an added or removed class are shown with the class."""
    keys = [key for key in dict.fromkeys([*before, *after]) if before.get(key, ...) != after.get(key, ...)]
    tops = [key for key in keys if not any(key.startswith(f"{other}.") for other in keys)]
    return [Change(key, _described(before, key, brief=key in after), _described(after, key)) for key in tops]


def as_text(value: Any) -> str:
    """Return a value of a config as text."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case list():
            return f"[{', '.join(map(as_text, value))}]"
        case _:
            return str(value)


def _described(config: Flat, key: str, brief: bool = False) -> str | None:
    """Return the value of a key, for a class with its first options; None if there is no such key."""
    if key not in config:
        return None
    options = {k[len(key) + 1 :]: v for k, v in config.items() if k.startswith(f"{key}.") and v is not None}
    if brief or not options:
        return as_text(config[key])
    shown = [f"{name} {as_text(value)}" for name, value in options.items()]
    more = [] if len(shown) <= _SHOWN else ["…"]
    return f"{as_text(config[key])}({', '.join(shown[:_SHOWN] + more)})"


def _class_name(item: Any) -> str:
    return str(item["class_path"]).rpartition(".")[2] if isinstance(item, dict) and "class_path" in item else ""
