import math

import pytest
import torch

from outpaint_lightning.metrics import (
    FrameCounts,
    FrameScores,
    auroc,
    frame_scores,
    pixel_counts,
    scores,
    seam_and_interior,
)
from outpaint_lightning.types import InputError


def box(top, bottom, left, right, size=20):
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def distance_by_hand(truth, radius):
    """Forged pixels with an authentic one within `radius` along both axes, pixel by pixel."""
    seam = torch.zeros_like(truth)
    for y, x in truth.nonzero().tolist():
        near = truth[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
        seam[y, x] = not near.all()
    return seam


def test_an_outpainted_border_is_not_eaten_from_the_frames_edge():
    """A border 6 wide at the left: its seam is the 2 columns next to the authentic part, not those at the edge."""
    seam, interior = seam_and_interior(box(0, 20, 0, 6), radius=2)
    assert torch.equal(seam, box(0, 20, 4, 6))
    assert torch.equal(interior, box(0, 20, 0, 4))


def test_a_hole_has_seams_all_round():
    seam, interior = seam_and_interior(box(5, 15, 4, 16), radius=3)
    assert torch.equal(interior, box(8, 12, 7, 13))
    assert torch.equal(seam, box(5, 15, 4, 16) & ~interior)


@pytest.mark.parametrize("radius", [1, 2, 7])
def test_against_the_definition(radius):
    truth = torch.rand(2, 3, 13, 17, generator=torch.Generator().manual_seed(radius)) < 0.97
    regions = seam_and_interior(truth, radius)
    assert regions.shape == (2, 3, 2, 13, 17)
    for b in range(2):
        for t in range(3):
            assert torch.equal(regions[b, t, 0], distance_by_hand(truth[b, t], radius))
    assert torch.equal(regions.sum(-3), truth.long())  # each forged pixel in exactly one


def recall(prediction, truth, radius=7):
    """Of seam and interior, as `FullEvaluation` takes it."""
    return scores(pixel_counts(prediction.unsqueeze(-3), seam_and_interior(truth, radius)))["recall"]


def test_empty_and_full_truth():
    assert not seam_and_interior(box(0, 0, 0, 0)).any()
    seam, interior = seam_and_interior(box(0, 20, 0, 20))
    assert not seam.any()
    assert interior.all()
    assert recall(box(0, 20, 0, 20), box(0, 0, 0, 0)).isnan().all()


def test_recalls_apart():
    """Of a border of 10 columns with a seam of 2, found: one column of the seam and two of the interior."""
    truth, prediction = box(0, 20, 0, 10), box(0, 20, 0, 2) | box(0, 20, 9, 13)
    assert recall(prediction, truth, radius=2).tolist() == [1 / 2, 2 / 8]
    both = torch.stack([prediction, ~prediction])
    assert recall(both, truth.expand(2, -1, -1), radius=2).tolist() == [[1 / 2, 2 / 8], [1 / 2, 6 / 8]]


def test_frame_counts_take_the_regions():
    """As a test over videos counts them: summed over frames before the recall is taken."""
    truth, prediction = box(0, 20, 0, 10), box(0, 20, 0, 2) | box(0, 20, 9, 13)
    counts = FrameCounts([2], predictors=2)
    counts.update(0, 0, prediction[None], seam_and_interior(truth, 2))
    counts.update(0, 1, truth[None], seam_and_interior(truth, 2))
    assert scores(counts.compute()[..., :4])["recall"].tolist() == [[3 / 4, 10 / 16]]


def test_radius_is_positive():
    with pytest.raises(InputError, match="radius is 0"):
        seam_and_interior(box(0, 1, 0, 1), radius=0)


def test_frame_score_by_hand():
    """400 pixels: the mean of the 4 highest; 3 pixels: of one."""
    probability = torch.zeros(20, 20)
    probability[3, 4:9] = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5])
    assert frame_scores(probability).item() == pytest.approx(0.75)
    assert frame_scores(torch.tensor([[[0.1, 0.6, 0.2]], [[0.0, 0.0, 0.3]]])).tolist() == pytest.approx([0.6, 0.3])


def test_auroc_counts_ties_half():
    """Pairs (forged, authentic): (.5, .5) half, (.5, .2) right, (.7, .5) right, (.7, .2) right."""
    assert auroc(torch.tensor([0.5, 0.5, 0.7, 0.2]), torch.tensor([True, False, True, False])) == 3.5 / 4
    assert auroc(torch.full((4,), 0.5), torch.tensor([True, False, True, False])) == 0.5


@pytest.mark.parametrize("labels", [[], [True, True], [False, False]])
def test_auroc_of_one_class_is_undefined(labels):
    assert auroc(torch.rand(len(labels)), torch.tensor(labels, dtype=torch.bool)) is None


def constant(value):
    return torch.full((10, 10), value)


def entered(frames=3):
    metric = FrameScores([2, 1, 1, 5])
    entries = [(0, 0, 0.25, True), (0, 1, 0.75, False), (1, 0, 0.125, False), (2, 0, 0.625, False)]
    for video, frame, value, forged in entries[:frames]:
        metric.update(video, frame, constant(value), torch.full((10, 10), forged))
    return metric


def test_frames_and_videos():
    """Forged frame .25 against authentic .75, .125, .625; forged video .5 (of .25 and .75) against .125 and .625."""
    result = entered(4).compute()
    assert result["frame_auroc"] == pytest.approx(1 / 3)
    assert result["video_auroc"] == pytest.approx(1 / 2)
    assert result["scores"] == [0.5, 0.125, 0.625, None]


def test_repeated_frames_count_once():
    whole, again = entered(4), entered(2)
    whole.table = whole._reductions["table"](torch.stack([whole.table, again.table]))
    assert whole.compute() == entered(4).compute()


@pytest.mark.filterwarnings("ignore:The ``compute`` method")  # computing before the first update is the point
def test_nothing_judged():
    assert entered(0).compute() == {"frame_auroc": None, "video_auroc": None, "scores": [None] * 4}
    assert not math.isnan(entered(1).compute()["scores"][0])
