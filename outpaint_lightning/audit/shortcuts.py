"""Shortcuts: attributes by which a net could tell forged clips or pixels without looking for a forgery."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.audit.attributes import ATTRIBUTES, FORMAT, TABLES, WITHIN_FORMAT
from outpaint_lightning.audit.findings import ERROR, WARNING, Finding, listed
from outpaint_lightning.audit.scan import ClipFacts
from outpaint_lightning.audit.survey import Survey

LEVEL = 0.01
"""Probability that a dataset with randomly assigned classes has an attribute that counts, or one that separates."""
EXCESS = 0.2
"""Total variation distance above chance from which an attribute counts."""
SHUFFLES = 9999
CERTAIN = (FORMAT, TABLES)
"""Attributes that the footage does not determine: they show how files were written, even for few files."""

KNOWN_PLACES, GAIN = 0.6, 0.1
"""Floor, and its lead over marking everything, from which positions alone explain a result."""

LARGE, SMALL, SPREAD = 0.6, 0.005, 0.05
"""Limits for the median forged area (too large, too small) and for its standard deviation relative to the mean."""
FEW = 5
"""Minimum number of clips for a meaningful spread."""

UNSEEN = 0.1
"""Share of the test clips from which a category that is missing in train is reported."""

IMBALANCE = 10
_PARTS = ("mask", "fill", "seam")


Table = tuple[Counter[str], Counter[str]]
"""Counts of each value of an attribute, in authentic and in forged clips."""


def confounded(survey: Survey) -> Iterator[Finding]:
    """Find attributes of files that separate forged clips from authentic ones.

    An attribute counts if its distribution differs between the two classes: by a permutation test at `LEVEL` divided by
    the number of attributes, and by more than `EXCESS`. An attribute that separates the classes completely, by repeated
    values, counts at `LEVEL`, so 5 clips against 5 are found. For the attributes in `CERTAIN`, 2 against 2 are enough.
    """
    for attribute in ATTRIBUTES:
        tables = _tables(survey, attribute)
        distance, expected, p = dependence(tables)
        known = [len(authentic | forged) for authentic, forged in tables]
        repeated = 2 * sum(known) <= sum(authentic.total() + forged.total() for authentic, forged in tables)
        separates = distance > 1 - 1e-9 and repeated and (attribute in CERTAIN or p < LEVEL)
        if separates or (p < LEVEL / len(ATTRIBUTES) and distance - expected >= EXCESS):
            authentic, forged = (sum(counts, Counter[str]()) for counts in zip(*tables, strict=True))
            yield Finding(
                ERROR if separates else WARNING,
                "confounded",
                survey.root,
                f"{attribute} tells the classes apart: forged {_most_common(forged)}; authentic "
                f"{_most_common(authentic)} (distance {distance:.2f}, p {p:.2g})",
                "put forged clips and their untouched twins through the same chain, as `forge` does",
            )


def _tables(survey: Survey, attribute: str) -> list[Table]:
    """Count an attribute's values, per file format if the attribute depends on it.

    Formats with fewer than two clips of a class are skipped, because one file always differs from another in something.
    """
    tables: dict[str, Table] = defaultdict(lambda: (Counter(), Counter()))
    for clip in survey.clips:
        if attribute in clip.attributes:
            stratum = clip.attributes[FORMAT] if attribute in WITHIN_FORMAT else ""
            tables[stratum][survey.is_forged(clip)][clip.attributes[attribute]] += 1
    return [table for table in tables.values() if min(counts.total() for counts in table) > 1]


def dependence(tables: Sequence[Table], seed: int = 0) -> tuple[float, float, float]:
    """Compare the distributions of an attribute over two classes.

    The total variation distance (half the sum of the differences of the shares) is computed in each table and averaged
    with the tables' sizes as weights. Chance is the distance after random assignment of the classes within each table:
    tables with the same margins, from a multivariate hypergeometric distribution.

    Args:
        tables: counts of values, none of them empty.
        seed: seed of the random assignment.

    Returns:
        The distance in [0, 1], its mean by chance, and the probability that chance reaches it; 0, 0, 1 without tables.
    """
    if not tables:
        return 0.0, 0.0, 1.0
    rng = np.random.default_rng(seed)
    total, observed, chance = 0, 0.0, np.zeros(SHUFFLES)
    for first, second in tables:
        known = list(first | second)
        counts = np.array([[of[value] for value in known] for of in (first, second)])
        size = int(counts.sum())
        assigned = rng.multivariate_hypergeometric(counts.sum(0), int(counts[1].sum()), SHUFFLES, method="marginals")
        observed += size * float(_distance(counts[0], counts[1]))
        chance += size * _distance(counts.sum(0) - assigned, assigned)
        total += size
    reached = int((chance >= observed - 1e-9).sum())
    return observed / total, float(chance.mean()) / total, (1 + reached) / (1 + SHUFFLES)


def _distance(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the total variation distance of counts `... values`."""
    shares = [counts / counts.sum(-1, keepdims=True) for counts in (first, second)]
    return np.asarray(np.abs(shares[0] - shares[1]).sum(-1) / 2)


def _most_common(counts: Counter[str]) -> str:
    return ", ".join(f"{count / counts.total():.0%} {value}" for value, count in counts.most_common(2))


def position(survey: Survey) -> Iterator[Finding]:
    """Find splits in which a mask that never looks at the frame scores well, and clearly above marking everything.

    Clearly means that its mean lead over the clips exceeds `GAIN` by two standard errors.
    """
    for split, clips in survey.splits.items():
        floors = [survey.floors[clip.entry.clip] for clip in clips if clip.entry.clip in survey.floors]
        if len(floors) < FEW:
            continue
        means = {name: float(np.mean([floor[name] for floor in floors])) for name in floors[0]}
        best = max(("mean_mask", "border"), key=lambda name: means[name])
        leads = np.array([floor[best] - floor["all_forged"] for floor in floors])
        if means[best] >= KNOWN_PLACES and leads.mean() - 2 * leads.std(ddof=1) / len(leads) ** 0.5 >= GAIN:
            what = {"mean_mask": "the mean training mask", "border": "a centred border of its area"}[best]
            yield Finding(
                WARNING,
                "position",
                survey.masks,
                f"{what} alone has F1 {means[best]:.2f} per video on {split}; marking everything "
                f"{means['all_forged']:.2f}",
                "forge at places and in shapes that vary: unequal and drifting borders, boxes, blobs, objects",
            )


def area(survey: Survey) -> Iterator[Finding]:
    """Find forged areas that are all similar, mostly very large or mostly very small."""
    areas = np.array([clip.area for clip in survey.forged if clip.area])
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
    """Find categories that many test clips have (`FEW`, and a share of `UNSEEN`) but no training clip.

    A rare category may be missing from train by chance, because forgers draw their parts at random.
    """
    if not survey.splits.keys() >= {"train", "test"}:
        return
    known, asked = (_categories(survey.splits[split]) for split in ("train", "test"))
    for what, counts in asked.items():
        least = max(FEW, UNSEEN * counts.total())
        absent = [name for name, count in sorted(counts.items()) if count >= least and name not in known[what]]
        if absent:
            yield Finding(
                WARNING,
                "category",
                survey.manifest,
                f"{what} of test without a training clip: {listed(absent)}",
                "add such clips to train, or say that the test is of what was never seen",
            )


def _categories(clips: Iterable[ClipFacts]) -> dict[str, Counter[str]]:
    """Count the categories of clips: scene/camera, and the forger, split into its parts if it is `mask/fill/seam`."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        found["scene/camera"][f"{clip.entry.scene}/{clip.entry.camera}"] += 1
        parts = clip.entry.forger.split("/")
        named = dict(zip(_PARTS, parts, strict=True)) if len(parts) == len(_PARTS) else {"forger": clip.entry.forger}
        for what, name in named.items():
            if name:
                found[what][name] += 1
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
        forged = sum(map(survey.is_forged, clips))
        few, many = sorted((forged, len(clips) - forged))
        if many > IMBALANCE * few:
            yield Finding(
                WARNING,
                "balance",
                survey.root,
                f"{forged} forged and {len(clips) - forged} authentic clips in {split or 'the dataset'}",
                f"keep the classes within {IMBALANCE}:1 in every split",
            )
