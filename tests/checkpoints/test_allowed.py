"""What a checkpoint may name. Each attack was possible, or stands for a way around the check."""

import sys

import pytest
import torch

from outpaint_lightning.checkpoints.allowed import VARIABLE, checked, class_paths, require_class, trust, trusted
from outpaint_lightning.types import InputError

POPEN = {"class_path": "subprocess.Popen", "init_args": {"args": "id", "shell": True}}


def nested(depth):
    return {"fill": nested(depth - 1)} if depth else 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (POPEN, "subprocess.Popen, which is not of this package; if you trust it, give --trust subprocess"),
        ({"class_path": "torch.nn.Linear", "init_args": {"device": POPEN}}, "subprocess.Popen"),
        ({"fills": [{"zero": (POPEN,)}]}, "subprocess.Popen"),
        ({"class_path": "outpaint_lightning.io.VideoWriter"}, "outpaint_lightning.io.VideoWriter"),
        ({"class_path": "torch.hub.load"}, "torch.hub.load"),
        ({"class_path": "io.FileIO", "init_args": {"file": "a", "mode": "w"}}, "io.FileIO"),
        ({"class_path": "kornia.feature.DISK", "init_args": {"pretrained": True}}, "kornia.feature.DISK"),
        ({"class_path": "torch.nnx.Linear"}, "torch.nnx.Linear"),
        ({"class_path": "Popen"}, "the class 'Popen'; expected one with its module"),
        ({"class_path": "torch.nn._reduction.warnings"}, "torch.nn._reduction.warnings"),
        ({"class_path": ["subprocess", "Popen"]}, "expected one with its module"),
        ({"_class_path": "evil_here.Task"}, "evil_here.Task"),
        ({"optimizer": "subprocess.Popen"}, "subprocess.Popen"),
        ({"device": "{class_path: subprocess.Popen}"}, "reads as YAML"),
        ({"device": "- subprocess.Popen"}, "reads as YAML"),
        ({"device": "class_path: subprocess.Popen"}, "reads as YAML"),
        ({"name": "a ${oc.env:HOME}"}, "not filled in"),
        ({"net.class_path": "subprocess.Popen"}, "the option 'net.class_path'; expected a name"),
        ({"class_path+": "subprocess.Popen"}, "expected a name"),
        ({1: 2}, "the option 1"),
        ({"weight": torch.zeros(1)}, "hold a Tensor"),
        ({"code": b"x"}, "hold a bytes"),
        (nested(200), "nested more than 32 deep"),
    ],
)
def test_what_no_checkpoint_may_hold(value, words):
    with pytest.raises(InputError) as error:
        checked({"net": value})
    assert words in str(error.value)


def test_what_ours_hold_stays():
    value = {
        "class_path": "outpaint_lightning.nets.UNet",
        "init_args": {"head": "flow", "betas": (0.9, 0.999), "tile": None, "lr": 1e-3, "carry": False, "n": 3},
        "text": ["validation", "a b", "1.5", "lut.npy", "cuda:0", "x: y: z"],
    }
    expected = {**value, "init_args": {**value["init_args"], "betas": [0.9, 0.999]}}
    assert checked(value) == expected


def test_weights_by_name_are_left_out():
    """They would be downloaded, or looked for; numbers of that name are an option like another."""
    assert checked({"weights": "imagenet"}) == {"weights": None}
    assert checked({"weights": [1.0, 2.0]}) == {"weights": [1.0, 2.0]}


def test_old_addresses_are_new_ones():
    assert checked({"class_path": "outpaint_lightning.nets.raft.RaftLocalizer"}) == {
        "class_path": "outpaint_lightning.nets.localizers.raft.RaftLocalizer"
    }


@pytest.mark.parametrize(
    "name",
    [
        "torchvision.models.resnet18",  # a function, which would download weights
        "torch.nn.init.math",  # not what torch.nn holds, but what it imports
        "torch.nn.functional.relu",
        "outpaint_lightning.tasks.localization.MaskWriter",
        "torch.nn.init.math.sqrt",
        "torch.nn.Missing",
    ],
)
def test_only_classes_of_the_packages(name):
    with pytest.raises(InputError, match=name):
        require_class(name)


@pytest.mark.parametrize(
    "name", ["torch.nn.Linear", "torch.optim.AdamW", "torchvision.models.ResNet", "outpaint_lightning.nets.UNet"]
)
def test_classes_of_the_packages(name):
    require_class(name)


def test_trust(monkeypatch):
    """Of a module, and of what lies in it; not of one whose name only begins alike."""
    monkeypatch.setenv(VARIABLE, "")
    for module in ("my_net", "other.nets", "my_net"):
        trust(module)
    assert trusted() == ["my_net", "other.nets"]
    for name in ("my_net.Net", "my_net.deep.Net", "other.nets.A"):
        assert checked({"class_path": name}) == {"class_path": name}
    for name in ("my_net2.Net", "other.Net"):
        with pytest.raises(InputError, match=name):
            checked({"class_path": name})
    assert checked({"class_path": "third.Net"}, extra=["third"])
    with pytest.raises(InputError, match="expected the name of a module"):
        trust("./my_net.py")


def test_nothing_is_imported_by_the_check(tmp_path, monkeypatch):
    """A module in the working folder, named by a checkpoint."""
    (tmp_path / "evil_here.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for value in ({"class_path": "evil_here.Net"}, {"optimizer": "evil_here.Net"}):
        with pytest.raises(InputError, match=r"evil_here\.Net"):
            checked(value)
    assert "evil_here" not in sys.modules


def test_class_paths():
    value = {"class_path": "a.B", "init_args": {"fills": [{"class_path": "c.D"}, 1], "x": {"class_path": "e.F"}}}
    assert [*class_paths(value)] == ["a.B", "c.D", "e.F"]
