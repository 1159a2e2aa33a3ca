"""Checks that the files of a command line exist: experiments, checkpoint, dataset.

It does not import torch, which takes seconds, so a misspelled name is reported at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from outpaint_lightning.checkpoints.files import find_checkpoint
from outpaint_lightning.checkpoints.shipped import SUFFIX
from outpaint_lightning.io.kinds import has_name_of_media
from outpaint_lightning.settings.find import find_config
from outpaint_lightning.settings.read import read_mapping
from outpaint_lightning.types import InputError, did_you_mean, did_you_mean_beside

_TOP_KEYS = (
    *("model", "data", "trainer", "seed_everything", "ckpt_path", "overwrite"),
    *("verbose", "weights_only", "return_predictions", "config"),
)
DEFAULT_RUN = "runs/default"
"""The run folder if neither config nor command line names one."""
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "32", "16", "bf16")
"""Allowed values of `trainer.precision`; the last three are short forms of the others."""
_LISTS = ("--print_config", "--help", "--model.help", "--data.help", "--trainer.help")  # these only print something


def find_inputs(command: str, words: Sequence[str]) -> list[str]:
    """Return the options of a command, with the name of each `--config` replaced by its path.

    Args:
        command: `fit`, `validate`, `test` or `predict`.
        words: options of the command.

    Raises:
        InputError: no experiment is given, or a config, the checkpoint or the dataset does not exist.
    """
    found = [*_found_configs(words)]
    if any(word.startswith(_LISTS) for word in words):
        return found
    files = [*_values(found, "--config")]
    configs = [read_mapping(path, "an experiment") for path in files]
    for path, config in zip(files, configs, strict=True):
        _require_known_keys(path, config)
    for value in _values(found, "--data"):
        if _is_path_of_data(Path(value)):
            raise InputError(f"--data {value}: expected a DataModule's class; the folder of a dataset is --data.root")
    if not _names_model(found, configs):
        where = f"{files[-1]} names no model" if files else command
        raise InputError(
            f"{where}: expected --config FILE.yaml with a whole experiment, or the name of a shipped one: "
            "--config localizer/small"
        )
    settings = _Settings(found, configs)
    chosen_checkpoint(
        command,
        Path(settings.text("trainer.default_root_dir") or DEFAULT_RUN).expanduser(),
        settings.text("ckpt_path"),
        settings.text("trainer.fast_dev_run") not in (None, "False", "false", "0"),
    )
    root = settings.text("data.root")
    if root is not None and not Path(root).exists():
        raise InputError(f"{root}: no such folder{did_you_mean_beside(Path(root))}; expected a dataset (data.root)")
    if root is not None and has_name_of_media(Path(root)) and Path(root).is_file():
        raise InputError(f"{root}: one file; expected the folder of a dataset (data.root)")
    return found


def chosen_checkpoint(command: str, run: Path, named: str | None, fast_dev_run: bool) -> Path | None:
    """Return the checkpoint to load; if none is named and `command` needs one, that of the run itself.

    Args:
        command: `fit`, `validate`, `test` or `predict`.
        run: run folder.
        named: `best`, `last`, a run folder, a file, or None.
        fast_dev_run: whether this is a trial run, which uses an untrained net if no checkpoint is named.

    Raises:
        InputError: see `find_checkpoint`; or a training cannot continue from weights without a training state.
    """
    if named is None:
        return None if command == "fit" or fast_dev_run else find_checkpoint(run)
    if command == "fit" and named.endswith(SUFFIX):
        raise InputError(f"{named}: holds weights alone, no state of a training; expected a .ckpt file to go on with")
    return find_checkpoint(run / "checkpoints" / f"{named}.ckpt" if named in ("best", "last") else named)


def require_supported(precision: int | str | None, barebones: bool) -> None:
    """Refuse options of Lightning's trainer that none of the commands supports.

    Raises:
        InputError: losses and metrics would not be computed in 32 bits, or nothing would be stored.
    """
    if precision is not None and str(precision) not in PRECISIONS:
        known = ", ".join(PRECISIONS[:3])
        raise InputError(f"trainer.precision is {precision}: expected {known}; losses and metrics need 32 bits")
    if barebones:
        raise InputError("trainer.barebones is true: expected false; a command here logs, and keeps what it makes")


def _names_model(words: Sequence[str], configs: Sequence[Mapping[Any, Any]]) -> bool:
    """Return whether a word or config names the model's class; overlay configs leave it to the config below them."""
    models = [config.get("model") for config in configs]
    in_config = any(
        isinstance(model, str) or (isinstance(model, Mapping) and "class_path" in model) for model in models
    )
    return in_config or any(re.match(r"--model(\.class_path)?(=|$)", word) for word in words)


def _require_known_keys(path: str, config: Mapping[Any, Any]) -> None:
    """Refuse a misspelled key at the top of a file: the parser would name another key, or take the rest for all."""
    for key in config:
        if str(key).partition(".")[0] not in _TOP_KEYS:
            known = ", ".join(_TOP_KEYS[:4])
            raise InputError(f"{path}: no key {str(key)!r}; expected {known}{did_you_mean(str(key), _TOP_KEYS)}")


def _is_path_of_data(path: Path) -> bool:
    """Return whether a path is that of footage: neither a class's name nor a config."""
    return path.suffix not in (".yaml", ".yml", ".json") and (path.exists() or len(path.parts) > 1)


class _Settings:
    """The few keys that name files, as far as YAML and command line give them without being resolved."""

    def __init__(self, words: Sequence[str], configs: Sequence[Mapping[Any, Any]]) -> None:
        self._words = words
        self._configs = configs

    def text(self, key: str) -> str | None:
        """Return the final value as text, or None; also None for a value that needs a resolved config."""
        value: Any = None
        for config in self._configs:
            value = _at(config, key, value)
        owner, _, option = key.partition(".")
        given = [*_values(self._words, f"--{key}", f"--{owner}.init_args.{option}")]
        value = str(given[-1] if given else value)
        return None if value in ("null", "None") or "${" in value else value


def _at(config: Mapping[Any, Any], key: str, default: Any) -> Any:
    """Return the value of a command line's key in a config, where options of a class are in `init_args`."""
    part: Any = config
    for name in key.split("."):
        options = part.get("init_args") if isinstance(part, Mapping) else None
        owner = next((each for each in (options, part) if isinstance(each, Mapping) and name in each), None)
        if owner is None:
            return default
        part = owner[name]
    return part


def _found_configs(words: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command line, with the name of each config replaced by its path."""
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option not in ("-c", "--config"):
            yield word
            continue
        name = value if equals else next(rest, None)
        if not name:
            raise InputError(f"{option}: expected a YAML file, or the name of a shipped one: localizer/small")
        yield from ("--config", str(find_config(name)))


def _values(words: Sequence[str], *options: str) -> Iterator[str]:
    """Yield the values of an option in a command line, as `--option value` or `--option=value`."""
    for word, following in pairwise([*words, ""]):
        option, equals, value = word.partition("=")
        if option in options:
            yield value if equals else following
