import itertools

import pytest
import torch

from outpaint_lightning.nets import NearestFrameFill, SpatiotemporalGenerator
from outpaint_lightning.types import InputError


def tiny(**options):
    torch.manual_seed(0)
    return SpatiotemporalGenerator(**{"width": 4, "widest": 4, "norm": "group", "frames": 4, **options})


def clips(batch=2, frames=4, channels=3, height=8, width=12):
    torch.manual_seed(1)
    shape = batch, frames, channels, height, width
    return torch.rand(shape), (torch.rand(batch, frames, 1, height, width) > 0.6).float()


def test_the_published_net_has_so_many_parameters():
    """With 8 channels .93 million, as counted in the public code, and 27 x 8 + 8 more for the mask (with 32: 14.80)."""
    net = SpatiotemporalGenerator(width=8)
    body = sum(27 * (a * b + b * b) + a * b for a, b in itertools.pairwise([8, 128, 64, 32, 16]))
    norms = 2 * sum(a + b for a, b in itertools.pairwise([4, 8, 128, 64, 32, 16])) + 2 * (16 + 8) + 2 * 8
    ends = 27 * (4 * 8 + 8 * 8) + 4 * 8 + 27 * (16 * 8 + 8 * 8) + 16 * 8 + 27 * 8 * 3 + 3
    attention = 2 * 16 * 2 + 16 * 8 + 8 * 16 + 1
    assert sum(p.numel() for p in net.parameters()) == body + norms + ends + attention == 927_188


@pytest.mark.parametrize("options", [{}, {"downs": 2}, {"channels": 1, "start": NearestFrameFill()}])
def test_hidden_voxels_are_never_read_and_any_size_fits(options):
    net = tiny(**options).eval()
    image, mask = clips(channels=net.channels, height=9, width=14)
    made = net(torch.where(mask > 0.5, torch.nan, image), mask)
    assert made.shape == image.shape
    torch.testing.assert_close(made, net(image, mask))
    assert ((made >= 0) & (made <= 1)).all()


def test_frames_see_each_other():
    """A 2-D net, or one that mixes up batch and time, fails."""
    net = tiny().eval()
    image, _ = clips()
    changed = image.clone()
    changed[0, 3] = 0
    differ = (net(image, torch.zeros(2, 4, 1, 8, 12)) != net(changed, torch.zeros(2, 4, 1, 8, 12))).flatten(2).any(2)
    assert differ.tolist() == [[True] * 4, [False] * 4]


def test_with_a_start_an_untrained_net_returns_it():
    image, mask = clips()
    net = tiny(start=NearestFrameFill(), downs=1)
    torch.testing.assert_close(net(image, mask), NearestFrameFill()(image, mask))


def test_fill_takes_any_length_and_leaves_what_is_known():
    net = tiny(frames=4).eval()
    image, mask = clips(batch=1, frames=7)
    filled = net.fill(image, mask)
    known = mask.expand_as(image) < 0.5
    assert torch.equal(filled[known], image[known])
    torch.testing.assert_close(filled[:, :2], net.filled(image[:, :4], mask[:, :4])[:, :2])  # before any overlap


def test_windows_without_a_hole_cost_nothing(monkeypatch):
    """Windows start at 0, 2 and 4; only the first has a hole, of 9 pixels."""
    net = tiny(frames=4).eval()
    image, _ = clips(batch=1, frames=7)
    mask = torch.zeros(1, 7, 1, 8, 12)
    mask[:, 1, :, 2:5, 3:6] = 1
    seen = []
    forward = net.forward
    monkeypatch.setattr(net, "forward", lambda *given: seen.append(given[1].sum().item()) or forward(*given))
    filled = net.fill(image, mask)
    assert seen == [9]
    torch.testing.assert_close(filled[:, :4], net.filled(image[:, :4], mask[:, :4]))


def test_fill_sees_the_surroundings_of_a_hole():
    """Rows 2 to 6 and columns 0 to 5, and nothing else. Catches exchanged axes and a lost offset."""
    net = tiny(context=2, start=NearestFrameFill()).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    image, _ = clips(batch=1)
    mask = torch.zeros(1, 4, 1, 8, 12)
    mask[:, 1, :, 4:5, 2:4] = 1
    filled = net.fill(image, mask)
    part = (..., slice(2, 7), slice(0, 6))
    assert torch.equal(filled[part], net.filled(image[part], mask[part]))
    assert not torch.equal(filled[part], image[part])
    known = mask.expand_as(image) < 0.5
    assert torch.equal(filled[known], image[known])
    for changed, differs in (((..., 1, 3), False), ((..., 4, 6), False), ((..., 2, 5), True), ((..., 6, 0), True)):
        other = image.clone()
        other[changed] = 1 - other[changed]
        assert torch.equal(net.fill(other, mask)[~known], filled[~known]) != differs


def test_surroundings_as_large_as_the_frame_are_the_frame():
    image, mask = clips(batch=1)
    assert torch.equal(tiny(context=12).eval().fill(image, mask), tiny(context=None).eval().fill(image, mask))


def test_a_batch_of_one_has_no_statistics():
    net = tiny(norm="batch")
    with pytest.raises(InputError, match="norm is 'batch': a batch of 1 clip"):
        net(*clips(batch=1))
    net.eval()(*clips(batch=1))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"width": 3}, "width is 3"), ({"widest": 3}, "widest is 3"), ({"downs": -1}, "downs is -1"),
     ({"norm": "layer"}, "norm is 'layer'"), ({"frames": 0}, "frames is 0"), ({"context": -1}, "context is -1")],
)  # fmt: skip
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=f"SpatiotemporalGenerator: {message}"):
        tiny(**options)


def test_other_channels_are_named():
    with pytest.raises(InputError, match="channels is 3: the clips have 1"):
        tiny()(*clips(channels=1))
