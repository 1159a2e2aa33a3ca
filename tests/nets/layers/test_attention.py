import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from outpaint_lightning.nets.layers.attention import SelfAttention
from outpaint_lightning.types import InputError


def attention(channels=8, reduction=8):
    torch.manual_seed(0)
    layer = SelfAttention(channels, reduction).eval()
    torch.nn.init.ones_(layer.gamma)
    return layer


def test_frames_do_not_see_each_other():
    """The public re-implementation reshapes B C T H W without a permutation: one frame changes all."""
    layer, clip = attention(), torch.randn(1, 8, 4, 6, 6)
    other = clip.clone()
    other[:, :, 1] = torch.randn(1, 8, 6, 6)
    changed = (layer(clip) != layer(other)).flatten(3).any(3)[0].any(0)
    assert changed.tolist() == [False, True, False, False]


def test_a_clip_is_its_frames():
    layer, clip = attention(), torch.randn(2, 8, 3, 5, 7)  # odd sides
    by_frame = torch.stack([layer(clip[:, :, t]) for t in range(3)], 2)
    torch.testing.assert_close(layer(clip), by_frame)


@pytest.mark.parametrize("reduction", [8, 1])
def test_it_is_the_formula_as_written(reduction):
    """softmax(q k^T) over what is looked at, on values of their own. Catches the softmax over another axis."""
    layer, frame = attention(reduction=reduction), torch.randn(1, 8, 4, 4)
    query = layer.query(frame).flatten(2)[0]
    key, value = (F.max_pool2d(part(frame), 2).flatten(2)[0] for part in (layer.key, layer.value))
    weights = (query.T @ key).softmax(1)
    torch.testing.assert_close(weights.sum(1), torch.ones(16))
    expected = frame + layer.out((value @ weights.T).view(1, 4, 4, 4))
    torch.testing.assert_close(layer(frame), expected)


def test_the_weights_of_all_pairs_are_never_stored():
    """Of a frame of 256 x 448 they take 5 GB. PyTorch raises if it had to store them."""
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        attention(16)(torch.randn(1, 16, 2, 6, 6))


def test_too_few_channels_are_named():
    with pytest.raises(InputError, match="SelfAttention: channels is 4"):
        SelfAttention(4)
