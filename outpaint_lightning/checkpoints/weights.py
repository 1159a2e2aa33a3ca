"""Weights for distribution: `NAME.safetensors`, and beside it `NAME.json`, the card that describes them.

A card has

- `format`: 1
- `class_path`, `init_args`: the task, as in a config
- `state`: values that the task stores besides its weights, such as a threshold chosen in validation
- `sha256`: hash of the file of weights
- `card`, if it was sealed: see `checkpoints.card`
- anything else that its reader should know: data, recipe, licences, results, limits.

Neither file can hold code. The names in a card are checked like the names in a checkpoint; see `rebuild`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outpaint_lightning.checkpoints.shipped import SUFFIX
from outpaint_lightning.io.files import write_json
from outpaint_lightning.io.output import durable
from outpaint_lightning.settings.read import read_mapping
from outpaint_lightning.types import InputError

if TYPE_CHECKING:
    import lightning.pytorch as pl

FORMAT = 1
KEYS: dict[str, type] = {"format": int, "class_path": str, "init_args": dict, "state": dict, "sha256": str}
"""Keys and types that every card has."""
_TRAININGS = {"state_dict", "hyper_parameters", "callbacks", "loops", "optimizer_states", "lr_schedulers"}
"""Parts of a checkpoint that a task's own state must not replace."""


def card_of(path: Path) -> Path:
    """Return the path of the card of a file of weights."""
    return path.with_suffix(".json")


def save_weights(task: pl.LightningModule, path: str | Path, card: Mapping[str, Any], half: bool = False) -> None:
    """Write the weights of a task, and their card.

    >>> save_weights(load_task("runs/localizer/small"), "small.safetensors", {"data": "..."})  # doctest: +SKIP

    Args:
        task: a task that was loaded from a checkpoint or built from a config.
        path: path of the weights, which ends in `.safetensors`; the card is written beside it.
        card: further entries of the card, as JSON.
        half: store 32-bit floats as 16-bit floats. They are read as 32 bits again.

    Raises:
        InputError: the path has another suffix; the card has one of the reserved keys; or the task does not know how it
            was built, or has classes that a checkpoint may not name.
    """
    import torch
    from safetensors.torch import save

    from outpaint_lightning.checkpoints.rebuild import described

    path = Path(path)
    if path.suffix != SUFFIX:
        raise InputError(f"{path}: expected a name that ends in {SUFFIX}")
    if own := sorted(KEYS.keys() & card.keys()):
        raise InputError(f"{card_of(path)}: {own[0]} is written from the task; leave it out of the card")
    model = described({"hyper_parameters": dict(task.hparams)}, path)
    if model is None:
        raise InputError(f"{path}: the task does not know how it was built; load it from a checkpoint")
    state: dict[str, Any] = {}
    task.on_save_checkpoint(state)
    weights = {
        name: (tensor.half() if half and tensor.dtype == torch.float32 else tensor.clone()).cpu().contiguous()
        for name, tensor in task.state_dict().items()
    }
    content = save(weights)
    with durable(path) as temporary:
        temporary.write_bytes(content)
    head = {"format": FORMAT, **model, "state": state, "sha256": hashlib.sha256(content).hexdigest()}
    write_json(card_of(path), {**head, **card})


def read_card(path: Path) -> dict[str, Any]:
    """Return the card of a file of weights.

    Raises:
        InputError: there is no card, or it is not a card of a known format.
    """
    card = read_mapping(card_of(path), f"the card of {path.name}, with the keys {', '.join(KEYS)}")
    for key, kind in KEYS.items():
        if not isinstance(card.get(key), kind):
            found = f"{key} is a {type(card[key]).__name__}" if key in card else f"has no {key}"
            raise InputError(f"{card_of(path)}: {found}; expected a card of weights, with the keys {', '.join(KEYS)}")
    if card["format"] != FORMAT:
        raise InputError(f"{card_of(path)}: format is {card['format']}; this version reads {FORMAT}")
    if odd := sorted(_TRAININGS & card["state"].keys()):
        raise InputError(f"{card_of(path)}: state has the key {odd[0]}, which is of a training; expected a task's own")
    return card


def read_weights(path: Path) -> dict[str, Any]:
    """Read weights and their card in the form of a checkpoint.

    Raises:
        InputError: the card is missing or belongs to other weights, or the weights are corrupt.
    """
    from lightning import __version__
    from safetensors import SafetensorError
    from safetensors.torch import load

    card = read_card(path)
    try:
        content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != card["sha256"]:
            raise InputError(
                f"{path}: is not the file that {card_of(path).name} describes; expected the sha256 "
                f"{card['sha256'][:12]}..., found {found[:12]}..."
            )
        weights = load(content)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    return {
        **card["state"],
        "state_dict": weights,
        "hyper_parameters": {**card["init_args"], "_class_path": card["class_path"]},
        "pytorch-lightning_version": __version__,
        **{key: card[key] for key in ("card",) if key in card},
    }
