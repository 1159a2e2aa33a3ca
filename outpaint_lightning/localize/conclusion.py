"""From the scores of frames to the verdict on a clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from outpaint_lightning.io import Clip, Facts, facts_of
from outpaint_lightning.localize.examined import Rechecked
from outpaint_lightning.localize.options import Options
from outpaint_lightning.localize.recheck import flips, recheck
from outpaint_lightning.localize.scoring import clip_score
from outpaint_lightning.localize.verdict import Verdict, verdict_on


class Conclusion(NamedTuple):
    """What can be said of a clip as a whole."""

    facts: Facts
    verdict: Verdict
    rechecked: Sequence[Rechecked]


def conclude(task: Any, clip: Clip, scores: Sequence[float], options: Options) -> Conclusion:
    """Return the verdict on a clip, given the scores of its frames; with `options.recheck`, doubted where it flips."""
    facts = facts_of(clip)
    verdict = verdict_on(clip_score(scores, task), facts, options.card)
    rechecked = recheck(task, clip, len(scores), facts, options.card) if options.recheck else []
    return Conclusion(facts, verdict.doubted(flips(verdict, rechecked)), rechecked)
