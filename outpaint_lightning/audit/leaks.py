"""Leaks between splits. `read_dataset` compares sources; this module compares files and pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.audit.findings import ERROR, Finding
from outpaint_lightning.audit.fingerprints import same_footage
from outpaint_lightning.audit.scan import ClipFacts
from outpaint_lightning.audit.survey import Survey

_ADVICE = "keep one of the two, or give both the same source and split"


def duplicates(survey: Survey) -> Iterator[Finding]:
    """Find identical files in two splits; then, among the other clips, pictures of the same footage.

    Clips of one source are skipped, because a source in two splits is a finding already. Each pair of sources is
    reported once, regardless of how many clips were made from them.
    """
    clips, found = survey.clips, set()
    for (a, b), count in sorted(_same_files(clips).items(), key=lambda item: -item[1]):
        if (sources := _sources(clips[a], clips[b])) not in found:
            found.add(sources)
            yield _finding(clips[a], clips[b], "duplicate", f"has {count} file{'s' * (count > 1)} of", "byte for byte")
    splits = _numbered([clip.entry.split for clip in clips])
    numbers = _numbered([clip.entry.source for clip in clips])
    for a, b, bits in sorted(
        same_footage([clip.pictures for clip in clips], splits, numbers), key=lambda pair: pair[2]
    ):
        if (sources := _sources(clips[a], clips[b])) not in found:
            found.add(sources)
            yield _finding(clips[a], clips[b], "near-duplicate", "shows what is in", f"but for {bits} bits of 64")


def _sources(a: ClipFacts, b: ClipFacts) -> frozenset[str]:
    return frozenset((a.entry.source, b.entry.source))


def _finding(a: ClipFacts, b: ClipFacts, kind: str, relation: str, how: str) -> Finding:
    """Return the finding that clip `a` has a `relation` to clip `b`."""
    first, second = (f"{clip.entry.split or 'no split'}, source {clip.entry.source!r}" for clip in (a, b))
    return Finding(ERROR, kind, a.entry.frames, f"({first}) {relation} {b.entry.clip!r} ({second}), {how}", _ADVICE)


def _same_files(clips: Sequence[ClipFacts]) -> dict[tuple[int, int], int]:
    """Return how many files two clips of different splits and sources share.

    A file of many clips counts once for each of them: with the first earlier clip of another split and source.
    """
    owners: dict[int, list[int]] = defaultdict(list)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for number, clip in enumerate(clips):
        split, source = clip.entry.split, clip.entry.source
        for file in set(clip.files):
            known = [(first, clips[first].entry) for first in owners[file]]
            apart = [first for first, entry in known if entry.split != split and entry.source != source]
            if apart:
                shared[apart[0], number] += 1
            sources = {entry.source for _, entry in known if entry.split == split}
            if source not in sources and len(sources) < 2:  # one of any two differs in source from the next clip
                owners[file].append(number)
    return shared


def _numbered(names: list[str]) -> NDArray[np.intp]:
    number = {name: index for index, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], np.intp)
