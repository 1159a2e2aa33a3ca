"""Reads YAML files from any author, within limits, and reports errors in one line.

`yaml.SafeLoader` already refuses classes and functions. In addition a file may not be large, deeply nested, or expand
by its aliases to something large: each would make the program hang or exhaust the stack. Floats are read as in YAML
1.2, so `1e-4` is a float; dates stay text; duplicate keys in a mapping are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from outpaint_lightning.types import InputError

MAX_BYTES = 1_000_000
MAX_DEPTH = 60
"""Largest nesting of lists and mappings."""
MAX_VALUES = 100_000
"""Largest number of keys and values; those that an alias repeats count each time."""


def read_mapping(path: str | Path, expected: str) -> dict[Any, Any]:
    """Return the keys and values of a YAML file.

    Args:
        path: path of the file.
        expected: expected content, for messages: "the keys masks, fills, seams, chains".

    Raises:
        InputError: it cannot be read, is not YAML, exceeds a limit of this module, or holds no mapping.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected {expected}") from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: {len(data)} bytes; expected at most {MAX_BYTES} of YAML with {expected}")
    try:
        content = _load(data.decode("utf-8-sig"))
    except yaml.YAMLError as error:
        raise InputError(f"{path}{_line(error)}: not YAML ({_reason(error)}); expected {expected}") from error
    except (
        ValueError,
        LookupError,
        AttributeError,
    ) as error:  # not UTF-8, or a tag on what does not fit it: `!!int ''`
        raise InputError(f"{path}: not YAML ({type(error).__name__}: {error}); expected {expected}") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: holds {'no keys' if content else 'nothing'}; expected {expected}")
    return content


def _load(text: str) -> Any:
    """Return the content of a YAML text.

    Raises:
        yaml.YAMLError: it is not YAML, or exceeds a limit; the limits are checked before anything is built.
    """
    bounds = _Bounds()
    for event in yaml.parse(text, _Loader):
        bounds.check(event)
    return yaml.load(text, _Loader)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the loader in C, if it exists
    """A safe loader with the floats of YAML 1.2, without dates and without integers above 64 bits."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Build an integer of at most 64 bits; one with thousands of digits could not even be printed."""
        value: int = super().construct_yaml_int(node)
        if value.bit_length() > 64:
            raise _beyond("a whole number of more than 64 bits", node)
        return value


_FLOAT = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)[eE][-+]?\d+$", re.ASCII)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


@dataclass
class _Open:
    """A list or mapping that has started and not ended."""

    anchor: str | None
    values_before: int
    keys: set[str] | None
    """Keys of a mapping so far."""
    at_key: bool = True


@dataclass
class _Bounds:
    """Counts the values to which a stream of events expands."""

    values: int = 0
    stack: list[_Open] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    """Number of values in each completed part with an anchor."""

    def check(self, event: yaml.Event) -> None:
        """Process the next event.

        Raises:
            yaml.YAMLError: it exceeds a limit.
        """
        if isinstance(event, yaml.CollectionEndEvent):
            ended = self.stack.pop()
            if ended.anchor is not None:
                self.sizes[ended.anchor] = self.values - ended.values_before
        elif isinstance(event, yaml.NodeEvent):
            self._take_key(event)
            if isinstance(event, yaml.AliasEvent):
                if any(part.anchor == event.anchor for part in self.stack):
                    raise _beyond("an alias of what it stands in", event)
                self.values += self.sizes.get(event.anchor, 0)
            elif isinstance(event, yaml.CollectionStartEvent):
                keys: set[str] | None = set() if isinstance(event, yaml.MappingStartEvent) else None
                self.stack.append(_Open(event.anchor, self.values, keys))
            elif event.anchor is not None:
                self.sizes[event.anchor] = 1
            self.values += 1
            if self.values > MAX_VALUES:
                raise _beyond(f"unfolds to more than {MAX_VALUES} values", event)
            if len(self.stack) > MAX_DEPTH:
                raise _beyond(f"nested deeper than {MAX_DEPTH}", event)

    def _take_key(self, event: yaml.NodeEvent) -> None:
        """Record the keys of the innermost mapping, because PyYAML silently keeps the last of equal keys."""
        inner = self.stack[-1] if self.stack else None
        if inner is None or inner.keys is None:
            return
        if inner.at_key and isinstance(event, yaml.ScalarEvent) and event.value != "<<":
            if event.value in inner.keys:
                raise _beyond(f"the key {event.value!r} stands twice", event)
            inner.keys.add(event.value)
        inner.at_key = not inner.at_key


def _beyond(what: str, position: yaml.Event | yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, what, position.start_mark)


def _line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark else ""


def _reason(error: yaml.YAMLError) -> str:
    """Return the reason without the marks, which repeat the file: `while parsing a flow node, did not find ...`."""
    words = [getattr(error, name, None) for name in ("context", "problem")]
    return ", ".join(filter(None, words)) or " ".join(str(error).split())
