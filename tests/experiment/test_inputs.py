"""Files that a command line names are looked for before torch is imported."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml

from outpaint_lightning.cli import main
from outpaint_lightning.experiment.inputs import find_inputs
from outpaint_lightning.io import write_image
from outpaint_lightning.types import InputError

SMALL = ["--config", "localizer/small"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to stand in, but for a dataset and a run with its best checkpoint."""
    (tmp_path / "data" / "forged").mkdir(parents=True)
    (tmp_path / "runs" / "localizer" / "small" / "checkpoints").mkdir(parents=True)
    (tmp_path / "runs" / "localizer" / "small" / "checkpoints" / "best.ckpt").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_become_paths_and_the_rest_stays(here):
    (here / "mine.yaml").write_text("seed_everything: 3")
    words = ["-c", "localizer/small", "--config=mine.yaml", "--config", "localizer/rows/focal_07", "--data.root=data"]
    found = find_inputs("fit", words)
    assert [word.rpartition("configs/")[2] for word in found] == [
        *("--config", "localizer/small.yaml", "--config", "mine.yaml"),
        *("--config", "localizer/rows/focal_07.yaml", "--data.root=data"),
    ]


@pytest.mark.parametrize(
    ("command", "words", "problem"),
    [
        (
            "fit",
            [],
            "fit: expected --config FILE.yaml with a whole experiment, or the name of a shipped one: --config loc",
        ),
        ("fit", ["--trainer.max_epochs", "1"], "fit: expected --config FILE.yaml"),
        (
            "fit",
            ["--config", "localizer/rows/flip"],
            "rows/flip.yaml names no model: expected --config FILE.yaml with a",
        ),
        ("fit", ["--config", "gone.yaml", "--model.threshold", "0.4"], "gone.yaml names no model"),
        ("fit", ["--config"], "--config: expected a YAML file, or the name of a shipped one"),
        ("fit", ["--config="], "--config: expected a YAML file"),
        ("fit", ["--config", "localizer/smal"], "localizer/smal: no such file; did you mean 'localizer/small'?"),
        ("fit", [*SMALL, "-c", "broken.yaml"], "broken.yaml, line 2: not YAML"),
        ("fit", [*SMALL, "--data.root", "data/forgd"], "data/forgd: no such folder; did you mean 'forged'?"),
        ("fit", [*SMALL, "--data.root", "data/forged", "--data.root=gone"], "gone: no such folder"),  # the last wins
        ("fit", [*SMALL, "--data.init_args.root=gone"], "gone: no such folder"),
        ("fit", [*SMALL, "-c", "gone.yaml"], "data/gone: no such folder"),  # of the file that wins
        ("fit", [*SMALL, "--data.root", "one.png"], "one.png: one file; expected the folder of a dataset (data.root)"),
        ("fit", [*SMALL, "--data", "one.png"], "--data one.png: expected a DataModule's class; the folder of a"),
        ("fit", [*SMALL, "--data=data/forgd"], "--data data/forgd: expected a DataModule's class"),
        (
            "fit",
            [*SMALL, "-c", "dat.yaml"],
            "dat.yaml: no key 'dat'; expected model, data, trainer, seed_everything;",
        ),
        ("fit", [*SMALL, "--ckpt_path", "x.ckpt"], "x.ckpt: no such checkpoint"),
        ("fit", [*SMALL, "--ckpt_path=last"], "runs/localizer/small/checkpoints/last.ckpt: no such checkpoint"),
        ("test", [*SMALL, "--trainer.default_root_dir", "runs/new"], "runs/new: no such checkpoint"),
        ("test", ["--config", "localizer/carry"], "runs/localizer/carry: no such checkpoint"),
        ("predict", [*SMALL, "--ckpt_path", "http://host/a.ckpt"], "files only"),
    ],
)
def test_what_is_not_there_is_named(here, command, words, problem):
    (here / "one.png").touch()
    (here / "dat.yaml").write_text("dat: {init_args: {root: data/gone}}")
    (here / "broken.yaml").write_text("model: [")
    (here / "gone.yaml").write_text("data: {init_args: {root: data/gone}}")
    with pytest.raises(InputError) as refused:
        find_inputs(command, words)
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("fit", SMALL),
        ("test", SMALL),  # the run's own best
        ("fit", ["--config", "refiner/small"]),  # no folder: root is null
        ("fit", ["--config", "regions/small", "--data.root", "null"]),
        ("fit", ["--model", "LocalizationTask", "--data=ClipDataModule"]),  # all of it on the command line
        ("fit", ["--config", "localizer/rows/flip", "--model=LocalizationTask"]),
        ("fit", ["--config", "short.yaml"]),
        ("fit", [*SMALL, "-c", "later.yaml"]),  # only known once the environment is read
        ("validate", ["--config", "localizer/carry", "--trainer.fast_dev_run", "true"]),  # a net that was never trained
        ("fit", ["--config", "localizer/small", "--data.root", "gone", "--print_config"]),  # nothing is read
        ("fit", ["--data.help", "ClipDataModule"]),
    ],
)
def test_what_may_be_as_it_is_passes(here, command, words):
    """Kills a check that refuses what LightningCLI would take."""
    (here / "short.yaml").write_text("model: LocalizationTask")
    (here / "later.yaml").write_text("data: {init_args: {root: '${oc.env:WHERE}/x'}}")
    assert len(find_inputs(command, words)) == len(words)


def test_nothing_of_it_imports_torch(here):
    """Kills a check that comes after seconds of imports; in a process of its own, as this one has torch."""
    write_image(here / "one.png", np.zeros((8, 8, 3), np.uint8))
    (here / "taken" / "one").mkdir(parents=True)
    (here / "taken" / "one" / "report.html").touch()
    lines = [
        ["fit"],
        ["fit", "--config", "localizer/smal"],
        ["fit", *SMALL, "--data.root", "gone"],
        ["test", "--config", "localizer/carry"],
        ["localize", "a.mp4", "--ckpt_path", "gone.ckpt", "--out", "o"],
        ["localize", "gone.mp4", "--out", "o"],
        ["localize", "one.png", "--out", "taken"],
        ["inpaint", "a.mp4", "--masks", "m", "--ckpt_path", "gone.ckpt", "--out", "o"],
        ["inpaint", "gone.mp4", "--masks", "m", "--fill", "nearest", "--out", "o"],
        ["inpaint", "one.png", "--masks", "m", "--fill", "nearest", "--out", "taken"],
        ["sweep", "localizer_gama"],
    ]
    code = f"""
import sys
from outpaint_lightning.cli import main
for line in {lines!r}:
    assert main(line) == 2
    assert "torch" not in sys.modules, line
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == len(lines)
    assert "did you mean 'localizer/small'?" in done.stderr
    assert "did you mean 'localizer_gamma'?" in done.stderr
    assert done.stderr.count("taken/one already exists") == 2


def test_help_all_tells_how_to_list_the_keys_of_classes(capsys):
    assert main(["fit", "--help-all"]) == 0
    printed = capsys.readouterr().out
    assert "--trainer.max_epochs" in printed
    assert "outpaint-lightning fit --data.help ClipDataModule" in printed
    for words, key in (
        (["--data.help", "ClipDataModule"], "batch_size"),
        (["--model.help", "LocalizationTask"], "threshold"),
    ):
        assert main(["fit", *words]) == 0
        assert key in capsys.readouterr().out


@pytest.mark.slow
def test_a_home_folder_is_meant_by_all_who_read_the_run_folder(dataset, here, monkeypatch, capsys):
    """Kills `~` as the name of a folder: fit wrote to one place, test read another, a second fit replaced the first."""
    home = here / "home"
    monkeypatch.setenv("HOME", str(home))
    trainer = {"default_root_dir": "~/exp", "accelerator": "cpu", "max_epochs": 1, "limit_train_batches": 1}
    trainer |= {"limit_val_batches": 1, "check_val_every_n_epoch": 1, "num_sanity_val_steps": 0, "devices": 1}
    net = {"net": {"init_args": {"updates": 1}}, "tile": None}
    data = {"root": str(dataset), "batch_size": 1, "workers": 0}
    content = {"trainer": trainer, "model": {"init_args": net}, "data": {"init_args": data}}
    (here / "mine.yaml").write_text(json.dumps(content))
    words = [*SMALL, "--config", "mine.yaml"]
    assert main(["fit", *words]) == 0
    assert (home / "exp" / "checkpoints" / "last.ckpt").exists()
    config = yaml.safe_load((home / "exp" / "config.fit.yaml").read_text())
    assert config["trainer"]["default_root_dir"] == f"{home}/exp"
    assert config["trainer"]["callbacks"][0]["init_args"]["dirpath"] == f"{home}/exp/checkpoints"
    assert main(["test", *words, "--ckpt_path", "last"]) == 0
    assert (home / "exp" / "test" / "summary.json").exists()
    capsys.readouterr()
    assert main(["fit", *words]) == 2
    assert "already exists: pass --overwrite" in capsys.readouterr().err
    assert not (here / "~").exists()
