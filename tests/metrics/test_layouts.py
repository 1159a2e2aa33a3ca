import pytest
import torch
import torch.nn.functional as F

from outpaint_lightning.metrics import (
    ClassCounts,
    Embeddings,
    best_of,
    by_scene,
    disagreement,
    lpips,
    mean_iou,
    photo_rows,
    photo_scores,
    retrieval,
    split_scores,
)


def info(clip, scene="boat"):
    return {"clip": clip, "frames": 1, "scene": scene, "camera": "", "source": clip, "forger": ""}


TRUE = torch.tensor([[[0, 0, 1, 255]], [[1, 1, 1, 0]]])  # two photos of four pixels
TOLD = torch.tensor([[[0, 1, 1, 0]], [[1, 1, 1, 1]]])
MASK = torch.tensor([1.0, 1.0, 1.0, 1.0]).view(1, 1, 1, 4).expand(2, 1, 1, 4).clone()
MASK[1, ..., 3] = 0  # foreground


def entered(told=TOLD, methods=1):
    counts = ClassCounts(2, methods, 3)
    counts.update([0, 1], told[:, None].expand(-1, methods, -1, -1), TRUE, MASK)
    return counts.compute()


def test_scores_by_hand():
    """Photo 0: IoU 1/2 and 1/2, two of three right. Photo 1: 1, as its fourth pixel is foreground.

    Of the split: class 0 has 1 of 2, class 1 has 4 of 5. Class 2 is nowhere and does not count as 0.
    """
    counts = entered()[:, 0]
    assert mean_iou(counts).tolist() == [0.5, 1.0]
    assert split_scores(counts) == {"miou": pytest.approx((1 / 2 + 4 / 5) / 2), "accuracy": pytest.approx(5 / 6)}
    scores = photo_scores(counts, [info("a"), info("b")])
    assert (scores["mean"], scores["photos"]) == (0.75, 2)
    rows = photo_rows(counts, {"common": entered(TRUE.clamp(max=1))[:, 0]}, [info("a"), info("b")])
    assert [(row["clip"], row["iou"], row["iou_common"]) for row in rows] == [("a", 0.5, 1.0), ("b", 1.0, 1.0)]
    assert rows[0]["accuracy"] == pytest.approx(2 / 3)
    assert by_scene(counts, [info("a"), info("b", "car")]) == {
        "boat": {"iou": 0.5, "photos": 1}, "car": {"iou": 1.0, "photos": 1},
    }  # fmt: skip
    assert by_scene(counts, [info("a", ""), info("b", "")]) == {}


def test_photos_that_were_not_judged_are_undefined():
    counts = ClassCounts(3, 1, 3)
    counts.update([0, 2], TOLD[:, None], TRUE, MASK)
    found = counts.compute()[:, 0]
    assert found[1].isnan().all()
    assert split_scores(found) == split_scores(entered()[:, 0])
    assert photo_scores(found, [info("a"), info("b"), info("c")])["photos"] == 2
    nothing = ClassCounts(2, 1, 3).compute()[:, 0]
    assert split_scores(nothing) == {"miou": None, "accuracy": None}


def test_judging_twice_counts_once():
    counts = ClassCounts(2, 1, 3)
    for _ in range(2):
        counts.update([0, 1], TOLD[:, None], TRUE, MASK)
    assert torch.equal(counts.compute(), entered())


def test_the_best_sample_of_each_photo():
    both = torch.stack([TOLD, TRUE.clamp(max=1)], 1)
    counts = ClassCounts(2, 2, 3)
    counts.update([0, 1], both, TRUE, MASK)
    assert split_scores(best_of(counts.compute())) == {"miou": 1.0, "accuracy": 1.0}
    assert photo_scores(counts.compute(), [info("a"), info("b")])["mean"] == pytest.approx((0.75 + 1.0) / 2)


def test_disagreement_by_hand():
    """Three samples, the third of which differs on two of four pixels: 2 of 3 pairs differ there. Foreground is left
    out; a collapsed latent gives 0."""
    samples = torch.zeros(1, 3, 1, 5, dtype=torch.long)
    samples[:, 2, :, :2] = 1
    samples[:, 1, :, 4] = 1
    mask = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0]).view(1, 1, 1, 5)
    assert disagreement(samples, mask).item() == pytest.approx(2 / 3 * 2 / 4)
    assert disagreement(samples[:, :1].expand(-1, 3, -1, -1), mask).item() == 0
    assert disagreement(samples[:, :1], mask).isnan().all()


def test_retrieval_by_hand():
    """Photo 2's foreground is nearest to layout 1, which has nearly its classes. Chance is one of three."""
    layouts = torch.eye(3)
    things = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0.8, 0.6]])
    histogram = torch.tensor([[4.0, 0], [0, 4], [0.5, 4]])
    found = retrieval(things, layouts, histogram, 0.9)
    assert found == {
        "top1": pytest.approx(2 / 3), "chance": pytest.approx(1 / 3),
        "alike": 1.0, "alike_chance": pytest.approx(5 / 9),
    }  # fmt: skip
    assert retrieval(things, layouts, histogram, 1.0)["alike"] == pytest.approx(2 / 3)
    assert retrieval(things[:0], layouts[:0], histogram[:0], 0.9)["top1"] is None


def test_embeddings_come_back_as_they_were():
    """The table holds no negative numbers: what is shifted must be shifted back."""
    torch.manual_seed(0)
    things, layouts = F.normalize(torch.randn(2, 2, 4), dim=2)
    table, histogram, differ = Embeddings(3, 4, 5), torch.rand(2, 5), torch.tensor([0.25, 0.5])
    table.update([2, 0], things, layouts, histogram, differ)
    found = table.compute()
    for part, expected in zip(found, (things, layouts, histogram, differ), strict=True):
        torch.testing.assert_close(part, expected.flip(0))


def test_lpips_downloads_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: pytest.fail("a download"))
    assert lpips() is None
