import pytest
import torch

from outpaint_lightning.nets.layers.conv import ConvNd, ResBlock, groups_of
from outpaint_lightning.types import InputError


@pytest.mark.parametrize("dim", [2, 3])
def test_the_largest_singular_value_becomes_one(dim):
    """Of the weight as a matrix outputs x rest. Catches a norm of another matrix, and none."""
    torch.manual_seed(0)
    conv = ConvNd(dim, 3, 5)
    for _ in range(50):  # each training step improves the estimate
        conv(torch.zeros(1, 3, *[4] * dim))
    assert torch.linalg.matrix_norm(conv.conv.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("stride", [1, (1, 2, 2)])
def test_one_clip_is_convolved_as_one_of_many(stride, monkeypatch):
    """Values, gradients and sizes; one clip is convolved twice, where that is faster."""
    torch.manual_seed(0)
    conv, clips = ConvNd(3, 4, 6, stride=stride).eval(), torch.randn(3, 4, 3, 6, 8, requires_grad=True)
    seen = []
    conv.conv.register_forward_hook(lambda module, args, output: seen.append(len(args[0])))  # noqa: ARG005
    alone, together = conv(clips[:1]), conv(clips)
    torch.testing.assert_close(alone, together[:1])
    given = torch.rand_like(alone)
    expected, found = (torch.autograd.grad(made, conv.parameters(), given) for made in (together[:1], alone))
    torch.testing.assert_close(found, expected)
    monkeypatch.setattr("outpaint_lightning.nets.layers.conv.FEW", 71)  # one less than 4 x 3 x 6
    conv(clips[:1])
    assert seen == [2, 3, 1]


def test_judging_changes_no_estimate():
    conv = ConvNd(2, 3, 4).eval()
    before = {name: value.clone() for name, value in conv.state_dict().items()}
    conv(torch.rand(1, 3, 6, 6))
    assert all(torch.equal(before[name], value) for name, value in conv.state_dict().items())


def test_a_block_without_weights_is_its_shortcut():
    """Pre-activation: what comes in goes out untouched, negative numbers too; a ReLU behind the sum would cut them."""
    block = ResBlock(3, 4, 4, "group")
    block.body[-1] = torch.nn.Conv3d(4, 4, 1)
    for parameter in block.body[-1].parameters():
        torch.nn.init.zeros_(parameter)
    features = torch.randn(2, 4, 3, 5, 5)
    assert torch.equal(block(features), features)


def test_groups_leave_a_clip_to_itself():
    """With a batch's statistics the first clip would change with the second."""
    torch.manual_seed(0)
    block, clips = ResBlock(3, 4, 6, "group"), torch.randn(2, 4, 3, 5, 5)
    block(clips)
    block.body.eval()
    torch.testing.assert_close(block(clips)[:1], block(clips[:1]))
    assert [groups_of(channels) for channels in (16, 12, 6, 7)] == [8, 4, 2, 1]


def test_bad_options_are_named():
    with pytest.raises(InputError, match="ConvNd: dim is 4"):
        ConvNd(4, 1, 1)
    with pytest.raises(InputError, match="ConvNd: size is 2"):
        ConvNd(2, 1, 1, size=2)
