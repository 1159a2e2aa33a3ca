"""Load a part of a task's weights into a net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outpaint_lightning.checkpoints.files import find_checkpoint, read_checkpoint
from outpaint_lightning.types import InputError

if TYPE_CHECKING:
    from torch import nn


def load_part(net: nn.Module, weights: str, start: str, title: str) -> None:
    """Load the weights of a part of a task.

    Args:
        net: a net with the layers of the part.
        weights: checkpoint or run folder.
        start: prefix of the names of the part's weights, such as `net.`.
        title: name of the part, for error messages.

    Raises:
        InputError: the checkpoint does not exist, has no such part, or the part has other layers.
    """
    path = find_checkpoint(weights)
    found = read_checkpoint(path)["state_dict"]
    state = {key.removeprefix(start): value for key, value in found.items() if key.startswith(start)}
    if not state:
        raise InputError(f"{path}: holds no {title}; expected the checkpoint of a task that has one")
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{path}: its {title} has other layers ({str(error).splitlines()[1].strip()})") from error
