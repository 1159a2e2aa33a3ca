import math

import numpy as np
import pytest

from outpaint_lightning.localize.calibration import (
    Calibration,
    Known,
    Level,
    conformal_quantile,
    fit_temperature,
    needed,
)
from outpaint_lightning.types import InputError


def test_the_quantile_by_hand():
    """ceil((n + 1)(1 - e)): n = 39, e = 0.05 is ceil(38) = 38, not 39 as where 40 * 0.95 is rounded up in binary."""
    scores = [i / 100 for i in range(39, 0, -1)]
    assert conformal_quantile(scores, 0.05) == 0.38
    assert conformal_quantile(scores[:20], 0.05) == 0.39  # ceil(21 * 0.95) = ceil(19.95) = 20 of 20: the largest
    assert conformal_quantile([0.3, 0.1, 0.2], 0.3) == 0.3  # ceil(4 * 0.7) = ceil(2.8) = 3
    assert conformal_quantile([0.3, 0.1, 0.2], 0.25) == 0.3  # ceil(4 * 0.75) = 3
    assert conformal_quantile([0.3, 0.1, 0.2], 0.2) == math.inf  # ceil(3.2) = 4 of 3
    assert conformal_quantile([], 0.5) == math.inf


def test_ranks_are_exact():
    """In binary, (n + 1) * (1 - 0.1) is above the whole number for many n, and its ceiling one too high."""
    for n in range(9, 400):
        rank = -((-(n + 1) * 9) // 10)  # ceil in whole numbers
        assert conformal_quantile(range(1, n + 1), 0.1) == rank


@pytest.mark.parametrize("error", [0.05, 0.2])
def test_fewest_scores_that_promise_anything(error):
    assert math.isfinite(conformal_quantile([0.5] * needed(error), error))
    assert math.isinf(conformal_quantile([0.5] * (needed(error) - 1), error))


def test_the_promise_is_kept():
    """Of 4,000 draws of 30 and one more at most 5 % exceed, plus 3 standard errors; a plain quantile exceeds more."""
    rng = np.random.default_rng(0)
    draws = rng.beta(2, 5, (4000, 31))
    above = np.mean([draw[30] > conformal_quantile(draw[:30].tolist(), 0.05) for draw in draws])
    naive = np.mean([draw[30] > np.quantile(draw[:30], 0.95) for draw in draws])
    slack = 3 * math.sqrt(0.05 * 0.95 / 4000)
    assert above <= 0.05 + slack < naive


def levels(authentic, forged=()):
    return Level("a", tuple(authentic), tuple(forged))


def test_the_worst_level_decides():
    """The promise is to hold at each level: the highest threshold of authentic, the lowest of forged clips."""
    mild = levels([i / 100 for i in range(19)], [0.8, 0.6, 0.7, 0.9])
    hard = levels([i / 50 for i in range(19)], [0.5, 0.4, 0.45, 0.9])
    calibration = Calibration((mild, hard), None)
    assert calibration.found_above() == 0.36
    assert calibration.none_below() == 0.4  # n = 4, 20 %: ceil(5 * 0.8) = 4, the lowest of all four
    assert calibration.p_value(0.17) == pytest.approx((1 + 10) / 20)  # 0.18, 0.20, ..., 0.36 at the hard level
    assert calibration.p_value(0.99) == 1 / 20


def test_too_few_promise_nothing():
    calibration = Calibration((levels([0.1] * 18, [0.9] * 3),), None)
    assert calibration.found_above() is None
    assert calibration.none_below() is None
    assert calibration.calibrated(0.5) is None


def test_temperature_finds_the_line_that_made_the_labels():
    """Labels drawn from sigmoid(logit(s) / 0.5 + 1): T is 0.5 and b is 1, up to sampling."""
    rng = np.random.default_rng(1)
    logits = rng.normal(-0.5, 1.5, 40_000)
    forged = rng.random(40_000) < 1 / (1 + np.exp(-(logits / 0.5 + 1)))
    scores = 1 / (1 + np.exp(-logits))
    temperature, offset = fit_temperature(scores[~forged].tolist(), scores[forged].tolist())
    balance = math.log((~forged).sum() / forged.sum())  # classes weigh the same, whatever their number
    assert temperature == pytest.approx(0.5, abs=0.03)
    assert offset == pytest.approx(1 + balance, abs=0.08)


def test_temperature_of_classes_apart_is_finite_and_of_inverted_ones_none():
    temperature, _ = fit_temperature([0.1, 0.2, 0.3], [0.7, 0.8])
    assert 0 < temperature < 10
    assert fit_temperature([0.7, 0.8, 0.9], [0.1, 0.2]) is None
    assert fit_temperature([0.1], []) is None
    calibration = Calibration((levels([0.1]),), None, *fit_temperature([0.1, 0.2, 0.3], [0.7, 0.8, 0.9]))
    assert calibration.calibrated(0.5) == pytest.approx(0.5, abs=0.01)  # symmetric
    assert calibration.calibrated(0.9) > calibration.calibrated(0.6) > 0.5


def test_it_survives_a_file():
    whole = Calibration((levels([0.1, 0.2], [0.9]),), Known((240, 1080), None, (0.02, 9)), 0.5, 0.1)
    assert Calibration.read(whole.plain) == whole


@pytest.mark.parametrize(
    "change",
    [
        {"levels": []},
        {"levels": [{"name": "a", "authentic": [1.5], "forged": []}]},
        {"levels": [{"name": "a", "authentic": "abc", "forged": []}]},
        {"levels": 3},
        {"known": {"side": [1]}},
        {"temperature": 0},
        {"temperature": float("nan")},
        {"offset": float("inf")},
    ],
)
def test_a_strangers_calibration_is_refused(change):
    good = Calibration((levels([0.1, 0.2]),), None).plain
    with pytest.raises(InputError, match="its calibration cannot be read"):
        Calibration.read({**good, **change})
