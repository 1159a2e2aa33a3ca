import math

import pytest
import torch

from outpaint_lightning.losses import ContextAwareBce, ContextAwareSquares

HOLE = torch.tensor([[1.0, 0.0], [1.0, 1.0]]).view(1, 1, 1, 2, 2)
SURE = 30.0


@pytest.mark.parametrize("loss", [ContextAwareBce(), ContextAwareSquares()])
def test_a_perfect_map_costs_nothing(loss):
    """The mask turned around, or photos that are made everywhere, would cost most."""
    high, low = (SURE, -SURE) if isinstance(loss, ContextAwareBce) else (1.0, 0.0)
    real, fake = torch.full_like(HOLE, high), torch.where(HOLE > 0, low, high)
    assert loss.critic(real, fake, HOLE).item() == pytest.approx(0, abs=1e-9)
    assert loss.critic(real, fake, 1 - HOLE).item() > 0.9
    assert loss.critic(-real, fake, HOLE).item() > 0.9


@pytest.mark.parametrize("loss", [ContextAwareBce(), ContextAwareSquares()])
def test_the_generator_gains_where_the_critic_says_authentic(loss):
    """It pays less for higher scores in the hole, and scores elsewhere have no gradient: it made nothing there.

    A mean that is taken before the mask, as in AOT-GAN's public code, gives every score a gradient.
    """
    scores = torch.zeros_like(HOLE, requires_grad=True)
    paid = loss.generator(scores, HOLE)
    paid.backward()
    assert (scores.grad[HOLE > 0] < 0).all()
    assert (scores.grad[HOLE == 0] == 0).all()
    assert loss.generator(torch.ones_like(HOLE), HOLE) < paid


def test_values_by_hand():
    """Scores of 0 everywhere: log 2 for each side; squares 1/4 + ... of the made and the real pixels."""
    zero = torch.zeros_like(HOLE)
    assert ContextAwareBce().critic(zero, zero, HOLE).item() == pytest.approx(2 * math.log(2))
    assert ContextAwareBce().generator(zero, HOLE).item() == pytest.approx(math.log(2))
    assert ContextAwareSquares().critic(zero, zero, HOLE).item() == pytest.approx(0.25 + 1)
    assert ContextAwareSquares().generator(zero, HOLE).item() == pytest.approx(1)


def test_the_target_is_the_same_on_both_sides():
    """Where nothing is made, critic and generator want the same: AOT-GAN's labels differ there."""
    loss, nothing = ContextAwareBce(), torch.zeros_like(HOLE)
    scores = torch.tensor([0.5, -1.0, 2.0, 0.0]).view_as(HOLE)
    as_made = loss.error(scores, 1 - nothing).mean()
    torch.testing.assert_close(loss.critic(scores, scores, nothing), 2 * as_made)
    torch.testing.assert_close(loss.generator(scores, torch.ones_like(HOLE)), as_made)
    assert loss.generator(scores, nothing).item() == 0
