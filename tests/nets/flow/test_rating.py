"""The net that says what error to expect of another one."""

from functools import partial

import pytest
import torch

from outpaint_lightning.losses import CompletionCriterion
from outpaint_lightning.nets import DirectFlow, FlowRefiner, RatedFlow, UNetTrunk
from outpaint_lightning.types import InputError


def window():
    forward, backward = torch.randn(2, 1, 3, 2, 10, 14, generator=torch.Generator().manual_seed(0))
    hidden = torch.zeros(1, 3, 2, 10, 14)
    hidden[:, :, 0, 3:7, 4:10] = 1
    hidden[:, :, 1, 3:7, 5:10] = 1
    return forward, backward, hidden


def test_only_hidden_vectors_have_an_error():
    """Known ones are certain, of each direction, and hidden ones are not read. Kills swapped directions and a peek."""
    torch.manual_seed(0)
    refiner = FlowRefiner(channels=4, steps=1)
    net, (forward, backward, hidden) = RatedFlow(refiner, width=8, depth=1).eval(), window()
    rated = net(forward, backward, hidden)
    poisoned = [torch.where(hidden[:, :, i : i + 1] > 0, torch.nan, flow) for i, flow in enumerate((forward, backward))]
    assert torch.equal(net(*poisoned, hidden).scale, rated.scale)
    assert torch.equal(rated.scale > 0, hidden > 0)
    torch.testing.assert_close(rated.confidence[-1], 1 / (1 + rated.scale))
    assert torch.equal(rated.forward[-1], refiner(*window()).forward[-1])
    assert len(rated.forward) == 2


def test_training_the_rating_leaves_the_net_alone():
    """It learns that an answer is 2 px off: the likelihood is best where the scale is the mean error."""
    torch.manual_seed(0)
    net = RatedFlow(DirectFlow(partial(UNetTrunk, width=8, depth=1), frames=3), width=8, depth=1)
    *flows, hidden = window()
    forward, backward = (0 * flow for flow in flows)
    off = torch.tensor([2.0, 0.0]).view(2, 1, 1)
    true = {"flow_forward": forward + off, "flow_backward": backward - off, "hidden": hidden, "valid": 0 * hidden + 1}
    criterion = CompletionCriterion(l1=0, rating=1)
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=0.06)
    for _ in range(30):
        optimizer.zero_grad()
        criterion(net(forward, backward, hidden), true, 0)["loss"].backward()
        optimizer.step()
    assert all(parameter.grad is None for parameter in net.net.parameters())
    scale = net(forward, backward, hidden).scale[hidden > 0]
    assert 1.5 < scale.mean() < 2.7


def test_bad_use_is_named():
    net = RatedFlow(DirectFlow(partial(UNetTrunk, width=8, depth=1), frames=3), width=8, depth=1)
    with pytest.raises(InputError, match="RatedFlow: steps is 2: DirectFlow makes no updates"):
        net(*window(), steps=2)
