import math

import pytest
import torch

from outpaint_lightning.losses import SequenceCrossEntropy, SequenceCrossEntropyDice, dice_loss
from outpaint_lightning.types import InputError


def logits_of(probability: torch.Tensor) -> torch.Tensor:
    """Logits `B 2 H W` whose softmax gives `B 1 H W` forged probabilities."""
    return torch.cat([(1 - probability).log(), probability.log()], 1)


def test_hand_computed_value():
    """Probabilities 3/4 and 1/4, the first pixel forged: 1 - (2 * 3/4 + 1) / (1 + 1 + 1) = 1/6."""
    logits = logits_of(torch.tensor([[[[0.75, 0.25]]]], dtype=torch.float64))
    mask = torch.tensor([[[[1.0, 0.0]]]])
    assert dice_loss(logits, mask).item() == pytest.approx(1 / 6, rel=1e-12)


def test_each_sample_counts_the_same():
    """A large region found and a small one missed: 1/2, where pooled pixels would call it nearly perfect."""
    mask = torch.zeros(2, 1, 100, 100)
    mask[0, :, :, :50] = 1
    mask[1, :, :1, :1] = 1
    found = mask.clone()
    found[1] = 0
    missed = 1 - (0 + 1) / (0 + 1 + 1)
    logits = torch.cat([1 - found, found], 1) * 100
    assert dice_loss(logits, mask).item() == pytest.approx(missed / 2, abs=1e-6)


@pytest.mark.parametrize(("value", "right"), [(0.0, -100.0), (1.0, 100.0)])
def test_empty_and_full_masks(value, right):
    """Surely right costs 0; surely wrong costs 1 but for the smoothing of one pixel in 64."""
    mask = torch.full((1, 1, 8, 8), value)
    logits = torch.stack([torch.zeros(1, 8, 8), torch.full((1, 8, 8), right)], 1)
    assert dice_loss(logits, mask).item() == pytest.approx(0.0, abs=1e-6)
    assert dice_loss(-logits, mask).item() == pytest.approx(1 - 1 / 65, rel=1e-6)


def test_empty_masks_push_probabilities_down():
    """sum p / (sum p + 1) at p = 1/2 of 4 pixels: slope 1 / 9 by p, times p (1 - p) by the forged score."""
    logits = torch.zeros(1, 2, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(dice_loss(logits, torch.zeros(1, 1, 2, 2)), logits)
    torch.testing.assert_close(gradient[:, 1], torch.full((1, 2, 2), 1 / 36))


def test_the_sum_of_its_terms():
    torch.manual_seed(0)
    logits = list(torch.randn(2, 2, 2, 4, 4))
    mask = (torch.rand(2, 1, 4, 4) > 0.5).float()
    options = {"gamma": 0.5, "class_weights": [0.5, 3.0]}
    entropy = SequenceCrossEntropy(**options)(logits, mask)
    terms = SequenceCrossEntropyDice(dice_weight=2.0, **options)(logits, mask)
    dice = 0.5 * dice_loss(logits[0], mask) + dice_loss(logits[1], mask)
    torch.testing.assert_close(terms["loss"], entropy["loss"] + 2 * dice)
    torch.testing.assert_close(terms["loss/dice"], dice_loss(logits[1], mask))
    torch.testing.assert_close(
        SequenceCrossEntropyDice(dice_weight=0.0, **options)(logits, mask)["loss"], entropy["loss"]
    )


@pytest.mark.parametrize("weight", [-1.0, math.nan])
def test_bad_weight_is_named(weight):
    with pytest.raises(InputError, match=r"SequenceCrossEntropyDice: dice_weight is"):
        SequenceCrossEntropyDice(dice_weight=weight)
