"""The net that says what error to expect of another one."""

from functools import partial

import pytest
import torch

from outpaint_lightning.losses import CompletionCriterion
from outpaint_lightning.nets import DirectFlow, FlowRefiner, RatedFlow, UNetTrunk
from outpaint_lightning.types import InputError


def window():
    forward, backward = torch.randn(2, 1, 3, 2, 16, 20, generator=torch.Generator().manual_seed(0))
    hidden = torch.zeros(1, 3, 2, 16, 20)
    hidden[:, :, 0, 4:12, 5:15] = 1
    hidden[:, :, 1, 4:12, 6:15] = 1
    return forward, backward, hidden


def test_only_hidden_vectors_have_an_error_in_units_of_motion():
    """Known ones are certain; three times as fast, three times the error. Kills swapped directions."""
    torch.manual_seed(0)
    net = RatedFlow(FlowRefiner(channels=4, steps=1), width=8, depth=1).eval()
    forward, backward, hidden = window()
    once, faster = net(forward, backward, hidden), net(3 * forward, 3 * backward, hidden)
    assert torch.equal(once.scale > 0, hidden > 0)
    torch.testing.assert_close(faster.scale, 3 * once.scale, rtol=3e-2, atol=1e-3)
    torch.testing.assert_close(once.confidence[-1], 1 / (1 + once.scale))
    assert len(once.forward) == 2


def test_training_the_rating_leaves_the_net_alone():
    """It learns that an answer is 2 px off: the likelihood is best where the scale is the mean error."""
    torch.manual_seed(0)
    net = RatedFlow(DirectFlow(partial(UNetTrunk, width=8, depth=1), frames=3), width=8, depth=1)
    *flows, hidden = window()
    forward, backward = (0 * flow for flow in flows)
    off = torch.tensor([2.0, 0.0]).view(2, 1, 1)
    true = {"flow_forward": forward + off, "flow_backward": backward - off, "hidden": hidden, "valid": 0 * hidden + 1}
    criterion = CompletionCriterion(l1=0, rating=1)
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=0.03)
    for _ in range(50):
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
