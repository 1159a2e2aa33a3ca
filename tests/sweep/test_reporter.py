"""What a real fit tells its worker."""

import json

import pytest
import torch
from support import fit_options

from outpaint_lightning.cli import main
from outpaint_lightning.sweep.spec import REPORTER


def fit(dataset, run, metric, *options):
    reporter = [f"--trainer.callbacks+={REPORTER}", f"--trainer.callbacks.metrics={json.dumps([metric])}"]
    return main(["fit", *fit_options(dataset, run), *reporter, *options])


@pytest.mark.slow
def test_validations_are_reported(dataset, tmp_path):
    assert fit(dataset, tmp_path, "val/f1") == 0
    assert json.loads((tmp_path / "result.json").read_text()) == {"state": "complete", "error": None}
    (report,) = map(json.loads, (tmp_path / "reports.jsonl").read_text().splitlines())
    assert report["epoch"] == 0
    assert 0 <= report["metrics"]["val/f1"] <= 1


@pytest.mark.slow
def test_stop_file_prunes_within_an_epoch(dataset, tmp_path):
    """Kills one that looks for it after validations alone, of which a short trial has few."""
    (tmp_path / "STOP").touch()
    assert fit(dataset, tmp_path, "val/f1", "--trainer.max_epochs=3", "--data.batch_size=1") == 0
    assert json.loads((tmp_path / "result.json").read_text()) == {"state": "pruned", "error": None}
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "near"), [("val/f2", "val/f1"), ("vall/f1", "val/f1")])
def test_metric_never_logged_is_named(dataset, tmp_path, capsys, metric, near):
    assert fit(dataset, tmp_path, metric) == 2
    said = f"metric '{metric}' was not logged; did you mean '{near}'?"
    assert said in capsys.readouterr().err
    assert said in json.loads((tmp_path / "error.0.json").read_text())["error"]
    assert json.loads((tmp_path / "result.json").read_text())["state"] == "failed"


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_told_from_bad_input(dataset, tmp_path):
    """Both leave with exit code 2, but a sweep ends at the one alone."""
    assert fit(dataset, tmp_path, "val/f1", "--model.optimizer.lr=1.0e+38", "--trainer.max_epochs=2") == 2
    assert json.loads((tmp_path / "result.json").read_text())["error"].startswith("Diverged: ")
