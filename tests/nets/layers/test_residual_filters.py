import math

import pytest
import torch

from outpaint_lightning.nets import BayarConv, SrmFilters
from outpaint_lightning.types import InputError


def impulse(channel: int, size: int = 9) -> torch.Tensor:
    """A frame `1 3 size size` with one grey level in the middle of one channel."""
    image = torch.zeros(1, 3, size, size)
    image[0, channel, size // 2, size // 2] = 1 / 255
    return image


def test_srm_on_an_impulse():
    """The kernels as printed by Zhou et al., figure 3; each channel answers for itself. Symmetric, so not flipped."""
    square3 = torch.tensor([[-1.0, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4
    outer, inner, middle = [-1.0, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2]
    square5 = torch.tensor([outer, inner, middle, inner, outer]) / 12
    second = torch.tensor([[1.0, -2, 1]]) / 2
    residual = SrmFilters()(impulse(1))[0]
    torch.testing.assert_close(residual[3, 3:6, 3:6], square3)
    torch.testing.assert_close(residual[4, 2:7, 2:7], square5)
    torch.testing.assert_close(residual[5, 4:5, 3:6], second)
    assert residual.count_nonzero() == 9 + 25 + 3


def test_srm_sees_no_smooth_scene():
    """Flat and sloping frames leave nothing, at the frame's edge neither where they are flat across it."""
    filters = SrmFilters()
    flat = torch.full((1, 3, 6, 7), 0.7)
    torch.testing.assert_close(filters(flat), torch.zeros(1, 9, 6, 7), atol=1e-4, rtol=0)  # 255 * 12 float32 roundings
    slope = torch.linspace(0, 0.5, 20).expand(1, 3, 20, 20)
    torch.testing.assert_close(filters(slope)[..., 2:-2], torch.zeros(1, 9, 20, 16), atol=1e-4, rtol=0)
    assert filters(slope)[..., 0].abs().max() > 1  # half of a step of 6.7 grey levels, from repeating the edge


def test_srm_truncates_and_learns_nothing():
    filters = SrmFilters(truncation=3.0)
    image = torch.rand(2, 3, 8, 8, requires_grad=True)
    residual = filters(image)
    assert residual.min() == -3
    assert residual.max() == 3
    assert not list(filters.parameters())
    assert not filters.state_dict()  # fixed: a checkpoint cannot change them


def test_srm_soft_keeps_the_order_of_all_residuals():
    """r / (1 + |r| / t) by hand: an impulse of 40 grey levels leaves -40 at the middle of the first filter."""
    soft = SrmFilters(truncation=8.0, soft=True)(40 * impulse(0))[0, 0]
    assert soft[4, 4].item() == pytest.approx(-40 / (1 + 40 / 8))
    assert soft[3, 4].item() == pytest.approx(20 / (1 + 20 / 8), rel=1e-5)
    assert soft.abs().max() < 8
    hard = SrmFilters(truncation=8.0)(40 * impulse(0))[0, 0]
    assert hard[4, 4] == -hard[3, 4] == -8  # which soft compression tells apart


def test_srm_of_the_luma():
    """BT.601: a grey level of green weighs 0.587; grey frames leave what any of their channels does."""
    residual = SrmFilters(luma=True)(impulse(1))[0]
    assert residual.shape == (3, 9, 9)
    assert residual[0, 4, 4].item() == pytest.approx(-0.587)
    grey = torch.rand(1, 1, 9, 9).expand(-1, 3, -1, -1)
    filters = SrmFilters(truncation=1e9, luma=True)
    torch.testing.assert_close(filters(grey), SrmFilters(truncation=1e9)(grey)[:, :3], rtol=1e-4, atol=1e-3)


def test_bayar_holds_its_constraint_through_training():
    """Catches a constraint applied to the start only, or after the step by a hook that a checkpoint forgets."""
    torch.manual_seed(0)
    convolution = BayarConv(filters=4)
    optimizer = torch.optim.SGD(convolution.parameters(), lr=1e-6)  # residuals are in grey levels: slopes of 1e4
    for _ in range(3):
        weight = convolution.filters.weight
        assert (weight[:, :, 2, 2] == -1).all()
        torch.testing.assert_close(weight.sum((2, 3)), torch.zeros(4, 3), atol=1e-5, rtol=0)
        before = weight.detach().clone()
        optimizer.zero_grad()
        convolution(torch.rand(2, 3, 8, 8)).square().mean().backward()
        optimizer.step()
        assert not torch.equal(convolution.filters.weight, before)
    again = BayarConv(filters=4)
    again.load_state_dict(convolution.state_dict())
    torch.testing.assert_close(again.filters.weight, convolution.filters.weight)


def test_bayar_on_an_impulse():
    """-1 grey level in the middle and the weights around it, turned by 180 degrees as torch's convolution does."""
    convolution = BayarConv(filters=1)
    residual = convolution(impulse(2))[0, 0]
    assert residual[4, 4].item() == pytest.approx(-1, abs=1e-6)
    torch.testing.assert_close(residual[2:7, 2:7], convolution.filters.weight[0, 2].flip(0, 1))
    flat = convolution(torch.full((1, 3, 6, 7), 0.7))
    torch.testing.assert_close(flat, torch.zeros(1, 1, 6, 7), atol=1e-2, rtol=0)  # 75 float32 products of 180 levels


def test_bayar_is_the_nearest_that_is_allowed():
    """An orthogonal projection: weights that are allowed stay, and no step leads along the constraint's normal."""
    convolution = BayarConv()
    allowed = convolution.filters.weight.detach().clone()
    convolution.filters.weight = allowed + 0.3
    torch.testing.assert_close(convolution.filters.weight, allowed)
    convolution.filters.weight = torch.zeros(3, 3, 5, 5)  # whose sum the source's division cannot take
    weight = convolution.filters.weight[0, 0]
    assert weight[0, 0].item() == pytest.approx(1 / 24)
    assert weight[2, 2].item() == -1


def test_bayar_gradient():
    convolution = BayarConv(filters=2, size=3).double()
    image = torch.rand(1, 3, 4, 4, dtype=torch.float64)
    raw = convolution.filters.parametrizations.weight.original

    def residual(weight):
        return torch.func.functional_call(convolution, {"filters.parametrizations.weight.original": weight}, (image,))

    assert torch.autograd.gradcheck(residual, raw.detach().clone().requires_grad_())


@pytest.mark.parametrize("filters", [SrmFilters(), BayarConv()])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (6, 2)])
def test_sizes(filters, size):
    residual = filters(torch.rand(2, 3, *size))
    assert residual.shape[0] == 2
    assert residual.shape[2:] == size
    assert residual.isfinite().all()


def test_bad_options_are_named():
    for value in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match=r"SrmFilters: truncation is"):
            SrmFilters(truncation=value)
    with pytest.raises(InputError, match=r"BayarConv: filters is 0"):
        BayarConv(filters=0)
    for size in (1, 4):
        with pytest.raises(InputError, match=f"BayarConv: size is {size}: expected an odd"):
            BayarConv(size=size)
