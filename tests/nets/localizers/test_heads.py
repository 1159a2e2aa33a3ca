"""The heads of RaftLocalizer: what they read, what learns through them, and what torchvision's weights become."""

import pytest
import torch
import torch.nn.functional as F

from outpaint_lightning.geometry import mirror
from outpaint_lightning.nets import RaftLocalizer, SrmFilters
from outpaint_lightning.nets.localizers.heads import Update
from outpaint_lightning.types import InputError


def features(updates: int = 3, **options) -> RaftLocalizer:
    torch.manual_seed(0)
    return RaftLocalizer("small", updates, head="features", **options).eval()


@torch.no_grad()
def test_feature_scores_by_hand():
    """Catches residuals of one frame twice, an upsampling of other cells, and a stem that is not added."""
    net = features(updates=2)
    image = torch.rand(2, 2, 3, 128, 136)
    steps = net._walk(image, None, 2)
    residual = torch.cat([SrmFilters()(image[:, 0]), SrmFilters()(image[:, 1])], 1)
    stem = net.head.stem(residual)
    for logits, update in zip(net(image), steps, strict=True):
        cells = net.head.project(update.hidden)
        fused = F.relu(stem + F.interpolate(cells, size=(128, 136), mode="bilinear", align_corners=False))
        torch.testing.assert_close(logits, net.head.scores(fused), rtol=1e-4, atol=1e-5)
    assert not torch.equal(*net(image))


@torch.no_grad()
def test_the_flow_is_torchvisions_flow():
    """Catches a head whose state is bent away from optical flow: upsampled as torchvision does, it is RAFT's answer."""
    torch.manual_seed(2)
    peer = RaftLocalizer("small", 3).eval()
    net = features()
    net.raft.load_state_dict(peer.raft.state_dict(), strict=False)
    image = torch.rand(1, 2, 3, 128, 128)
    expected = peer.raft(image[:, 0] * 2 - 1, image[:, 1] * 2 - 1, num_flow_updates=3)[-1]
    last = net._walk(image, None, 3)[-1]
    (flow,) = peer.head(peer.raft, [last], image)
    torch.testing.assert_close(flow, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(97, 211), (1, 130)])
@torch.no_grad()
def test_any_size_comes_back_in_place(size):
    """Catches a stem that sees unpadded frames, or an unpad of one path alone."""
    net = features(updates=1)
    image = torch.rand(1, 2, 3, *size)
    (logits,) = net(image)
    assert logits.shape == (1, 2, *size)
    top, bottom = (max(128 - size[0], 0) // 2, -(-max(128 - size[0], 0) // 2))
    wide = -(-max(size[1], 128) // 8) * 8 - size[1]
    padded = mirror(image[0], (wide // 2, wide - wide // 2, top, bottom))[None]
    by_hand = net(padded)[0][..., top : top + size[0], wide // 2 : wide // 2 + size[1]]
    torch.testing.assert_close(logits, by_hand)


@pytest.mark.parametrize("variant", ["small", "large"])
@pytest.mark.parametrize("carry", [False, True], ids=["pair", "carry"])
@pytest.mark.parametrize(("head", "updates"), [("flow", 1), ("flow", 2), ("features", 1), ("features", 2)])
def test_nothing_that_learns_goes_without_gradient(variant, carry, head, updates):
    """DistributedDataParallel stops at a parameter that requires a gradient and gets none.

    Catches the flow of "features" detached on its way into the next update, or its head left learning with one update,
    and a convex upsampling that nothing uses.
    """
    torch.manual_seed(0)
    net = RaftLocalizer(variant, updates, head=head, carry=carry).train()
    sum(x.square().mean() for x in net(torch.rand(1, 3, 3, 128, 128))).backward()
    assert [name for name, p in net.named_parameters() if p.requires_grad and p.grad is None] == []
    frozen = {name.split(".")[2] for name, p in net.named_parameters() if not p.requires_grad}
    assert frozen == ({"flow_head"} if (head, updates) == ("features", 1) else set())
    if updates > 1:
        assert net.raft.update_block.flow_head.conv1.weight.grad.abs().sum() > 0
    assert (net.raft.mask_predictor is None) == (head == "features")


@pytest.mark.parametrize("head", ["flow", "features"])
def test_a_flow_learns_through_the_next_update_alone(head):
    """Catches a flow whose gradient runs along the sum of all changes, or one of "flow" that is not detached."""
    torch.manual_seed(0)
    net = RaftLocalizer("small", 3, head=head)
    image = torch.rand(1, 2, 3, 128, 128)
    first, second, _ = net._walk(image, None, 3)
    (read,) = torch.autograd.grad(second.hidden.sum(), first.state, allow_unused=True)
    assert (read is None) == (head == "flow")
    assert read is None or read.abs().sum() > 0
    last = net.raft.update_block.flow_head.conv2
    torch.nn.init.zeros_(last.weight)  # no change depends on the hidden state any more: only the sum is left
    first, _, third = net._walk(image, None, 3)
    (along,) = torch.autograd.grad(third.state.sum(), first.state, allow_unused=True)
    assert along is None or not along.any()


@torch.no_grad()
def test_high_pass_keeps_traces_under_bf16():
    """A quarter of a grey level, which bf16 rounds away at brightness 1, must reach the stem as it is."""
    bright = torch.full((1, 2, 3, 128, 128), 253 / 256)  # which bf16 has
    trace = bright + 0.25 / 255 * (torch.rand(1, 2, 3, 128, 128) > 0.5)
    net = features(updates=1)
    seen = []
    net.head.stem.register_forward_hook(lambda _module, given, _made: seen.append(given[0]))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(bright.bfloat16(), trace.bfloat16())
        net(trace)
    assert seen[0].dtype == torch.float32
    torch.testing.assert_close(seen[0][:, 9:], SrmFilters()(trace[:, 1]))


@pytest.mark.parametrize("variant", ["small", "large"])
@pytest.mark.filterwarnings("error")  # nothing of "features" starts untrained that the file should have held
def test_torchvisions_weights_load(variant, tmp_path):
    """The large variant's file has a convex upsampling, which this head has not."""
    torch.manual_seed(3)
    source = RaftLocalizer(variant).raft
    if variant == "small":
        source.mask_predictor = None
    torch.save(source.state_dict(), tmp_path / "raft.pth")
    loaded = RaftLocalizer(variant, weights=str(tmp_path / "raft.pth"), head="features").raft.state_dict()
    expected = {k: v for k, v in source.state_dict().items() if not k.startswith("mask_predictor")}
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[key], expected[key]) for key in expected)


def test_a_foreign_key_is_still_named(tmp_path):
    """Catches every extra key forgiven along with those of the convex upsampling."""
    state = {**RaftLocalizer("small").raft.state_dict(), "other.weight": torch.zeros(1)}
    torch.save(state, tmp_path / "raft.pth")
    with pytest.raises(InputError, match=r"'other\.weight' is extra"):
        RaftLocalizer("small", weights=str(tmp_path / "raft.pth"), head="features")


def test_the_flow_head_of_the_localizer_has_no_parameters_of_its_own():
    """Catches a state dict in which checkpoints of before do not load: every key is RAFT's."""
    assert all(key.startswith("raft.") for key in RaftLocalizer("small").state_dict())


def test_a_misspelled_head_is_named():
    with pytest.raises(
        InputError, match=r"RaftLocalizer: head is 'feature': expected one of flow, features; did you mean"
    ):
        RaftLocalizer("small", head="feature")


@pytest.fixture(scope="module", params=["flow", "features"])
def carrying(request):
    torch.manual_seed(0)
    return RaftLocalizer("small", 2, head=request.param, carry=True).eval()


@torch.no_grad()
def test_a_window_is_walked_from_its_far_end(carrying):
    """By hand on torchvision's modules. Catches the other direction, pairs the wrong way round and a dropped state."""
    net, raft = carrying, carrying.raft
    window = torch.rand(1, 4, 3, 128, 128)
    state = hidden = None
    for t in (2, 1, 0):
        first, second = window[:, t] * 2 - 1, window[:, t + 1] * 2 - 1
        raft.corr_block.build_pyramid(raft.feature_encoder(first), raft.feature_encoder(second))
        start, context = raft.context_encoder(first).split([96, 64], dim=1)
        rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
        cells = torch.stack([columns, rows])[None]
        if hidden is None:
            state, hidden = torch.zeros_like(cells), start.tanh()
        updates = []
        for _ in range(2):
            correlation = raft.corr_block.index_pyramid(cells + state)
            hidden, change = raft.update_block(hidden, context.relu(), correlation, state)
            state = state + change
            updates.append(Update(state, hidden))
    expected = net.head(raft, updates, window[:, :2])
    for logits, by_hand in zip(net(window), expected, strict=True):
        torch.testing.assert_close(logits, by_hand, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_stream_is_a_window(carrying):
    """Catches a stream that starts each pair anew, or hands its state over before the last update; any size."""
    window = torch.rand(2, 4, 3, 130, 131)
    state = None
    for t in (2, 1, 0):
        logits, state = carrying.stream(window[:, t : t + 2], state)
    torch.testing.assert_close(logits, carrying(window, last_only=True)[0], rtol=1e-5, atol=1e-5)
    alone, _ = carrying.stream(window[:, :2])
    assert not torch.allclose(alone, logits, atol=1e-3)
    torch.testing.assert_close(alone, carrying(window[:, :2])[-1], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_every_frame_counts_only_where_it_is_carried(carrying):
    """Catches a carry that forgets the far end, and a plain net that looks past its pair."""
    window = torch.rand(1, 4, 3, 128, 128)
    other = window.clone()
    other[:, 3] = torch.rand(1, 3, 128, 128)
    assert not torch.allclose(carrying(window)[-1], carrying(other)[-1], atol=1e-4)
    carrying.carry = False
    plain, same = carrying(window), carrying(other)
    pair = carrying(window[:, :2])
    carrying.carry = True
    assert all(torch.equal(a, b) for a, b in zip(plain, same, strict=True))
    for a, b in zip(pair, carrying(window[:, :2]), strict=True):
        assert torch.equal(a, b)  # a window of two frames is one pair, carried or not


@torch.no_grad()
def test_each_frame_is_encoded_once(carrying):
    """Three pairs of four frames: encoded pair by pair, the middle ones would be encoded twice."""
    seen = {}
    hooks = [
        getattr(carrying.raft, name).convnormrelu.register_forward_pre_hook(
            lambda _module, given, name=name: seen.update({name: seen.get(name, 0) + len(given[0])})
        )
        for name in ("feature_encoder", "context_encoder")
    ]
    carrying(torch.rand(1, 4, 3, 128, 128))
    for hook in hooks:
        hook.remove()
    assert seen == {"feature_encoder": 4, "context_encoder": 3}


def test_gradients_reach_the_far_end(carrying):
    """Catches a hidden state detached between pairs."""
    window = torch.rand(1, 4, 3, 128, 128, requires_grad=True)
    carrying(window)[-1].square().mean().backward()
    assert (window.grad.abs().sum((0, 2, 3, 4)) > 0).all()
