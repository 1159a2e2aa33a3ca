"""Initial weights of nets: the meaning of an option `weights`, and reading a state dict from a file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from outpaint_lightning.types import InputError, did_you_mean

IMAGENET = "imagenet"
"""Means ImageNet weights; each net decides where to get them."""


def file_of(weights: str, owner: object) -> Path | None:
    """Return the file that `weights` names; None for `"imagenet"`.

    Args:
        weights: a path, or `IMAGENET`.
        owner: the object that has this option, for the error message.

    Raises:
        InputError: the file does not exist.
    """
    if weights == IMAGENET:
        return None
    if Path(weights).is_file():
        return Path(weights)
    raise InputError(
        f"{type(owner).__name__}: weights is {weights!r}: no such file; expected one, {IMAGENET!r} or null"
        f"{did_you_mean(weights, [IMAGENET])}"
    )


def read_state(file: Path) -> dict[str, Tensor]:
    """Return the state dict in a torch or safetensors file, on the CPU. No code in the file is executed.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
        return state
    except Exception as error:  # torch.load raises half a dozen types for a broken file
        raise InputError(f"{file}: not a readable state dict of torch ({type(error).__name__})") from error
