"""ID-MRF and the pixel losses of wide-range image blending."""

import math

import pytest
import torch
from torch import nn

from outpaint_lightning.losses import (
    IdMrf,
    id_mrf,
    middle_error,
    seam_weights,
    sides_error,
    transfer_consistency,
)
from outpaint_lightning.nets import SeededMaps, VggMaps
from outpaint_lightning.types import InputError


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("centre_by_pixel", [False, True])
def test_the_same_texture_costs_nothing_wherever_it_lies(centre_by_pixel):
    """An error pixel by pixel would charge the shuffled one as much as the unrelated one."""
    true, other = torch.randn(2, 2, 8, 5, 5)
    order = torch.randperm(25)
    noisy = true + 0.3 * torch.randn_like(true)
    shuffled = noisy.flatten(2)[..., order].view_as(true)
    costs = [id_mrf(made, true, centre_by_pixel).item() for made in (true, shuffled, other)]
    assert costs[0] == pytest.approx(0, abs=1e-4)
    assert costs[0] < costs[1] < costs[2]
    if not centre_by_pixel:
        assert costs[1] == pytest.approx(id_mrf(noisy, true).item(), rel=1e-4)


def test_value_by_hand():
    """Two true features, opposite after centring, and both made ones equal to the first.

    Distances 0 and 1, shares 1 and 0: the second true feature is found nowhere, and the mean of 1 and 0 is a half. A
    maximum over true features, or a mean over made ones, would give 0.
    """
    true = torch.tensor([1.0, -1.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    made = torch.ones(1, 3, 1, 2)
    assert id_mrf(made, true).item() == pytest.approx(math.log(2), abs=1e-6)


def test_made_and_true_are_not_exchanged():
    """A made map that shows one true texture only is charged for the other; the reverse is not."""
    first, second = torch.eye(4)[:2].view(2, 1, 4, 1, 1)
    both, one = torch.cat([first, second], 3), torch.cat([first, first], 3)
    assert id_mrf(one, both).item() > 0.5
    assert id_mrf(torch.cat([both, both], 3), both).item() == pytest.approx(0, abs=1e-4)


def test_constants_are_finite_and_so_are_their_gradients():
    """The public code divides by the length of a zero feature: NaN."""
    made = torch.full((2, 4, 3, 3), 0.5, requires_grad=True)
    loss = id_mrf(made, torch.full((2, 4, 3, 3), 0.5))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(9), abs=1e-5)
    assert made.grad.abs().max() < 1e3


def test_half_precision_is_left_for_the_loss():
    """Under autocast, distances over 1e-5 would overflow a half-precision number."""
    true, other = torch.randn(2, 1, 8, 4, 4)
    made = other.half().requires_grad_()
    with torch.autocast("cpu", torch.float16):
        loss = id_mrf(made, true.half())
    loss.backward()
    assert loss.dtype == torch.float32
    assert made.grad.isfinite().all()
    assert made.grad.abs().sum() > 0


def test_gradient():
    true = torch.randn(1, 3, 2, 2, dtype=torch.float64)
    made = torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda part: id_mrf(part, true), made)


def test_the_coarsest_map_counts_twice_and_the_extractor_learns_nothing():
    made, true = torch.rand(2, 1, 3, 16, 16)
    loss = IdMrf(SeededMaps())
    fine, coarse = (id_mrf(*pair) for pair in zip(loss.features(made), loss.features(true), strict=True))
    torch.testing.assert_close(loss(made, true), fine + 2 * coarse)
    assert not any(parameter.requires_grad for parameter in loss.parameters())


def test_vgg_maps(tmp_path):
    """Widths and strides of relu3_2 and relu4_2; and both scalings of the input."""
    own, faithful = VggMaps(), VggMaps(wrib_code=True)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        fine, coarse = own(image)
    assert (fine.shape, coarse.shape) == ((1, 256, 8, 8), (1, 512, 4, 4))
    assert (fine.min(), coarse.min()) == (0, 0)
    seen = {}
    for name, maps in (("own", own), ("code", faithful)):
        maps.parts[0].register_forward_pre_hook(lambda _, given, name=name: seen.update({name: given[0]}))
        maps(image)
    red = image[:, 0]
    torch.testing.assert_close(seen["own"][:, 0], (red - 0.485) / 0.229)
    torch.testing.assert_close(seen["code"][:, 0], (red + 1) / 2 - 0.485)
    saved = {
        f"features.{name}": value + 1
        for name, value in nn.Sequential(*own.parts[0], *own.parts[1]).state_dict().items()
    }
    torch.save({**saved, "classifier.0.bias": torch.zeros(1)}, tmp_path / "whole.pth")
    loaded = VggMaps(str(tmp_path / "whole.pth"))
    torch.testing.assert_close(loaded.parts[1][-2].bias, own.parts[1][-2].bias + 1)
    (tmp_path / "vgg.pth").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"vgg.pth: no weights of vgg19"):
        VggMaps(str(tmp_path / "vgg.pth"))
    with pytest.raises(InputError, match=r"gone.pth: no such file"):
        VggMaps(str(tmp_path / "gone.pth"))


def test_seam_weights_are_those_of_the_paper():
    weights = seam_weights(256)
    assert weights[[0, 32, 64, 127]].tolist() == pytest.approx([1.0, 0.885, 0.618, 0.275], abs=1e-3)
    assert torch.equal(weights, weights.flip(0))


def test_pixel_errors_by_hand():
    """Means of each part, not of the panorama: 0.04 + 0.01 whatever the middle's width."""
    left, right = torch.zeros(1, 3, 2, 4), torch.ones(1, 3, 2, 4)
    panorama = torch.cat([left + 0.2, torch.full((1, 3, 2, 12), 0.5), right - 0.1], 3)
    assert sides_error(panorama, left, right).item() == pytest.approx(0.05)
    error = middle_error(panorama[..., 4:-4], torch.zeros(1, 3, 2, 12))
    assert error.item() == pytest.approx(0.25 * seam_weights(12).mean().item())


def test_consistency_reads_all_three_parts():
    parts = torch.zeros(3, 1, 2, 2, 2)
    for at in range(3):
        other = parts.clone()
        other[at] = 3
        assert transfer_consistency(parts, other).item() == pytest.approx(3)
