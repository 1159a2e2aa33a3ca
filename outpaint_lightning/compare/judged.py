"""Which frames a test used: numbers of two tests are comparable only if both used the same frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from outpaint_lightning.compare.groups import Group
from outpaint_lightning.compare.runs import Run

Judged = Mapping[str, str]
"""For each clip the number of tested frames, as in the test's table."""


def other_frames(groups: Sequence[Group]) -> dict[str, str]:
    """Return for each experiment with other frames than the first test how they differ.

    Args:
        groups: experiments of one kind, the baseline first.

    Returns:
        By the name of the experiment, text such as `2 videos more, 1 with another number of frames`.
    """
    tested = [(group, run) for group in groups for run in group.runs if run.rows]
    if not tested:
        return {}
    reference = _judged(tested[0][1])
    unit = groups[0].kind.unit
    found = ((group.name, ", ".join(_differences(_judged(run), reference, unit))) for group, run in tested)
    return {name: words for name, words in reversed([*found]) if words}  # the first run that differs


def _judged(run: Run) -> Judged:
    return {f"{row['clip']}/{row.get('frame', '')}": row.get("frames", "") for row in run.rows}


def _differences(own: Judged, reference: Judged, unit: str) -> Iterator[str]:
    counts = (
        ("more", len(own.keys() - reference.keys())),
        ("less", len(reference.keys() - own.keys())),
        ("with another number of frames", sum(own[name] != reference[name] for name in own.keys() & reference.keys())),
    )
    for words, count in counts:
        if count:
            yield f"{count} {unit}{'s' if count > 1 else ''} {words}"
