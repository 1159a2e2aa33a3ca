import pytest
import timm
import torch
from torch import nn

from outpaint_lightning.nets import Encoder, EncoderBackbone, RegionDetector, SrmFilters
from outpaint_lightning.nets.detectors.region import mask_evidence
from outpaint_lightning.types import InputError

TINY = "test_efficientnet"  # timm's own for tests: half a million parameters, strides 2 to 32


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of weights of `TINY`, which are random."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    torch.save(timm.create_model(TINY).state_dict(), path)
    return path


@torch.no_grad()
def test_maps_are_the_encoders_and_behind_them_the_traces(weights):
    """Catches weights that are not used, a stride paired with the map of another, and traces that see nothing."""
    backbone = EncoderBackbone(TINY, str(weights), SrmFilters()).eval()
    encoder = Encoder(TINY, str(weights), largest_stride=16).eval()
    image = torch.rand(2, 3, 64, 96)
    maps, peers = backbone(image), dict(zip(encoder.channels, encoder(image), strict=True))
    assert [tuple(each.shape[2:]) for each in maps] == [(16, 24), (8, 12), (4, 6)]
    assert [each.shape[1] for each in maps] == backbone.channels
    for stride, found in zip((4, 8, 16), maps, strict=True):
        torch.testing.assert_close(found[:, : encoder.channels[stride]], peers[stride], rtol=1e-4, atol=1e-5)
    noisy = image + 4 / 255 * torch.randn(2, 3, 64, 96)
    behind = encoder.channels[4]
    assert not torch.allclose(maps[0][:, behind:], backbone(noisy)[0][:, behind:], atol=0.1)
    assert backbone.trunk(maps[-1]).shape == (2, backbone.features)
    torch.testing.assert_close(backbone.trunk(maps[-1])[:, backbone.channels[-1] :], maps[-1].amax((2, 3)))


def test_normalisation_is_trained_from_scratch_alone(weights):
    """With the statistics of no data (0 and 1) a net from scratch would not be normalised at all."""
    image = torch.rand(2, 3, 64, 64)
    for given, trained in ((None, True), (str(weights), False)):
        backbone = EncoderBackbone(TINY, given).train()
        before = {name: value.clone() for name, value in backbone.named_buffers() if "running_mean" in name}
        backbone(image)
        changed = any(
            not torch.equal(value, before[name]) for name, value in backbone.named_buffers() if name in before
        )
        assert changed is trained
        assert backbone.pretrained is not trained


def test_a_checkpoint_tells_what_training_started_from(weights):
    """A training that goes on is built without weights: its normalisation must stay frozen all the same."""
    rebuilt = nn.Sequential(EncoderBackbone(TINY)).train()
    normalisations = [part for part in rebuilt[0].encoder.modules() if isinstance(part, nn.BatchNorm2d)]
    assert all(part.training for part in normalisations)
    rebuilt.load_state_dict(nn.Sequential(EncoderBackbone(TINY, str(weights))).state_dict())
    assert rebuilt[0].pretrained
    assert not any(part.training for part in normalisations)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strides": (3, 16)}, r"strides is \[3, 16\]: expected two of 2, 4, 8, 16, the finer first"),
        ({"stem": 0}, "stem is 0"),
        ({"weights": "gone.pth"}, "weights is 'gone.pth': no such file"),
        ({"encoder": "test_eficientnet"}, "did you mean 'test_efficientnet'"),
    ],
)
def test_options_that_cannot_be_used(options, words):
    with pytest.raises(InputError, match=words):
        EncoderBackbone(**{"encoder": TINY, **options})


def test_a_size_that_is_no_multiple_is_named():
    with pytest.raises(InputError, match=r"image is 64x100: expected multiples of 16 \(data.size\)"):
        RegionDetector(TINY)(torch.rand(1, 1, 3, 64, 100))


@torch.no_grad()
def test_options_of_the_detector():
    """Box and class from the mask: one that is sure of a region gives its box. The units that remain are counted."""
    net = RegionDetector(TINY, segmentation=True, box_from_mask=True, class_from_mask=True, quality=True).eval()
    assert net.last.out_features == 2
    assert RegionDetector(TINY).last.out_features == 5
    logits = torch.full((1, 1, 64, 96), -20.0)
    logits[..., 8:40, 16:80] = 20
    net.decoder.forward = lambda _maps, _size: logits
    net.last.weight.zero_()
    net.last.bias.zero_()
    net.last.weight[0, -5] = 1  # the strongest cells alone
    output = net(torch.rand(1, 1, 3, 64, 96))
    torch.testing.assert_close(output.box, torch.tensor([[16.0, 8, 80, 40]]), rtol=0, atol=1e-2)
    assert output.logit.tolist() == pytest.approx([20])
    assert output.quality.tolist() == [0]
    assert RegionDetector(TINY, segmentation=True)(torch.rand(1, 1, 3, 64, 64)).quality is None


def test_evidence_by_hand():
    """256 cells of 4 x 4 pixels, one of them sure: means over 1, 4, 16, 64 and 256 of them."""
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 4:8, 12:16] = 8
    assert mask_evidence(mask)[0].tolist() == [8 / count for count in (1, 4, 16, 64, 256)]


@pytest.mark.parametrize("option", ["box_from_mask", "class_from_mask"])
def test_what_needs_a_mask_says_so(option):
    with pytest.raises(InputError, match=f"{option} needs a mask; expected segmentation: true"):
        RegionDetector(TINY, **{option: True})
