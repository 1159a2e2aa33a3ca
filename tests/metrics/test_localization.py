import math

import pytest
import torch

from outpaint_lightning.metrics import FrameCounts, MaskPrior, pixel_counts, scores, summarize

FORGED = {"scene": "outdoor", "camera": "move", "source": "s", "forger": "border/reflect/hard"}


def video(clip, frames, **other):
    return {"clip": clip, "frames": frames, **FORGED, **other}


def mask(text):
    return torch.tensor([[c == "#" for c in row] for row in text.split()])


def test_counts_by_hand():
    counts = pixel_counts(mask("##.. ...."), mask("#.#. ...."))
    assert counts.tolist() == [1, 1, 1, 5]


def test_scores_by_hand():
    values = {name: value.item() for name, value in scores(torch.tensor([1, 1, 2, 4])).items()}
    assert values == pytest.approx({"f1": 2 / 5, "iou": 1 / 4, "precision": 1 / 2, "recall": 1 / 3, "pixel_fpr": 1 / 5})


@pytest.mark.parametrize(
    ("counts", "undefined"),
    [
        ([0, 3, 0, 5], {"f1", "iou", "recall"}),  # empty truth: no 0 and no 1 may enter a mean
        ([0, 0, 0, 8], {"f1", "iou", "recall", "precision"}),
        ([0, 0, 3, 5], {"precision"}),  # nothing found: F1 is 0, precision undefined
        ([8, 0, 0, 0], {"pixel_fpr"}),
    ],
)
def test_undefined_stays_undefined(counts, undefined):
    assert {name for name, value in scores(torch.tensor(counts)).items() if value.isnan()} == undefined


def filled(order, repeats=()):
    """Two videos of 2 and 1 frames entered in some order, some of them twice."""
    frames = {
        (0, 0): (mask("##.."), mask("#...")),
        (0, 1): (mask("...."), mask("##..")),
        (1, 0): (mask("#..."), mask("....")),
    }
    metric = FrameCounts([2, 1])
    for key in (*order, *repeats):
        prediction, truth = frames[key]
        metric.update(*key, prediction[None], truth)
    return metric


def test_counts_are_summed_over_a_videos_frames():
    """F1 of the video's pixels (2/5), not the mean of its frames' F1 ((2/3 + 0) / 2)."""
    counts = filled([(0, 0), (0, 1), (1, 0)]).compute()
    assert counts[:, 0].tolist() == [[1, 1, 2, 4, 2], [0, 1, 0, 3, 1]]
    summary, rows = summarize(counts, [video("a", 2), video("b", 1)])
    assert summary["f1"] == {"mean": 0.4, "variance": 0.0, "best": 0.4, "worst": 0.4, "videos": 1}
    assert summary["authentic"] == {"pixel_fpr": 0.25, "videos": 1}
    assert summary["frames"] == 3
    assert [row["f1"] for row in rows] == [0.4, None]


def test_two_processes_give_the_identical_table():
    """Each sees part of the frames and the sampler repeats one: merged by maximum as torchmetrics merges states."""
    one = filled([(0, 0), (0, 1), (1, 0)])
    halves = [filled([(0, 0), (1, 0)]), filled([(0, 1)], repeats=[(0, 0)])]
    merge = halves[0]._reductions["table"]
    halves[0].table = merge(torch.stack([half.table for half in halves]))
    assert torch.equal(halves[0].compute(), one.compute())


def test_mean_variance_and_categories():
    """Population variance: of F1 1 and 0.5 it is 1/16, where the sample variance is 1/8."""
    counts = torch.tensor([[[4, 0, 0, 4, 1]], [[1, 1, 1, 5, 1]], [[0, 0, 0, 8, 1]], [[-0, 0, 0, 0, 0]]])
    videos = [
        video("a", 1),
        video("b", 1, scene="indoor", camera="still"),
        video("c", 1, forger=""),
        video("unseen", 1),
    ]
    summary, rows = summarize(counts, videos)
    assert summary["f1"] == {"mean": 0.75, "variance": 0.0625, "best": 1.0, "worst": 0.5, "videos": 2}
    assert summary["by_category"] == {
        "indoor/still": {"f1": 0.5, "videos": 1},
        "outdoor/move": {"f1": 1.0, "videos": 1},
    }
    assert summary["authentic"] == {"pixel_fpr": 0.0, "videos": 1}
    assert [row["clip"] for row in rows] == ["a", "b", "c"]


def test_nothing_forged_gives_none():
    summary, _ = summarize(torch.tensor([[[0, 1, 0, 7, 1]]]), [video("a", 1)])
    assert summary["f1"]["mean"] is None
    assert summary["iou"] == {"mean": None}
    assert summary["authentic"]["pixel_fpr"] == pytest.approx(1 / 8)


def test_gain_is_over_the_best_floor():
    floors = [[2, 2, 0, 0, 1], [0, 0, 2, 2, 1], [0, 0, 2, 2, 1]]  # F1 2/3, 0, 0
    summary, _ = summarize(torch.tensor([[[2, 0, 0, 2, 1], *floors]]), [video("a", 1)])
    assert summary["floors"] == {"all_forged": pytest.approx(2 / 3), "mean_mask": 0.0, "border": 0.0}
    assert summary["gain"] == pytest.approx(1.0)


def test_prior_floors():
    """Masks that always cover the left half: the mean mask is that half, at any frame size; the border has its area."""
    masks = torch.zeros(3, 64, 64)
    masks[:, :, :32] = 1
    prior = MaskPrior()
    prior.fit(masks)
    everything, mean, border = prior.masks(30, 40)
    assert everything.all()
    expected = torch.zeros(30, 40, dtype=torch.bool)
    expected[:, :20] = True
    assert torch.equal(mean, expected)
    width = (1 - math.sqrt(0.5)) / 2
    assert border.float().mean().item() == pytest.approx(0.5, abs=0.03)  # widths are whole pixels
    assert border[:, : round(width * 40)].all()
    assert border[: round(width * 30)].all()
    assert not border[15, 20]
    assert torch.equal(border, border.flip(0).flip(1))


def test_prior_threshold_fits_the_masks():
    """One mask in four covers more: at 0.5 the mean mask misses nothing that 0.2 would win by F1."""
    masks = torch.zeros(4, 64, 64)
    masks[:, :8] = 1
    masks[0, :16] = 1
    prior = MaskPrior()
    prior.fit(masks)
    assert 0.25 < prior.threshold.item() <= 1
    assert prior.masks(64, 64)[1].sum() == 8 * 64
