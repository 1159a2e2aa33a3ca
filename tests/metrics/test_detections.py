import pytest
import torch

from outpaint_lightning.metrics import Detections, DetectionScores, component_boxes, found_regions

LEFT, RIGHT = [2.0, 4.0, 12.0, 20.0], [20.0, 4.0, 36.0, 12.0]


def mask_of(*boxes, size=(24, 40)):
    mask = torch.zeros(size)
    for xmin, ymin, xmax, ymax in boxes:
        mask[int(ymin) : int(ymax), int(xmin) : int(xmax)] = 1
    return mask


def test_each_component_has_its_box():
    """Half-open, x first; corners connect; a speck is none."""
    mask = mask_of(LEFT, RIGHT).bool()
    assert sorted(component_boxes(mask).boxes.tolist()) == [LEFT, RIGHT]
    assert component_boxes(mask_of([0, 0, 4, 4], [4, 4, 8, 8]).bool()).boxes.tolist() == [[0, 0, 8, 8]]
    large = torch.zeros(160, 160, dtype=torch.bool)
    large[0, :15] = True  # 16 of 25,600 pixels are the least
    assert len(component_boxes(large).boxes) == 0
    large[0, 15] = True
    assert component_boxes(large).boxes.tolist() == [[0, 0, 16, 1]]


def test_one_region_at_several_levels_is_one():
    """A region of 0.8 with a rim of 0.4 has two boxes, which suppression makes one: the surer one. The other stays."""
    probability = mask_of(RIGHT) * 0.6
    probability += mask_of([1, 3, 13, 21]) * 0.4 + mask_of(LEFT) * 0.4
    found = found_regions(probability, score=0.5)
    assert found.boxes.tolist() == [LEFT, RIGHT]
    assert found.scores.tolist() == pytest.approx([0.4, 0.3])
    assert len(found_regions(torch.zeros(24, 40), 0.5).boxes) == 0


def test_average_precision_by_hand():
    """Ranked: a hit, a false alarm, a hit. Precision is 1 up to a recall of 0.5, then 2/3: at 51 and at 50 points."""
    scores = DetectionScores()
    boxes = torch.tensor([LEFT, RIGHT])
    scores.update(
        [
            Detections(boxes, torch.tensor([0.9, 0.3])),
            Detections(boxes[:1], torch.tensor([0.6])),
        ],
        [boxes, torch.zeros(0, 4)],
    )
    values = scores.compute()
    assert values["map"] == values["map_50"] == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-6)
    assert values["recall"] == 1


def test_without_a_region_nothing_is_defined():
    scores = DetectionScores()
    scores.update([Detections(torch.zeros(0, 4), torch.zeros(0))], [torch.zeros(0, 4)])
    assert set(scores.compute().values()) == {None}
