"""Thresholds chosen on validation data, through the command line, as a user meets them."""

import json

import pytest
import torch
import yaml
from support import fit_options
from torch import nn

from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.cli import main
from outpaint_lightning.losses import SequenceCrossEntropy
from outpaint_lightning.metrics import THRESHOLDS
from outpaint_lightning.nets import UNet
from outpaint_lightning.tasks import LocalizationTask
from outpaint_lightning.types import InputError

CHOOSE = ["--model.threshold", "validation"]


@pytest.fixture(scope="module")
def chosen_run(dataset, tmp_path_factory):
    """A run whose threshold was chosen on the validation split."""
    run = tmp_path_factory.mktemp("chosen")
    assert main(["fit", *fit_options(dataset, run), *CHOOSE]) == 0
    return run


def test_a_net_without_last_only_is_named():
    """Lightning's traceback came after the first epoch."""
    with pytest.raises(InputError, match=r"net is a Conv2d, whose forward has no argument last_only; expected forward"):
        LocalizationTask(nn.Conv2d(3, 2, 1), SequenceCrossEntropy())


@pytest.mark.parametrize("state", [{"window": 5}, {"window": {"frames": 2}}, {"threshold_choice": {"threshold": "x"}}])
def test_a_state_that_is_odd_is_named(state):
    task = LocalizationTask(UNet(width=8, depth=1), SequenceCrossEntropy())
    with pytest.raises(InputError, match=f"{next(iter(state))} is "):
        task.on_load_checkpoint(state)


def checkpoint_of(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def summary_of(run):
    return json.loads((run / "test" / "summary.json").read_text())


@pytest.mark.slow
def test_the_choice_is_kept_with_how_it_was_made(chosen_run, dataset, capsys):
    choice = checkpoint_of(chosen_run)["threshold_choice"]
    assert choice["threshold"] in THRESHOLDS
    assert choice["by"] == "highest mean F1 over the validation videos"
    assert choice["epoch"] == 0
    options = [*fit_options(dataset, chosen_run), "--ckpt_path", "last", "--overwrite"]
    capsys.readouterr()
    assert main(["test", *options]) == 0
    summary = summary_of(chosen_run)
    assert summary["threshold"] == choice["threshold"]
    assert summary["threshold_source"] == "validation"
    assert summary["threshold_choice"] == choice
    printed = capsys.readouterr().out
    assert "chosen on validation videos in epoch 0" in printed
    assert "oracle, not a result" in printed


def test_a_test_never_chooses(chosen_run, dataset):
    """The choice of the checkpoint is replaced by a poor one: a test that chose again would mend it."""
    checkpoint = checkpoint_of(chosen_run)
    checkpoint["threshold_choice"]["threshold"] = 0.99
    poor = chosen_run / "poor.ckpt"
    torch.save(checkpoint, poor)
    assert main(["test", *fit_options(dataset, chosen_run), "--ckpt_path", str(poor), "--overwrite"]) == 0
    summary = summary_of(chosen_run)
    assert summary["threshold"] == 0.99
    assert summary["f1"]["mean"] == pytest.approx(summary["curve"]["f1"][98])
    assert summary["oracle"]["f1"] > summary["f1"]["mean"]


def test_a_number_on_the_command_line_wins(chosen_run, dataset):
    options = [*fit_options(dataset, chosen_run), "--ckpt_path", "last", "--overwrite", "--model.threshold", "0.25"]
    assert main(["test", *options]) == 0
    summary = summary_of(chosen_run)
    assert (summary["threshold"], summary["threshold_source"], summary["threshold_choice"]) == (0.25, "fixed", None)


def test_validation_logs_the_f1_at_its_choice(chosen_run, dataset):
    options = [*fit_options(dataset, chosen_run), "--ckpt_path", "last", "--overwrite"]
    assert main(["validate", *options]) == 0
    lines = (chosen_run / "validate" / "metrics.csv").read_text().splitlines()
    values = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    choice = checkpoint_of(chosen_run)["threshold_choice"]
    assert float(values["val/threshold"]) == pytest.approx(choice["threshold"])
    assert float(values["val/f1"]) == pytest.approx(choice["f1"])


@pytest.mark.slow
def test_without_a_choice_nothing_is_judged(run_folder, dataset, tmp_path, capsys):
    """The checkpoint was trained with a fixed threshold, or validated on authentic clips only."""
    options = [*fit_options(dataset, tmp_path), "--ckpt_path", str(run_folder), *CHOOSE, "--overwrite"]
    for command in ("test", "predict"):
        assert main([command, *options]) == 2
        assert "none was chosen yet" in capsys.readouterr().err


def test_validation_without_forgeries_chooses_nothing(dataset, tmp_path):
    """The first validation clip is authentic: the training goes on, and no threshold is made up."""
    assert main(["fit", *fit_options(dataset, tmp_path), *CHOOSE, "--trainer.limit_val_batches", "1"]) == 0
    assert checkpoint_of(tmp_path)["threshold_choice"] is None


def test_localize_takes_the_choice(chosen_run, dataset, tmp_path):
    frames = str(dataset / "frames" / "d__1")
    assert main(["localize", frames, "--ckpt_path", str(chosen_run), "--out", str(tmp_path / "found")]) == 0
    summary = json.loads((tmp_path / "found" / "d__1" / "summary.json").read_text())
    assert summary["threshold"] == load_task(chosen_run).threshold == summary_of_choice(chosen_run)


def summary_of_choice(run):
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    return best["threshold_choice"]["threshold"]


def test_localize_without_a_choice_wants_a_number(dataset, tmp_path, capsys):
    assert main(["fit", *fit_options(dataset, tmp_path), *CHOOSE, "--trainer.limit_val_batches", "1"]) == 0
    words = ["localize", str(dataset / "frames" / "d"), "--ckpt_path", str(tmp_path), "--out", str(tmp_path / "found")]
    assert main(words) == 2
    assert "none was chosen yet" in capsys.readouterr().err
    assert main([*words, "--threshold", "0.4"]) == 0


def test_a_threshold_that_is_neither(dataset, tmp_path, capsys):
    assert main(["fit", *fit_options(dataset, tmp_path), "--model.threshold", "best"]) == 2
    assert "threshold" in capsys.readouterr().err


def test_the_config_says_what_was_asked_for(chosen_run):
    config = yaml.safe_load((chosen_run / "config.fit.yaml").read_text())
    assert config["model"]["init_args"]["threshold"] == "validation"


def test_a_limit_of_false_positives_raises_the_threshold(dataset, tmp_path):
    """With the limit 0 the choice is the threshold that marks least of the authentic videos."""
    options = [*fit_options(dataset, tmp_path), *CHOOSE, "--model.pixel_fpr_limit", "0.0"]
    assert main(["fit", *options]) == 0
    choice = checkpoint_of(tmp_path)["threshold_choice"]
    assert choice["pixel_fpr_limit"] == 0
    values = (tmp_path / "metrics.csv").read_text().splitlines()
    column = values[0].split(",").index("val/pixel_fpr")
    marked = [float(line.split(",")[column]) for line in values[1:] if line.split(",")[column]]
    assert marked == [0.0] or choice["threshold"] == THRESHOLDS[-1]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("scales", "[]", "model.scales is []: expected numbers above 0"),
        ("scales", "[1.0, -0.5]", "model.scales is [1.0, -0.5]: expected numbers above 0"),
        ("scales", "[0.01]", "model.scales has 0.01: frames of"),
        ("pixel_fpr_limit", "1.5", "model.pixel_fpr_limit is 1.5: expected a number in [0, 1] or null"),
    ],
)
def test_bad_choices_are_named(option, value, message, dataset, tmp_path, capsys):
    assert main(["fit", *fit_options(dataset, tmp_path), f"--model.{option}", value]) == 2
    assert message in capsys.readouterr().err


class Leftmost(nn.Module):
    """Scores the left column of frames as forged, wherever it is."""

    def forward(self, image, last_only=False):  # noqa: ARG002
        logits = torch.zeros(len(image), 2, *image.shape[-2:])
        logits[:, 1, :, 0] = 2
        return [logits]


def test_mirrored_judges_both_ways():
    """Catches an answer of the mirror image that is not turned back, and a sum instead of a mean."""
    image = torch.rand(1, 2, 3, 4, 5)
    for mirrored, expected in ((False, [2.0, 0, 0, 0, 0]), (True, [1.0, 0, 0, 0, 1])):
        task = LocalizationTask(Leftmost(), SequenceCrossEntropy(), mirrored=mirrored)
        torch.testing.assert_close(task(image)[0].logit(), torch.tensor(expected).expand(4, 5))
