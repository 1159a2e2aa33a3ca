"""A task that the package does not know, through the real command line: no list of ours has its name.

It trains two parts with two optimizers, as adversarial tasks do, and brings a kind of results and a writer of its own.
"""

import csv
import json
import sys

import pytest

from outpaint_lightning.cli import main

TASK = """
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback
from outpaint_lightning.results import Column, Kind, Result
from outpaint_lightning.tasks import BaseTask

KIND = Kind(
    "brightness", task="BrightnessTask", sign="error", columns=(Column("error", "mean error", ".2f"),), lower=True,
    table="per_shot.csv", value="error", monitored="val/error", progress=("train/loss", "val/error"),
)


class Notes(Callback):
    def on_predict_end(self, trainer, pl_module):
        Path(trainer.default_root_dir, "predict").mkdir()
        Path(trainer.default_root_dir, "predict", "notes.txt").write_text(f"{pl_module.net.item():.2f}")


class BrightnessTask(BaseTask):
    kind = KIND
    writers = (Notes,)

    def __init__(self, rate: float = 0.5):
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.automatic_optimization = False
        self.net, self.critic = (torch.nn.Parameter(torch.zeros(())) for _ in range(2))

    def configure_optimizers(self):
        return [torch.optim.SGD([part], self.hparams.rate) for part in (self.net, self.critic)]

    def training_step(self, batch, batch_idx):
        target = batch["image"].mean()
        for part, optimizer in zip((self.net, self.critic), self.optimizers(), strict=True):
            loss = (part - target).square()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        return self.log_training({"loss": loss}, batch_idx)

    def on_validation_epoch_start(self):
        self.rows = []

    on_test_epoch_start = on_validation_epoch_start

    def validation_step(self, batch, batch_idx):
        for meta, image in zip(batch["meta"], batch["image"], strict=True):
            error = (image.mean() - self.net).abs().item()
            self.rows.append({"clip": meta["clip"], "source": meta["source"], "error": error})

    test_step = validation_step

    def finish(self, split):
        error = sum(row["error"] for row in self.rows) / len(self.rows)
        self.report(split, Result(KIND, {"error": error}, self.rows), {"error": error}, {"frames": None})

    def on_validation_epoch_end(self):
        self.finish("val")

    def on_test_epoch_end(self):
        self.finish("test")

    def predict_step(self, batch, batch_idx):
        return batch["image"][:, 0, 0]  # a tensor B H W, and no mask
"""


@pytest.fixture
def words(dataset, tmp_path, monkeypatch):
    (tmp_path / "task_of_test_base.py").write_text(TASK)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield [
        *("--model", "task_of_test_base.BrightnessTask", "--data", "ClipDataModule", "--data.root", str(dataset)),
        *("--data.workers", "0", "--trainer.max_epochs", "2", "--trainer.devices", "1", "--trainer.accelerator", "cpu"),
        *("--trainer.default_root_dir", str(tmp_path / "run")),
    ]
    sys.modules.pop("task_of_test_base", None)


def test_a_task_brings_its_results_and_its_writer(words, tmp_path, capsys):
    """Catches reports that go by names of ours, and masks written of any tensor."""
    assert main(["fit", *words]) == 0
    *_, epoch, folder, last, _ = capsys.readouterr().out.splitlines()
    assert epoch.startswith("epoch 1 step ")
    assert "val/error 0." in epoch
    assert folder == f"run folder  {tmp_path}/run"
    assert last.startswith("last        val/error 0.")
    [checkpoint] = (tmp_path / "run" / "checkpoints").glob("*.ckpt")
    more = ["--ckpt_path", str(checkpoint)]
    assert main(["test", *words, *more]) == 0
    printed = capsys.readouterr().out.splitlines()
    test = tmp_path / "run" / "test"
    summary = json.loads((test / "summary.json").read_text())
    rows = list(csv.DictReader((test / "per_shot.csv").open()))
    assert summary["error"] == pytest.approx(sum(float(row["error"]) for row in rows) / 12)
    assert printed[-2:] == [
        f"mean error  {summary['error']:.2f}",
        f"written to {test}: summary.json, per_shot.csv, card.json",
    ]
    assert main(["predict", *words, *more]) == 0
    assert [path.name for path in (tmp_path / "run" / "predict").iterdir()] == ["notes.txt"]


def test_a_writer_of_the_config_replaces_that_of_the_task(words, tmp_path):
    """Given twice, the second would find the first one's folder."""
    assert main(["fit", *words]) == 0
    [checkpoint] = (tmp_path / "run" / "checkpoints").glob("*.ckpt")
    own = ["--ckpt_path", str(checkpoint), "--trainer.callbacks+=task_of_test_base.Notes"]
    assert main(["predict", *words, *own]) == 0
