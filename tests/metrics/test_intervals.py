import math

import numpy as np
import pytest

from outpaint_lightning.metrics import Interval, bootstrap_interval, intervals_by_group
from outpaint_lightning.types import InputError


def test_two_videos_by_hand():
    """Resampled means of 0 and 1 are 0, 1/2, 1 with 1/4, 1/2, 1/4: the middle 40 % are all 1/2, the middle 95 % all."""
    assert bootstrap_interval([0.0, 1.0]) == Interval(0.5, 0.0, 1.0, 2)
    assert bootstrap_interval([0.0, 1.0], level=0.4) == Interval(0.5, 0.5, 0.5, 2)


def test_skewed_values_keep_their_skew():
    """Of 0, 0, 1 the mean 1 has 1/27 of the resamples, 0 has 8/27: both ends are reached; none is mirrored."""
    assert bootstrap_interval([0.0, 0.0, 1.0])[1:3] == (0.0, 1.0)


def test_sources_of_unequal_size():
    """Three videos of F1 0 and one of F1 1: both sources drawn, as half of the time, mean 1/4, as the videos do."""
    interval = bootstrap_interval([0.0, 0.0, 0.0, 1.0], sources=["a", "a", "a", "b"], level=0.4)
    assert interval == Interval(0.25, 0.25, 0.25, 4)


def test_against_resampling_by_hand():
    """Videos drawn in a loop of another seed. A quantile of 10,000 means has the standard error
    sqrt(q (1 - q) / 10,000) / density, with the density of a normal at its 2.5 % point: 0.027 of the means' deviation;
    the difference of two such, five times over, is 0.19 of it."""
    values = np.random.default_rng(0).beta(4, 2, 40)
    draws = np.random.default_rng(1)
    means = np.array([draws.choice(values, len(values)).mean() for _ in range(10_000)])
    interval = bootstrap_interval(values.tolist())
    assert interval.mean == pytest.approx(values.mean())
    assert [interval.low, interval.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.19 * means.std())


def test_covers_as_often_as_it_says():
    """40 uniform videos, 400 times: 95 % within 5 standard errors (0.054), less the percentile bootstrap's bias.

    Its standard deviation is sqrt(39/40) of the sample's, and the normal's quantile replaces Student's (1.96 for 2.02):
    together about 1 % of coverage.
    """
    rng = np.random.default_rng(2)
    intervals = [bootstrap_interval(rng.random(40).tolist(), resamples=500, seed=seed) for seed in range(400)]
    covered = np.mean([interval.low <= 0.5 <= interval.high for interval in intervals])
    assert 0.94 - 0.054 < covered < 0.94 + 0.054


def test_undefined_videos_are_left_out():
    assert bootstrap_interval([0.2, None, 0.6, math.nan, 0.7]) == bootstrap_interval([0.2, 0.6, 0.7])
    assert bootstrap_interval([0.2, None, 0.6, 0.7]).videos == 3


def test_too_few_videos():
    assert bootstrap_interval([]) == bootstrap_interval([None]) == Interval(None, None, None, 0)
    assert bootstrap_interval([0.25, None]) == Interval(0.25, None, None, 1)
    assert bootstrap_interval([0.25, 0.75], sources=["a", "a"]) == Interval(0.5, None, None, 2)
    assert bootstrap_interval([0.25] * 3) == Interval(0.25, 0.25, 0.25, 3)


def test_videos_of_one_source_are_drawn_together():
    """Four identical videos of each source are worth no more than one of each."""
    values = np.random.default_rng(3).random(10)
    names = [f"source {i}" for i in range(10)]
    alone = bootstrap_interval(values.tolist(), sources=names)
    together = bootstrap_interval(np.repeat(values, 4).tolist(), sources=np.repeat(names, 4).tolist())
    apart = bootstrap_interval(np.repeat(values, 4).tolist())
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))
    assert (alone.low, alone.high) == bootstrap_interval(values.tolist())[1:3]
    assert apart.high - apart.low < 0.6 * (alone.high - alone.low)  # half, by the square root of 4


def test_seed_and_level():
    values = np.random.default_rng(4).random(30).tolist()
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)
    narrow, wide = bootstrap_interval(values, level=0.5), bootstrap_interval(values, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_batches_change_nothing(monkeypatch):
    values = np.random.default_rng(5).random(30).tolist()
    whole = bootstrap_interval(values)
    monkeypatch.setattr("outpaint_lightning.metrics.intervals._BATCH", 3000)
    assert bootstrap_interval(values) == whole


def test_by_group():
    values, groups = [0.1, 0.9, 0.5, None], ["b", "b", "a", "c"]
    result = intervals_by_group(values, groups, resamples=1000)
    assert list(result) == ["a", "b", "c"]
    assert result["b"] == bootstrap_interval([0.1, 0.9], resamples=1000)
    assert result["a"] == Interval(0.5, None, None, 1)
    assert result["c"].videos == 0
    assert intervals_by_group(values, groups, sources=["x", "x", "y", "z"])["b"].low is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 1.0}, "level is 1.0"),
        ({"resamples": 0}, "resamples is 0"),
        ({"sources": ["a"]}, "sources has 1 names for 2 videos"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        bootstrap_interval([0.1, 0.2], **options)


def test_groups_of_another_length():
    with pytest.raises(InputError, match="groups has 1 names for 2 videos"):
        intervals_by_group([0.1, 0.2], ["a"])
