from outpaint_lightning.metrics import STRATA
from outpaint_lightning.results import FLOW


def errors(hole):
    return {
        "epe": dict.fromkeys(STRATA, hole), "above_1px": dict.fromkeys(STRATA, 0.125)
    }  # fmt: skip


SUMMARY = {
    "epe": {**dict.fromkeys(STRATA, 0.25), "occluded": None, "low": 0.2, "high": 0.3, "videos": 7},
    "methods": {"refined": errors(0.25), "fill": errors(0.75), "zero": errors(1.5), "told": errors(0.0625)},
    "floors": {"fill": 0.75, "zero": 1.5},
    "bounds": {"told": 0.0625},
    "gain": 2 / 3,
    "gain_over_fill": 0.5,
    "worse_than_fill": {"videos": 1, "of": 7, "largest": 0.5},
    "confidence": {"deciles": [None] * 10, "ause": 0.1, "ause_random": 0.4, "ratio": 0.25},
    "steps": 5,
    "protocol": "strict",
    "setup": "all",
}
ROWS = [{"clip": f"c{i}", "source": f"s{i}", "epe_hole": 0.25} for i in range(7)]


def test_the_table_names_floors_and_bounds():
    """By hand. Catches a floor called a bound, columns of other strata, and a gain over the wrong floor."""
    assert FLOW.lines(SUMMARY, ROWS) == [
        "end-point error, pixels   hole  near edges  occluded  frame  above 1 px",
        "5 updates                0.250       0.250     0.250  0.250       0.125",
        "  floor fill             0.750       0.750     0.750  0.750       0.125",
        "  floor zero             1.500       1.500     1.500  1.500       0.125",
        "  bound told             0.062       0.062     0.062  0.062       0.125",
        "in the hole, 95% over sources     0.200  to 0.300; 7 videos, protocol strict, setup all",
        "gain over the best floor          0.667  (floor - error) / floor",
        "gain over its own fill            0.500",
        "videos worse than their fill          1  of 7, by 0.500 px at most",
        "AUSE                              0.100  0.250 of that of a random order",
        "error by confidence, least first         - - - - - - - - - -",
    ]


def test_the_table_says_that_a_fill_has_learned():
    lines = FLOW.lines({**SUMMARY, "floors": {"zero": 1.5}}, ROWS)
    assert lines[2].split()[:2] == ["learned", "fill"]


def test_few_sources_are_named():
    assert "to 0.300; only 2 sources, no more than a hint; 7 videos" in "\n".join(FLOW.lines(SUMMARY, ROWS[:2]))
