"""What region_conditions.py adds to a test: its conditions, and the order and the description of the worst images."""

import numpy as np
import pytest
import torch
from support import REPOSITORY

from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.metrics import Detections

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(REPOSITORY / "benchmarks")  # as `python benchmarks/region_conditions.py` has it
    import region_conditions
    import region_worst


def row(name, label, score, iou=None):
    return {
        "clip": name, "forger": "box/telea/hard" if label else "", "label": label, "found": int(score >= 0.7),
        "score": score, "mask_box_iou": iou, "mask_f1": iou,
    }  # fmt: skip


def test_wrong_classes_come_first_then_bad_boxes():
    """Distance from the threshold 0.7 counts, not the score: a miss of 0.1 (0.6 away) is worse than an alarm of 0.9."""
    rows = [
        row("right", 0, 0.1),
        row("exact", 1, 0.9, 0.95),
        row("coarse", 1, 0.8, 0.3),
        row("alarm", 0, 0.9),
        row("miss", 1, 0.1, 0.9),
        row("near miss", 1, 0.65, 0.0),
    ]
    ranked = sorted(rows, key=lambda each: region_worst.badness(each, 0.7))
    assert [each["clip"] for each in ranked] == ["miss", "alarm", "near miss", "coarse", "exact", "right"]


def test_what_may_explain_an_error():
    """A step of 100 grey levels in a row of 4 x 8 pixels: the Laplacian is 100 on both sides of it, else 0."""
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, 4:] = 100
    true, found, none = np.zeros((4, 8), bool), np.zeros((4, 8), bool), np.zeros((4, 8), bool)
    true[:, 2:4] = True
    found[:, 6:] = True
    region, box = torch.tensor([2.0, 0, 6, 4]), torch.tensor([2.0, 0, 4, 4])
    answer = region_worst.Answer(image, found, true, torch.tensor([6.0, 0, 8, 4]), region, box)
    forged = region_worst.described(row("a", 1, 0.9, 0.0), answer)
    assert (forged["true_share"], forged["found_share"], forged["brightness"]) == (0.25, 0.25, 50.0)
    assert (forged["region_iou"], forged["detail"], forged["detail_there"]) == (0.5, 25.0, 50.0)
    alarm = region_worst.described(row("b", 0, 0.9), answer._replace(true=none))
    assert (alarm["region_iou"], alarm["true_share"], alarm["detail_there"]) == (None, 0.0, 0.0)
    right = region_worst.described(row("c", 0, 0.1), answer._replace(true=none, found=none))
    assert right["detail_there"] is None


def test_the_best_region_is_that_of_the_highest_score():
    """Not the first, nor the largest; and an image without regions has an empty box, not an error."""
    boxes = torch.tensor([[0.0, 0, 9, 9], [1.0, 1, 2, 2], [3.0, 3, 5, 5]])
    assert region_worst.best_box(Detections(boxes, torch.tensor([0.1, 0.7, 0.2]))).tolist() == [1, 1, 2, 2]
    assert region_worst.best_box(Detections(torch.zeros(0, 4), torch.zeros(0))).tolist() == [0, 0, 0, 0]


def test_conditions(tmp_path):
    """Every recipe is tested as it is and under three qualities; only `shapes` has what a rectangle gap compares."""
    named = dict(region_conditions.conditions(tmp_path, [tmp_path / "other"], tmp_path))
    assert named["other"] == {"root": str(tmp_path / "other")}
    assert [name for name in named if "_jpeg_" not in name] == ["other", "paper", "shapes", "full"]
    assert {name for name in named if name.startswith("paper_")} == {f"paper_jpeg_{q}" for q in (90, 70, 50)}
    paper, shapes = (Recipe.read(named[name]["recipe"]) for name in ("paper", "shapes"))
    assert [mask.name for mask in paper.masks] == ["box"]
    assert [mask.name for mask in shapes.masks] == ["box", "brush", "blob", "polygon"]
    assert (paper.per_clip, shapes.per_clip) == (1, 4)
