"""What can be said of a whole video, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from outpaint_lightning.io import Facts
from outpaint_lightning.localize.calibration import FALSE_ALARMS, MISSES, TOLERANCE, Calibration, Known, needed

UNCALIBRATED = (
    "This checkpoint was never calibrated on videos known to be authentic, so nobody knows how authentic "
    "footage scores. The command outpaint-lightning seal calibrates it."
)


class Answer(StrEnum):
    """The three answers."""

    FOUND = "traces found"
    NONE = "no traces found"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Verdict:
    """An answer with what it means and what it rests on."""

    answer: Answer | None
    """None where there is nothing to compare the score with."""
    meaning: str
    """In plain words, with the number of videos that it rests on."""
    reasons: tuple[str, ...]
    """Why it is unsure, where it is."""
    score: float
    """Of the video, in [0, 1]; no probability."""
    p_value: float | None = None
    """How often authentic videos score as high, at the level of compression where they do so most often."""
    found_above: float | None = None
    none_below: float | None = None
    authentic: int = 0
    """Authentic videos that the answer rests on."""
    forged: int = 0
    calibrated: float | None = None
    """Probability of being forged if half of all videos were; see `calibration.fit_temperature`."""

    @property
    def title(self) -> str:
        """The answer in two or three words."""
        return self.answer or "no verdict"

    @property
    def plain(self) -> dict[str, Any]:
        """Plain values, for `score.json`."""
        return asdict(self)

    def doubted(self, reasons: Sequence[str]) -> Verdict:
        """Return the verdict, made *unsure* where there are reasons to doubt it."""
        if not reasons or self.answer is None:
            return self
        meaning = self.meaning
        if self.answer is not Answer.UNSURE:
            meaning = f"By its score alone the answer would be '{self.answer}'. It cannot be relied on; see why below."
        return replace(self, answer=Answer.UNSURE, meaning=meaning, reasons=(*self.reasons, *reasons))


def verdict_on(score: float, facts: Facts, card: Mapping[str, Any]) -> Verdict:
    """Return the verdict on a video.

    Args:
        score: of the video.
        facts: of its file; footage unlike that of the calibration is doubted.
        card: of the checkpoint.

    Raises:
        InputError: the calibration in the card cannot be read.
    """
    if "calibration" not in card:
        return Verdict(None, UNCALIBRATED, (), score)
    calibration = Calibration.read(card["calibration"])
    verdict = Verdict(
        None,
        f"This checkpoint was calibrated on {calibration.authentic} authentic videos; at least "
        f"{needed(FALSE_ALARMS)} are needed for a promise of {FALSE_ALARMS:.0%}.",
        (),
        score,
        p_value=calibration.p_value(score),
        found_above=calibration.found_above(),
        none_below=calibration.none_below(),
        authentic=calibration.authentic,
        forged=calibration.forged,
        calibrated=calibration.calibrated(score),
    )
    return _answered(verdict, calibration).doubted(unlike(facts, calibration.known))


def unlike(facts: Facts, known: Known | None) -> list[str]:
    """Return in what a file lies outside the footage that a checkpoint was calibrated on, by more than `TOLERANCE`."""
    if known is None:
        return []
    reasons = []
    side, (low, high) = min(facts.width, facts.height), known.side
    if not low / TOLERANCE <= side <= high * TOLERANCE:
        reasons.append(f"its smaller side is {side} pixels; the checkpoint is calibrated on {low:g} to {high:g}")
    if facts.is_video and known.fps is not None:
        low, high = known.fps
        if not low / TOLERANCE <= facts.fps <= high * TOLERANCE:
            rates = f"{low:.4g} to {high:.4g}"
            reasons.append(f"it has {facts.fps:.4g} frames a second; the checkpoint is calibrated on {rates}")
    density, (low, _) = facts.bits_per_pixel, known.bits_per_pixel
    if density < low / TOLERANCE:
        reasons.append(f"it is compressed harder ({density:.3f} bits a pixel) than any video known ({low:.3f})")
    return reasons


def answer_to(score: float, calibration: Calibration) -> Answer | None:
    """Return the answer to a score, whatever the footage; None where too few authentic videos are known."""
    found_above, none_below = calibration.found_above(), calibration.none_below()
    if found_above is None:
        return None
    if score > found_above:
        return Answer.FOUND
    return Answer.NONE if none_below is not None and score < none_below else Answer.UNSURE


def _answered(verdict: Verdict, calibration: Calibration) -> Verdict:
    """Return a verdict with its answer, which there is, and the words that explain it."""
    answer = answer_to(verdict.score, calibration)
    few = verdict.none_below is None
    unknown = f"too few forgeries are known to this checkpoint (n = {verdict.forged}) to rule them out"
    reason = unknown if few else "authentic and forged videos both score like this"
    meanings = {
        Answer.FOUND: (
            f"Authentic footage looks like this in at most {FALSE_ALARMS:.0%} of cases (n = {verdict.authentic}). It "
            "holds for footage like that of the calibration; the masks show where the traces are."
        ),
        Answer.NONE: (
            f"Nothing was found. That does not make the video authentic: at most {MISSES:.0%} of forgeries of the "
            f"kinds that this checkpoint knows score so low (n = {verdict.forged}); of other kinds, all may."
        ),
        Answer.UNSURE: (
            f"More than {FALSE_ALARMS:.0%} of authentic videos may look like this (n = {verdict.authentic}), so there "
            "is no ground to call it forged, and none to clear it."
        ),
    }
    reasons = (reason,) if answer is Answer.UNSURE else ()
    return replace(verdict, answer=answer, meaning=meanings[answer] if answer else verdict.meaning, reasons=reasons)
