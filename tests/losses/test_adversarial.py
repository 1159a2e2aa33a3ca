import math

import pytest
import torch
import torch.nn.functional as F

from outpaint_lightning.losses import (
    Bce,
    Hinge,
    LeastSquares,
    RelativisticLeastSquares,
    feature_matching,
    gradient_penalty,
    masked_l1,
    r1_penalty,
)

REAL, FAKE = torch.tensor([0.5, 2.0], dtype=torch.float64), torch.tensor([-3.0, 0.0], dtype=torch.float64)
LOSSES = [Bce(), Hinge(), LeastSquares(), RelativisticLeastSquares(), RelativisticLeastSquares(wrib_code=True)]


@pytest.mark.parametrize(
    ("loss", "critic", "generator"),
    [
        (Hinge(), (0.5 + 0) / 2 + (0 + 1) / 2, 1.5),  # a generator's relu(1 - fake), as the authors have it, gives 2.5
        (LeastSquares(), (0.25 + 1) / 2 + 9 / 2, (16 + 1) / 2),
        # Means are 1.25 and -1.5: real is 2 and 3.5 above the fakes' mean, fakes are 4.25 and 1.25 below the reals'.
        (RelativisticLeastSquares(True), (1**2 + 2.5**2 + 3.25**2 + 0.25**2) / 2, (4.25**2 + 1.25**2) / 2),
        (RelativisticLeastSquares(), (1**2 + 2.5**2 + 3.25**2 + 0.25**2) / 2, (5.25**2 + 2.25**2 + 3**2 + 4.5**2) / 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_by_hand(loss, critic, generator):
    """Catches real and fake exchanged, a halved critic, and a saturating generator."""
    assert loss.critic(REAL, FAKE).item() == pytest.approx(critic, rel=1e-12)
    assert loss.generator(FAKE, REAL).item() == pytest.approx(generator, rel=1e-12)


def test_bce_is_torch_s_with_labels():
    expected = F.binary_cross_entropy_with_logits
    ones, zeros = torch.ones_like(REAL), torch.zeros_like(REAL)
    assert Bce().critic(REAL, FAKE).item() == pytest.approx((expected(REAL, ones) + expected(FAKE, zeros)).item())
    assert Bce().generator(FAKE).item() == pytest.approx(expected(FAKE, ones).item())
    assert Bce().critic(torch.tensor(0.0), torch.tensor(0.0)).item() == pytest.approx(2 * math.log(2))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_gradients(loss):
    real, fake = (scores.clone().requires_grad_() for scores in (REAL, FAKE + 0.3))
    assert torch.autograd.gradcheck(loss.critic, (real, fake))
    assert torch.autograd.gradcheck(lambda made: loss.generator(made, REAL), fake)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_the_two_pull_apart(loss):
    """A critic gains by lower scores of fakes, a generator by higher ones."""
    fake = torch.full_like(FAKE, 0.5).requires_grad_()
    (critic,) = torch.autograd.grad(loss.critic(REAL, fake), fake)
    (generator,) = torch.autograd.grad(loss.generator(fake, REAL), fake)
    assert (critic > 0).all()
    assert (generator < 0).all()


def test_r1_of_a_linear_critic():
    """D(x) = w x with w = (3, 4): half of 25 for each sample; a mean over elements would give 6.25."""
    real = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    penalty = r1_penalty(real, real @ weight)
    assert penalty.item() == pytest.approx(12.5)
    penalty.backward()
    torch.testing.assert_close(weight.grad, weight.detach())  # d/dw |w|^2 / 2


def test_the_gradient_penalty_mixes_each_sample_by_itself():
    """D(x) = x^2 / 2 has the slope |x|; the mixed points are 3 and 1: ((3 - 1)^2 + 0) / 2."""
    real, fake = torch.tensor([[4.0], [2.0]]), torch.tensor([[0.0], [0.0]])
    penalty = gradient_penalty(lambda x: x.square() / 2, real, fake, torch.tensor([0.75, 0.5]))
    assert penalty.item() == pytest.approx(2.0)


def test_feature_matching_moves_the_fake_alone():
    real = [torch.ones(2, 3, requires_grad=True), torch.zeros(4, requires_grad=True)]
    fake = [torch.zeros(2, 3, requires_grad=True), torch.full((4,), 3.0, requires_grad=True)]
    loss = feature_matching(real, fake)
    assert loss.item() == pytest.approx((1 + 3) / 2)
    loss.backward()
    assert real[0].grad is None
    assert fake[1].grad is not None


def test_masked_l1_reads_nothing_outside():
    """NaN outside the mask neither counts nor reaches the gradient; three channels count as three."""
    made = torch.zeros(1, 1, 3, 2, 2, requires_grad=True)
    mask = torch.tensor([[1.0, 0], [0, 0]]).view(1, 1, 1, 2, 2)
    true = torch.full((1, 1, 3, 2, 2), torch.nan)
    true[..., 0, 0] = torch.tensor([1.0, 2.0, 6.0])
    loss = masked_l1(made, true, mask)
    loss.backward()
    assert loss.item() == pytest.approx(3.0)
    assert made.grad.isfinite().all()
    assert made.grad[..., 1, 1].abs().max() == 0
    assert masked_l1(made, true, torch.zeros_like(mask)).item() == 0
