"""Builds a task or a net from a checkpoint file; this is the only place that does so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch.core.mixins.hparams_mixin import _given_hyperparameters_context
from torch import nn

from outpaint_lightning.checkpoints.allowed import checked, class_paths, require_class
from outpaint_lightning.checkpoints.files import find_checkpoint, read_checkpoint
from outpaint_lightning.settings.messages import relevant_lines
from outpaint_lightning.types import InputError

_LONGEST = 300  # letters of a reason
NET = "net."
"""Prefix of the names of a net's weights in the checkpoint of its task."""


def load_task(path: str | Path) -> pl.LightningModule:
    """Build the task of a checkpoint, with its weights, in evaluation mode.

    Args:
        path: a checkpoint, a run folder, or weights with a card.

    Raises:
        InputError: see `find_checkpoint`, `read_checkpoint` and `described`; or the weights belong to another net.
    """
    path = find_checkpoint(path)
    checkpoint = read_checkpoint(path)
    model = described(checkpoint, path)
    if model is None:
        raise InputError(f"{path}: does not say how its net is built; expected one of `outpaint-lightning fit`")
    options = {**model["init_args"], "_class_path": model["class_path"]}
    with _given_hyperparameters_context(options, "lightning.pytorch.cli.instantiate_module"):  # as in the CLI
        task: pl.LightningModule = _built(pl.LightningModule, model, checkpoint["state_dict"], path)
    try:
        task.on_load_checkpoint(checkpoint)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return task.eval()


def load_net(path: str | Path) -> nn.Module:
    """Build only the net of a checkpoint's task, with its weights, in evaluation mode.

    Args:
        path: a checkpoint, a run folder, or weights with a card.

    Raises:
        InputError: as in `load_task`.
    """
    path = find_checkpoint(path)
    checkpoint = read_checkpoint(path)
    options = checkpoint.get("hyper_parameters")
    net = options.get("net") if isinstance(options, Mapping) else None
    if not isinstance(net, Mapping) or "class_path" not in net:
        raise InputError(f"{path}: does not say how its net is built; expected one of `outpaint-lightning fit`")
    weights = {key.removeprefix(NET): value for key, value in checkpoint["state_dict"].items() if key.startswith(NET)}
    built: nn.Module = _built(nn.Module, _allowed(nn.Module, net, path), weights, path)
    return built.eval()


def described(checkpoint: Mapping[str, Any], path: Path, named: Sequence[str] = ()) -> dict[str, Any] | None:
    """Return the task of a checkpoint as plain `class_path` and `init_args`, after checking them.

    Args:
        checkpoint: content of the checkpoint.
        path: its file, for messages.
        named: modules that the user's own config names; the checkpoint may name them too.

    Returns:
        The class and its options; None if the task was not built from a config.

    Raises:
        InputError: a class is not allowed or no longer exists, or an option does not exist; see `checked`.
    """
    options = checkpoint.get("hyper_parameters", {})
    if not isinstance(options, dict):
        raise InputError(f"{path}: hyper_parameters is a {type(options).__name__}; expected options of a task")
    if "_class_path" not in options:
        return None
    init_args = {key: value for key, value in options.items() if key not in ("_class_path", "_instantiator")}
    return _allowed(pl.LightningModule, {"class_path": options["_class_path"], "init_args": init_args}, path, named)


def _allowed(base: type, spec: Mapping[str, Any], path: Path, named: Sequence[str] = ()) -> dict[str, Any]:
    """Return a class of a checkpoint and its options, after checking everything in them."""
    try:
        plain: dict[str, Any] = checked(dict(spec), named)
        for name in class_paths(plain):
            require_class(name, named)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    _, parsed = _parsed(base, plain, path)
    _require_mappings(plain, parsed.built.as_dict(), path)
    return plain


def _require_mappings(plain: Any, parsed: Any, path: Path) -> None:
    """Refuse text where a class is expected: it could be the name of any class in memory."""
    if isinstance(parsed, Mapping) and isinstance(plain, str):
        raise InputError(f"{path}: {plain!r} stands where a class is expected; expected class_path and init_args")
    pairs: list[tuple[Any, Any]] = []
    if isinstance(parsed, Mapping) and isinstance(plain, Mapping):
        pairs = [(plain[key], parsed[key]) for key in plain.keys() & parsed.keys()]
    elif isinstance(parsed, list | tuple) and isinstance(plain, list):
        pairs = [*zip(plain, parsed, strict=False)]
    for pair in pairs:
        _require_mappings(*pair, path)


def _parsed(base: type, spec: Mapping[str, Any], path: Path) -> tuple[ArgumentParser, Namespace]:
    """Match options to the signatures of their classes; files and interpolations are not read.

    `add_subclass_arguments` would take text for the name of a file, read it, and import the classes that it names.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--built", type=base, sub_configs=False).sub_add_kwargs = {
        "fail_untyped": False,
        "sub_configs": False,
    }
    try:
        return parser, parser.parse_object({"built": dict(spec)})
    except Exception as error:  # a class that no longer exists or has changed
        raise _cannot(path, error) from error


def _built(base: type, spec: Mapping[str, Any], weights: Mapping[str, Any], path: Path) -> Any:
    parser, parsed = _parsed(base, spec, path)
    try:
        module = parser.instantiate_classes(parsed).built
        module.load_state_dict(weights)
    except Exception as error:  # options that the class does not accept, or weights of another net
        raise _cannot(path, error) from error
    return module


def _cannot(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: cannot rebuild its net ({_reason(error)[:_LONGEST]})")


def _reason(error: Exception) -> str:
    """Return what a class itself says, or the parser, without the options, which a stranger makes pages long."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, InputError):
        cause = cause.__cause__ or cause.__context__
    lines = [str(cause)] if cause else relevant_lines(str(error)) or [type(error).__name__]
    return lines[-1] if "state_dict" in lines[0] else " ".join(lines).removeprefix('Parser key "built": ')
