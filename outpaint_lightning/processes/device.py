"""The choice of a command's device."""

from __future__ import annotations

import torch

from outpaint_lightning.types import InputError


def choose_device(name: str) -> torch.device:
    """Return the device of this name; for `auto`, the GPU if there is one.

    Raises:
        InputError: the device is not available here.
    """
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {name}: not available here ({str(error).splitlines()[0]})") from error
    return device
