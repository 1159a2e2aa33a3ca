import pytest
import torch

from outpaint_lightning.augment import RandomDownscale, RandomSensorNoise
from outpaint_lightning.types import InputError


def batch(height=32, width=48, value=0.5):
    return {"image": torch.full((3, 2, 3, height, width), value), "mask": torch.ones(3, 2, 1, height, width)}


def test_downscale_takes_what_the_small_frame_cannot_hold_and_moves_nothing():
    original = batch()
    stripes = (torch.arange(48) % 2).float()
    ramp = torch.arange(48) / 47
    original["image"][:] = torch.stack([stripes, ramp, ramp])[:, None, None, None]
    out = RandomDownscale().apply_to(original, torch.tensor([0.5, 0.5, 0.0]))
    inner = out["image"][..., 4:-4]
    # Half a frame: the triangle filter of four pixels weighs 1 3 3 1, so that stripes of 0 and 1 become even grey.
    torch.testing.assert_close(inner[0], torch.full_like(inner[0], 0.5))
    torch.testing.assert_close(inner[1], original["image"][1, ..., 4:-4])  # a ramp stays where it is
    assert torch.equal(out["image"][2], original["image"][2])
    assert out["mask"] is original["mask"]


def test_downscale_at_1_changes_nothing_and_draws_stay_in_range():
    original = {**batch(), "image": torch.rand(3, 2, 3, 30, 50)}
    torch.testing.assert_close(RandomDownscale().apply_to(original, torch.ones(3))["image"], original["image"])
    torch.manual_seed(0)
    drawn = RandomDownscale((0.3, 0.6), p=0.5).sample(1000)
    chosen = drawn[drawn > 0]
    assert 0.3 <= chosen.min() < 0.31
    assert 0.59 < chosen.max() <= 0.6
    assert 437 < len(chosen) < 563  # four standard deviations


def test_noise_is_fresh_in_each_frame_and_as_strong_as_drawn():
    torch.manual_seed(0)
    original = batch(100, 100)
    out = RandomSensorNoise().apply_to(original, torch.tensor([0.02, 0.0, 0.05]))["image"]
    # 60,000 values: four standard deviations of the estimate are 4 / sqrt(2 * 60,000), 1.2 %.
    assert out[0].std().item() == pytest.approx(0.02, rel=0.012)
    assert out[2].std().item() == pytest.approx(0.05, rel=0.012)
    assert torch.equal(out[1], original["image"][1])
    both = out[0].flatten(1)
    assert abs(torch.corrcoef(both)[0, 1].item()) < 0.024  # 30,000 pairs: four standard deviations


def test_noise_stays_in_range():
    out = RandomSensorNoise((0.5, 0.5), p=1)(batch(value=0.9))["image"]
    assert out.min() >= 0
    assert out.max() == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomDownscale((0, 1)), "RandomDownscale: scale"),
        (lambda: RandomDownscale((0.5, 1.5)), "RandomDownscale: scale"),
        (lambda: RandomDownscale((0.8, 0.5)), "RandomDownscale: scale"),
        (lambda: RandomSensorNoise((-0.1, 0.1)), "RandomSensorNoise: deviation"),
        (lambda: RandomSensorNoise((0.1,)), "RandomSensorNoise: deviation"),
    ],
)
def test_ranges_are_checked(make, message):
    with pytest.raises(InputError, match=message):
        make()
