import pytest
import torch

from outpaint_lightning.nets import RaftLocalizer
from outpaint_lightning.types import InputError


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return RaftLocalizer("small", updates=3).eval()


@torch.no_grad()
@pytest.mark.parametrize("variant", ["small", "large"])
def test_equals_torchvisions_forward(variant):
    """Catches a changed state, lookup or upsampling: the peer runs torchvision's own loop on the same modules."""
    torch.manual_seed(1)
    net = RaftLocalizer(variant, updates=2).eval()
    image = torch.rand(2, 2, 3, 128, 136)
    peer = net.raft(image[:, 0] * 2 - 1, image[:, 1] * 2 - 1, num_flow_updates=2)
    for ours, theirs in zip(net(image), peer, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)  # the same operations in the same order


@torch.no_grad()
@pytest.mark.parametrize("size", [(97, 211), (128, 128), (480, 854), (1, 130)])
def test_any_size_comes_back(net, size):
    """480x854 is DAVIS, which torchvision's RAFT refuses; 1 and 97 are below its minimum."""
    (logits,) = net(torch.rand(1, 2, 3, *size), updates=1)
    assert logits.shape == (1, 2, *size)
    assert logits.isfinite().all()


@torch.no_grad()
def test_padding_keeps_pixels_in_place(net):
    """Catches an unpad that cuts the other side: the scores must be those of the frame padded by hand, cut by hand."""
    image = torch.rand(1, 2, 3, 130, 131)
    by_hand = torch.nn.functional.pad(image[0], (2, 3, 3, 3), mode="reflect")[None]
    torch.testing.assert_close(net(image)[-1], net(by_hand)[-1][..., 3:-3, 2:-3])


@torch.no_grad()
def test_an_update_does_not_depend_on_later_ones(net):
    image = torch.rand(1, 2, 3, 128, 128)
    few, many = net(image, updates=2), net(image, updates=5)
    assert len(few) == 2
    assert len(many) == 5
    for a, b in zip(few, many, strict=False):
        torch.testing.assert_close(a, b)
    assert not torch.equal(many[-1], many[-2])


@torch.no_grad()
def test_last_only_is_the_last(net):
    image = torch.rand(1, 2, 3, 128, 128)
    (last,) = net(image, last_only=True)
    torch.testing.assert_close(last, net(image)[-1])


def test_residual_context_starts_blind_to_brightness():
    """Half of the first filters sum to zero, so a flat frame gives them nothing; torchvision's weights still load."""
    net = RaftLocalizer("small", context="residual")
    filters = net.raft.context_encoder.convnormrelu[0].weight.detach()
    torch.testing.assert_close(filters[:16].sum((2, 3)), torch.zeros(16, 3), atol=1e-5, rtol=0)
    assert filters[16:].sum((2, 3)).abs().mean() > 0.1
    assert filters[:16].std() == pytest.approx(filters[16:].std().item(), rel=0.2)
    assert net.state_dict().keys() == RaftLocalizer("small").state_dict().keys()


@torch.no_grad()
def test_first_layer_keeps_traces_under_bf16(net):
    """A quarter of a grey level, which bf16 rounds away at brightness 1, must change the context."""
    bright = torch.full((1, 2, 3, 128, 128), 0.99)
    trace = bright + 0.25 / 255 * (torch.rand(1, 2, 3, 128, 128) > 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal((bright * 2 - 1).bfloat16(), (trace * 2 - 1).bfloat16())
        assert not torch.equal(net(bright)[-1], net(trace)[-1])


@torch.no_grad()
def test_order_of_frames_matters(net):
    """Catches a net fed the same frame twice."""
    image = torch.rand(1, 2, 3, 128, 128)
    assert not torch.allclose(net(image)[-1], net(image.flip(1))[-1], atol=1e-3)
    assert not torch.allclose(net(image)[-1], net(image[:, [0, 0]])[-1], atol=1e-3)


def test_every_parameter_learns(net):
    """Catches a detached branch: all parameters get a gradient from the sequence of logits."""
    logits = net.train()(torch.rand(1, 2, 3, 128, 128))
    sum(x.square().mean() for x in logits).backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A bias before instance normalisation has no effect by construction.
    assert all(name.endswith("bias") and "feature_encoder" in name for name in silent), silent
    net.eval()


def test_flow_weights_load_from_a_file(tmp_path):
    """The small variant's file has no mask predictor, as torchvision's has none."""
    source = RaftLocalizer("small").raft.state_dict()
    torch.save({k: v for k, v in source.items() if not k.startswith("mask_predictor")}, tmp_path / "small.pth")
    with pytest.warns(UserWarning, match="convex upsampling"):
        loaded = RaftLocalizer("small", weights=str(tmp_path / "small.pth")).raft.state_dict()
    key = "update_block.flow_head.conv2.weight"
    torch.testing.assert_close(loaded[key], source[key])


def test_weights_of_the_other_variant_are_named(tmp_path):
    torch.save(RaftLocalizer("small").raft.state_dict(), tmp_path / "small.pth")
    with pytest.raises(InputError, match=r"small\.pth: not the weights of raft_large"):
        RaftLocalizer("large", weights=str(tmp_path / "small.pth"))


def test_broken_and_misspelled_weights_are_named(tmp_path):
    (tmp_path / "broken.pth").write_bytes(b"not a state dict")
    with pytest.raises(InputError, match=r"broken\.pth: not a readable state dict"):
        RaftLocalizer("small", weights=str(tmp_path / "broken.pth"))
    with pytest.raises(InputError, match=r"did you mean 'C_T_V2'"):
        RaftLocalizer("small", weights="C_T_V22")


def test_weights_that_cannot_be_downloaded_say_where_to_put_them(monkeypatch):
    def offline(*_args, **_kwargs):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(InputError, match=r"put raft_small_C_T_V2-01064c6d\.pth into"):
        RaftLocalizer("small", weights="C_T_V2")


@pytest.mark.parametrize("updates", [0, 10**9])
def test_a_number_of_updates_that_no_one_waits_for(updates):
    """A stranger's checkpoint once asked for 10**9, and took a minute to be refused."""
    with pytest.raises(InputError, match=f"updates is {updates}: expected 1 to"):
        RaftLocalizer("small", updates=updates)


def test_a_single_frame_is_named(net):
    """Before, `torch.cat` complained about an empty list."""
    with pytest.raises(InputError, match="RaftLocalizer: windows of 1 frame; expected 2 or more"):
        net(torch.rand(1, 1, 3, 128, 128))
