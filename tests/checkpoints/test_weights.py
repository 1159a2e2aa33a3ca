"""Weights that are passed on with a card: what is read is what was written, and a wrong pair is one line."""

import hashlib
import json
import shutil

import pytest
import torch
from support import fit_options

from outpaint_lightning.checkpoints.rebuild import load_net, load_task
from outpaint_lightning.checkpoints.weights import card_of, save_weights
from outpaint_lightning.cli import main
from outpaint_lightning.types import InputError

CARD = {"data": "clips made by a test", "licences": ["CC0"], "results": {"f1": 0.5}, "limits": "none known"}

CHOICE = {"threshold": 0.25, "f1": 0.5, "epoch": 0, "pixel_fpr_limit": None}


@pytest.fixture(scope="module")
def original(run_folder, tmp_path_factory):
    """Weights and their card of a run, with a threshold as a validation chooses it."""
    task = load_task(run_folder)
    task.hparams["threshold"] = "validation"
    task.threshold_choice = CHOICE
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(task, path, CARD)
    return path


@pytest.fixture
def saved(original, tmp_path):
    """A copy of them."""
    for file in (original, card_of(original)):
        shutil.copy(file, tmp_path)
    return tmp_path / original.name


@pytest.fixture
def altered(saved):
    """Change the card of `saved`."""

    def write(change):
        card = json.loads(card_of(saved).read_text())
        change(card)
        card_of(saved).write_text(json.dumps(card))
        return saved

    return write


def test_what_is_read_is_what_was_written(run_folder, saved):
    before, after, net = load_task(run_folder), load_task(saved), load_net(saved)
    assert after.state_dict().keys() == before.state_dict().keys()
    assert all(torch.equal(value, before.state_dict()[name]) for name, value in after.state_dict().items())
    assert all(torch.equal(value, before.net.state_dict()[name]) for name, value in net.state_dict().items())
    assert after.window == before.window == {"frames": 2, "stride": 1}
    assert after.threshold_choice == CHOICE
    assert not after.training
    card = json.loads(card_of(saved).read_text())
    assert {key: card[key] for key in CARD} == CARD
    assert card["format"] == 1


def test_again_from_what_was_read(saved, tmp_path):
    """A loaded task knows how it was built. Catches one that keeps what describes it out of its hyperparameters."""
    save_weights(load_task(saved), tmp_path / "again.safetensors", CARD)
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()
    assert card_of(tmp_path / "again.safetensors").read_bytes() == card_of(saved).read_bytes()


def test_half_is_half_and_read_whole(run_folder, saved, tmp_path):
    save_weights(load_task(run_folder), tmp_path / "half.safetensors", CARD, half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * saved.stat().st_size
    whole, half = load_task(saved).state_dict(), load_task(tmp_path / "half.safetensors").state_dict()
    for name, value in half.items():
        assert value.dtype == whole[name].dtype
        if value.is_floating_point():
            assert torch.equal(value, whole[name].half().float()), name


@pytest.mark.slow
def test_commands_take_them(saved, dataset, tmp_path, capsys):
    """`test` reads by Lightning, which knows .ckpt alone; `fit` has nothing to go on with; `inpaint` needs another."""
    frames = str(dataset / "frames" / "d")
    assert main(["localize", frames, "--ckpt_path", str(saved), "--out", str(tmp_path / "found")]) == 0
    options = fit_options(dataset, tmp_path / "run")
    assert main(["test", *options, "--ckpt_path", str(saved)]) == 0
    assert json.loads((tmp_path / "run" / "test" / "summary.json").read_text())["threshold_choice"] == CHOICE
    capsys.readouterr()
    assert main(["fit", *options, "--ckpt_path", str(saved)]) == 2
    assert "small.safetensors: holds weights alone, no state of a training" in capsys.readouterr().err
    inpaint = ["inpaint", frames, "--masks", frames, "--ckpt_path", str(saved), "--out", str(tmp_path / "filled")]
    assert main(inpaint) == 2
    assert "small.safetensors: holds a LocalizationTask; expected a FlowRefinementTask" in capsys.readouterr().err


def test_of_other_weights(saved):
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    saved.write_bytes(content)
    with pytest.raises(InputError, match=r"small\.safetensors: is not the file that small\.json describes"):
        load_task(saved)


def test_a_missing_card_is_told_before_torch_is_imported(saved, capsys, tmp_path):
    card_of(saved).unlink()
    assert main(["localize", str(tmp_path), "--ckpt_path", str(saved), "--out", str(tmp_path / "found")]) == 2
    assert "small.json: missing; expected the card of small.safetensors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda card: card.pop("class_path"), r"small\.json: has no class_path; expected a card"),
        (lambda card: card.update(init_args=[]), r"small\.json: init_args is a list"),
        (lambda card: card.update(format=2), r"small\.json: format is 2; this version reads 1"),
        (lambda card: card.update(class_path="subprocess.Popen"), "it names subprocess.Popen, which is not of this"),
        (lambda card: card["init_args"].update(optimizer="os.system"), "it names os.system"),
        (
            lambda card: card["init_args"]["net"].update(class_path="outpaint_lightning.nets.RaftLocalizer"),
            "cannot rebuild",
        ),
        (lambda card: card["state"].update(window={"frames": -1, "stride": 1}), "window is {'frames': -1"),
        (lambda card: card["state"].update(threshold_choice=[1]), r"threshold_choice is \[1\]"),
        (lambda card: card["state"].update(threshold_choice={"threshold": 0.5}), "expected a threshold, its F1 and an"),
        (lambda card: card["state"].update(callbacks={}), "state has the key callbacks"),
    ],
)
def test_wrong_cards(altered, change, words):
    with pytest.raises(InputError, match=rf"small\.(json|safetensors): .*{words}|{words}"):
        load_task(altered(change))


def test_corrupt_weights_with_their_own_hash(altered, saved):
    saved.write_bytes(b"\xff" * 64)
    with pytest.raises(InputError, match=r"small\.safetensors: cannot be read"):
        load_task(altered(lambda card: card.update(sha256=hashlib.sha256(saved.read_bytes()).hexdigest())))


def test_what_is_not_written(run_folder, tmp_path):
    task = load_task(run_folder)
    with pytest.raises(InputError, match=r"small\.pt: expected a name that ends in \.safetensors"):
        save_weights(task, tmp_path / "small.pt", CARD)
    with pytest.raises(InputError, match=r"small\.json: sha256 is written from the task"):
        save_weights(task, tmp_path / "small.safetensors", {"sha256": "0"})
    task.hparams.clear()
    with pytest.raises(InputError, match="does not know how it was built"):
        save_weights(task, tmp_path / "small.safetensors", CARD)
    assert not [*tmp_path.iterdir()]
