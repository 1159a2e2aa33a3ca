import pytest
import torch
from torch import nn

from outpaint_lightning.nets import BayarConv, SrmFilters, UNet
from outpaint_lightning.types import InputError


def unet(residual: nn.Module | None = None, **options: int) -> UNet:
    torch.manual_seed(0)
    return UNet(**{"width": 8, "depth": 3, **options}, residual=residual).eval()


RESIDUALS = pytest.mark.parametrize("residual", [None, SrmFilters(), BayarConv()], ids=["plain", "srm", "bayar"])


@torch.no_grad()
@pytest.mark.parametrize("size", [(97, 211), (128, 128), (1, 1), (1, 130)])
@pytest.mark.parametrize("depth", [0, 4])
@RESIDUALS
def test_any_size_comes_back(residual, depth, size):
    """In training too, where a normalisation without its own statistics may refuse a single pixel."""
    for net in (unet(residual, depth=depth), unet(residual, depth=depth).train()):
        (logits,) = net(torch.rand(2, 2, 3, *size))
        assert logits.shape == (2, 2, *size)
        assert logits.isfinite().all()


@torch.no_grad()
def test_padding_keeps_pixels_in_place():
    """Catches an unpad that cuts the other side: the scores must be those of the frame padded by hand, cut by hand."""
    image = torch.rand(1, 2, 3, 34, 35)
    by_hand = nn.functional.pad(image[0], (2, 3, 3, 3), mode="reflect")[None]
    net = unet(SrmFilters())
    torch.testing.assert_close(net(image)[0], net(by_hand)[0][..., 3:-3, 2:-3])


@torch.no_grad()
def test_each_frame_is_seen_in_its_place():
    """Catches frames mixed with samples: a sample's scores follow its own frames, their order, and no third frame."""
    net = unet(SrmFilters())
    image = torch.rand(2, 3, 3, 32, 32)
    (logits,) = net(image)
    torch.testing.assert_close(net(image[:1])[0], logits[:1], rtol=1e-4, atol=1e-5)  # other batch, other sum order
    torch.testing.assert_close(net(image[:, :2])[0], logits)
    assert not torch.allclose(net(image[:, [1, 0]])[0], logits, atol=1e-3)
    assert not torch.allclose(net(image[:, [0, 0]])[0], logits, atol=1e-3)
    assert not torch.allclose(unet(SrmFilters(), frames=3)(image)[0], logits, atol=1e-3)


@torch.no_grad()
def test_scores_lie_over_their_pixels():
    """Changing one place changes the scores there most. Catches a transposed or shifted path; 8 pixels are a cell."""
    net = unet()
    image = torch.full((1, 2, 3, 64, 96), 0.5)
    spot = image.clone()
    spot[..., 12:20, 68:76] += 0.4 * torch.rand(8, 8)
    change = (net(spot)[0] - net(image)[0]).abs().sum((0, 1))
    change -= change.median()  # group normalisation moves every place a little
    row, column = divmod(change.argmax().item(), 96)
    assert 8 <= row < 24
    assert 64 <= column < 80


@torch.no_grad()
def test_last_only_is_the_same():
    image = torch.rand(1, 2, 3, 32, 32)
    net = unet()
    torch.testing.assert_close(net(image, last_only=True), net(image))


@torch.no_grad()
@RESIDUALS
def test_first_layer_keeps_traces_under_bf16(residual):
    """A quarter of a grey level, which bf16 rounds away at brightness 1, must change the scores."""
    bright = torch.full((1, 2, 3, 32, 32), 0.99)
    trace = bright + 0.25 / 255 * (torch.rand(1, 2, 3, 32, 32) > 0.5)
    net = unet(residual)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal((bright * 2 - 1).bfloat16(), (trace * 2 - 1).bfloat16())
        assert not torch.equal(net(bright)[0], net(trace)[0])
        seen = {}
        net.first.register_forward_hook(lambda _module, given, made: seen.update(given=given[0], made=made))
        net(trace.half())
    assert seen["given"].dtype == torch.float32
    assert seen["made"].dtype == torch.float32


@torch.no_grad()
def test_training_statistics_are_not_kept():
    """Catches batch normalisation: what was seen in training must not change what is judged."""
    net, image = unet(), torch.rand(2, 2, 3, 32, 32)
    before = net(image)[0]
    net.train()(torch.rand(4, 2, 3, 32, 32) * 0.1)
    torch.testing.assert_close(net.eval()(image)[0], before)


@RESIDUALS
def test_every_parameter_learns(residual):
    net = unet(residual).train()
    net(torch.rand(2, 2, 3, 32, 32))[0].square().mean().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_learns_a_task_of_two_frames():
    """Forged where the second frame differs from the first: no single frame tells. 60 steps get most pixels right."""
    net = unet(depth=2).train()
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        noise = torch.rand(4, 2, 3, 16, 16, generator=generator)
        changed = torch.zeros(4, 16, 16)
        changed[:, :, :8] = 1
        changed = torch.where(torch.rand(4, 1, 1, generator=generator) > 0.5, changed, 1 - changed)
        second = torch.where(changed[:, None] > 0, noise[:, 1], noise[:, 0])
        (logits,) = net(torch.stack([noise[:, 0], second], 1))
        loss = nn.functional.cross_entropy(logits, changed.long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (logits.argmax(1) == changed).float().mean() > 0.9


@pytest.mark.parametrize("options", [{"width": 12}, {"width": 0}, {"depth": -1}, {"frames": 0}])
def test_bad_options_are_named(options):
    with pytest.raises(InputError, match=f"UNet: {next(iter(options))} is"):
        UNet(**options)


def test_too_few_frames_are_named():
    with pytest.raises(InputError, match=r"UNet: frames is 3.*data\.frames"):
        unet(frames=3)(torch.rand(1, 2, 3, 16, 16))
