"""The content of a dataset in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from outpaint_lightning.audit.attributes import ATTRIBUTES
from outpaint_lightning.audit.scan import ClipFacts
from outpaint_lightning.audit.survey import Survey

QUANTILES = (0, 0.25, 0.5, 0.75, 1)
_MOST_VALUES = 5  # values shown per attribute; the rest are counted together


def statistics(survey: Survey) -> dict[str, Any]:
    """Return the statistics of a dataset, JSON-able.

    Returns:
        `clips`, `sources`, `frames`: their numbers.
        `splits`: for each split `sources`, and for `authentic` and `forged` the numbers of `clips` and `frames`.
        `area`: for each split with masks, `QUANTILES` of the forged share of a forged clip's pixels.
        `floors`: for `val` and `test`, the number of `clips` with a floor and the mean F1 per video of each floor.
        `floors_by_forger`: the same for each kind of forgery in `val` and `test` together, with its `mask` and `fill`,
            for forgers called `mask/fill/seam`.
        `attributes`: for each attribute of files, the numbers of authentic and forged clips for its most common values.
    """
    splits = survey.splits
    return {
        "clips": len(survey.clips),
        "sources": _sources(survey.clips),
        "frames": sum(clip.frames for clip in survey.clips),
        "splits": {split: _contents(survey, clips) for split, clips in splits.items()},
        "area": {split: quantiles for split, clips in splits.items() if (quantiles := _areas(survey, clips))},
        "floors": {split: floor for split, clips in splits.items() if (floor := _floor(survey, clips))},
        "floors_by_forger": _floors_by_forger(survey),
        "attributes": {name: values for name in ATTRIBUTES if (values := _values(survey, name))},
    }


def _sources(clips: Sequence[ClipFacts]) -> int:
    return len({clip.entry.source for clip in clips})


def _contents(survey: Survey, clips: Sequence[ClipFacts]) -> dict[str, Any]:
    classes = {name: [clip for clip in clips if survey.is_forged(clip) == of] for name, of in _CLASSES.items()}
    counts = {
        name: {"clips": len(members), "frames": sum(clip.frames for clip in members)}
        for name, members in classes.items()
    }
    return {"sources": _sources(clips), **counts}


_CLASSES = {"authentic": False, "forged": True}


def _areas(survey: Survey, clips: Sequence[ClipFacts]) -> list[float]:
    areas = [clip.area for clip in clips if survey.is_forged(clip) and clip.area is not None]
    return np.quantile(areas, QUANTILES).tolist() if areas else []


def _floor(survey: Survey, clips: Sequence[ClipFacts]) -> dict[str, Any]:
    scored = [clip for clip in clips if clip.entry.clip in survey.floors]
    return {"clips": len(scored), **survey.floor(scored)} if scored else {}


def _floors_by_forger(survey: Survey) -> list[dict[str, Any]]:
    kinds: dict[tuple[str, str], list[ClipFacts]] = {}
    for clip in survey.clips:
        parts = clip.entry.forger.split("/")
        if clip.entry.clip in survey.floors and len(parts) == 3:
            kinds.setdefault((parts[0], parts[1]), []).append(clip)
    return [{"mask": mask, "fill": fill, **_floor(survey, kinds[mask, fill])} for mask, fill in sorted(kinds)]


def _values(survey: Survey, attribute: str) -> dict[str, dict[str, int]]:
    classes = {"authentic": survey.authentic, "forged": survey.forged}
    counts = {
        name: Counter(clip.attributes[attribute] for clip in clips if attribute in clip.attributes)
        for name, clips in classes.items()
    }
    total = counts["authentic"] + counts["forged"]
    common = [value for value, _ in total.most_common(_MOST_VALUES)]
    table = {value: {name: counts[name][value] for name in _CLASSES} for value in common}
    rest = {name: counts[name].total() - sum(row[name] for row in table.values()) for name in _CLASSES}
    return table | ({"other": rest} if any(rest.values()) else {})
