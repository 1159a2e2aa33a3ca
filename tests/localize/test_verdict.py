from dataclasses import replace

import pytest

from outpaint_lightning.io import Facts
from outpaint_lightning.localize.calibration import Calibration, Known, Level
from outpaint_lightning.localize.examined import Rechecked
from outpaint_lightning.localize.knowledge import card_lines, is_worse_than_floors
from outpaint_lightning.localize.recheck import flips
from outpaint_lightning.localize.verdict import Answer, unlike, verdict_on
from outpaint_lightning.types import InputError

FACTS = Facts(1, 9, "", "mov,mp4", "h264", 50, 640, 360, 25.0, 2.0, 0.1, 12.0, "", "")
KNOWN = Known(side=(240, 1080), fps=(24, 30), bits_per_pixel=(0.05, 4))
AUTHENTIC = tuple(i / 100 for i in range(1, 40))  # 39: found above the 38th, 0.38
FORGED = (0.3, 0.5, 0.6, 0.8)  # none below the lowest, 0.3


def card(authentic=AUTHENTIC, forged=FORGED, **parts):
    return {"calibration": Calibration((Level("as it is", authentic, forged),), KNOWN, 0.5, 0.0).plain, **parts}


@pytest.mark.parametrize(
    ("score", "answer"),
    [(0.39, Answer.FOUND), (0.38, Answer.UNSURE), (0.3, Answer.UNSURE), (0.29, Answer.NONE), (0.0, Answer.NONE)],
)
def test_three_answers(score, answer):
    """A score at a threshold is unsure: that many authentic videos, or forgeries, score the same."""
    verdict = verdict_on(score, FACTS, card())
    assert verdict.answer is answer
    assert bool(verdict.reasons) == (answer is Answer.UNSURE)
    assert (verdict.authentic, verdict.forged) == (39, 4)
    assert "n = " in verdict.meaning


def test_without_known_forgeries_nothing_is_cleared():
    verdict = verdict_on(0.0, FACTS, card(forged=()))
    assert verdict.answer is Answer.UNSURE
    assert "too few forgeries are known" in verdict.reasons[0]
    assert verdict_on(0.9, FACTS, card(forged=())).answer is Answer.FOUND


@pytest.mark.parametrize(("known", "words"), [({}, "never calibrated"), (card(AUTHENTIC[:18]), "18 authentic")])
def test_no_calibration_no_verdict(known, words):
    verdict = verdict_on(0.99, FACTS, known)
    assert verdict.answer is None
    assert verdict.title == "no verdict"
    assert words in verdict.meaning
    assert verdict.plain["answer"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"height": 191}, "191 pixels"),  # 240 / 1.25 = 192
        ({"width": 3000, "height": 1351}, "1351 pixels"),
        ({"fps": 60.0}, "60 frames a second"),
        ({"bits_per_pixel": 0.039}, "compressed harder"),
    ],
)
def test_footage_outside_what_is_known_is_unsure(change, words):
    facts = replace(FACTS, **change)
    verdict = verdict_on(0.9, facts, card())
    assert verdict.answer is Answer.UNSURE
    assert words in verdict.reasons[-1]
    assert "cannot be relied on" in verdict.meaning
    assert verdict_on(0.9, facts, {}).answer is None


def test_within_the_tolerance_nothing_is_doubted():
    """And a folder of images has no rate of its own; and better quality than known is no reason."""
    assert unlike(replace(FACTS, height=192, fps=37.0, bits_per_pixel=20), KNOWN) == []
    assert unlike(replace(FACTS, container="folder of images", fps=500.0), KNOWN) == []
    assert unlike(replace(FACTS, fps=500.0), replace(KNOWN, fps=None)) == []


def test_an_answer_that_flips_is_doubted():
    verdict = verdict_on(0.9, FACTS, card())
    same, other = Rechecked("encoded", 0.8, "traces found"), Rechecked("rescaled", 0.31, "unsure")
    assert flips(verdict, [same]) == []
    reasons = flips(verdict, [same, other])
    assert reasons == [
        "rescaled, the answer is 'unsure' (score 0.310 instead of 0.900; found above 0.380, none below 0.300)"
    ]
    assert "the answer would be 'traces found'" in verdict.doubted(reasons).meaning
    assert verdict.doubted(reasons).answer is Answer.UNSURE
    assert verdict.doubted([]) is verdict
    without = verdict_on(0.9, FACTS, {})
    assert flips(without, [other]) == []
    assert without.doubted(["x"]).answer is None


TESTED = {
    "number": "pixel F1", "value": 0.5, "low": 0.4, "high": 0.6, "lower_is_better": False, "data": "forged",
    "floors": {"all_forged": 0.3, "border": 0.45}, "count": 12, "unit": "video", "pixel_fpr": 0.02, "authentic": 6,
    "levels": [{"name": "h264 quality 32", "value": 0.3, "pixel_fpr": 0.2}],
}  # fmt: skip


def test_the_two_lines():
    found, wrong = card_lines(card(tested=TESTED))
    assert found == (
        "tested on 'forged': pixel F1 0.500 (0.400 to 0.600) over 12 videos; "
        "a guess without looking (border) scores 0.450"
    )
    assert wrong == (
        "false alarms: 2.0% of the pixels of 6 authentic videos, at worst 20.0% (h264 quality 32); "
        "at most 5% of authentic videos are called forged (n = 39)"
    )


def test_what_is_bad_is_said():
    assert card_lines({})[0].startswith("never tested")
    assert "no verdict" in card_lines({})[1]
    assert "too few for a verdict" in card_lines(card(AUTHENTIC[:3]))[1]
    assert card_lines({"tested": {**TESTED, "value": 0.45}})[0].startswith("WORSE THAN A GUESS: ")
    codecs = [{"name": name, "value": value, "floor": 0.3} for name, value in (("a", 0.4), ("b", 0.3), ("c", None))]
    (found, _) = card_lines({"tested": {**TESTED, "levels": codecs}})
    assert found.endswith("scores 0.450; NO BETTER THAN A GUESS under 2 of 3 codecs: b, c")
    photos = {**TESTED, "pixel_fpr": None, "false_alarms": 0.125, "authentic": 8}
    assert card_lines({"tested": photos})[1].startswith("false alarms: 12.5% of 8 authentic images were called forged;")
    errors = {**TESTED, "lower_is_better": True, "floors": {"zero": 0.6}}
    assert not is_worse_than_floors(errors)
    assert is_worse_than_floors({**errors, "value": 0.7})


@pytest.mark.parametrize(
    "change", [{"floors": 3}, {"levels": 3}, {"levels": [3]}, {"count": "many"}, {"authentic": "x"}, {"high": None}]
)
def test_a_strangers_card_is_refused_in_one_line(change):
    with pytest.raises(InputError, match="the card of the checkpoint cannot be read"):
        card_lines({"tested": {**TESTED, **change}})


def test_a_strangers_calibration_is_refused_in_one_line():
    with pytest.raises(InputError, match="its calibration cannot be read"):
        card_lines({"tested": TESTED, "calibration": {"levels": 3}})
