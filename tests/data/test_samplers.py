"""Shares of several processes, put together, are what one process sees."""

import pytest

from outpaint_lightning.data import EpochSampler, OrderedSampler
from outpaint_lightning.types import InputError


def batches(sampler, size):
    keys = list(sampler)
    assert len(keys) == len(sampler)
    return [keys[start : start + size] for start in range(0, len(keys), size)]


@pytest.mark.parametrize("windows", [12, 13, 15, 9])
def test_a_training_step_has_the_windows_of_one_process(windows):
    """An odd number would end in a repeated window, or in one more batch on the first process, which then waits."""
    parts = [EpochSampler(range(windows), 2, 2, rank, seed=3) for rank in range(2)]
    one = EpochSampler(range(windows), 4, seed=3)
    for sampler in (*parts, one):
        sampler.set_epoch(5)
    steps = list(zip(*(batches(part, 2) for part in parts), strict=True))
    assert [sorted(a + b) for a, b in steps] == [sorted(batch) for batch in batches(one, 4)]
    assert len({index for a, b in steps for _, index in a + b}) == windows // 4 * 4


def test_fewer_windows_than_a_step_make_one_uneven_step():
    parts = [list(EpochSampler(range(3), 4, 2, rank)) for rank in range(2)]
    assert [len(part) for part in parts] == [2, 1]
    assert {index for part in parts for _, index in part} == {0, 1, 2}


def test_a_process_without_windows_is_refused():
    with pytest.raises(InputError, match="1 training windows for 2 processes"):
        EpochSampler(range(1), 4, 2)


@pytest.mark.parametrize(("windows", "processes"), [(12, 2), (13, 2), (7, 3), (5, 2)])
def test_batches_that_are_judged_are_those_of_one_process(windows, processes):
    """Torch's sampler deals single windows, and repeats the first ones to make the shares equal."""
    shares = [batches(OrderedSampler(range(windows), 2, processes, rank), 2) for rank in range(processes)]
    assert [batch for share in shares for batch in share] == batches(OrderedSampler(range(windows), 2), 2)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_no_process_is_idle():
    """One without a batch would skip the validation, and the meeting at its end."""
    assert all(len(OrderedSampler(range(3), 2, 4, rank)) for rank in range(4))
