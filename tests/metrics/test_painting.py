import pytest
import torch
from torch import nn

from outpaint_lightning.metrics import FillErrors, FrechetDistance, frechet_summary, summarize_fills
from outpaint_lightning.nets import SeededFeatures
from outpaint_lightning.types import InputError


def video(clip, occlusion="rain"):
    return {"clip": clip, "frames": 2, "scene": "", "camera": "", "source": clip, "forger": occlusion}


def entered(made, clean, mask, videos=(0,), frames=((0, 1),), table=None, count=1):
    table = table or FillErrors([2] * count, len(made))
    table.update(videos, frames, made, clean, mask)
    return table


@pytest.fixture
def clip():
    """Two frames of 12 x 12 that are 0.5; the left half of the first is hidden."""
    clean, mask = torch.full((1, 2, 3, 12, 12), 0.5), torch.zeros(1, 2, 1, 12, 12)
    mask[0, 0, :, :, :6] = 1
    return clean, mask


def test_values_by_hand(clip):
    """The net errs by 0.2 on one channel of what is hidden, a quarter of all; the floor by 0.1 and 0.3 on halves of it.

    Catches means over whole frames, over frames instead of voxels, and a mean of roots for the root of the mean.
    """
    clean, mask = clip
    net, floor = clean.clone(), clean.clone()
    net[:, 0, 0, :, :6] += 0.2
    floor[:, 0, :, :6, :6] += 0.1
    floor[:, 0, :, 6:, :6] += 0.3
    summary, (row,) = summarize_fills(entered(torch.stack([net, floor]), clean, mask), [video("a")], ["net", "mean"])
    assert summary["mae"]["hole"] == pytest.approx(0.2 / 3)
    assert summary["mae"]["all"] == pytest.approx(0.2 / 12)
    assert summary["rmse"]["hole"] == pytest.approx((0.04 / 3) ** 0.5)
    assert summary["rmse"]["all"] == pytest.approx((0.04 / 12) ** 0.5)
    assert summary["psnr"] == pytest.approx(10 * torch.tensor(300.0).log10().item(), rel=1e-5)
    assert summary["floors"] == {"mean": pytest.approx(0.2)}
    assert summary["methods"]["mean"]["rmse_hole"] == pytest.approx(0.05**0.5)
    assert summary["gain"] == pytest.approx(2 / 3)
    assert row["occlusion"] == "rain"
    assert row["mae_hole_mean"] == pytest.approx(0.2)


def test_clips_weigh_the_same_and_occlusions_stand_apart(clip):
    """0.1 and 0.3, whatever is hidden of each; a frame that is judged twice counts once."""
    clean, mask = clip
    small = mask.clone()
    small[..., 3:] = 0
    table = FillErrors([2, 2], 1)
    for _ in range(2):
        entered((clean + 0.1 * mask)[None], clean, mask, table=table)
    entered((clean + 0.3 * small)[None], clean, small, videos=(1,), table=table)
    summary, rows = summarize_fills(table, [video("a"), video("b", "bar")], ["net"])
    assert summary["mae"]["hole"] == pytest.approx(0.2)
    assert {name: part["mae"] for name, part in summary["by_occlusion"].items()} == {
        "rain": pytest.approx(0.1), "bar": pytest.approx(0.3)
    }  # fmt: skip
    assert len(rows) == 2
    assert summary["gain"] is None


def test_a_perfect_fill(clip):
    clean, mask = clip
    noisy = torch.rand_like(clean)
    summary, _ = summarize_fills(entered(noisy[None], noisy, mask), [video("a")], ["net"])
    assert (summary["mae"]["hole"], summary["psnr"]) == (0, pytest.approx(100))
    assert summary["ssim"] == pytest.approx(1)


def test_what_is_not_defined_is_none(clip):
    """Nothing hidden: no error there. A truth that is NaN: no error at all."""
    clean, mask = clip
    summary, _ = summarize_fills(entered(clean[None], clean, 0 * mask), [video("a")], ["net"])
    assert summary["mae"]["hole"] is None
    assert summary["mae"]["all"] == 0
    summary, _ = summarize_fills(entered(clean[None], clean * torch.nan, mask), [video("a")], ["net"])
    assert summary["mae"]["hole"] is None
    small = clean[..., :10], mask[..., :10]  # SSIM has windows of 11 pixels
    summary, _ = summarize_fills(entered(small[0][None], *small), [video("a")], ["net"])
    assert (summary["ssim"], summary["mae"]["hole"]) == (None, 0)


class Pixels(nn.Module):
    """The clip's own numbers as features: a Gaussian whose moments are known."""

    dim, num_features = 3, 2

    def forward(self, clips):
        return clips.flatten(1)[:, :2]


def test_the_frechet_distance_of_two_gaussians():
    """Squared distance of the means plus the squared difference of deviations: 2 x (3^2 + (2 - 1)^2)."""
    torch.manual_seed(0)
    clips = torch.randn(20_000, 1, 1, 1, 2)
    distance = FrechetDistance(Pixels())
    distance.update(clips, real=True)
    distance.update(clips.roll(1, 0) * 2 + 3, real=False)
    found = frechet_summary({"x": distance})["x"]
    assert found == {"distance": pytest.approx(20, rel=0.02), "samples": 20_000, "features": 2}


def test_it_is_refused_below_the_number_of_features():
    """The authors have 16 clips for 400 features. Frames count as frames: two clips of 9 are 18 samples."""
    frames, clips = (FrechetDistance(SeededFeatures(dim)) for dim in (2, 3))
    batch = torch.rand(2, 9, 3, 16, 16)
    for distance in (frames, clips):
        distance.update(batch, real=True)
        distance.update(batch, real=False)
    found = frechet_summary({"frames": frames, "clips": clips})
    assert found["frames"] == {"distance": pytest.approx(0, abs=1e-3), "samples": 18, "features": 16}
    assert found["clips"] == {"distance": None, "samples": 2, "features": 16}


def test_it_grows_with_noise():
    torch.manual_seed(0)
    clips = torch.rand(40, 1, 3, 16, 16).cumsum(3) / 16
    values = []
    for noise in (0.0, 0.05, 0.2):
        distance = FrechetDistance(SeededFeatures(2))
        distance.update(clips, real=True)
        distance.update(clips + noise * torch.randn_like(clips), real=False)
        values.append(float(distance.compute()[0]))
    assert values == sorted(values)
    assert values[2] > 4 * values[1] > 0


def test_a_net_without_a_number_of_features_is_named():
    with pytest.raises(InputError, match="Identity has no `dim`"):
        FrechetDistance(nn.Identity())
