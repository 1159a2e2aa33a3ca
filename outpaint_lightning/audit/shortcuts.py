"""Could a net tell forged clips, or forged places, without looking for a forgery?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.audit.attributes import ATTRIBUTES, FORMAT, WITHIN_FORMAT
from outpaint_lightning.audit.findings import ERROR, WARNING, Finding
from outpaint_lightning.audit.scan import ClipFacts
from outpaint_lightning.audit.survey import Survey

LEVEL = 0.01
"""Chance of any finding of `confounded` in a dataset whose classes are dealt out by lot."""
EXCESS = 0.2
"""Total variation distance beyond chance from which on an attribute counts."""
SHUFFLES = 9999

KNOWN_PLACES, GAIN = 0.6, 0.1
"""Floor, and its lead over marking everything, from which on places alone explain a result."""

LARGE, SMALL, SPREAD = 0.6, 0.005, 0.05
"""Median forged area, and its standard deviation relative to the mean, that are too much or too little."""
FEW = 5
"""Clips below which a spread means nothing."""

IMBALANCE = 10
_PARTS = ("mask", "fill", "seam")


def confounded(survey: Survey) -> Iterator[Finding]:
    """Find attributes of files that tell forged clips from authentic ones.

    An attribute counts when it is distributed differently over the two classes: by a permutation test at `LEVEL`
    shared among the attributes, and by more than `EXCESS`. A dataset too small for the test counts when the attribute
    separates its classes altogether, by values that repeat: 3 PNG clips against 3 JPEG clips are found.
    """
    if not survey.forged or not survey.authentic:
        return
    for attribute in ATTRIBUTES:
        clips = [clip for clip in survey.clips if attribute in clip.attributes]
        strata = [clip.attributes[FORMAT] if attribute in WITHIN_FORMAT else "" for clip in clips]
        values = [clip.attributes[attribute] for clip in clips]
        is_forged = [clip.is_forged for clip in clips]
        distance, expected, p = dependence(values, is_forged, strata)
        repeated = 2 * len(set(values)) <= len(values)
        separates = distance == 1 and repeated and min(is_forged.count(True), is_forged.count(False)) > 1
        if separates or (p < LEVEL / len(ATTRIBUTES) and distance - expected >= EXCESS):
            shares = [
                f"{name} {_most_common([clip.attributes[attribute] for clip in clips if clip.is_forged == of])}"
                for name, of in (("forged", True), ("authentic", False))
            ]
            yield Finding(
                ERROR if separates else WARNING,
                "confounded",
                survey.root,
                f"{attribute} tells the classes apart: {'; '.join(shares)} (distance {distance:.2f}, p {p:.2g})",
                "put forged clips and their untouched twins through the same chain, as `forge` does",
            )


def dependence(
    values: Sequence[str], classes: Sequence[bool], strata: Sequence[str], seed: int = 0
) -> tuple[float, float, float]:
    """Compare how an attribute is distributed over two classes.

    The total variation distance (half the sum of the differences of the shares) is taken within each stratum that
    has both classes, and averaged with the strata's sizes as weights. Chance is what it would be if the classes were
    dealt out anew within each stratum: tables of the same margins, from a multivariate hypergeometric distribution.

    Returns:
        The distance in [0, 1], its mean by chance, and the probability that chance reaches it. 0, 0, 1 where no
        stratum has both classes.
    """
    rng = np.random.default_rng(seed)
    total, observed, chance = 0, 0.0, np.zeros(SHUFFLES)
    for stratum in dict.fromkeys(strata):
        both: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        for value, is_second, of in zip(values, classes, strata, strict=True):
            if of == stratum:
                both[is_second][value] += 1
        first, second = both
        if not first or not second:
            continue
        known = list(first | second)
        counts = np.array([[of[value] for value in known] for of in (first, second)])
        size = int(counts.sum())
        dealt = rng.multivariate_hypergeometric(counts.sum(0), int(counts[1].sum()), SHUFFLES, method="marginals")
        observed += size * float(_distance(counts[0], counts[1]))
        chance += size * _distance(counts.sum(0) - dealt, dealt)
        total += size
    if not total:
        return 0.0, 0.0, 1.0
    reached = int((chance >= observed - 1e-9).sum())
    return observed / total, float(chance.mean()) / total, (1 + reached) / (1 + SHUFFLES)


def _distance(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the total variation distance of counts `... values`."""
    shares = [counts / counts.sum(-1, keepdims=True) for counts in (first, second)]
    return np.asarray(np.abs(shares[0] - shares[1]).sum(-1) / 2)


def _most_common(values: Sequence[str]) -> str:
    return ", ".join(f"{count / len(values):.0%} {value}" for value, count in Counter(values).most_common(2))


def position(survey: Survey) -> Iterator[Finding]:
    """Find splits in which a mask that never looks at the frame does well, and better than marking everything."""
    for split, clips in survey.splits.items():
        floor = survey.floor(clips)
        if not floor:
            continue
        name, best = max(((name, floor[name]) for name in ("mean_mask", "border")), key=lambda item: item[1])
        if best >= KNOWN_PLACES and best - floor["all_forged"] >= GAIN:
            what = {"mean_mask": "the mean training mask", "border": "a centred border of its area"}[name]
            yield Finding(
                WARNING,
                "position",
                survey.masks,
                f"{what} alone has F1 {best:.2f} per video on {split}; marking everything {floor['all_forged']:.2f}",
                "forge at places and in shapes that vary: unequal and drifting borders, boxes, blobs, objects",
            )


def area(survey: Survey) -> Iterator[Finding]:
    """Find forged areas that are all alike, mostly very large or mostly very small."""
    areas = np.array([clip.area for clip in survey.forged if clip.area > 0])
    if not len(areas):
        return
    median = float(np.median(areas))
    spread = float(areas.std() / areas.mean())
    faults = []
    if median > LARGE:
        faults.append(f"half of the forged clips are forged on {median:.0%} of their pixels or more")
    if median < SMALL:
        faults.append(f"half of the forged clips are forged on {median:.2%} of their pixels or less")
    if len(areas) >= FEW and spread < SPREAD:
        faults.append(f"all {len(areas)} forged clips are forged on nearly the same share, {areas.mean():.1%}")
    for fault in faults:
        yield Finding(WARNING, "area", survey.masks, fault, "forge areas between 2 % and 60 %, well mixed")


def categories(survey: Survey) -> Iterator[Finding]:
    """Find categories of the test clips that no training clip has."""
    if not survey.splits.keys() >= {"train", "test"}:
        return
    known, asked = (_categories(survey.splits[split]) for split in ("train", "test"))
    for what, names in asked.items():
        if absent := sorted(names - known.get(what, set())):
            yield Finding(
                WARNING,
                "category",
                survey.manifest,
                f"{what} of test without a training clip: {', '.join(absent)}",
                "add such clips to train, or say that the test is of what was never seen",
            )


def _categories(clips: Sequence[ClipFacts]) -> dict[str, set[str]]:
    """Return the categories of some clips: scene/camera, and the forger, in its parts where it is `mask/fill/seam`."""
    found: dict[str, set[str]] = {"scene/camera": set()}
    for clip in clips:
        found["scene/camera"].add(f"{clip.entry.scene}/{clip.entry.camera}")
        parts = clip.entry.forger.split("/")
        named = dict(zip(_PARTS, parts, strict=True)) if len(parts) == len(_PARTS) else {"forger": clip.entry.forger}
        for what, name in named.items():
            if name:
                found.setdefault(what, set()).add(name)
    return found


def balance(survey: Survey) -> Iterator[Finding]:
    """Find a dataset without authentic clips, and splits in which one class outnumbers the other."""
    if not survey.forged:
        return
    if not survey.authentic:
        yield Finding(
            WARNING,
            "balance",
            survey.root,
            f"all {len(survey.forged)} clips are forged: nothing measures false alarms, nor keeps a net from them",
            "add the untouched twin of every forged clip, as `forge` does",
        )
        return
    for split, clips in survey.splits.items():
        forged = sum(clip.is_forged for clip in clips)
        few, many = sorted((forged, len(clips) - forged))
        if many > IMBALANCE * few:
            yield Finding(
                WARNING,
                "balance",
                survey.root,
                f"{forged} forged and {len(clips) - forged} authentic clips in {split or 'the dataset'}",
                f"keep the classes within {IMBALANCE}:1 in every split",
            )
