import pytest
import torch

from outpaint_lightning.nets.flow.blend import BlendFill
from outpaint_lightning.nets.flow.fills import Fill, HarmonicFill, NearestFill, ZeroFill
from outpaint_lightning.nets.flow.refiner import FlowRefiner
from outpaint_lightning.types import InputError


class Constant(Fill):
    """The same vector everywhere."""

    def __init__(self, vector):
        super().__init__()
        self.vector = torch.tensor(vector)[:, None, None]

    def fill_window(self, forward, backward, forward_hole, backward_hole):  # noqa: ARG002 (as every fill is called)
        return tuple(self.vector.expand_as(flow) for flow in (forward, backward))


def window(seed=0, shape=(2, 4, 2, 18, 21)):
    generator = torch.Generator().manual_seed(seed)
    flow = torch.randn(shape, generator=generator).cumsum(-1)
    hidden = torch.zeros(shape)
    hidden[..., 5:12, 6:14] = 1
    return flow, -flow.flip(1), hidden


def trained(fill, seed=1):
    """Give the last layer weights, as after training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in fill.net.scores.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return fill


def blend(*fills):
    return BlendFill(fills or [HarmonicFill(), NearestFill()], width=8, depth=2)


def test_untrained_it_is_the_mean_of_its_fills():
    forward, backward, hidden = window()
    filled = blend(Constant([1.0, 0.0]), Constant([3.0, 4.0]))(forward, backward, hidden)
    for flow, given in zip(filled, (forward, backward), strict=True):
        expected = torch.where(hidden[:, :, :1] > 0, torch.tensor([2.0, 2.0])[:, None, None], given)
        torch.testing.assert_close(flow, expected)


def test_both_directions_share_the_net():
    """Kills one that forgets to turn time: the film run backwards has its flows exchanged and reversed."""
    forward, backward, hidden = window()
    hidden[:, 0, 0] = 0  # so that the directions' holes differ
    fill = trained(blend())
    ahead, behind = fill(forward, backward, hidden)
    behind_again, ahead_again = fill(backward.flip(1), forward.flip(1), hidden.flip(1, 2))
    torch.testing.assert_close(ahead_again, ahead.flip(1))
    torch.testing.assert_close(behind_again, behind.flip(1))
    assert not torch.allclose(ahead, behind)


def test_faster_motion_and_a_moving_camera_change_nothing_but_the_flow():
    """Kills one that sees pixels of motion as they are, or corrects by pixels instead of by the spread of motion."""
    forward, backward, hidden = window()
    fill = trained(blend(HarmonicFill(tolerance=1e-6), NearestFill()))
    plain = fill(forward, backward, hidden)
    moved = fill(5 * forward + 7, 5 * backward + 7, hidden)
    for slow, fast in zip(plain, moved, strict=True):
        torch.testing.assert_close(fast, 5 * slow + 7, rtol=1e-4, atol=1e-3)


def test_it_learns_which_fill_to_trust_where():
    """Neither fill is right on both sides of the middle; a blend that sees where it is can be."""
    forward, backward, hidden = window(shape=(1, 3, 2, 24, 24))
    left = torch.arange(24) < 10
    true = torch.where(left, 1.0, -1.0).expand_as(forward)
    torch.manual_seed(0)
    fill = blend(Constant([1.0, 1.0]), Constant([-1.0, -1.0]))
    optimizer = torch.optim.Adam(fill.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        loss = (torch.stack(fill(forward, backward, hidden)) - true)[:, hidden.expand_as(true) > 0].abs().mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.3  # 1.0 untrained, and of either fill alone


def test_the_loss_of_a_refiner_reaches_it():
    """Kills a refiner or a fill that cuts the gradient off."""
    forward, backward, hidden = window()
    net = FlowRefiner(blend(), channels=4, steps=1, scale=1.0)
    refinement = net(forward, backward, hidden)
    (refinement.forward[-1] - forward).abs().mean().backward()
    assert net.fill.net.scores.weight.grad.abs().sum() > 0
    assert not FlowRefiner(HarmonicFill(), channels=4, steps=0)(forward, backward, hidden).forward[0].requires_grad


@pytest.mark.parametrize("fills", [[], [ZeroFill()]])
def test_it_takes_two_fills_to_blend(fills):
    with pytest.raises(InputError, match=rf"BlendFill: fills has {len(fills)}: expected two or more"):
        BlendFill(fills)


@pytest.mark.parametrize("options", [{"margin": -1}, {"remember": -3}])
def test_negative_options_are_refused(options):
    (name, value), *_ = options.items()
    with pytest.raises(InputError, match=rf"BlendFill: {name} is {value}: expected 0 or more"):
        BlendFill(width=8, **options)


def test_a_margin_shows_the_net_the_hole_and_so_much_around_it():
    """Kills a wrong box, and a batch whose windows depend on each other; a margin of the whole frame is no crop."""
    forward, backward, hidden = window()
    hidden[1], hidden[1, ..., 9:14, 2:7] = 0, 1  # another hole in the second window
    hidden[:, 0] = 0  # and a frame without one
    fills = NearestFill(), ZeroFill()  # exact, in any batch
    whole = trained(blend(*fills))
    cropped = trained(BlendFill(fills, width=8, depth=2, margin=2))
    wide = trained(BlendFill(fills, width=8, depth=2, margin=99))
    for other in (cropped, wide):
        other.load_state_dict(whole.state_dict())
    together = cropped(forward, backward, hidden)
    for one in range(2):
        alone = cropped(*(part[one : one + 1] for part in (forward, backward, hidden)))
        for flows, flow in zip(together, alone, strict=True):
            torch.testing.assert_close(flows[one : one + 1], flow)
    assert not torch.allclose(together[0], whole(forward, backward, hidden)[0])
    for flows, flow in zip(wide(forward, backward, hidden), whole(forward, backward, hidden), strict=True):
        torch.testing.assert_close(flows, flow)


class Counted(HarmonicFill):
    """A harmonic fill that counts its windows."""

    windows = 0

    def fill_window(self, forward, *others):
        self.windows += len(forward)
        return super().fill_window(forward, *others)


def test_it_remembers_the_fills_of_windows_that_come_again():
    """Kills a memory that mixes windows up, that forgets the backward flow, or that grows beyond its size."""
    counted = Counted(tolerance=1e-6)
    fill = trained(BlendFill([counted, NearestFill()], width=8, depth=1, remember=3))
    forward, backward, hidden = window()
    first = fill(forward, backward, hidden)
    again = fill(forward.flip(0), backward.flip(0), hidden)
    assert counted.windows == 2
    for flow, flow_again in zip(first, again, strict=True):
        assert torch.equal(flow_again.flip(0), flow)
    fill(*window(seed=5))
    fill(*window(seed=5))
    assert counted.windows == 2 + 2 + 1  # there was room for one of the two
    fill.eval()(forward, backward, hidden)
    assert counted.windows == 5 + 2  # outside of training, nothing is looked up
