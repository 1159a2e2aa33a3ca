import itertools

import pytest
import torch

from outpaint_lightning.nets import PatchDiscriminator
from outpaint_lightning.types import InputError


@pytest.mark.parametrize(("dim", "parameters"), [(2, 390_721), (3, 1_171_201)])
def test_the_published_critics_have_so_many_parameters(dim, parameters):
    """3->32->64->128->256->1 with kernels of 3: sum of inputs outputs 3^dim plus biases."""
    widths = [3, 32, 64, 128, 256, 1]
    by_hand = sum(a * b * 3**dim + b for a, b in itertools.pairwise(widths))
    assert by_hand == parameters == sum(weight.numel() for weight in PatchDiscriminator(dim).parameters())


def test_a_score_sees_a_patch_of_47_pixels():
    critic, clip = PatchDiscriminator(2, width=2), torch.rand(1, 1, 3, 120, 120, requires_grad=True)
    critic(clip)[0, 0, 0, 7, 7].backward()
    seen = clip.grad[0, 0].abs().sum(0) > 0
    assert (seen.any(0).sum().item(), seen.any(1).sum().item()) == (47, 47)


def test_the_frame_critic_sees_one_frame_and_the_sequence_critic_more():
    clip = torch.rand(1, 9, 1, 16, 16)
    other = clip.clone()
    other[:, 8] = 0
    critics = {dim: PatchDiscriminator(dim, 1, 2, 2).eval() for dim in (2, 3)}
    frames = {dim: (critic(clip) != critic(other)).flatten(2).any(2)[0] for dim, critic in critics.items()}
    assert frames[2].tolist() == [False] * 8 + [True]
    assert frames[3][:4].tolist() == [False] * 4  # four kernels of 3 reach 4 frames back
    assert frames[3][4:].all()


def test_differences_hide_what_stands_still():
    """A critic of differences gives two clips that differ by a constant picture the same scores."""
    critic = PatchDiscriminator(3, 1, 2, 1, differences=True).eval()
    clip = torch.rand(1, 4, 1, 8, 8)
    torch.testing.assert_close(critic(clip), critic(clip + 0.5 * torch.rand(1, 1, 1, 8, 8)))
    assert critic(clip).shape == (1, 3, 1, 4, 4)


def test_heads_are_the_same_scores():
    torch.manual_seed(0)
    clip = torch.rand(2, 3, 3, 16, 24)
    critic = PatchDiscriminator(2, width=2, layers=2).eval()
    patches = critic(clip)
    assert patches.shape == (2, 3, 1, 4, 6)
    critic.head = "global"
    torch.testing.assert_close(critic(clip), patches.flatten(1).mean(1))
    critic.head = "mask"
    assert critic(clip).shape == (2, 3, 1, 16, 24)
    assert critic(clip).max() <= patches.max()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 5}, "dim is 5"),
        ({"dim": 2, "layers": 0}, "layers is 0"),
        ({"dim": 2, "head": "pixel"}, "head is 'pixel'"),
        ({"dim": 2, "differences": True}, "differences is true"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        PatchDiscriminator(**options)


def test_other_clips_are_refused():
    with pytest.raises(InputError, match="channels is 1: the frames have 3"):
        PatchDiscriminator(2, channels=1)(torch.zeros(1, 1, 3, 8, 8))
    with pytest.raises(InputError, match="2 frames or more"):
        PatchDiscriminator(3, differences=True)(torch.zeros(1, 1, 3, 8, 8))


@pytest.mark.parametrize(("dim", "differences"), [(2, False), (3, False), (3, True)])
def test_layers_end_in_the_scores(dim, differences):
    """For feature matching: activations of each layer, and the scores that `forward` gives."""
    torch.manual_seed(0)
    critic, clips = (
        PatchDiscriminator(dim, width=4, layers=2, differences=differences).eval(),
        torch.rand(2, 3, 3, 16, 20),
    )
    *features, scores = critic.layers(clips)
    assert [part.shape[1] for part in features] == [4, 8, 16]
    shape = critic(clips).shape
    scores = scores.view(shape) if dim == 2 else scores.transpose(1, 2)
    torch.testing.assert_close(scores, critic(clips))
