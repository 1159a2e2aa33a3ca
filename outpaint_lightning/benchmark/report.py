"""Compute the numbers of a benchmark from the results per clip and condition.

- `floor`: the F1 of a net that marks everything: 2 s / (1 + s) for a clip with a share s of forged pixels.
- `gain`: (F1 - floor) / (1 - floor). 1 is perfect; 0 is no better than marking everything.
- `score`: the mean gain over all conditions. It is the area under the codec curve and above the floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from outpaint_lightning.benchmark.judging import EXCHANGED, REFERENCE, UNTOUCHED, Row
from outpaint_lightning.metrics.numbers import gain

MARKED = 0.01  # an authentic clip is a false alarm if more than this share of its pixels is marked
FEW = 5  # sources; with fewer, the numbers hardly carry over to other footage
LARGE, SMALL = 0.3, 0.1  # shares of a clip's pixels
GROUPS = {
    "smooth": ("replicate", "reflect", "telea", "navier-stokes", "harmonic", "biharmonic", "push-pull"),
    "patches": ("patchmatch",),
    "other frames": ("median", "mosaic", "propagation"),
    "made anew": (
        *("resample", "low-pass", "block-average", "denoise", "renoise", "recompress", "autoencoder", "regenerate"),
    ),
}
"""Groups of similar fills. To test a net on unseen fills, train it without the fills of one group."""
_GROUP_OF = {fill: group for group, fills in GROUPS.items() for fill in fills}
_KEYS: Mapping[str, Callable[[Row], str]] = {
    "group": lambda row: _GROUP_OF.get(_part(row, 1), "others"),
    "fill": lambda row: _part(row, 1),
    "mask": lambda row: _part(row, 0),
    "seam": lambda row: _part(row, 2),
    "size": lambda row: "large" if row["share"] >= LARGE else "small" if row["share"] < SMALL else "middle",
}
_KEYS_OF_OTHERS: Mapping[str, Callable[[Row], str]] = {"forger": lambda row: row["forger"], "size": _KEYS["size"]}
"""Group keys for forgeries that `forge` did not make."""


def report(conditions: Mapping[str, Sequence[Row]], *, forged_here: bool) -> dict[str, Any]:
    """Return the numbers of a benchmark.

    Args:
        conditions: name of each condition, and the results per clip under it. One of them is `UNTOUCHED`.
        forged_here: whether the forgeries were made by the recipe `benchmark`. Their names then contain the parts.

    Returns:
        `score`. `conditions`, each with `f1`, `floor`, `gain`, `auc`, `kept` (F1 divided by the F1 without a codec),
        `pixel_fpr` and `false_alarms` on authentic clips, and the numbers of forged and authentic clips. `exchanged`,
        with the same keys, if the twins are known. `groups` of forgeries under `REFERENCE`. The number of `clips` and
        `sources`. `warnings`.
    """
    numbers = {name: _condition(rows) for name, rows in conditions.items()}
    clean = numbers[UNTOUCHED]["f1"]
    for each in numbers.values():
        each["kept"] = _rounded(each["f1"] / clean if clean and each["f1"] is not None else None)
    exchanged = numbers.pop(EXCHANGED, None)
    rows = conditions.get(REFERENCE, conditions[UNTOUCHED])
    keys = _KEYS if forged_here else _KEYS_OF_OTHERS
    sources = len({row["source"] for row in rows})
    return {
        "score": _mean(each["gain"] for each in numbers.values()),
        "conditions": numbers,
        "exchanged": exchanged,
        "groups": {name: _grouped(rows, key) for name, key in keys.items()},
        "clips": len(rows),
        "sources": sources,
        "warnings": [*_warnings(sources, numbers[UNTOUCHED])],
    }


def as_text(result: Mapping[str, Any]) -> list[str]:
    """Return the table of a result, followed by its score, as lines."""
    lines = [f"{'condition':12} {'F1':>6} {'floor':>6} {'gain':>6} {'kept':>5} {'AUC':>6}  authentic: marked, alarms"]
    rows = {**result["conditions"], **({EXCHANGED: result["exchanged"]} if result["exchanged"] else {})}
    for name, row in rows.items():
        numbers = (f"{_digits(row[key]):>6}" for key in ("f1", "floor", "gain"))
        authentic = f"{_percent(row['pixel_fpr'], 2)}, {_percent(row['false_alarms'])}"
        lines.append(f"{name:12} {' '.join(numbers)} {_percent(row['kept']):>5} {_digits(row['auc']):>6}  {authentic}")
    lines += [f"warning: {warning}" for warning in result["warnings"]]
    score = "none" if result["score"] is None else f"{result['score']:.3f}"
    return [*lines, f"score {score}: the mean gain over the conditions; 1 is perfect, 0 marks everything"]


def _condition(rows: Sequence[Row]) -> dict[str, Any]:
    forged = [row for row in rows if row["f1"] is not None]
    authentic = [row for row in rows if row["f1"] is None]
    f1, floor = _mean(row["f1"] for row in forged), _mean(_floor(row) for row in forged)
    return {
        "f1": f1,
        "floor": floor,
        "gain": _rounded(gain(f1, [floor])),
        "auc": _mean(row["auc"] for row in forged),
        "pixel_fpr": _mean(row["pixel_fpr"] for row in authentic),
        "false_alarms": _mean(float(row["pixel_fpr"] > MARKED) for row in authentic),
        "forged": len(forged),
        "authentic": len(authentic),
    }


def _grouped(rows: Sequence[Row], key: Callable[[Row], str]) -> dict[str, dict[str, Any]]:
    """Return F1, floor, AUC and number of forgeries for each group."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row["f1"] is not None:
            groups.setdefault(key(row), []).append(row)
    names = ("f1", "floor", "auc", "forged")
    numbers = {name: _condition(group) for name, group in sorted(groups.items())}
    return {name: {key: numbers_of[key] for key in names} for name, numbers_of in numbers.items()}


def _warnings(sources: int, untouched: Mapping[str, Any]) -> Iterator[str]:
    if sources < FEW:
        yield f"clips of {sources} sources; expected {FEW} or more for numbers that tell of other footage"
    if not untouched["authentic"]:
        yield "no authentic clip: nothing is known of false alarms"
    if not untouched["forged"]:
        yield "no forged clip: nothing is known of what is found"


def _floor(row: Row) -> float:
    share: float = row["share"]
    return 2 * share / (1 + share)


def _part(row: Row, at: int) -> str:
    """Return the mask, fill or seam in the name of a forger of `forge`."""
    parts: list[str] = row["forger"].split("/")
    return parts[at] if at < len(parts) else "others"


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _rounded(sum(known) / len(known)) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}%}"
