"""The description of a checkpoint: its card, plain values under one key of the file.

```
version      version of this format
weights      fingerprint of the weights that the card describes
trained      data, recipe and settings of the training
tested       the numbers of a test, with the floors
calibration  scores of videos known to be authentic or forged; see `localize.calibration`
limits       sentences about what the checkpoint cannot do; of distributed weights, those of the JSON file beside them
```

All keys but the first two are optional. Nothing in a card is executed, and no class is built from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outpaint_lightning.checkpoints.files import read_checkpoint
from outpaint_lightning.checkpoints.shipped import SUFFIX
from outpaint_lightning.checkpoints.weights import card_of
from outpaint_lightning.checkpoints.weights import read_card as read_about
from outpaint_lightning.io.files import write_json
from outpaint_lightning.types import InputError

if TYPE_CHECKING:
    from torch import Tensor

CARD = "card"
"""The card's key in a checkpoint."""
VERSION = 1
PARTS = ("trained", "tested", "calibration")


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """Return 16 hexadecimal digits that depend on the names, shapes and values of the weights (SHA-256).

    Floats are rounded to 16 bits, so the fingerprint does not depend on the stored precision.

    >>> import torch
    >>> fingerprint({"a": torch.zeros(2)}) == fingerprint({"a": torch.zeros(1, 2)})
    False
    >>> fingerprint({"a": torch.full((2,), 0.1)}) == fingerprint({"a": torch.full((2,), 0.1).half()})
    True
    """
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        plain = tensor.detach().cpu()
        plain = plain.half() if plain.is_floating_point() else plain
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)};".encode())
        digest.update(plain.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def new_card(weights: Mapping[str, Tensor], **parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card for these weights with the given parts: `trained`, `tested`, `calibration`."""
    return {"version": VERSION, "weights": fingerprint(weights), **parts}


def read_card(path: Path) -> dict[str, Any]:
    """Return the card of a checkpoint; if it has none, a card without parts. Distributed weights add their limits.

    Raises:
        InputError: as in `read_checkpoint` and `checked_card`.
    """
    checkpoint = read_checkpoint(path)
    weights = checkpoint["state_dict"]
    card = checkpoint[CARD] if CARD in checkpoint else new_card(weights)
    limits = read_about(path).get("limits") if path.suffix == SUFFIX else None
    if isinstance(card, Mapping) and isinstance(limits, list):
        card = {**card, "limits": limits}
    return checked_card(card, weights, path)


def checked_card(card: Any, weights: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    """Return a card after checking that it belongs to these weights.

    Args:
        card: card from a file.
        weights: weights of the checkpoint.
        path: file of the card, for messages.

    Raises:
        InputError: it is not a card, has a later version, or belongs to other weights.
    """
    checked = checked_parts(card, path)
    if checked.get("weights") != fingerprint(weights):
        raise InputError(f"{path}: its card belongs to other weights; run `outpaint-lightning seal` on it again")
    return checked


def checked_parts(card: Any, path: Path) -> dict[str, Any]:
    """Return a card of a version and a form that are known, whatever its weights.

    Raises:
        InputError: it is none.
    """
    if not isinstance(card, Mapping) or type(card.get("version")) is not int:
        raise InputError(f"{path}: its card has no version; expected a card that `outpaint-lightning seal` wrote")
    if card["version"] > VERSION:
        raise InputError(f"{path}: its card is of version {card['version']}; this package reads up to {VERSION}")
    for part in PARTS:
        if not isinstance(card.get(part, {}), Mapping):
            raise InputError(f"{path}: `{part}` of its card is {card[part]!r}; expected keys and values")
    limits = card.get("limits", [])
    if not isinstance(limits, list) or not all(isinstance(line, str) for line in limits):
        raise InputError(f"{path}: `limits` of its card are {limits!r}; expected a list of sentences")
    return dict(card)


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write a card into a checkpoint and replace an earlier one; the rest of the file does not change.

    For distributed weights it is written to the JSON file beside them; see `checkpoints.weights`.

    Raises:
        InputError: as in `read_checkpoint`; or the card belongs to other weights.
        OSError: the file cannot be written; the old one is kept.
    """
    from outpaint_lightning.checkpoints.writing import DurableCheckpointIO

    checkpoint = read_checkpoint(path)
    checked = checked_card(dict(card), checkpoint["state_dict"], path)
    if path.suffix == SUFFIX:
        write_json(card_of(path), {**read_about(path), CARD: checked})
    else:
        DurableCheckpointIO().save_checkpoint({**checkpoint, CARD: checked}, path)
