"""Find and open checkpoints without executing anything in them. Torch is imported only when one is opened."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from outpaint_lightning.checkpoints.weights import SUFFIX, card_of, read_weights
from outpaint_lightning.types import InputError


def find_checkpoint(path: str | Path) -> Path:
    """Return the checkpoint file that `path` means: a file, or a run folder whose best (else last) one is taken.

    Raises:
        InputError: `path` is a URL, does not exist, is a folder without checkpoints, or weights without their card.
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
        raise InputError(f"{path}: no such checkpoint; expected a .ckpt or {SUFFIX} file, or a run folder")
    if path.suffix == SUFFIX and not card_of(path).is_file():
        raise InputError(f"{card_of(path)}: missing; expected the card of {path.name}, which says how its net is built")
    return path


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's tensors and plain values, and never the code of a pickled object.

    Args:
        path: a checkpoint, or weights with a card; both come in the shape that a checkpoint has.

    Raises:
        InputError: the file is corrupt, holds pickled objects, or is no checkpoint of Lightning; or see `read_weights`.
    """
    if path.suffix == SUFFIX:
        return read_weights(path)
    import torch

    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: corrupt, or holds pickled objects, which could run code; not loaded") from error
    except Exception as error:  # torch.load raises half a dozen types for a broken file
        raise InputError(f"{path}: corrupt checkpoint ({str(error).splitlines()[0][:100]})") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise InputError(f"{path}: not a checkpoint of `outpaint-lightning fit` (no state_dict)")
    return checkpoint
