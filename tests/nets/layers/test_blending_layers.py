"""The layers of wide-range image blending, with the traps of its public code as tests."""

import pytest
import torch

from outpaint_lightning.nets.layers.bottleneck import GroupedResidual
from outpaint_lightning.nets.layers.content_transfer import ContentTransfer
from outpaint_lightning.nets.layers.contextual_attention import ContextualAttention
from outpaint_lightning.types import InputError


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("kind", ["full", "row_shared"])
@pytest.mark.parametrize(("split", "steps", "width"), [(4, 4, 4), (2, 3, 6), (1, 1, 4), (4, 7, 7)])
def test_width_of_what_is_transferred(kind, split, steps, width):
    transfer = ContentTransfer(3, 4, split, kind)
    middle, ahead, back = transfer(torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4), steps)
    assert middle.shape == ahead.middle.shape == back.middle.shape == (2, 3, 4, width)
    assert ahead.right.shape == back.left.shape == (2, 3, 4, 4)


@pytest.mark.parametrize("split", [2, 4])
@pytest.mark.parametrize("kind", ["full", "row_shared"])
def test_the_mirrored_scene_gives_the_mirrored_transfer(kind, split):
    """The public code reverses the order of slices and, at a width of 1, nothing inside them: wrong for wider ones."""
    transfer = ContentTransfer(3, 4, split, kind)
    left, right = torch.rand(2, 1, 3, 4, 4)
    _, ahead, back = transfer(left, right)
    _, ahead_mirrored, back_mirrored = transfer(right.flip(3), left.flip(3))
    for part, other in zip(ahead, reversed(back_mirrored), strict=True):
        torch.testing.assert_close(part, other.flip(3))
    for part, other in zip(back, reversed(ahead_mirrored), strict=True):
        torch.testing.assert_close(part, other.flip(3))
    assert not torch.allclose(ahead.middle, back.middle)


def test_the_middle_has_both_directions():
    transfer = ContentTransfer(2, 4, 4, "row_shared")
    left, right = (torch.rand(1, 2, 4, 4, requires_grad=True) for _ in range(2))
    middle, ahead, back = transfer(left, right)
    expected = transfer.merge(torch.cat([ahead.middle, back.middle], 1))
    torch.testing.assert_close(middle, torch.where(expected > 0, expected, 0.2 * expected))
    middle.sum().backward()
    assert left.grad.abs().sum() > 0
    assert right.grad.abs().sum() > 0


def test_the_walk_by_hand():
    """Against a loop that feeds one slice after the other, as the paper describes it."""
    transfer = ContentTransfer(2, 2, 2, "full", layers=1)
    left, right = torch.rand(2, 1, 2, 2, 2)
    state, outputs = None, []
    for at in range(2):
        _, state = transfer.encoder(right[..., at].flatten()[None, None], state)
    for at in range(2):
        made, state = transfer.decoder(left[..., at].flatten()[None, None], state)
    outputs.append(made)
    for _ in range(3):
        made, state = transfer.decoder(made, state)
        outputs.append(made)
    walked = torch.stack([made.view(2, 2) for made in outputs], 2)[None]
    _, ahead, _ = transfer(left, right)
    torch.testing.assert_close(torch.cat([ahead.middle, ahead.right], 3), walked)


def test_rows_share_their_weights():
    """Any height, and a row looks at no other."""
    transfer = ContentTransfer(2, 4, 4, "row_shared")
    left, right = torch.rand(2, 1, 2, 6, 4)
    whole, _, _ = transfer(left, right)
    alone, _, _ = transfer(left[:, :, 2:3], right[:, :, 2:3])
    torch.testing.assert_close(whole[:, :, 2:3], alone)


def test_slices_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="split is 3: expected a divisor of the map's width, 4"):
        ContentTransfer(2, 4, 3)
    with pytest.raises(InputError, match="kind is 'rows'"):
        ContentTransfer(2, 4, 4, "rows")


def test_attention_takes_a_batch_as_it_takes_one():
    attend = ContextualAttention()
    query, first, second = torch.rand(3, 2, 3, 8, 6)
    values = torch.rand(2, 2, 4, 8, 6)
    whole = attend(query, [first, second], values)
    for sample in range(2):
        one = slice(sample, sample + 1)
        alone = attend(query[one], [first[one], second[one]], values[:, one])
        torch.testing.assert_close(whole[one], alone)


@pytest.mark.parametrize("size", [(2, 2), (4, 10), (6, 6)])
def test_a_constant_is_pasted_unchanged_up_to_the_border(size):
    """A division by 4 patches where there are 2 or 1 would darken the border."""
    query, value = torch.rand(1, 3, *size), torch.full((1, 2, 8, 8), 0.7)
    keys = torch.rand(1, 3, 8, 8)
    pasted = ContextualAttention()(query, [keys, keys], [value, value])
    torch.testing.assert_close(pasted, torch.full((1, 2, *size), 0.7))


def test_attention_finds_the_place_it_was_cut_from():
    """The query is a part of the first tile: what lies there is pasted. Swapped tiles or axes would paste elsewhere."""
    tile, other = torch.randn(2, 1, 8, 12, 16)
    values = torch.arange(12.0 * 16).view(1, 1, 12, 16) / 192
    pasted = ContextualAttention()(tile[..., 4:12], [tile, other], [values, values + 5])
    torch.testing.assert_close(pasted[..., 2:-2, 2:-2], values[..., 4:12][..., 2:-2, 2:-2], atol=0.02, rtol=0)


def test_odd_sizes_are_refused():
    tile = torch.rand(1, 2, 6, 6)
    with pytest.raises(InputError, match="6x5 pixels; expected even numbers"):
        ContextualAttention()(tile[..., :5], [tile, tile], [tile, tile])


def test_grouped_residual_by_hand():
    """All weights 1 and one pixel of 1: itself, and 3 x 7 twice, spread by the dilation."""
    block = GroupedResidual(1, dilation=2, norm=False)
    for name, parameter in block.named_parameters():
        torch.nn.init.constant_(parameter, 1.0 if name.endswith("weight") else 0.0)
    point = torch.zeros(1, 1, 9, 17)
    point[..., 4, 8] = 1
    made = block(point)[0, 0]
    expected = torch.zeros(9, 17)
    expected[2:7:2, 2:15:2] = 2
    expected[4, 8] += 1
    torch.testing.assert_close(made, expected)
