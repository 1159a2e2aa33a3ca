"""Does a split show what another one shows? Sources are compared by `read_dataset`, here files and pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.audit.findings import ERROR, Finding
from outpaint_lightning.audit.fingerprints import picture_hash, same_footage
from outpaint_lightning.audit.scan import ClipFacts, hashed_files
from outpaint_lightning.audit.survey import Survey
from outpaint_lightning.io import VIDEO_SUFFIXES, frame_files, read_image
from outpaint_lightning.types import InputError

_ADVICE = "keep one of the two, or give both the same source and split"


def duplicates(survey: Survey) -> Iterator[Finding]:
    """Find files of the same bytes in two splits; then, among the other clips, pictures of the same footage.

    Clips of one source are left out: that these are in two splits is a finding already. Two sources that share
    something come once, however many clips were made of them.
    """
    clips, found = survey.clips, set()
    for (a, b), count in sorted(_same_files(clips).items(), key=lambda item: -item[1]):
        if (sources := _sources(clips[a], clips[b])) not in found and _shows_something(clips[a], clips[b]):
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
    """Return the finding that clip `a` has a `relation` with clip `b`."""
    here, there = (f"{clip.entry.split or 'no split'}, source {clip.entry.source!r}" for clip in (a, b))
    return Finding(ERROR, kind, a.entry.frames, f"({here}) {relation} {b.entry.clip!r} ({there}), {how}", _ADVICE)


def _same_files(clips: Sequence[ClipFacts]) -> dict[tuple[int, int], int]:
    """Return how many files two clips share that are of different splits and sources, the first owner counting."""
    owner: dict[int, int] = {}
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for number, clip in enumerate(clips):
        for file in set(clip.files):
            first = clips[owner.setdefault(file, number)].entry
            if first.split != clip.entry.split and first.source != clip.entry.source:
                shared[owner[file], number] += 1
    return shared


def _shows_something(a: ClipFacts, b: ClipFacts) -> bool:
    """Whether a shared file shows more than a flat colour, which unrelated footage may begin or end with."""
    if a.entry.frames.suffix.lower() in VIDEO_SUFFIXES and a.entry.frames.is_file():
        return True
    for file, content in zip(hashed_files(frame_files(a.entry.frames), len(a.files)), a.files, strict=True):
        if content in b.files:
            try:
                if picture_hash(read_image(file)) is not None:
                    return True
            except InputError:  # found by the scan
                continue
    return False


def _numbered(names: list[str]) -> NDArray[np.intp]:
    number = {name: index for index, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], np.intp)
