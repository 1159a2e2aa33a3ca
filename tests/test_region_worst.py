"""What region_conditions.py adds to a test: its conditions, and the order and the description of the worst images."""

import numpy as np
import pytest
from support import REPOSITORY

from outpaint_lightning.forge.recipe import Recipe

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
    true, mask = np.zeros((4, 8), bool), np.zeros((4, 8), bool)
    true[:, 2:4] = True
    mask[:, 6:] = True
    forged = region_worst.described(row("a", 1, 0.9, 0.5), image, {"true": true, "mask": mask})
    assert (forged["region"], forged["mask"], forged["brightness"]) == (0.25, 0.25, 50.0)
    assert (forged["detail"], forged["detail_there"]) == (25.0, 50.0)
    authentic = region_worst.described(row("b", 0, 0.9), image, {"true": np.zeros_like(true), "mask": mask})
    assert (authentic["region"], authentic["detail_there"]) == (0.0, 0.0)
    assert (
        region_worst.described(row("c", 0, 0.1), image, {"true": mask & ~mask, "mask": mask & ~mask})["detail_there"]
        is None
    )


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
