"""Build the task that a checkpoint describes."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.cli import instantiate_module

from outpaint_lightning.checkpoints.files import find_checkpoint, read_checkpoint
from outpaint_lightning.types import InputError


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
