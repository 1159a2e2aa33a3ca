import math

import pytest
import torch
import torch.nn.functional as F

from outpaint_lightning.losses import SequenceCrossEntropy, SequenceFocal, focal_loss
from outpaint_lightning.types import InputError


def pixel(margin: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of one forged pixel whose forged score is `margin` above the authentic one, and its mask."""
    return torch.tensor([0.0, margin], dtype=torch.float64).view(1, 2, 1, 1), torch.ones(1, 1, 1, 1)


def test_hand_computed_value():
    """Forged with 3/4: BCE is ln 4/3 and 1 - exp(-BCE) is 1/4. Catches the sign as printed, and p for 1 - p."""
    logits, mask = pixel(math.log(3))
    assert focal_loss(logits, mask, 2.0).item() == pytest.approx(math.log(4 / 3) / 16, rel=1e-12)
    assert focal_loss(logits, 1 - mask, 2.0).item() == pytest.approx(math.log(4) * 9 / 16, rel=1e-12)


def test_alpha_is_inside_the_power():
    """(alpha / 4)^(1/2) for alpha 4 is 1, where Lin's alpha outside the power would give 2."""
    logits, mask = pixel(math.log(3))
    assert focal_loss(logits, mask, 0.5, alpha=4.0).item() == pytest.approx(math.log(4 / 3), rel=1e-12)


@pytest.mark.parametrize("focal_gamma", [0.7, 0.8, 0.9, 2.0])
def test_equals_the_formula_as_written(focal_gamma):
    """The power of the wrong class's probability against the formula, where that is well conditioned."""
    torch.manual_seed(0)
    logits = torch.randn(2, 2, 3, 5, dtype=torch.float64)
    mask = (torch.rand(2, 1, 3, 5) > 0.5).float()
    bce = F.cross_entropy(logits, mask[:, 0].long(), reduction="none")
    expected = ((0.3 * (1 - (-bce).exp())) ** focal_gamma * bce).mean()
    torch.testing.assert_close(focal_loss(logits, mask, focal_gamma, alpha=0.3), expected)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_without_focus_it_is_the_cross_entropy(value):
    """Focal gamma 0, alpha 1, with class weights and two updates; empty, mixed and full masks."""
    torch.manual_seed(0)
    logits = list(torch.randn(2, 2, 2, 4, 4))
    mask = (torch.rand(2, 1, 4, 4) < value).float()
    options = {"gamma": 0.6, "class_weights": [0.5, 3.0]}
    ours = SequenceFocal(focal_gamma=0.0, alpha=1.0, **options)(logits, mask)
    for name, expected in SequenceCrossEntropy(**options)(logits, mask).items():
        torch.testing.assert_close(ours[name], expected)


@pytest.mark.parametrize("focal_gamma", [0.0, 0.7, 0.9, 1.0])
@pytest.mark.parametrize("margin", [20.0, 120.0, 1e4, -1e4])
def test_sure_pixels_have_finite_gradients(focal_gamma, margin):
    """In float32 BCE is 0 from a margin of about 100: the power's own gradient there is NaN below a gamma of 1."""
    logits = torch.tensor([0.0, margin]).view(1, 2, 1, 1).requires_grad_()
    loss = focal_loss(logits, torch.ones(1, 1, 1, 1), focal_gamma)
    (gradient,) = torch.autograd.grad(loss, logits)
    if margin > 0:  # (1 + gamma) exp(-(1 + gamma) margin): 7e-18 at most, and 0 where float32 ends
        assert gradient.abs().max() <= 2 * math.exp(-(1 + focal_gamma) * margin) + 1e-37
    else:  # a surely wrong pixel: 1 - exp(-BCE) is 1, so the loss is BCE, its slope 1
        torch.testing.assert_close(loss.item(), -margin)
        torch.testing.assert_close(gradient.flatten(), torch.tensor([1.0, -1.0]))


@pytest.mark.parametrize("focal_gamma", [0.0, 0.7, 1.0])
def test_gradient_at_sure_pixels(focal_gamma):
    """In float64, with margins up to 30: right and wrong, authentic and forged."""
    logits = torch.tensor([[[[30.0, -30.0, 0.0]], [[0.0, 0.0, 5.0]]]], dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[[[0.0, 0.0, 1.0]]]])
    weight = torch.tensor([0.6, 3.0])
    assert torch.autograd.gradcheck(lambda x: focal_loss(x, mask, focal_gamma, 0.5, weight), logits)


def test_two_gammas_are_two():
    """Catches one gamma used for both."""
    logits, mask = pixel(math.log(3))
    loss = SequenceFocal(gamma=0.5, focal_gamma=2.0)([logits, logits], mask)["loss"]
    assert loss.item() == pytest.approx(1.5 * math.log(4 / 3) / 16, rel=1e-12)


@pytest.mark.parametrize("options", [{"focal_gamma": -0.1}, {"focal_gamma": math.nan}, {"alpha": 0.0}])
def test_bad_options_are_named(options):
    with pytest.raises(InputError, match=f"SequenceFocal: {next(iter(options))} is"):
        SequenceFocal(**options)
