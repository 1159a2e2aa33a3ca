"""A checkpoint from a stranger builds what this package lists and nothing else, whatever command opens it."""

import importlib
import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
import torch
from support import fit_options

from outpaint_lightning.checkpoints.allowed import MOVED, VARIABLE, checked
from outpaint_lightning.checkpoints.files import read_checkpoint
from outpaint_lightning.checkpoints.rebuild import described, load_net, load_task
from outpaint_lightning.cli import main
from outpaint_lightning.nets import RaftLocalizer, UNet
from outpaint_lightning.types import InputError


@pytest.fixture
def altered(run_folder, tmp_path):
    """Write a good checkpoint with some of its options changed."""

    def write(change):
        checkpoint = torch.load(run_folder / "checkpoints" / "best.ckpt", weights_only=True)
        change(checkpoint["hyper_parameters"])
        torch.save(checkpoint, tmp_path / "stranger.ckpt")
        return tmp_path / "stranger.ckpt"

    return write


SHORT = ("localize", "test")  # one command of each way to a task


def commands(path, dataset, out):
    """Command lines that open a checkpoint."""
    frames = str(dataset / "frames" / "d")
    return [
        ["localize", frames, "--ckpt_path", str(path), "--out", str(out / "found")],
        ["inpaint", frames, "--masks", frames, "--ckpt_path", str(path), "--out", str(out / "filled")],
        *(
            [command, *fit_options(dataset, out / command), "--ckpt_path", str(path)]
            for command in ("fit", "validate", "test", "predict")
        ),
    ]


def linear(run):
    """A net that torch has, with an option of no type: whatever it holds was built."""
    popen = {"class_path": "subprocess.Popen", "init_args": {"args": run, "shell": True}}
    return {"class_path": "torch.nn.Linear", "init_args": {"in_features": 1, "out_features": 1, "device": popen}}


@pytest.mark.parametrize("part", ["net", "criterion"])
def test_no_command_is_run(altered, dataset, tmp_path, capsys, part):
    """Catches a check of some commands, or of the net alone."""
    ran = tmp_path / "ran"
    path = altered(lambda options: options.update({part: linear(f"touch {ran}")}))
    for words in commands(path, dataset, tmp_path):
        if part != "net" and words[0] not in SHORT:
            continue
        assert main(words) == 2, words[0]
        assert "stranger.ckpt: it names subprocess.Popen" in capsys.readouterr().err, words[0]
    assert not ran.exists()


@pytest.mark.parametrize(
    ("value", "words"),
    [("evil.yaml", "cannot rebuild"), ("evil", "cannot rebuild"), ("HardNet", "stands where a class is expected")],
)
def test_text_is_no_class(altered, dataset, tmp_path, capsys, monkeypatch, value, words):
    """A file in the working folder that names a class, or the bare name of a class that some package has imported.

    jsonargparse read the file, and imported the module beside it.
    """
    (tmp_path / "evil_of_text.py").write_text("open('ran', 'w')")
    (tmp_path / "evil.yaml").write_text("class_path: evil_of_text.Net")
    shutil.copy(tmp_path / "evil.yaml", tmp_path / "evil")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    path = altered(lambda options: options.update(net=value))
    for line in (line for line in commands(path, dataset, tmp_path) if line[0] in SHORT):
        assert main(line) == 2, line[0]
        printed = capsys.readouterr().err
        assert "stranger.ckpt: " in printed, line[0]
        assert words in printed, line[0]
    assert not Path("ran").exists()


def test_values_are_not_filled_in(altered, dataset, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    path = altered(lambda options: options["net"]["init_args"].update(variant="${oc.env:SECRET_TOKEN}"))
    for words in (words for words in commands(path, dataset, tmp_path) if words[0] in SHORT):
        assert main(words) == 2, words[0]
        printed = capsys.readouterr()
        assert "not filled in" in printed.err, words[0]
        assert "hunter2" not in printed.out + printed.err


@pytest.mark.parametrize("options", [None, 5, [], {"net": 3}, {"net": {"class_path": 3}}, {"net": {"init_args": 3}}])
def test_odd_options_are_one_line(altered, options):
    path = altered(lambda _: None)
    checkpoint = torch.load(path, weights_only=True)
    task = checkpoint["hyper_parameters"]["_class_path"]
    checkpoint["hyper_parameters"] = {"_class_path": task, **options} if isinstance(options, dict) else options
    torch.save(checkpoint, path)
    for load in (load_task, load_net):
        with pytest.raises(InputError, match=r"stranger\.ckpt: "):
            load(path)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        ({"class_path": "RaftLocalizer", "init_args": {"updates": 10**9}}, "RaftLocalizer: updates is 1000000000"),
        ({"class_path": "UNet", "init_args": {"widht": 8}}, r"nets\.UNet': Option 'widht' is not accepted"),
        ({"class_path": "UNet", "init_args": {"width": "x" * 10**4}}, r"nets\.UNet': Parser key \"width\""),
        ({"class_path": "UNet", "init_args": {"width": 8, "depth": 3}}, "size mismatch for "),
    ],
)
def test_why_a_net_cannot_be_rebuilt(altered, net, words):
    """The reason was "Given value: ...", all options of the file; the class and what it says were missing."""
    path = altered(
        lambda options: options.update(net={**net, "class_path": f"outpaint_lightning.nets.{net['class_path']}"})
    )
    with pytest.raises(InputError, match=rf"stranger\.ckpt: cannot rebuild its net \(.*{words}") as error:
        load_net(path)
    assert len(str(error.value)) < 300 + len(str(path)) + 40
    assert "Given value" not in str(error.value)


def test_a_good_one_is_built(run_folder):
    task, net = load_task(run_folder), load_net(run_folder)
    assert isinstance(net, UNet)
    assert not task.training
    assert not net.training
    weights, own = task.net.state_dict(), net.state_dict()
    assert weights.keys() == own.keys()
    assert all(torch.equal(weights[key], own[key]) for key in own)


def test_addresses_of_before_the_move(altered):
    def change(options):
        options["net"]["class_path"] = "outpaint_lightning.nets.unet.UNet"

    assert isinstance(load_net(altered(change)), UNet)


def test_a_checkpoint_of_before_the_move(altered):
    """The first localizer's address, with its own weights, as a run of then left them."""
    net = RaftLocalizer("small", updates=1, context="residual")
    path = altered(lambda _: None)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"]["net"] = {
        "class_path": "outpaint_lightning.nets.raft.RaftLocalizer",
        "init_args": {"variant": "small", "updates": 1, "context": "residual"},
    }
    checkpoint["state_dict"] = {f"net.{name}": value for name, value in net.state_dict().items()}
    torch.save(checkpoint, path)
    found = load_net(path)
    assert isinstance(found, RaftLocalizer)
    assert all(torch.equal(found.state_dict()[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize(("before", "now"), MOVED.items())
def test_every_address_of_before_the_move(before, now):
    """Catches an entry that names no module, and one that shadows a module of today."""
    assert importlib.util.find_spec(before) is None
    public = next(name for name, value in vars(importlib.import_module(now)).items()
                  if isinstance(value, type) and value.__module__ == now)  # fmt: skip
    assert checked({"class_path": f"{before}.{public}"}) == {"class_path": f"{now}.{public}"}


def test_the_description_is_plain_and_whole(run_folder):
    checkpoint = torch.load(run_folder / "checkpoints" / "best.ckpt", weights_only=True)
    model = described(checkpoint, Path("a.ckpt"))
    assert model["class_path"] == "outpaint_lightning.tasks.LocalizationTask"
    assert model["init_args"]["net"] == checkpoint["hyper_parameters"]["net"]
    assert not {"_class_path", "_instantiator"} & model["init_args"].keys()
    del checkpoint["hyper_parameters"]["_class_path"]
    assert described(checkpoint, Path("a.ckpt")) is None


@pytest.fixture
def own_net(tmp_path, monkeypatch):
    """A module of the user's, beside the working folder's files, with a net of its own."""
    (tmp_path / "mine_of_test_rebuild.py").write_text(
        "from outpaint_lightning.nets import UNet\n\n\nclass Net(UNet):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(VARIABLE, "")
    yield "mine_of_test_rebuild"
    sys.modules.pop("mine_of_test_rebuild", None)


@pytest.mark.slow
def test_an_own_net(own_net, dataset, tmp_path, capsys):
    """The user's command line names it for `fit` and `test`, so a checkpoint may; `localize` is told by `--trust`."""
    net = ["--model.net", f"{own_net}.Net", "--model.net.width", "8", "--model.net.depth", "1"]
    options = [*fit_options(dataset, tmp_path / "run"), *net]
    assert main(["fit", *options]) == 0
    assert main(["test", *options]) == 0
    localize, *_ = commands(tmp_path / "run", dataset, tmp_path)
    assert main(localize) == 2
    assert f"{own_net}.Net, which is not of this package; if you trust it, give --trust {own_net}" in (
        capsys.readouterr().err
    )
    assert main([*localize, "--trust", own_net]) == 0
    assert main([*localize, f"--trust={own_net}", "--overwrite"]) == 0


def test_weights_that_are_not_finite(altered, dataset, tmp_path, capsys):
    """They used to give "0.0 % of the pixels forged"."""
    path = altered(lambda _: None)
    checkpoint = torch.load(path, weights_only=True)
    name = next(name for name in checkpoint["state_dict"] if name.startswith("net."))
    checkpoint["state_dict"][name].flatten()[-1] = float("nan")
    torch.save(checkpoint, path)
    for words in (words for words in commands(path, dataset, tmp_path) if words[0] in SHORT):
        assert main(words) == 2, words[0]
        assert f"stranger.ckpt: {name} is not finite" in capsys.readouterr().err


def test_an_empty_file(tmp_path):
    (tmp_path / "empty.ckpt").touch()
    with pytest.raises(InputError, match=r"empty\.ckpt: corrupt"):
        read_checkpoint(tmp_path / "empty.ckpt")


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("state_dict", [1], "state_dict is a list"),
        ("state_dict", {"net.x": 1}, "'net.x' of its state_dict is a int"),
        ("state_dict", {"x": torch.eye(2).to_sparse()}, "expected a dense tensor"),
        ("callbacks", [], "callbacks is a list"),
        ("epoch", "x", "epoch is a str"),
        ("callbacks", {"a": {"kth_best_model_path": "local:///victim"}}, "name the file 'local:///victim'"),
        ("callbacks", {"a": {"best_model_path": "/runs/checkpoints/../../victim"}}, r"without `\.\.`"),
        ("callbacks", {"a": {"best_k_models": {"a/../../victim": 1.0}}}, r"'a/\.\./\.\./victim'"),
    ],
)
def test_odd_parts_are_one_line(tmp_path, part, value, words):
    torch.save({"state_dict": {}, part: value}, tmp_path / "odd.ckpt")
    with pytest.raises(InputError, match=rf"odd\.ckpt: .*{words}"):
        read_checkpoint(tmp_path / "odd.ckpt")


def test_a_training_that_goes_on_removes_no_file_of_others(altered, dataset, tmp_path, capsys):
    """Lightning removes the checkpoint that the state calls the worst, also `DIRPATH/../../victim`."""
    (tmp_path / "victim").mkdir()
    path = altered(lambda _: None)
    checkpoint = torch.load(path, weights_only=True)
    folder = tmp_path / "fit" / "checkpoints"
    for state in checkpoint["callbacks"].values():
        if "kth_best_model_path" in state:
            victim = f"{folder}/../../victim"
            state.update(
                dirpath=str(folder),
                kth_best_model_path=victim,
                best_model_path=victim,
                best_k_models={victim: torch.tensor(0.0)},
            )
    torch.save(checkpoint, path)
    fit = ["fit", *fit_options(dataset, tmp_path / "fit"), "--trainer.max_epochs", "2", "--ckpt_path", str(path)]
    assert main(fit) == 2
    assert "its callbacks name the file" in capsys.readouterr().err
    assert (tmp_path / "victim").is_dir()


def test_the_state_of_a_training_that_is_odd_inside(altered, dataset, tmp_path, capsys):
    path = altered(lambda _: None)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["loops"] = {"fit_loop": 5}
    torch.save(checkpoint, path)
    fit = ["fit", *fit_options(dataset, tmp_path / "fit"), "--ckpt_path", str(path)]
    assert main(fit) == 2
    assert "stranger.ckpt: its training cannot go on (" in capsys.readouterr().err.splitlines()[-1]
