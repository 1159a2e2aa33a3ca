from itertools import pairwise

import pytest
import torch

from outpaint_lightning.tasks import OneCycle


def test_peak_is_the_optimizers_rate_and_both_ends_are_low():
    """Catches a peak of its own, a cosine, and a warm-up of another length."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.4)
    schedule = OneCycle(optimizer, total_steps=101, pct_start=0.05)
    rates = []
    for _ in range(100):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert max(rates) == pytest.approx(0.4, rel=0.01)
    assert rates.index(max(rates)) in (4, 5)
    assert rates[0] == pytest.approx(0.4 / 25)
    falls = [a - b for a, b in pairwise(rates[10:])]
    assert max(falls) == pytest.approx(min(falls))
    assert rates[-1] < 0.01


@pytest.mark.parametrize("steps", [1, 2, 3, 20])
def test_very_short_trainings(steps):
    """Torch's own schedule divides by zero when the warm-up is exactly one step: 5 % of 20."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.4)
    schedule = OneCycle(optimizer, total_steps=steps)
    for _ in range(steps):
        assert 0 < schedule.get_last_lr()[0] <= 0.4
        optimizer.step()
        schedule.step()
