import math

import pytest
import torch
import torch.nn.functional as F

from outpaint_lightning.losses import SequenceCrossEntropy, sequence_cross_entropy, sequence_weights
from outpaint_lightning.types import InputError


def test_last_update_weighs_most():
    """Catches gamma^i, which weighs the first update most."""
    assert sequence_weights(3, 0.5) == [0.25, 0.5, 1.0]


def test_hand_computed_value():
    """One pixel, two updates: logits (0, 0) cost ln 2; logits (0, ln 3) give the forged class 3/4, so cost ln 4/3."""
    even = torch.zeros(1, 2, 1, 1)
    sure = torch.tensor([0.0, math.log(3)]).view(1, 2, 1, 1)
    forged = torch.ones(1, 1, 1, 1)
    loss = sequence_cross_entropy([even, sure], forged, gamma=0.85)
    assert loss.item() == pytest.approx(0.85 * math.log(2) + math.log(4 / 3), abs=1e-6)


def test_class_weights_are_torchs():
    """Two pixels, weights 1 and 3: the mean is divided by the sum of weights (4), not by the number of pixels (2)."""
    logits = torch.tensor([[[[0.0, 0.0]], [[1.0, 2.0]]]])
    mask = torch.tensor([[[[0.0, 1.0]]]])
    by_hand = (math.log(1 + math.e) + 3 * (math.log(1 + math.e**2) - 2)) / 4
    loss = sequence_cross_entropy([logits], mask, 1.0, torch.tensor([1.0, 3.0]))
    assert loss.item() == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_empty_and_full_masks_equal_torchs_cross_entropy(value):
    logits = torch.randn(2, 2, 3, 5)
    mask = torch.full((2, 1, 3, 5), value)
    expected = F.cross_entropy(logits, mask[:, 0].long())
    torch.testing.assert_close(sequence_cross_entropy([logits], mask, 0.85), expected)


def test_gradient():
    logits = torch.randn(1, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]])
    weight = torch.tensor([0.6, 3.0], dtype=torch.float64)

    def loss(x):  # `.float()` inside would end double precision, so check the sum of terms as built from torch's
        return 0.85 * F.cross_entropy(x, mask[:, 0].long(), weight) + F.cross_entropy(2 * x, mask[:, 0].long(), weight)

    assert torch.autograd.gradcheck(loss, logits)
    ours = sequence_cross_entropy([logits, 2 * logits], mask, 0.85, weight.float())
    (gradient,) = torch.autograd.grad(ours, logits)
    (expected,) = torch.autograd.grad(loss(logits), logits)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-6)  # single against double precision


def test_balanced_classes_weigh_the_same():
    """A quarter of the pixels forged: weights 2/3 and 2, so both classes have total weight 1/2."""
    criterion = SequenceCrossEntropy(class_weights="balanced")
    criterion.set_forged_share(0.25)
    torch.testing.assert_close(criterion.class_weight, torch.tensor([2 / 3, 2.0]))
    assert "class_weight" in criterion.state_dict()
    given = SequenceCrossEntropy(class_weights=[1.0, 2.0])
    given.set_forged_share(0.25)
    torch.testing.assert_close(given.class_weight, torch.tensor([1.0, 2.0]))


def test_terms():
    logits = [torch.randn(1, 2, 4, 4), torch.randn(1, 2, 4, 4)]
    mask = (torch.rand(1, 1, 4, 4) > 0.5).float()
    terms = SequenceCrossEntropy(gamma=0.5)(logits, mask)
    torch.testing.assert_close(terms["loss/last_update"], F.cross_entropy(logits[1], mask[:, 0].long()))
    torch.testing.assert_close(
        terms["loss"], 0.5 * F.cross_entropy(logits[0], mask[:, 0].long()) + terms["loss/last_update"]
    )


@pytest.mark.parametrize(
    "options", [{"gamma": 0.0}, {"gamma": 1.1}, {"class_weights": [1.0]}, {"class_weights": [1.0, 0.0]}]
)
def test_bad_options_are_named(options):
    with pytest.raises(InputError, match=f"criterion.{next(iter(options))} is"):
        SequenceCrossEntropy(**options)
