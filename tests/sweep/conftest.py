"""Sweeps whose trials are `fake_fit.py`."""

import json
import sys
from pathlib import Path

import optuna
import pytest

from outpaint_lightning.cli import main
from outpaint_lightning.sweep import run
from outpaint_lightning.sweep.results import write_plots

FAKE = (sys.executable, str(Path(__file__).with_name("fake_fit.py")))
DRIVER = (sys.executable, str(Path(__file__).with_name("driver.py")))
BASIS = {
    "name": "fake",
    "configs": ["localizer/small.yaml"],
    "metric": "val/f1",
    "trials": 4,
    "heartbeat": 1,
    "sampler": {"class_path": "RandomSampler", "init_args": {"seed": 0}},
    "space": {"x": {"low": 0.0, "high": 1.0}},
}


class Folder:
    """A folder with one sweep in it."""

    def __init__(self, path):
        self.path = path
        self.out = path / "runs" / "fake"

    def write(self, **changes):
        """Write the sweep; its path."""
        file = self.path / "s.yaml"
        file.write_text(json.dumps({**BASIS, **changes}))
        return str(file)

    def sweep(self, *options, **changes):
        """Run it in this process; its exit code."""
        return main(["sweep", self.write(**changes), "--out", str(self.out), *options])

    def trials(self):
        """What is in the study."""
        return optuna.load_study(study_name="fake", storage=f"sqlite:///{self.out / 'study.db'}").trials

    def states(self):
        return [trial.state.name for trial in self.trials()]

    def of_trial(self, number, name):
        """Content of a file of a trial."""
        return (self.out / "trials" / f"{number:05d}" / name).read_text()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "COMMAND", FAKE)
    monkeypatch.setattr(run, "check", lambda *_: None)
    monkeypatch.setattr(run, "visible_gpus", list)
    monkeypatch.setattr(run, "write_plots", lambda *_: [])  # a second or two each
    return Folder(tmp_path)


@pytest.fixture
def plots(folder, monkeypatch):
    """Have the sweep draw its plots."""
    monkeypatch.setattr(run, "write_plots", write_plots)
    return folder.out
