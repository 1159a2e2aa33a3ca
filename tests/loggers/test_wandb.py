"""W&B and TensorBoard through the real command line, read back by W&B's own reader and TensorBoard's."""

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support import REPOSITORY, fit_options, region_options

from outpaint_lightning.callbacks import MaskPictures
from outpaint_lightning.callbacks.masks import WIDTH
from outpaint_lightning.cli import main
from outpaint_lightning.io import read_image
from outpaint_lightning.loggers import WandbLogger, as_options, has_key
from outpaint_lightning.pictures import MarkedPicture
from outpaint_lightning.pictures.marks import BAND, GAP
from outpaint_lightning.types import InputError

pytestmark = pytest.mark.slow

WANDB = ["--config", str(REPOSITORY / "configs" / "loggers" / "wandb.yaml")]
TENSORBOARD = ["--config", str(REPOSITORY / "configs" / "loggers" / "tensorboard.yaml")]
OFTEN = ["--trainer.log_every_n_steps", "1"]


@pytest.fixture(scope="module")
def quiet():
    """A shell without a key, as a sweep sets it, and W&B that leaves the console and the machine alone."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT", "WANDB_JOB_TYPE", "WANDB_NAME"):
            patch.delenv(name, raising=False)
        patch.setenv("NETRC", "/nowhere")
        patch.setenv("WANDB_CONSOLE", "off")
        patch.setenv("WANDB_X_DISABLE_STATS", "true")
        patch.setenv("WANDB_RUN_GROUP", "gammas")
        yield patch


@pytest.fixture(scope="module")
def logged(dataset, tmp_path_factory, quiet):  # noqa: ARG001 (marks of fixtures do nothing)
    """The run folder of a fit and a test that W&B logs, and what they print."""
    run = tmp_path_factory.mktemp("runs") / "gamma08"
    words = [*fit_options(dataset, run), *WANDB, *OFTEN, "--model.criterion.gamma", "0.8"]
    with redirect_stdout(io.StringIO()) as printed:
        assert main(["fit", *words]) == 0
    assert main(["test", *words, "--overwrite"]) == 0
    return run, printed.getvalue()


def offline_runs(run: Path) -> list[Path]:
    return sorted((run / "wandb").glob("offline-run-*"), key=lambda path: path.stat().st_mtime)


@cache  # of runs that have ended
def inspect(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *words, str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def summary(folder: Path) -> dict:
    return json.loads(inspect(folder, "--summary"))


def records(folder: Path, kind: str) -> list[dict]:
    return [record[kind] for record in map(json.loads, inspect(folder).splitlines()) if record["type"] == kind]


def test_the_run_is_grouped_named_and_ends_well(logged):
    """A logger that W&B's atexit ends would leave the test inside the fit's run, in which `exit_code` comes later."""
    run, _ = logged
    assert len(offline_runs(run)) == 2
    for folder, command in zip(offline_runs(run), ("fit", "test"), strict=True):
        [begun] = records(folder, "run")
        assert (begun["run_group"], begun["job_type"], begun["display_name"]) == ("gammas", command, "gamma08")
        assert begun["project"] == "outpaint_lightning"
        assert summary(folder)["exit_code"] == 0


def test_the_config_has_the_keys_of_the_command_line(logged):
    """Under `init_args`, a sweep's `model.criterion.gamma` would be found nowhere."""
    config = summary(offline_runs(logged[0])[0])["config"]
    assert config["model"]["criterion"]["gamma"] == 0.8
    assert config["model"]["criterion"]["class_path"] == "outpaint_lightning.losses.SequenceCrossEntropy"
    assert config["trainer"]["max_epochs"] == 1
    assert config["data"]["augmentations"][0]["p"] == 0.5


def test_metrics_are_those_of_the_csv(logged):
    """CSV stays on beside W&B, and both have each step once."""
    run, _ = logged
    folder = offline_runs(run)[0]
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    losses = [item["item"]["train/loss"] for item in records(folder, "history") if "train/loss" in item["item"]]
    assert len(losses) == 3
    assert losses == pytest.approx([float(row["train/loss"]) for row in rows if row["train/loss"]])
    kept = summary(folder)["summary"]
    [f1] = [float(row["val/f1"]) for row in rows if row["val/f1"]]
    assert kept["val/f1"] == kept["best/val/f1"] == pytest.approx(f1)


def test_the_best_stays_when_the_last_is_worse():
    """The summary's own `val/f1` is the last one."""
    logger = WandbLogger()
    logger._experiment = SimpleNamespace(summary={})
    checkpoint = SimpleNamespace(monitor="val/f1", best_model_score=torch.tensor(0.75), current_score=torch.tensor(0.5))
    logger.after_save_checkpoint(checkpoint)
    logger.after_save_checkpoint(SimpleNamespace(monitor=None, best_model_score=None))
    assert logger.experiment.summary == {"best/val/f1": 0.75}


def test_frames_have_their_masks_as_layers(logged):
    """The one forged validation clip, whose left third is forged: class 2 in the layer `true`."""
    folder = offline_runs(logged[0])[0]
    media = summary(folder)["summary"]["media/val/masks"]
    assert (media["count"], media["captions"]) == (1, ["c__1"])
    [layers] = media["all_masks"]
    assert sorted(layers) == ["found", "true"]
    frame = read_image(folder / "files" / media["filenames"][0])
    assert frame.shape == (round(128 * WIDTH / 136), WIDTH, 3)
    assert (frame[:, : WIDTH // 3 - 3] == 128).all()  # nothing drawn on it
    true = read_image(folder / "files" / layers["true"]["path"])[..., 0]
    assert (true[:, : WIDTH * 45 // 136] == 2).all()
    assert (true[:, WIDTH * 45 // 136 + 2 :] == 0).all()


def test_the_test_has_its_floors_and_its_table(logged):
    run, _ = logged
    folder = offline_runs(run)[1]
    kept = summary(folder)["summary"]
    told = json.loads((run / "test" / "summary.json").read_text())
    assert kept["test/f1"] == pytest.approx(told["f1"]["mean"])
    assert kept["test/floor_all_forged"] == pytest.approx(told["floors"]["all_forged"])
    table = json.loads((folder / "files" / kept["test/per_video"]["path"]).read_text())
    rows = list(csv.DictReader((run / "test" / "per_video.csv").open()))
    assert table["columns"] == list(rows[0])
    assert [row[table["columns"].index("clip")] for row in table["data"]] == [row["clip"] for row in rows]
    assert len(rows) == 4


def test_offline_is_said_once_with_the_way_out(logged):
    run, printed = logged
    told = [line for line in printed.splitlines() if not line.startswith("next")]  # whose config is wandb.yaml
    [line] = [line for line in told if "W&B" in line or "wandb" in line]
    assert line == f"W&B is offline (no key); to upload the run later: wandb sync {offline_runs(run)[0]}"


@pytest.mark.usefixtures("quiet")
def test_pictures_of_two_sizes_get_a_border():
    """W&B shows those of one name at the size of the first."""
    logged = {}
    logger = WandbLogger(offline=True)
    logger.log_image = lambda _, pictures, __, **layers: logged.update(layers, pictures=pictures)
    wide, high = ((np.zeros((*size, 3), np.uint8), np.ones(size, bool)) for size in ((2, 4), (3, 1)))
    logger.log_pictures("x", [MarkedPicture(*[frame] * 2, masks={"found": mask}) for frame, mask in (wide, high)])
    assert [picture.shape for picture in logged["pictures"]] == [(3, 4, 3)] * 2
    assert logged["pictures"][1][:, :, 0].tolist() == [[0, 255, 255, 255]] * 3
    assert logged["masks"][0]["found"]["mask_data"].tolist() == [[1] * 4, [1] * 4, [0] * 4]


def test_a_failure_is_a_failed_run(dataset, tmp_path, capsys):
    """Ended as others are, it would look finished."""
    words = [*fit_options(dataset, tmp_path / "run"), *WANDB, *OFTEN]
    assert main(["fit", *words, "--model.optimizer.lr", "1.0e+30", "--trainer.max_epochs", "3"]) == 2
    assert "loss is nan" in capsys.readouterr().err
    [folder] = offline_runs(tmp_path / "run")
    assert summary(folder)["exit_code"] == 1


@pytest.mark.usefixtures("quiet")
def test_boxes_are_layers_too(photos, tmp_path):
    """Also one logger in another experiment's config; the mask decoder's masks ride along."""
    assert main(["fit", *region_options(photos, tmp_path / "run"), *WANDB, "--trainer.max_epochs", "1"]) == 0
    [folder] = offline_runs(tmp_path / "run")
    media = summary(folder)["summary"]["media/val/boxes"]
    [layers] = media["all_boxes"]
    assert sorted(layers) == ["found", "true"]
    [box] = json.loads((folder / "files" / layers["true"]["path"]).read_text())["box_data"]
    assert box["domain"] == "pixel"
    assert box["position"] == {"minX": 0.0, "minY": 16.0, "maxX": 48.0, "maxY": 32.0}
    assert sorted(media["all_masks"][0]) == ["found", "true"]


@pytest.mark.usefixtures("quiet")
def test_disabled_writes_nothing_but_csv(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert main(["fit", *fit_options(dataset, tmp_path / "run"), *WANDB]) == 0
    assert not offline_runs(tmp_path / "run")
    assert (tmp_path / "run" / "metrics.csv").exists()
    assert "W&B" not in capsys.readouterr().out


def test_tensorboard_has_scalars_and_pictures(dataset, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    assert main(["fit", *fit_options(dataset, run), *TENSORBOARD, *OFTEN]) == 0
    [folder] = (run / "tensorboard").iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    tags = events.Tags()
    assert {"train/loss", "val/f1"} < set(tags["scalars"])
    assert "hp_metric" not in tags["scalars"]
    assert tags["images"] == ["media/val/masks"]
    [picture] = events.Images("media/val/masks")
    assert (picture.width, picture.height) == (3 * WIDTH + 2 * GAP, BAND + round(128 * WIDTH / 136) + BAND)
    assert (run / "metrics.csv").exists()


def test_a_key_is_found_where_wandb_keeps_it(tmp_path, monkeypatch):
    """Of this server: a netrc with the key of another one is none."""
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_BASE_URL", raising=False)
    assert not has_key()
    netrc.write_text("machine wandb.example.org login user password secret\n")
    assert not has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org:8080")
    assert has_key()
    netrc.write_text("nonsense")
    assert not has_key()
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert has_key()


@pytest.mark.parametrize(
    ("mode", "offline", "key", "expected"),
    [
        (None, None, "", "offline"),  # nothing known: W&B would ask, or fail where there is no terminal
        (None, None, "k", None),
        ("disabled", None, "", "disabled"),
        ("offline", None, "k", "offline"),
        (None, True, "k", "offline"),
        ("offline", False, "", "online"),
    ],
)
def test_mode(monkeypatch, mode, offline, key, expected):
    monkeypatch.setenv("NETRC", "/nowhere")
    monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    if mode:
        monkeypatch.setenv("WANDB_MODE", mode)
    assert WandbLogger(offline=offline)._mode() == expected


def test_what_is_given_wins_over_the_run_folder(monkeypatch):
    for name in ("WANDB_NAME", "WANDB_JOB_TYPE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)

    def begun(**options):
        logger = WandbLogger(**options)
        logger.belong_to(Path("runs/small"), "fit")
        return tuple(logger._wandb_init[name] for name in ("name", "job_type", "dir", "project"))

    assert begun() == ("small", "fit", "runs/small", "outpaint_lightning")
    assert begun(name="a", job_type="b", save_dir="c", project="d") == ("a", "b", "c", "d")
    monkeypatch.setenv("WANDB_NAME", "gamma=0.8")
    monkeypatch.setenv("WANDB_JOB_TYPE", "trial")
    monkeypatch.setenv("WANDB_PROJECT", "other")
    assert begun() == ("gamma=0.8", "trial", "runs/small", "other")


@pytest.mark.usefixtures("quiet")
def test_bad_options_are_one_line(dataset, tmp_path, capsys):
    words = ["fit", *fit_options(dataset, tmp_path / "run"), *WANDB]
    assert main([*words, "--trainer.logger.settings", '{"no_such_setting": 1}']) == 2
    error = capsys.readouterr().err.strip()
    assert "trainer.logger: W&B does not start" in error
    assert "no_such_setting" in error
    assert "\n" not in error
    with pytest.raises(InputError, match="log_model"):
        WandbLogger(offline=True, log_model=True)


def test_as_options():
    """Lists too, and a class without options."""
    config = {
        "model": {"class_path": "A", "init_args": {"x": 1, "net": {"class_path": "B", "init_args": None}}},
        "callbacks": [{"class_path": "C", "init_args": {"y": [2]}}],
    }
    assert as_options(config) == {
        "model": {"class_path": "A", "x": 1, "net": {"class_path": "B"}},
        "callbacks": [{"class_path": "C", "y": [2]}],
    }


def test_masks_are_drawn_at_the_threshold_that_was_chosen():
    """Pixels at 0.3 and 0.6; a validation that chooses 0.4 finds the right half, the 0.7 before it would find none."""
    batch = {
        "image": torch.zeros(2, 2, 3, 4, 8),
        "mask": torch.stack([torch.zeros(2, 1, 4, 8), torch.ones(2, 1, 4, 8)]),
        "meta": [{"clip": "a", "source": "a"}, {"clip": "a__1", "source": "a"}],
    }
    probability = torch.full((2, 4, 8), 0.3)
    probability[..., 4:] = 0.6
    pictures = MaskPictures()
    assert pictures.keep({"probability": probability}, batch, 0) is None
    kept = pictures.keep({"probability": probability}, batch, 1)
    drawn = pictures.draw(kept, SimpleNamespace(threshold=0.4))
    assert isinstance(drawn, MarkedPicture)
    assert drawn.caption == "a__1"
    assert drawn.masks["found"].mean(0).tolist() == [0.0] * (WIDTH // 2) + [1.0] * (WIDTH // 2)
    assert drawn.masks["true"].all()
    assert drawn.drawn.shape == (BAND + WIDTH // 2, 3 * WIDTH + 2 * GAP, 3)
    assert np.array_equal(drawn.drawn[BAND:, :WIDTH], drawn.frame)
    assert Counter(drawn.frame.ravel().tolist()) == {0: drawn.frame.size}
