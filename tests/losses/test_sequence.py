import math

import pytest
import torch
import torch.nn.functional as F

from outpaint_lightning.losses import (
    SequenceCrossEntropy,
    SequenceCrossEntropyDice,
    SequenceFocal,
    cross_entropy,
    sequence_weights,
)
from outpaint_lightning.types import InputError

CRITERIA = [SequenceCrossEntropy, SequenceFocal, SequenceCrossEntropyDice]


def test_last_update_weighs_most():
    """Catches gamma^i, which weighs the first update most."""
    assert sequence_weights(3, 0.5) == [0.25, 0.5, 1.0]


def test_hand_computed_value():
    """One pixel, two updates: logits (0, 0) cost ln 2; logits (0, ln 3) give the forged class 3/4, so cost ln 4/3."""
    even = torch.zeros(1, 2, 1, 1)
    sure = torch.tensor([0.0, math.log(3)]).view(1, 2, 1, 1)
    forged = torch.ones(1, 1, 1, 1)
    terms = SequenceCrossEntropy(gamma=0.85)([even, sure], forged)
    assert terms["loss"].item() == pytest.approx(0.85 * math.log(2) + math.log(4 / 3), abs=1e-6)
    assert terms["loss/last_update"].item() == pytest.approx(math.log(4 / 3), abs=1e-6)


def test_class_weights_are_torchs():
    """Two pixels, weights 1 and 3: the mean is divided by the sum of weights (4), not by the number of pixels (2)."""
    logits = torch.tensor([[[[0.0, 0.0]], [[1.0, 2.0]]]])
    mask = torch.tensor([[[[0.0, 1.0]]]])
    by_hand = (math.log(1 + math.e) + 3 * (math.log(1 + math.e**2) - 2)) / 4
    loss = SequenceCrossEntropy(class_weights=[1.0, 3.0])([logits], mask)["loss"]
    assert loss.item() == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_empty_and_full_masks_equal_torchs_cross_entropy(value):
    logits = torch.randn(2, 2, 3, 5)
    mask = torch.full((2, 1, 3, 5), value)
    torch.testing.assert_close(cross_entropy(logits, mask), F.cross_entropy(logits, mask[:, 0].long()))


@pytest.mark.parametrize("criterion", CRITERIA)
def test_gradient(criterion):
    torch.manual_seed(0)
    updates = tuple(torch.randn(2, 2, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    mask = torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]], [[[0.0, 0.0], [0.0, 0.0]]]])
    loss = criterion(class_weights=[0.6, 3.0])
    assert torch.autograd.gradcheck(lambda *logits: loss(logits, mask)["loss"], updates)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_updates_are_weighted_and_the_last_is_told(criterion):
    """Catches a criterion that weighs its updates otherwise, or keeps a graph in what is only logged."""
    torch.manual_seed(0)
    first, last = torch.randn(2, 2, 2, 4, 4, requires_grad=True)
    mask = (torch.rand(2, 1, 4, 4) > 0.5).float()
    loss = criterion(gamma=0.5)
    terms = loss([first, last], mask)
    torch.testing.assert_close(terms["loss"], 0.5 * loss([first], mask)["loss"] + loss([last], mask)["loss"])
    torch.testing.assert_close(terms["loss/last_update"], loss([last], mask)["loss"].detach())
    assert [name for name, value in terms.items() if value.requires_grad] == ["loss"]


@pytest.mark.parametrize("criterion", CRITERIA)
def test_float32_under_autocast(criterion):
    """The logits of a bf16 net are judged in float32: equal to judging them outside, bit by bit."""
    torch.manual_seed(0)
    logits = torch.randn(2, 2, 8, 8).bfloat16()
    mask = (torch.rand(2, 1, 8, 8) > 0.5).float()
    with torch.autocast("cpu", torch.bfloat16):
        inside = criterion()([logits], mask)["loss"]
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, criterion()([logits.float()], mask)["loss"], rtol=0, atol=0)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_balanced_classes_weigh_the_same(criterion):
    """A quarter of the pixels forged: weights 2/3 and 2, so both classes have total weight 1/2."""
    balanced = criterion(class_weights="balanced")
    balanced.set_forged_share(0.25)
    torch.testing.assert_close(balanced.class_weight, torch.tensor([2 / 3, 2.0]))
    assert "class_weight" in balanced.state_dict()
    given = criterion(class_weights=[1.0, 2.0])
    given.set_forged_share(0.25)
    torch.testing.assert_close(given.class_weight, torch.tensor([1.0, 2.0]))


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize(
    "options", [{"gamma": 0.0}, {"gamma": 1.1}, {"class_weights": [1.0]}, {"class_weights": [1.0, 0.0]}]
)
def test_bad_options_are_named(criterion, options):
    with pytest.raises(InputError, match=f"{criterion.__name__}: {next(iter(options))} is"):
        criterion(**options)
