"""Contradictions in a dataset: from `read_dataset`, from the scan of each clip, and from all clips together."""

from __future__ import annotations

from collections.abc import Iterator

from outpaint_lightning.audit.findings import ERROR, WARNING, Finding, of_error
from outpaint_lightning.audit.scan import MAKE_AGAIN
from outpaint_lightning.audit.survey import Survey
from outpaint_lightning.io.dataset import ProblemKind
from outpaint_lightning.types import InputError

_ADVICE: dict[ProblemKind, str] = {
    "manifest": "mend the list; docs/reference/dataset.md shows one",
    "missing": "add the frames or remove the row",
    "twice": "give every clip a name and a row of its own",
    "empty": "add the frames or remove the folder",
    "undecodable": MAKE_AGAIN,
    "masks": "write one mask for each frame of a forged clip, with the frame's name; none for an authentic clip",
    "stray": "remove the masks, or give them the name of their clip",
    "split": "write train, val or test, or leave all of them empty",
    "leak": "give every clip of one source the same split",
}


def problem(kind: ProblemKind, error: InputError) -> Finding:
    """Return the finding for a problem that `read_dataset` reports."""
    return of_error(kind, error, _ADVICE[kind])


def problems(survey: Survey) -> Iterator[Finding]:
    """Yield the problems found while reading the lists and the clips."""
    yield from survey.problems
    for clip in survey.clips:
        yield from clip.findings


def contradicting_masks(survey: Survey) -> Iterator[Finding]:
    """Find masks on clips listed as authentic (where other clips name a forger), and masks that are empty."""
    for clip in survey.clips:
        if not clip.entry.masks:
            continue
        if survey.names_forgers and not clip.entry.forger:
            yield Finding(
                WARNING,
                "unexpected-masks",
                clip.entry.masks,
                f"masks of clip {clip.entry.clip!r}, which has no forger in the manifest, as an authentic clip",
                "remove the masks if the clip is authentic, else name its forger",
            )
        elif clip.area == 0 and not clip.findings:  # the masks of unreadable files are unknown
            forger = f", with the forger {clip.entry.forger!r} in the manifest" if clip.entry.forger else ""
            yield Finding(
                ERROR,
                "empty-masks",
                clip.entry.masks,
                f"no mask marks a pixel of clip {clip.entry.clip!r}{forger}",
                "remove the masks, and the name of a forger, if the clip is authentic; else write what was forged",
            )
