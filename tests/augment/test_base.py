import pytest
import torch

from outpaint_lightning.augment import RandomSensorNoise, TimeWarp
from outpaint_lightning.geometry import boxes_from_masks
from outpaint_lightning.types import InputError


def test_boxes_are_half_open_with_x_first():
    mask = torch.zeros(4, 1, 6, 9)
    mask[0, 0, 2:4, 1:7] = 1
    mask[1, 0, 5, 8] = 1
    mask[2] = 1
    expected = torch.tensor([[1, 2, 7, 4], [8, 5, 9, 6], [0, 0, 9, 6], [0, 0, 0, 0]]).float()
    assert torch.equal(boxes_from_masks(mask), expected)


def test_samples_are_chosen_with_probability_p():
    torch.manual_seed(0)
    # 20,000 draws of 1/6: four standard deviations are 0.0105.
    assert TimeWarp(1 / 6).sample(20_000).float().mean().item() == pytest.approx(1 / 6, abs=0.0105)
    assert not TimeWarp(0).sample(100).any()
    assert TimeWarp(1).sample(100).all()


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_p_is_a_probability(p):
    with pytest.raises(InputError, match=r"RandomSensorNoise: p is .*probability"):
        RandomSensorNoise(p=p)
