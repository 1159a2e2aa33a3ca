"""Finds and opens checkpoints without executing code in them. Torch is imported only when one is opened."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outpaint_lightning.checkpoints.exported import ONNX, PROGRAM
from outpaint_lightning.checkpoints.shipped import SUFFIX, find_shipped
from outpaint_lightning.checkpoints.weights import card_of, read_weights
from outpaint_lightning.types import InputError

_KINDS: dict[str, type] = {
    **dict.fromkeys(("state_dict", "callbacks", "loops"), dict),
    **dict.fromkeys(("optimizer_states", "lr_schedulers"), list),
    **dict.fromkeys(("epoch", "global_step"), int),
    "pytorch-lightning_version": str,
}
"""Types of Lightning's entries in a checkpoint. `hyper_parameters` are checked where they are used; see `rebuild`."""


def find_checkpoint(path: str | Path) -> Path:
    """Return the checkpoint file for `path`.

    `path` is a file; a run folder, which gives its best, otherwise its last checkpoint; or the name of shipped weights:
    `default`.

    Raises:
        InputError: `path` is a URL, does not exist, is a folder without checkpoints, or is weights without a card.
    """
    if "://" in str(path):
        raise InputError(f"{path}: checkpoints are read from files only; download it first and give its path")
    name, path = str(path), Path(path)
    if not path.exists() and (weights := find_shipped(name)):
        return weights
    if path.is_dir():
        candidates = [path / "checkpoints" / name for name in ("best.ckpt", "last.ckpt")]
        found = next((candidate for candidate in candidates if candidate.is_file()), None)
        if found is None:
            raise InputError(f"{path}: no checkpoint in this run; expected {candidates[0]}")
        return found
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; expected a .ckpt or {SUFFIX} file, or a run folder")
    if path.suffix == SUFFIX and not card_of(path).is_file():
        raise InputError(f"{card_of(path)}: missing; expected the card of {path.name}, which says how its net is built")
    return path


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's tensors and plain values, but never the code of a pickled object.

    Args:
        path: a checkpoint, or weights with a card; both are returned in the form of a checkpoint.

    Raises:
        InputError: the file is corrupt, holds pickled objects, or is not a checkpoint of Lightning; or see
            `read_weights`.
    """
    if path.suffix in (ONNX, PROGRAM):
        opener = "localize alone opens" if path.suffix == ONNX else "is for other programs"
        raise InputError(f"{path}: holds an exported net, which {opener}; expected the checkpoint it was made from")
    if path.suffix == SUFFIX:
        checkpoint = read_weights(path)
        _require_weights(checkpoint["state_dict"], path)
        return checkpoint
    import torch

    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: corrupt, or holds pickled objects, which could run code; not loaded") from error
    except Exception as error:  # torch.load raises many types for a broken file, some of them without a message
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{path}: corrupt checkpoint ({reason[:100]})") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise InputError(f"{path}: not a checkpoint of `outpaint-lightning fit` (no state_dict)")
    for key, kind in _KINDS.items():
        if key in checkpoint and not isinstance(checkpoint[key], kind):
            raise InputError(f"{path}: {key} is a {type(checkpoint[key]).__name__}; expected a {kind.__name__}")
    _require_weights(checkpoint["state_dict"], path)
    _require_own_files(checkpoint.get("callbacks", {}), path)
    return checkpoint


def _require_weights(weights: Mapping[Any, Any], path: Path) -> None:
    """Check that all weights are finite numbers; a net with others would still give an output.

    Raises:
        InputError: names the first entry that is not a tensor or not finite.
    """
    import torch

    for name, weight in weights.items():
        if not isinstance(weight, torch.Tensor) or weight.layout != torch.strided or weight.is_meta:
            raise InputError(
                f"{path}: {name!r} of its state_dict is a {type(weight).__name__}; expected a dense tensor"
            )
        if not weight.isfinite().all():
            raise InputError(f"{path}: {name} is not finite; expected one of a training that did not diverge")


def _require_own_files(callbacks: Mapping[Any, Any], path: Path) -> None:
    """Check the files that callbacks name, because a resumed training removes the files of earlier epochs.

    Lightning removes any path that starts with the folder of checkpoints, even if it contains `..`, and any URL.

    Raises:
        InputError: a name contains `..` or `://`.
    """
    states = [state for state in callbacks.values() if isinstance(state, Mapping)]
    for name in (name for state in states for name in [*state.values(), *_keys(state.get("best_k_models"))]):
        if isinstance(name, str) and ("://" in name or ".." in Path(name).parts):
            raise InputError(f"{path}: its callbacks name the file {name!r}; expected one without `..` or `://`")


def _keys(value: Any) -> list[Any]:
    return [*value] if isinstance(value, Mapping) else []
