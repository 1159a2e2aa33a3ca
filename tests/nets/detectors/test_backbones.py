import copy
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from outpaint_lightning.nets import BACKBONES, Backbone
from outpaint_lightning.types import InputError

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
RESNET18 = "resnet18-f37072fd.pth"


def torchvisions(name: str, backbone: Backbone) -> nn.Module:
    """Return torchvision's own classifier with the weights of the backbone, its last layer doing nothing.

    Both keep their parts in the order in which they run, so parameters pair up; were a stage in the wrong place, the
    outputs would tell.
    """
    with torch.device("meta"):  # its own random weights would take seconds
        peer = get_model(name)
    last, _ = [(path, part) for path, part in peer.named_modules() if isinstance(part, nn.Linear)][-1]
    peer.set_submodule(last, nn.Identity())
    keys = [key for key in backbone.state_dict() if key != "started_pretrained"]
    values = (backbone.state_dict()[key] for key in keys)
    peer.load_state_dict(dict(zip(peer.state_dict(), values, strict=True)), assign=True)
    return peer.eval()


@pytest.fixture(scope="module", params=list(BACKBONES))
def pair(request):
    torch.manual_seed(0)
    backbone = Backbone(request.param).eval()
    return backbone, torchvisions(request.param, backbone)


@pytest.fixture
def resnet_file(tmp_path):
    torch.manual_seed(1)
    file = tmp_path / "resnet18.pth"
    torch.save(get_model("resnet18").state_dict(), file)
    return file


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Torch's folder of downloaded weights, empty."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


def offline(*_arguments: object, **_options: object) -> None:
    raise OSError("no network")


@torch.no_grad()
def test_equals_torchvisions_forward(pair):
    """Catches a missing or misplaced layer, and a mean and deviation forgotten, swapped or applied twice."""
    backbone, peer = pair
    image = torch.rand(2, 3, 96, 80)
    ours = backbone.trunk(backbone(image)[-1])
    theirs = peer((image - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1))
    assert ours.shape == (2, backbone.features)
    scale = theirs.abs().max()
    torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=1e-5)  # another order in memory and of sums
    assert not torch.allclose(peer(image) / scale, theirs / scale, atol=1e-3), "the scaling must matter here"


@torch.no_grad()
def test_maps_run_from_fine_to_coarse(pair):
    """At the strides of the poolings; AlexNet's round down, so its maps are a little smaller."""
    backbone, _ = pair
    maps = backbone(torch.rand(1, 3, 224, 192))
    expected = {  # by the channels
        (64, 192, 256): [(27, 23), (13, 11), (6, 5)],
        (64, 128, 256, 512, 512): [(224 // s, 192 // s) for s in (2, 4, 8, 16, 32)],
        (64, 128, 256, 512): [(224 // s, 192 // s) for s in (4, 8, 16, 32)],
        (256, 512, 1024, 2048): [(224 // s, 192 // s) for s in (4, 8, 16, 32)],
    }
    assert [x.shape[1] for x in maps] == backbone.channels
    assert [tuple(x.shape[2:]) for x in maps] == expected[tuple(backbone.channels)]


@torch.no_grad()
def test_first_layer_keeps_traces_under_bf16():
    """A quarter of a grey level, which bf16 rounds away at brightness 1, must change the maps."""
    backbone = Backbone("resnet18").eval()
    bright = torch.full((1, 3, 64, 64), 0.99)
    trace = bright + 0.25 / 255 * (torch.rand(1, 3, 64, 64) > 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = [((x - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)).bfloat16() for x in (bright, trace)]
        assert torch.equal(*rounded)
        assert not torch.equal(backbone(bright)[0], backbone(trace)[0])


@torch.no_grad()
def test_a_file_of_torchvision_loads(resnet_file):
    """Catches weights that are read and not used: the maps are those of the file's net."""
    torch.manual_seed(2)
    backbone = Backbone("resnet18", str(resnet_file)).eval()
    peer = get_model("resnet18").eval()
    peer.load_state_dict(torch.load(resnet_file))
    peer.fc = nn.Identity()
    image = torch.rand(1, 3, 64, 64)
    theirs = peer((image - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1))
    torch.testing.assert_close(backbone.trunk(backbone(image)[-1]), theirs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(backbone.first.weight, peer.conv1.weight, rtol=0, atol=0)
    assert backbone.pretrained


def test_alexnet_keeps_its_pretrained_trunk(tmp_path):
    """Its two layers of 4096 units are the file's too; only the last layer, here of 7 classes, is left out."""
    torch.manual_seed(0)
    state = get_model("alexnet", num_classes=7).state_dict()
    torch.save(state, tmp_path / "alexnet.pth")
    layers = [part for part in Backbone("alexnet", str(tmp_path / "alexnet.pth")).trunk if isinstance(part, nn.Linear)]
    assert torch.equal(layers[0].weight, state["classifier.1.weight"])
    assert torch.equal(layers[1].weight, state["classifier.4.weight"])
    assert len(layers) == 2


def test_a_checkpoint_tells_what_training_started_from(resnet_file):
    """Also where the net is built without the file, as it is when a checkpoint is opened elsewhere."""
    rebuilt = Backbone("resnet18")
    assert not rebuilt.pretrained
    rebuilt.load_state_dict(Backbone("resnet18", str(resnet_file)).state_dict())
    assert rebuilt.pretrained


def test_imagenet_weights_come_from_the_cache(cache, resnet_file, monkeypatch):
    """Nothing is downloaded where the file is, and nothing is warned of."""
    cache.mkdir(parents=True)
    resnet_file.rename(cache / RESNET18)
    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backbone = Backbone("resnet18", "imagenet")
    assert backbone.pretrained
    torch.testing.assert_close(backbone.first.weight, torch.load(cache / RESNET18)["conv1.weight"], rtol=0, atol=0)


def test_imagenet_weights_are_downloaded(cache, resnet_file, monkeypatch):
    """To where torchvision keeps them, checked against the hash in their name."""
    asked = []

    def download(url: str, file: str, hash_prefix: str, progress: bool) -> None:
        asked.append((url, hash_prefix, progress))
        resnet_file.rename(file)

    monkeypatch.setattr("torch.hub.download_url_to_file", download)
    assert Backbone("resnet18", "imagenet").pretrained
    assert Backbone("resnet18", "imagenet").pretrained
    assert asked == [(f"https://download.pytorch.org/models/{RESNET18}", "f37072fd", False)]
    assert (cache / RESNET18).is_file()


@pytest.mark.usefixtures("cache")
def test_without_network_imagenet_starts_from_scratch_and_says_so(monkeypatch):
    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.warns(UserWarning, match=rf"no network.*put {RESNET18} into .*checkpoints") as caught:
        backbone = Backbone("resnet18", "imagenet")
    assert len(caught) == 1
    assert not backbone.pretrained
    assert backbone.first.weight.std() > 0.01


def test_weights_of_another_net_are_named(resnet_file):
    for name, fault in (("resnet50", "size mismatch"), ("alexnet", r"'features\.0\.weight' is missing")):
        with pytest.raises(InputError, match=rf"resnet18\.pth: not the weights of {name} \(.*{fault}"):
            Backbone(name, str(resnet_file))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda state: state.pop("layer4.1.bn2.bias"), r"'layer4\.1\.bn2\.bias' is missing"),
        (lambda state: state.update(extra=torch.zeros(1)), "'extra' is extra"),
        (lambda state: state.update({"conv1.weight": 3}), "conv1"),
    ],
)
def test_weights_that_are_not_exact_are_named(resnet_file, change, fault):
    state = copy.copy(torch.load(resnet_file))
    change(state)
    torch.save(state, resnet_file)
    with pytest.raises(InputError, match=rf"resnet18\.pth: not the weights of resnet18 \(.*{fault}"):
        Backbone("resnet18", str(resnet_file))


def test_the_last_layer_may_lack(resnet_file):
    state = torch.load(resnet_file)
    torch.save({key: value for key, value in state.items() if not key.startswith("fc.")}, resnet_file)
    assert Backbone("resnet18", str(resnet_file)).pretrained


class Malice:
    """Pickled, it is a call; unpickled with code allowed, a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_unreadable_weights_are_named_and_run_nothing(resnet_file, tmp_path):
    whole = resnet_file.read_bytes()
    for content in (whole[: len(whole) // 2], b"not a state dict", b""):
        resnet_file.write_bytes(content)
        with pytest.raises(InputError, match=r"resnet18\.pth: not a readable state dict"):
            Backbone("resnet18", str(resnet_file))
    torch.save({"conv1.weight": Malice(tmp_path / "ran")}, resnet_file)
    with pytest.raises(InputError, match=r"resnet18\.pth: not a readable state dict"):
        Backbone("resnet18", str(resnet_file))
    assert not (tmp_path / "ran").exists()


def test_a_list_is_no_state_dict(resnet_file):
    torch.save([torch.zeros(1)], resnet_file)
    with pytest.raises(InputError, match=r"resnet18\.pth: not the weights of resnet18"):
        Backbone("resnet18", str(resnet_file))


def test_misspelled_options_are_named():
    with pytest.raises(InputError, match=r"no backbone 'resnet19'.*alexnet, vgg11.*did you mean 'resnet"):
        Backbone("resnet19")
    with pytest.raises(InputError, match=r"weights is 'imagnet': no such file.*did you mean 'imagenet'"):
        Backbone("resnet18", "imagnet")


class Ramps(nn.Module):
    """Two residuals: the image's red, and twice its green."""

    def forward(self, image):
        return torch.stack([image[:, 0], 2 * image[:, 1]], 1)


@pytest.mark.parametrize("name", ["alexnet", "resnet18"])  # with and without a bias in the first layer
def test_residuals_are_seen_beside_the_colours(name):
    """With their weights at zero the net is the one without them; each of them, alone, reaches the first layer."""
    torch.manual_seed(0)
    plain = Backbone(name).eval()
    torch.manual_seed(0)
    wide = Backbone(name, residual=Ramps()).eval()
    wide.load_state_dict({k: v for k, v in plain.state_dict().items() if k != "first.weight"}, strict=False)
    image = torch.rand(2, 3, 64, 64)
    expected = [maps.detach() for maps in plain(image)]
    with torch.no_grad():
        assert torch.equal(wide.first.weight[:, :3], plain.first.weight)
        kernel = wide.first.weight[:, 3:].clone()
        wide.first.weight[:, 3:] = 0
        for maps, true in zip(wide(image), expected, strict=True):
            torch.testing.assert_close(maps, true)
        extra = torch.nn.functional.conv2d(Ramps()(image), kernel, stride=wide.first.stride, padding=wide.first.padding)
        before = wide.first(torch.cat([image, Ramps()(image)], 1))
        wide.first.weight[:, 3:] = kernel
        torch.testing.assert_close(
            wide.first(torch.cat([image, Ramps()(image)], 1)) - before, extra, atol=1e-5, rtol=1e-4
        )


def test_pretrained_colours_stay_with_residuals(resnet_file):
    backbone = Backbone("resnet18", str(resnet_file), residual=Ramps())
    assert torch.equal(backbone.first.weight[:, :3], torch.load(resnet_file)["conv1.weight"])
    assert backbone.pretrained
