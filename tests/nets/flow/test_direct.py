"""Nets that complete flow in one pass: what they keep, what they see, and what they refuse."""

from functools import partial

import pytest
import torch
from torch import nn

from outpaint_lightning.nets import (
    DirectFlow,
    HarmonicFill,
    NearestFill,
    NetFill,
    ResNetTrunk,
    UNetTrunk,
    WarpingTrunk,
    ZeroFill,
)
from outpaint_lightning.nets.flow.trunks import Translations
from outpaint_lightning.types import InputError

TRUNKS = {
    "unet": partial(UNetTrunk, width=8, depth=2),
    "resnet": partial(ResNetTrunk, width=4, blocks=2, dilations=[1, 2]),
    "warping": partial(WarpingTrunk, width=8, depth=1, features=4),
}


def window(frames=4, height=19, width=26):
    forward, backward = torch.randn(2, 1, frames, 2, height, width, generator=torch.Generator().manual_seed(3))
    hidden = torch.zeros(1, frames, 2, height, width)
    hidden[..., 5:12, 8:17] = 1
    return forward, backward, hidden


def trained(**options):
    """A net whose last layer is no longer zero."""
    torch.manual_seed(0)
    net = DirectFlow(TRUNKS["unet"], frames=4, **options).eval()
    nn.init.normal_(net.trunk.last.weight, std=0.3)
    return net


@pytest.mark.parametrize("trunk", TRUNKS.values(), ids=TRUNKS)
@pytest.mark.parametrize("fill", [ZeroFill(), HarmonicFill()], ids=["zero", "smooth"])
def test_an_untrained_net_returns_its_start_at_any_size(trunk, fill):
    """Bit by bit, whatever hidden vectors hold. Kills a peek into the hole and a trunk of one size."""
    forward, backward, hidden = window()
    poisoned = torch.where(hidden[:, :, :1] > 0, torch.nan, forward)
    completion = DirectFlow(trunk, frames=4, fill=fill, coordinates=True)(poisoned, backward, hidden)
    for flows, start in zip((completion.forward, completion.backward), fill(forward, backward, hidden), strict=True):
        assert torch.equal(flows[0], start)
        assert torch.equal(flows[1], start)
    assert completion.confidence is None


def test_known_vectors_stay_and_a_setup_says_its_frames_only():
    """Of four frames `mid2` says the second and third. The others keep their fill, as strict holes have them."""
    forward, backward, hidden = window()
    completion = trained(setup="mid2")(forward, backward, hidden)
    changed = (completion.forward[1] != completion.forward[0]).flatten(2).any(2)[0]
    assert changed.tolist() == [False, True, True, False]
    assert torch.equal(
        completion.forward[1][hidden[:, :, :1].expand_as(forward) == 0],
        forward[hidden[:, :, :1].expand_as(forward) == 0],
    )


def test_flow_is_seen_in_its_own_units():
    """Twice as fast and panned: the same answer twice as fast and panned. Kills units that see into the hole."""
    forward, backward, hidden = window()
    net = trained(fill=NearestFill())
    pan = torch.tensor([3.0, -2.0]).view(2, 1, 1)
    once, again = net(forward, backward, hidden), net(2 * forward + pan, 2 * backward - pan, hidden)
    torch.testing.assert_close(again.forward[1], 2 * once.forward[1] + pan, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(again.backward[1], 2 * once.backward[1] - pan, atol=2e-3, rtol=1e-3)


def test_the_paper_says_the_flow_as_it_is():
    """No residual, pixels as they are: a last layer of zeros but for a bias says that bias everywhere in the hole."""
    forward, backward, hidden = window()
    net = DirectFlow(TRUNKS["unet"], frames=4, residual=False, scale=1.0, fill=ZeroFill())
    nn.init.zeros_(net.trunk.last.weight)
    nn.init.constant_(net.trunk.last.bias, 7.0)
    completion = net(forward, backward, hidden)
    assert (completion.forward[1][hidden[:, :, :1].expand_as(forward) > 0] == 7).all()


def test_edges_come_with_their_direction_and_known_ones_are_seen():
    net = trained(edges=True)
    forward, backward, hidden = window()
    assert net(forward, backward, hidden).edges.shape == hidden.shape
    nn.init.zeros_(net.trunk.last.weight)
    with torch.no_grad():  # of each frame: two flows, then an edge of each
        net.trunk.last.bias.copy_(torch.tensor([0, 0, 0, 0, 1.0, -1.0]).repeat(4))
    edges = net(forward, backward, hidden).edges
    assert edges[:, :, 0].unique().tolist() == [1]
    assert edges[:, :, 1].unique().tolist() == [-1]


def test_the_resnet_reaches_as_far_as_it_says():
    """But for the statistics of its normalisation, which are left out here."""
    trunk = ResNetTrunk(1, 1, width=2, blocks=2, dilations=[1, 3])
    for norm in (module for module in trunk.modules() if isinstance(module, nn.GroupNorm)):
        norm.forward = lambda features: features
    image = torch.zeros(1, 1, 1, 61, requires_grad=True)
    trunk(image + torch.randn(61))[..., 30].backward()
    seen = image.grad[0, 0, 0].nonzero()[:, 0]
    assert trunk.reach == 3 + 2 + 1 + 2 * 4 + 1
    assert (seen.min(), seen.max()) == (30 - trunk.reach, 30 + trunk.reach)


def test_a_translation_brings_features_from_where_it_points():
    """3 px to the right and 1 down, as `warp` has it. Kills swapped x and y, and a half-pixel grid."""
    both = Translations(2, features=4)
    with torch.no_grad():
        both.offsets.bias.copy_((torch.tensor([3.0, 1.0]) / 20).atanh().repeat(4))
    image = torch.randn(1, 2, 12, 15)
    features, moved = both(image).chunk(2, 1)
    torch.testing.assert_close(moved[..., :-1, :-3], features[..., 1:, 3:], atol=1e-4, rtol=1e-4)


def test_a_net_is_the_start_of_another():
    """Its last answer, frozen. Kills the start of the start."""
    forward, backward, hidden = window()
    first = trained()
    second = DirectFlow(TRUNKS["resnet"], frames=4, fill=NetFill(first))
    assert torch.equal(second(forward, backward, hidden).forward[1], first(forward, backward, hidden).forward[1])
    assert not any(parameter.requires_grad for parameter in second.fill.parameters())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: DirectFlow(setup="middle"), "DirectFlow: setup is 'middle': expected one of mid2, all, sandwich"),
        (lambda: DirectFlow(frames=2, setup="sandwich"), "no frame is left"),
        (lambda: DirectFlow(scale=0.0), "scale is 0.0"),
        (lambda: ResNetTrunk(1, 1, blocks=3, dilations=[1, 2]), "expected 3 numbers"),
        (lambda: ResNetTrunk(1, 1, width=0), "width is 0"),
        (lambda: Translations(1, farthest=0), "farthest is 0"),
    ],
)
def test_bad_options_are_named(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_bad_windows_are_named():
    """Another number of frames, no border at all, NaN where a vector is known."""
    forward, backward, hidden = window(frames=5)
    net = DirectFlow(TRUNKS["unet"], frames=4)
    with pytest.raises(InputError, match=r"frames is 4: the windows have 5 \(data.frames\)"):
        net(forward, backward, hidden)
    forward, backward, hidden = window()
    with pytest.raises(InputError, match="every vector of a window is hidden"):
        net(forward, backward, torch.ones_like(hidden))
    forward[0, 2, 1, 3, 7] = torch.nan
    with pytest.raises(
        InputError, match="flow_forward: 1 known vectors are not finite, the first in frame 2 at x 7, y 3"
    ):
        net(forward, backward, hidden)
