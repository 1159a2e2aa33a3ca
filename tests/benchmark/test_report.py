"""The numbers of a benchmark, computed by hand."""

import pytest

from outpaint_lightning.benchmark.page import render
from outpaint_lightning.benchmark.report import GROUPS, as_text, report
from outpaint_lightning.forge.recipe import Recipe


def row(clip, f1=None, share=0.0, pixel_fpr=0.0, auc=None, forger="", source=None):
    source = source or clip.partition("__")[0]
    return {
        "clip": clip,
        "source": source,
        "forger": forger,
        "share": share,
        "f1": f1,
        "auc": auc,
        "pixel_fpr": pixel_fpr,
    }


UNTOUCHED = [
    row("a"),
    row("a__1", f1=0.9, share=0.25, auc=0.95, forger="box/telea/hard"),  # floor 2 * 0.25 / 1.25 = 0.4
    row("b", pixel_fpr=0.03),
    row("b__1", f1=0.7, share=1 / 3, auc=0.85, forger="border/mosaic/hard"),  # floor 0.5
]
CODED = [
    row("a", pixel_fpr=0.5),
    row("a__1", f1=0.5, share=0.25, auc=0.7, forger="box/telea/hard"),
    row("b", pixel_fpr=0.5),
    row("b__1", f1=0.3, share=1 / 3, auc=0.5, forger="border/mosaic/hard"),
]
EXCHANGED = [row("a__1", f1=0.2, share=0.25, auc=0.6), row("b__1", f1=0.2, share=1 / 3, auc=0.6)]


@pytest.fixture
def told():
    return report({"none": UNTOUCHED, "h264 23": CODED, "exchanged": EXCHANGED}, forged_here=True)


def test_a_condition(told):
    """Catches means over all clips where those of forged or of authentic ones are meant."""
    assert told["conditions"]["none"] == {
        "f1": 0.8, "floor": 0.45, "gain": pytest.approx(0.35 / 0.55, abs=1e-4), "auc": 0.9, "kept": 1.0,
        "pixel_fpr": 0.015, "false_alarms": 0.5, "forged": 2, "authentic": 2,
    }  # fmt: skip
    coded = told["conditions"]["h264 23"]
    assert (coded["f1"], coded["kept"], coded["false_alarms"]) == (0.4, 0.5, 1.0)
    assert coded["gain"] == pytest.approx(-0.05 / 0.55, abs=1e-4)  # worse than marking everything is below 0


def test_the_score_is_the_mean_gain_of_the_conditions(told):
    """The exchange is a probe and no codec: it does not count."""
    assert told["score"] == pytest.approx((0.35 / 0.55 - 0.05 / 0.55) / 2, abs=1e-4)
    assert told["exchanged"]["f1"] == 0.2
    assert "exchanged" not in told["conditions"]


def test_forgeries_are_grouped_under_the_reference(told):
    assert told["groups"]["group"]["smooth"] == {"f1": 0.5, "floor": 0.4, "auc": 0.7, "forged": 1}
    assert told["groups"]["group"]["other frames"]["f1"] == 0.3
    assert [*told["groups"]["mask"]] == ["border", "box"]
    assert [*told["groups"]["size"]] == ["large", "middle"]


def test_forgeries_of_others_are_grouped_by_their_names():
    """A generator's name has no mask, fill and seam in it."""
    rows = [row("x", f1=0.5, share=0.05, forger="lama/remove"), row("y")]
    told = report({"none": rows}, forged_here=False)
    assert told["groups"] == {
        "forger": {"lama/remove": {"f1": 0.5, "floor": pytest.approx(0.0952, abs=1e-4), "auc": None, "forged": 1}},
        "size": {"small": {"f1": 0.5, "floor": pytest.approx(0.0952, abs=1e-4), "auc": None, "forged": 1}},
    }


def test_what_is_not_known_is_said():
    told = report({"none": [row("a__1", f1=0.5, share=0.25, forger="box/telea/hard")]}, forged_here=True)
    assert told["conditions"]["none"]["pixel_fpr"] is None
    assert [warning.partition(";")[0] for warning in told["warnings"]] == [
        "clips of 1 sources",
        "no authentic clip: nothing is known of false alarms",
    ]
    only_authentic = report({"none": [row(name) for name in "abcde"]}, forged_here=True)
    assert only_authentic["score"] is None
    assert only_authentic["warnings"] == ["no forged clip: nothing is known of what is found"]
    assert as_text(only_authentic)[-1].startswith("score none")


def test_every_fill_of_the_recipe_has_one_group():
    fills = [fill.title() for fill in Recipe.read("benchmark").fills]
    assert sorted(fills) == sorted(fill for group in GROUPS.values() for fill in group)


def test_the_table_and_the_page_tell_the_same(told):
    lines = as_text(told)
    assert lines[2].split()[:4] == ["h264", "23", "0.400", "0.450"]
    page = render({**told, "net": "UNet", "version": 1, "recipe": "benchmark", "weights": "ab" * 32, "threshold": 0.5})
    for words in ("Benchmark of UNet", "h264 23", "0.400", "exchanged", "other frames", "2 sources"):
        assert words in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
