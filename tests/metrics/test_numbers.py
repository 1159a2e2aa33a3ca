import doctest

import pytest
import torch

from outpaint_lightning.metrics import numbers
from outpaint_lightning.metrics.numbers import gain, mean, number


def test_examples():
    assert doctest.testmod(numbers).failed == 0


def test_undefined_is_none():
    assert number(torch.tensor(float("nan"))) is None
    assert number(torch.tensor(0.25)) == 0.25
    assert mean(torch.tensor([0.25, float("nan"), 0.75])) == 0.5  # NaN is left out, not counted as 0
    assert mean(torch.empty(0)) is None


@pytest.mark.parametrize(
    ("score", "floors", "perfect", "expected"),
    [
        (0.6, [0.2, 0.5], 1.0, 0.2),  # over the higher floor, by hand: 0.1 / 0.5
        (0.25, [0.5, 0.0], 1.0, -0.5),
        (1.5, [2.0, 6.0], 0.0, 0.25),  # over the lower one, where less is better
        (3.0, [2.0], 0.0, -0.5),
        (None, [0.5], 1.0, None),
        (0.5, [None], 1.0, None),
        (0.5, [], 1.0, None),
        (0.5, [1.0, 0.2], 1.0, None),  # no room above a perfect floor
        (0.5, [0.0, 0.2], 0.0, None),
    ],
)
def test_gain(score, floors, perfect, expected):
    assert gain(score, floors, perfect) == (None if expected is None else pytest.approx(expected))
