import torch
import torch.nn.functional as F

from outpaint_lightning.nets.layers.spade import Spade, SpadeBlock


def test_the_equation_by_hand():
    """`x (1 + gamma) + beta` of normalised features; gamma and beta exchanged, or x gamma + beta, give others."""
    torch.manual_seed(0)
    spade, features, condition = Spade(4, 2, 3), torch.randn(2, 4, 6, 6), torch.randn(2, 2, 6, 6)
    hidden = spade.shared(condition).relu()
    scale, shift = spade.scale_shift(hidden)[:, :4], spade.scale_shift(hidden)[:, 4:]
    expected = F.group_norm(features, 4) * (1 + scale) + shift
    torch.testing.assert_close(spade(features, condition), expected)


def test_a_map_is_resized_to_the_nearest_pixel():
    """Classes stay classes: a mean of two would be a third. Each place depends on what the map has there."""
    seen = []
    spade = Spade(4, 2, 3)
    spade.shared.register_forward_hook(lambda module, given, made: seen.append(given[0]))  # noqa: ARG005
    condition = torch.zeros(1, 2, 9, 12)
    condition[:, 0, :, :5], condition[:, 1, :, 5:] = 1, 1
    spade(torch.randn(1, 4, 3, 5), condition)
    assert seen[0].shape == (1, 2, 3, 5)
    assert set(seen[0].unique().tolist()) == {0, 1}
    assert (seen[0].sum(1) == 1).all()


def test_places_are_told_apart():
    """Another class on the right changes features there alone, but for the norm: the kernels reach two pixels."""
    torch.manual_seed(0)
    block = SpadeBlock(4, 4, 2, 3).eval()
    features, condition = torch.randn(1, 4, 4, 16), torch.zeros(1, 2, 4, 16)
    condition[:, 0] = 1
    other = condition.clone()
    other[:, 0, :, 8:], other[:, 1, :, 8:] = 0, 1
    first = block.first(features, condition) - block.first(features, other)
    assert (first[..., :6] == 0).all()
    assert first[..., 10:].abs().min() > 0
