"""The weights that come with the package, and their cards.

A card is what `checkpoints.weights` writes. Of those that ship, these parts are shown, where they are there: `about`
(one line), `licence`, `results` (lines) and `limits` (lines).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from outpaint_lightning.checkpoints.shipped import shipped
from outpaint_lightning.checkpoints.weights import read_card


def weights() -> dict[str, dict[str, Any]]:
    """Return the card of each net that ships, by its name.

    >>> [*outpaint_lightning.weights()]  # doctest: +SKIP
    ['localizer']

    Raises:
        InputError: a card of the installation is missing or broken.
    """
    return {name: read_card(path) for name, path in shipped().items()}


def as_text(cards: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines that tell of some cards."""
    if not cards:
        yield "no weights ship with this version"
    for name, card in cards.items():
        net = card["init_args"].get("net", {}).get("class_path", card["class_path"]).rpartition(".")[2]
        megabytes = shipped()[name].stat().st_size / 1e6
        yield f"{name}  {net}, {megabytes:.1f} MB, {card.get('licence', 'no licence stated')}"
        if about := card.get("about"):
            yield f"  {about}"
        for title in ("results", "limits"):
            if lines := card.get(title):
                yield f"  {title}:"
                yield from (f"    {line}" for line in lines)
