"""Traces of blended panoramas, and distances of sets of images by the features of one net."""

import pytest
import torch
from torch import nn

from outpaint_lightning.metrics import BlendTraces, SetDistances, energy_ratio, seam_jump, summarize_traces
from outpaint_lightning.metrics.blending import column_energy
from outpaint_lightning.nets import SeededFeatures
from outpaint_lightning.types import InputError


def test_a_jump_by_hand():
    """0.3 at one seam and 0.1 at the other, and a jump inside the middle that is none."""
    row = torch.tensor([0.1, 0.1, 0.4, 0.4, 0.9, 0.9, 0.8, 0.8])
    assert seam_jump(row.expand(2, 3, 5, 8), 2, 6).tolist() == pytest.approx([0.2, 0.2])


def test_energy_by_hand():
    """Stripes of 0.2 and 0.1 beside each other: squares 0.04 and 0.01, without the columns that touch a seam."""
    row = torch.tensor([0.0, 0.2, 0.0, 0.2, 0.9, 0.8, 0.9, 0.8, 0.0, 0.2, 0.0, 0.2])
    panorama = row.expand(1, 3, 4, 12)
    torch.testing.assert_close(column_energy(panorama)[0, :3], torch.full((3,), 0.04))
    assert energy_ratio(panorama, 4, 8).item() == pytest.approx(0.25)
    assert column_energy(panorama.mT)[0].mean() > 0  # differences downwards count as well
    noise = torch.rand(4, 3, 32, 96, generator=torch.Generator().manual_seed(0))
    assert energy_ratio(noise, 32, 64).tolist() == pytest.approx([1.0] * 4, abs=0.1)


def test_a_smooth_middle_shows():
    noise = torch.rand(1, 3, 16, 48, generator=torch.Generator().manual_seed(0))
    smooth = noise.clone()
    smooth[..., 16:32] = 0.5 + 0.3 * (noise[..., 16:32] - 0.5)
    assert energy_ratio(smooth, 16, 32).item() == pytest.approx(0.09, rel=0.1)


def test_traces_are_kept_by_photo_and_method():
    table = BlendTraces(3, 2)
    flat = torch.zeros(3, 4, 12)
    step, noise = flat.clone(), torch.rand(3, 4, 12, generator=torch.Generator().manual_seed(0))
    step[..., 4:8] = 0.5
    table.update([2, 0], torch.stack([torch.stack([noise, step]), torch.stack([noise, flat])]), 4, 8)
    infos = [{"clip": name, "frames": 1, "scene": "", "camera": "", "source": name, "forger": ""} for name in "abc"]
    means, rows = summarize_traces(table, infos, ["net", "real"])
    assert [row["clip"] for row in rows] == ["a", "c"]
    assert (rows[0]["seam_net"], rows[0]["seam_real"]) == (0.5, 0)
    assert rows[0]["energy_net"] is None  # beside photos of one colour there is no ratio
    assert rows[1]["seam_net"] == rows[1]["seam_real"] > 0
    assert means["energy"]["net"] == pytest.approx(rows[1]["energy_net"])
    assert means["seam"]["net"] == pytest.approx((0.5 + rows[1]["seam_net"]) / 2)


class Colour(nn.Module):
    """Mean colours as features."""

    dim, num_features = 2, 3

    def forward(self, clips):
        self.seen = getattr(self, "seen", 0) + len(clips)
        return clips.mean((1, 3, 4))


def test_distances_of_shifted_sets():
    """A Fréchet distance of 3 x 0.1^2 for a shift by 0.1; none, and no more than chance, for the same set."""
    torch.manual_seed(0)
    real = torch.rand(60, 3, 2, 2)
    distances = SetDistances(features := Colour(), ["same", "near", "far"], 20)
    made = {"same": real, "near": real + 0.1, "far": real + 0.5}
    for part in (slice(0, 25), slice(25, 60)):
        distances.update(real[part], {name: images[part] for name, images in made.items()})
    found = distances.summary()
    assert found["methods"]["near"]["fid"] == pytest.approx(0.03, rel=1e-2)
    assert found["methods"]["same"]["fid"] == pytest.approx(0, abs=1e-5)
    kids = [found["methods"][name]["kid"] for name in ("same", "near", "far")]
    assert abs(kids[0]) < 0.02 < kids[1] < kids[2]
    assert found["methods"]["far"]["kid_deviation"] > 0
    assert (found["extractor"], found["features"], found["samples"], found["subset_size"]) == ("Colour", 3, 60, 20)
    assert features.seen == 4 * 60  # each image once, real ones too
    assert distances.summary()["methods"] == found["methods"]  # subsets are seeded


def test_a_kernel_distance_has_no_value_where_each_subset_is_the_whole_set():
    """Torchmetrics' default of 1000 on 1000 images, where the deviation is 0."""
    distances = SetDistances(SeededFeatures(2, num_features=4), ["net"], 8)
    images = torch.rand(8, 3, 16, 16)
    distances.update(images, {"net": images})
    found = distances.summary()["methods"]["net"]
    assert (found["kid"], found["kid_deviation"]) == (None, None)
    assert found["fid"] is not None


def test_a_net_of_clips_is_refused():
    with pytest.raises(InputError, match="SeededFeatures: dim is 3: expected 2"):
        SetDistances(SeededFeatures(3), ["net"], 8)
    with pytest.raises(InputError, match="subset_size is 1"):
        SetDistances(SeededFeatures(2), ["net"], 1)
