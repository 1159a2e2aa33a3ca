"""Find and open checkpoints without executing anything in them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import instantiate_module

from outpaint_lightning.types import InputError


def find_checkpoint(path: str | Path) -> Path:
    """Return the checkpoint file that `path` means: a file, or a run folder whose best (else last) one is taken.

    Raises:
        InputError: `path` is a URL, does not exist, or is a folder without checkpoints.
    """
    if "://" in str(path):
        raise InputError(f"{path}: checkpoints are read from files only; download it first and give its path")
    path = Path(path)
    if path.is_dir():
        candidates = [path / "checkpoints" / name for name in ("best.ckpt", "last.ckpt")]
        found = next((candidate for candidate in candidates if candidate.is_file()), None)
        if found is None:
            raise InputError(f"{path}: no checkpoint in this run; expected {candidates[0]}")
        return found
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; expected a .ckpt file or a run folder")
    return path


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's tensors and plain values, and never the code of a pickled object.

    Raises:
        InputError: the file is corrupt, holds pickled objects, or is no checkpoint of Lightning.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: corrupt, or holds pickled objects, which could run code; not loaded") from error
    except Exception as error:  # torch.load raises half a dozen types for a broken file
        raise InputError(f"{path}: corrupt checkpoint ({str(error).splitlines()[0][:100]})") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise InputError(f"{path}: not a checkpoint of `outpaint-lightning fit` (no state_dict)")
    return checkpoint


def load_task(path: str | Path) -> pl.LightningModule:
    """Build the task that a checkpoint describes, with its weights, in evaluation mode.

    Raises:
        InputError: see `find_checkpoint` and `read_checkpoint`; or the checkpoint does not say how its net was built,
            or its weights are of another net.
    """
    path = find_checkpoint(path)
    checkpoint = read_checkpoint(path)
    recipe = {key: value for key, value in checkpoint.get("hyper_parameters", {}).items() if key != "_instantiator"}
    if "net" not in recipe:
        raise InputError(f"{path}: does not say how its net is built; expected one of `outpaint-lightning fit`")
    recipe["net"].get("init_args", {}).pop("weights", None)  # the state dict has them; the file may be elsewhere
    try:
        task = instantiate_module(pl.LightningModule, recipe)
        task.load_state_dict(checkpoint["state_dict"])
    except Exception as error:  # a class that is gone or changed, or weights of another net
        raise InputError(f"{path}: cannot rebuild its net ({str(error).strip().splitlines()[-1].strip()})") from error
    task.on_load_checkpoint(checkpoint)
    return task.eval()
