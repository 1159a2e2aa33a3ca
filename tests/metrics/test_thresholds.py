import pytest
import torch

from outpaint_lightning.metrics import (
    THRESHOLDS,
    ThresholdCounts,
    best,
    false_positive_curve,
    pixel_counts,
    threshold_curve,
)
from outpaint_lightning.types import InputError


def near_the_grid(shape, seed):
    """Probabilities at, just below and just above grid points, and anywhere."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.tensor(THRESHOLDS)[torch.randint(len(THRESHOLDS), shape, generator=generator)]
    aside = torch.randint(-1, 2, shape, generator=generator)
    near = torch.where(aside == 0, grid, torch.nextafter(grid, (aside > 0).float()))
    anywhere = torch.rand(shape, generator=generator)
    return torch.where(torch.rand(shape, generator=generator) < 0.5, near, anywhere)


def test_exact_at_every_grid_point():
    """Against thresholding the maps, as the task does: a bin shifted by one, or `>` for `>=`, differs."""
    maps = [near_the_grid((3, 17, 23), 0), near_the_grid((2, 9, 31), 1), torch.tensor([[[0.0, 1.0, 0.5]]])]
    truths = [values > 0.3 for values in maps[:2]] + [torch.tensor([[[False, True, True]]])]
    metric = ThresholdCounts([len(values) for values in maps])
    for video, (values, truth) in enumerate(zip(maps, truths, strict=True)):
        for frame in range(len(values)):
            metric.update(video, frame, values[frame], truth[frame])
    found = metric.compute()
    assert found.shape == (3, len(THRESHOLDS), 5)
    assert found[..., 4].tolist() == [[len(values)] * len(THRESHOLDS) for values in maps]
    for k, threshold in enumerate(THRESHOLDS):
        counts = torch.stack(
            [pixel_counts(m >= threshold, truth).sum(0) for m, truth in zip(maps, truths, strict=True)]
        )
        assert found[:, k, :4].tolist() == counts.tolist()


def test_empty_and_full_truth():
    metric = ThresholdCounts([1, 1], thresholds=(0.25, 0.75))
    metric.update(0, 0, torch.tensor([[0.5, 0.9]]), torch.tensor([[False, False]]))
    metric.update(1, 0, torch.tensor([[0.5, 0.9]]), torch.tensor([[True, True]]))
    curve = threshold_curve(metric.compute())  # the authentic video is left out of the mean, not counted as 0
    assert curve.tolist() == [1, 2 / 3]
    assert best(curve, (0.25, 0.75)) == (0.25, 1.0)


def test_a_frame_that_two_processes_judge_counts_once():
    maps, truth = near_the_grid((2, 8, 8), 2), near_the_grid((2, 8, 8), 3) > 0.5
    one, first, second = (ThresholdCounts([2]) for _ in range(3))
    for frame in range(2):
        one.update(0, frame, maps[frame], truth[frame])
        first.update(0, frame, maps[frame], truth[frame])
    second.update(0, 0, maps[0], truth[0])
    first.table = first._reductions["table"](torch.stack([first.table, second.table]))
    assert torch.equal(first.compute(), one.compute())


def test_the_curve_is_over_videos_not_pixels():
    """Two small videos outvote a large one: F1 1, 1, 1/3 give 7/9; pooled, the large one's errors would win."""
    counts = torch.tensor([[[1, 0, 0, 9, 1]], [[1, 0, 0, 9, 1]], [[100, 400, 0, 0, 1]], [[0, 5, 0, 5, 1]]])
    assert threshold_curve(counts).tolist() == [pytest.approx(7 / 9)]


@pytest.mark.parametrize(
    ("f1", "thresholds", "expected"),
    [
        ([0.7, 0.7, 0.7], (0.1, 0.45, 0.9), 0.45),
        ([0.7, 0.1, 0.7], (0.3, 0.5, 0.7), 0.3),  # equally near: the lower, though 0.7 - 0.5 is less in binary
        ([0.1, 0.2, 0.8], (0.4, 0.5, 0.6), 0.6),  # nearness decides between equals only
    ],
)
def test_ties_go_to_the_value_nearest_one_half(f1, thresholds, expected):
    assert best(torch.tensor(f1, dtype=torch.float64), thresholds)[0] == expected


@pytest.mark.parametrize(("limit", "expected"), [(1.0, 0.3), (0.05, 0.5), (0.01, 0.9), (0.001, 0.9)])
def test_the_limit_of_false_positives(limit, expected):
    """Catches a limit that is not reached counting as exceeded, and none that is low enough leaving nothing."""
    f1 = torch.tensor([0.9, 0.8, 0.7], dtype=torch.float64)
    marked = torch.tensor([0.3, 0.05, 0.01], dtype=torch.float64)
    assert best(f1, (0.3, 0.5, 0.9), marked, limit)[0] == expected


def test_false_positives_are_those_of_authentic_videos():
    """2 of 10 and 0 of 5 pixels: mean 0.1 over videos. Forged videos and those never judged do not count."""
    counts = torch.tensor([[[0, 2, 0, 8, 1]], [[0, 0, 0, 5, 1]], [[1, 9, 0, 0, 1]], [[0, 0, 0, 0, 0]]])
    assert false_positive_curve(counts).tolist() == [pytest.approx(0.1)]
    assert false_positive_curve(counts[2:]).isnan().all()


@pytest.mark.filterwarnings("ignore:The ``compute`` method")  # computing before the first update is the point
def test_without_forged_videos_there_is_no_best():
    metric = ThresholdCounts([1])
    metric.update(0, 0, torch.rand(4, 4), torch.zeros(4, 4, dtype=torch.bool))
    assert best(threshold_curve(metric.compute())) is None
    assert best(threshold_curve(ThresholdCounts([3]).compute())) is None  # nothing judged


@pytest.mark.parametrize("thresholds", [(), (0.5, 0.4), (0.0, 0.5), (0.5, 1.0), (0.5, 0.5)])
def test_bad_thresholds(thresholds):
    with pytest.raises(InputError, match="expected ascending"):
        ThresholdCounts([1], thresholds)
