"""What a run folder remembers of its training and its test, and what a benchmark measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outpaint_lightning import __version__
from outpaint_lightning.benchmark.judging import UNTOUCHED
from outpaint_lightning.settings.read import read_mapping
from outpaint_lightning.types import InputError

RECIPE = ("masks", "fills", "seams", "chains", "per_clip", "seed")


def training_of(run: Path) -> dict[str, Any]:
    """Return what a run was trained on, without paths of the machine; nothing where it has no record.

    Returns:
        `data`, the name of the dataset; `recipe` by which `forge` made it, where it still lies there; `options` of the
        DataModule; `net`, `epochs` and `version` of this package.
    """
    file = run / "config.fit.yaml"
    if not file.is_file():
        return {}
    config = read_mapping(file, "the options of a fit")
    data, net = _options(config.get("data")), _options(config.get("model")).get("net")
    root = Path(str(data.pop("root", "")))
    return {
        "data": root.resolve().name,
        "recipe": _recipe(root),
        "options": _without_paths(data),
        "net": _without_paths(net),
        "epochs": _options(config.get("trainer")).get("max_epochs"),
        "version": __version__,
    }


def test_of(run: Path, card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the test of a run, if it was one of the weights that a card describes; nothing otherwise."""
    file = run / "test" / "card.json"
    if not file.is_file():
        return {}
    found = read_mapping(file, "the card that `test` wrote")
    if found.get("weights") != card["weights"] or not isinstance(found.get("tested"), dict):
        raise InputError(
            f"{file}: the test of this run judged other weights; run `outpaint-lightning test` with this checkpoint"
        )
    return dict(found["tested"])


def benchmark_of(file: Path, card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of a `benchmark` in the form of a test's, if it judged the weights that a card describes.

    The value is that of clips without a codec. `levels` has the F1 (`value`), the floor and the false alarms of each
    codec.

    Raises:
        InputError: the file is not from `benchmark`, or it judged other weights.
    """
    found = read_mapping(file, "the numbers of a benchmark")
    try:
        conditions = dict(found["conditions"])
        clean = conditions.pop(UNTOUCHED)
        tested = {
            "data": f"benchmark version {found['version']}",
            "number": "pixel F1",
            "lower_is_better": False,
            "value": clean["f1"],
            "floors": {"everything forged": clean["floor"]},
            "count": clean["forged"],
            "unit": "forged video",
            "pixel_fpr": clean["pixel_fpr"],
            "authentic": clean["authentic"],
            "levels": [
                {"name": name, "value": row["f1"], "floor": row["floor"], "pixel_fpr": row["pixel_fpr"]}
                for name, row in conditions.items()
            ],
        }
        judged = found["fingerprint"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{file}: expected benchmark.json, as this version of `benchmark` writes it") from error
    if judged != card["weights"]:
        raise InputError(f"{file}: this benchmark judged other weights; run `outpaint-lightning benchmark` with these")
    return tested


def _options(part: Any) -> dict[str, Any]:
    """Return the options of a class in a config, or of what is no class."""
    if not isinstance(part, Mapping):
        return {}
    inner = part.get("init_args", part)
    return dict(inner) if isinstance(inner, Mapping) else {}


def _recipe(root: Path) -> dict[str, Any]:
    try:
        content = json.loads((root / "forge.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: content[key] for key in RECIPE if key in content} if isinstance(content, dict) else {}


def _without_paths(value: Any) -> Any:
    """Return plain values in which an absolute path is its last name: a card travels, the machine does not."""
    match value:
        case Mapping():
            return {str(key): _without_paths(item) for key, item in value.items()}
        case list() | tuple():
            return [_without_paths(item) for item in value]
        case str():
            return Path(value).name if Path(value).is_absolute() else value
        case None | bool() | int() | float():
            return value
        case _:
            return str(value)
