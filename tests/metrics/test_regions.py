import pytest
import torch

from outpaint_lightning.geometry import box_iou, generalized_iou
from outpaint_lightning.metrics import BoxPrior, BoxScores, in_pixels, summarize_regions

WHOLE, LEFT, NOTHING = [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.5, 1.0], [0.0, 0.0, 0.0, 0.0]


def image(clip, forger="box/telea/hard", **other):
    return {"clip": clip, "frame": 0, "source": clip, "forger": forger, "height": 100, "width": 200, **other}


def table(*rows, masks=None):
    """`score label found true` of one image each."""
    metric = BoxScores([1] * len(rows))
    score, label, found, true = (torch.tensor(column) for column in zip(*rows, strict=True))
    extra = {} if masks is None else dict(zip(("mask_box", "counts"), map(torch.tensor, masks), strict=True))
    places = list(range(len(rows)))
    metric.update(places, [0] * len(rows), score=score, label=label, found=found, true=true, **extra)
    return metric.compute()


def test_overlaps_by_hand():
    """The union, not the sum of areas (1/4 and 1/6), below; the hull's corner that neither covers in GIoU."""
    a = torch.tensor([[0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 4, 4], [3, 3, 3, 3.0]]).double()
    b = torch.tensor([[0, 0, 2, 2], [1, 1, 3, 3], [2, 0, 3, 1], [1, 1, 3, 3], [3, 3, 3, 3.0]]).double()
    iou, giou = box_iou(a, b), generalized_iou(a, b)
    assert iou.tolist() == pytest.approx([1, 1 / 7, 0, 4 / 16, 0])
    assert giou.tolist() == pytest.approx([1, 1 / 7 - 2 / 9, -1 / 3, 4 / 16, 0])


def test_overlap_of_relative_boxes_is_that_of_pixels():
    """Boxes are kept relative to images that are not square: x and y divided by different sides."""
    pixels = torch.tensor([[10, 10, 80, 80], [15, 15, 85, 85.0]]).double()
    relative = pixels / torch.tensor([200, 100, 200, 100])
    for measure in (box_iou, generalized_iou):
        assert measure(*relative[:, None]).item() == pytest.approx(measure(*pixels[:, None]).item())
    assert box_iou(*pixels[:, None]).item() == pytest.approx(65 * 65 / (2 * 70 * 70 - 65 * 65))
    assert in_pixels(relative[0].tolist(), 100, 200) == {"xmin": 10, "ymin": 10, "xmax": 80, "ymax": 80}


def test_class_and_box_by_hand():
    """IoU counts where there is a true region, found or not: not on the authentic image that was called forged."""
    rows = table(
        (0.9, 1, LEFT, LEFT),  # found, IoU 1
        (0.6, 1, WHOLE, LEFT),  # found, IoU 0.5: not above 0.5
        (0.2, 1, [0.0, 0.0, 0.25, 1.0], WHOLE),  # missed, IoU 0.25
        (0.7, 0, WHOLE, NOTHING),  # false alarm
        (0.1, 0, WHOLE, NOTHING),
    )
    images = [image("a"), image("b"), image("c"), image("d", ""), image("e", "")]
    summary, per_image = summarize_regions(rows, images, 0.5)
    assert summary["precision"] == pytest.approx(2 / 3)
    assert summary["recall"] == pytest.approx(2 / 3)
    assert summary["f1"] == pytest.approx(2 / 3)
    assert summary["auroc"] == pytest.approx(4 / 6)  # 0.9 above both; 0.6 and 0.2 above 0.1 alone
    iou = summary["iou"]
    assert iou["mean"] == pytest.approx((1 + 0.5 + 0.25) / 3)
    assert iou["found"] == pytest.approx(0.75)
    assert (iou["above_50"], iou["above_75"]) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert 0.25 <= iou["low"] < iou["mean"] < iou["high"] <= 1
    assert summary["f1_and_iou"] == pytest.approx((2 / 3 + 1.75 / 3) / 2)
    assert summary["authentic"] == {"images": 2, "false_alarms": 0.5}
    assert summary["images"] == {"forged": 3, "authentic": 2, "found": 3}
    assert "floors" not in summary
    assert "mask" not in summary
    assert [row["iou"] for row in per_image] == pytest.approx([1, 0.5, 0.25, None, None])
    assert [row["found"] for row in per_image] == [1, 1, 0, 1, 0]
    assert (per_image[0]["xmax"], per_image[0]["ymax"], per_image[1]["true_xmax"]) == (100, 100, 100)


def test_the_threshold_is_reached_in_single_precision():
    """0.9 in float32 lies below 0.9 in double: the task, which compares in float32, calls it forged."""
    summary, _ = summarize_regions(table((0.9, 1, LEFT, LEFT)), [image("a")], 0.9)
    assert summary["recall"] == 1


def test_floors_by_hand():
    """All training boxes in the upper left: the mean box stays there, the centre box has its size in the middle."""
    prior = BoxPrior()
    prior.fit(torch.tensor([[0.0, 0.0, 0.4, 0.6], [0.0, 0.0, 0.6, 0.4]]))
    centre, mean, whole = prior.boxes().tolist()
    assert mean == pytest.approx([0, 0, 0.5, 0.5])
    assert centre == pytest.approx([0.25, 0.25, 0.75, 0.75])
    assert whole == WHOLE
    rows = table((0.9, 1, [0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.5]), *[(0.1, 0, WHOLE, NOTHING)] * 2)
    summary, _ = summarize_regions(rows, [image("a"), image("b", ""), image("c", "")], 0.5, prior)
    floors = {"all_forged": 2 / (1 + 1 + 2), "centre": (1 / 16) / (7 / 16), "mean": 1, "whole": 1 / 4}
    assert summary["floors"] == pytest.approx(floors)
    assert summary["gain"]["f1"] == 1
    assert summary["gain"]["iou"] is None  # no room above a floor of 1
    rows[0, 4] = 0.25  # half of it found
    summary, _ = summarize_regions(rows, [image("a"), image("b", ""), image("c", "")], 0.5, prior)
    assert summary["iou"]["mean"] == pytest.approx(0.5)


def test_groups_share_the_false_positives():
    """Three forgeries by one forger and one by another, one false alarm: with all of it, F1 of the one would be 2/3."""
    rows = table(*[(0.9, 1, LEFT, LEFT)] * 3, (0.9, 1, WHOLE, LEFT), (0.9, 0, WHOLE, NOTHING))
    forgers = ["box/telea/hard", "box/telea/hard", "box/patchmatch/hard", "brush/telea/hard", ""]
    images = [image(str(i), forger) for i, forger in enumerate(forgers)]
    summary, _ = summarize_regions(rows, images, 0.5)
    assert summary["f1"] == pytest.approx(8 / 9)
    families = summary["by_family"]
    assert families == {
        "box": {"f1": pytest.approx(6 / 6.75), "recall": 1, "iou": 1, "images": 3},
        "brush": {"f1": pytest.approx(2 / 2.25), "recall": 1, "iou": 0.5, "images": 1},
    }
    assert {name: group["images"] for name, group in summary["by_forger"].items()} == {
        "box/patchmatch/hard": 1,
        "box/telea/hard": 2,
        "brush/telea/hard": 1,
    }
    assert summary["rectangle_gap"] == {"f1": pytest.approx(0), "iou": pytest.approx(0.5)}


def test_the_gap_needs_both_kinds():
    """A border has straight edges too; a forger without a name is neither kind."""
    rows = table((0.9, 1, LEFT, LEFT), (0.1, 1, LEFT, LEFT), (0.1, 1, LEFT, LEFT))
    images = [image("a", "border/telea/hard"), image("b", "blob/telea/hard"), image("c", "")]
    assert summarize_regions(rows, images, 0.5)[0]["rectangle_gap"] == {"f1": 1, "iou": 0}
    assert summarize_regions(rows[[0, 2]], images[::2], 0.5)[0]["rectangle_gap"] == {"f1": None, "iou": None}


def test_the_interval_draws_sources():
    """Four forgeries of one photo: its spread is not known, whatever the four say."""
    rows = table(*[(0.9, 1, box, WHOLE) for box in (WHOLE, LEFT, WHOLE, LEFT)])
    iou = summarize_regions(rows, [image(str(i), source="photo") for i in range(4)], 0.5)[0]["iou"]
    assert (iou["mean"], iou["low"], iou["high"]) == (0.75, None, None)


def test_masks_are_judged_by_masks():
    """The found box is right and the mask is not: a box score must not lend itself to the mask, nor the reverse."""
    rows = table(
        (0.9, 1, LEFT, LEFT),
        (0.1, 0, LEFT, NOTHING),
        masks=([WHOLE, NOTHING], [[1, 1, 2, 4], [0, 1, 0, 7]]),
    )
    summary, per_image = summarize_regions(rows, [image("a"), image("b", "")], 0.5)
    assert summary["iou"]["mean"] == 1
    assert summary["mask"] == pytest.approx({"f1": 2 / 5, "iou": 1 / 4, "box_iou": 0.5, "pixel_fpr": 1 / 8})
    assert [row["mask_f1"] for row in per_image] == [pytest.approx(2 / 5), None]
    assert [row["mask_box_iou"] for row in per_image] == [pytest.approx(0.5), None]


@pytest.mark.parametrize("label", [0, 1])
def test_undefined_is_none(label):
    """Nothing found in one class alone: no 0 and no 1 may stand in for what cannot be said."""
    summary, _ = summarize_regions(table((0.1, label, LEFT, LEFT if label else NOTHING)), [image("a")], 0.5, BoxPrior())
    assert summary["precision"] is None
    assert summary["auroc"] is None
    assert summary["iou"]["found"] is None
    assert (summary["f1"], summary["recall"], summary["iou"]["mean"]) == ((0, 0, 1) if label else (None, None, None))
    assert summary["floors"]["all_forged"] == (1 if label else None)


def test_no_image_at_all():
    summary, per_image = summarize_regions(BoxScores([2]).compute(), [image("a"), image("a", frame=1)], 0.5, BoxPrior())
    assert (summary["f1"], summary["iou"]["mean"], summary["floors"]["whole"], per_image) == (None, None, None, [])


def test_two_processes_give_the_identical_table():
    """Each sees part of the images and the sampler repeats one; rows are found by clip and frame, in any order."""

    def part(*keys):
        metric = BoxScores([2, 1])
        boxes = torch.tensor([[0.1 * (2 * v + f), 0, 1, 1] for v, f in keys])
        videos, frames = zip(*keys, strict=True)
        score = torch.tensor([0.2 * (2 * v + f) for v, f in keys])
        metric.update(videos, frames, score=score, label=torch.ones(len(keys)), found=boxes, true=boxes)
        return metric

    whole = part((0, 0), (0, 1), (1, 0)).compute()
    assert whole[:, 0].tolist() == pytest.approx([0, 0.2, 0.4])
    one, other = part((1, 0), (0, 0)), part((0, 1), (0, 0))
    merged = one._reductions["table"](torch.stack([one.table, other.table]))
    assert torch.equal(merged, whole)
    assert (one.compute()[1] == -1).all()


def test_a_score_that_is_no_number_is_the_worst():
    """Entered as it is, it would compare as not seen and drop out of every mean."""
    summary, _ = summarize_regions(table((float("nan"), 1, LEFT, LEFT)), [image("a")], 0.5)
    assert (summary["recall"], summary["images"]["forged"]) == (0, 1)
