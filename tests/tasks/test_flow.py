import csv
import json
import math
from typing import NamedTuple

import lightning.pytorch as pl
import pytest
import torch
from support import REPOSITORY
from torch.utils.data import DataLoader

from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.cli import main
from outpaint_lightning.io import read_flow, read_image
from outpaint_lightning.losses import ExponentialWeights, RefinementCriterion
from outpaint_lightning.nets import FlowRefiner
from outpaint_lightning.tasks import FlowRefinementTask
from outpaint_lightning.types import InputError

SPEED = 2.0


class Refined(NamedTuple):
    forward: list
    backward: list
    confidence: list


class Constant(torch.nn.Module):
    """Fills with no motion; update k says `k * weight` pixels along x, forward, and as much against it, backward."""

    def __init__(self, weight=0.0):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))
        self.seen = []

    def forward(self, flow_forward, flow_backward, hidden, steps=None):
        self.seen.append(steps)
        x = torch.tensor([1.0, 0.0]).view(1, 1, 2, 1, 1)
        updates = range((2 if steps is None else steps) + 1)
        holes = hidden[:, :, :1] > 0.5, hidden[:, :, 1:] > 0.5
        return Refined(
            [torch.where(holes[0], k * self.weight * x, flow_forward) for k in updates],
            [torch.where(holes[1], -k * self.weight * x, flow_backward) for k in updates],
            [1 - hidden.amax(2, keepdim=True) for _ in updates],
        )


class Pans(pl.LightningDataModule):
    """Windows of three frames that move to the right at one speed, with a hole on the left."""

    protocol, hole_setup, count = "strict", "all", 4

    def videos(self, split):
        return [
            {"clip": f"{split}{i}", "frames": 3, "scene": "", "camera": "", "source": f"{i}", "forger": "hole"}
            for i in range(self.count)
        ]

    def loader(self, split):
        shape = (3, 2, 8, 10)
        flow = torch.zeros(shape)
        flow[:, 0] = SPEED
        hidden = torch.zeros(shape)
        hidden[..., :4] = 1
        windows = [
            {
                "flow_forward": flow, "flow_backward": -flow, "hidden": hidden, "valid": torch.ones(shape),
                "occluded": torch.zeros(shape),
                "meta": {"clip": video["clip"], "frames": [0, 1, 2], "source": video["source"]},
            }
            for video in self.videos(split)
        ]  # fmt: skip
        return DataLoader(windows, batch_size=3, collate_fn=stacked)

    def train_dataloader(self):
        return self.loader("train")

    def val_dataloader(self):
        return self.loader("val")

    def test_dataloader(self):
        return self.loader("test")

    def predict_dataloader(self):
        return self.loader("test")


def stacked(windows):
    meta = [window["meta"] for window in windows]
    return {"meta": meta, **{k: torch.stack([w[k] for w in windows]) for k in windows[0] if k != "meta"}}


def trainer(path, **options):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "devices": 1}
    return pl.Trainer(default_root_dir=path, accelerator="cpu", **quiet, **options)


def task(weight=0.0, **options):
    options = {"baselines": {"zero": Zero()}, **options}
    return FlowRefinementTask(Constant(weight), RefinementCriterion(ExponentialWeights(1.0)), **options)


class Zero(torch.nn.Module):
    def forward(self, flow_forward, flow_backward, hidden):
        return torch.where(hidden[:, :, :1] > 0.5, 0, flow_forward), torch.where(
            hidden[:, :, 1:] > 0.5, 0, flow_backward
        )


def test_a_test_compares_the_last_update_with_the_fill(tmp_path):
    """Two updates of 0.75 px say 1.5 where 2 is true: 0.5 px, of the fill's 2; 0.2 px over whole frames."""
    judge = task(0.75)
    trainer(tmp_path).test(judge, Pans(), verbose=False)
    summary = judge.result.summary
    assert summary["epe"]["hole"] == pytest.approx(0.5)
    assert summary["epe"]["frame"] == pytest.approx(0.2)
    assert summary["epe"]["occluded"] is None
    assert summary["floors"] == pytest.approx({"fill": 2.0, "zero": 2.0})
    assert summary["bounds"] == pytest.approx({"harmonic_true_edges": 0.0}, abs=1e-2)
    assert summary["gain"] == pytest.approx(0.75)
    assert (summary["steps"], summary["protocol"], summary["setup"]) == (2, "strict", "all")
    assert [row["clip"] for row in judge.result.rows] == ["test0", "test1", "test2", "test3"]


def test_a_net_without_updates_is_judged_by_its_fill(tmp_path):
    """A fill that learns needs no updates: `steps: 0`."""
    judge = FlowRefinementTask(FlowRefiner(steps=0, channels=4), RefinementCriterion(fill=1.0), baselines={})
    trainer(tmp_path).test(judge, Pans(), verbose=False)
    summary = judge.result.summary
    assert summary["steps"] == 0
    assert summary["epe"]["hole"] == summary["methods"]["fill"]["epe"]["hole"] == pytest.approx(0.0, abs=1e-2)


def test_test_steps_leave_training_alone(tmp_path):
    """Three updates of 0.75 px say 2.25. Training makes the net's own number."""
    judge = task(0.75, test_steps=3)
    trainer(tmp_path).test(judge, Pans(), verbose=False)
    assert judge.result.summary["epe"]["hole"] == pytest.approx(0.25)
    assert judge.result.summary["steps"] == 3
    judge.net.seen.clear()
    trainer(tmp_path, max_epochs=1, limit_train_batches=1, limit_val_batches=0).fit(judge, Pans())
    assert judge.net.seen == [None]


def test_training_learns_the_speed(tmp_path):
    """Updates of 2 and 4 halves, judged alike: |w - 2| + |2 w - 2| is least at 1, where validation has no error."""
    learner = task(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.2))
    fit = trainer(tmp_path, max_epochs=8, num_sanity_val_steps=0)
    fit.fit(learner, Pans())
    logged = {name: float(value) for name, value in fit.callback_metrics.items()}
    assert learner.net.weight.item() == pytest.approx(1, abs=0.2)
    assert logged["val/epe_hole"] < 0.4
    assert logged["val/gain"] == pytest.approx(1 - logged["val/epe_hole"] / 2, abs=1e-4)
    assert {"train/loss", "train/loss/l1", "val/loss", "val/above_1px"} <= {*logged}
    assert "val/floor_zero" not in logged  # baselines are for tests


def test_the_criterion_is_told_the_step(tmp_path):
    """A ramp that is told 0 each time would never train."""
    steps = []

    class Told(RefinementCriterion):
        def forward(self, refinement, batch, step):
            steps.append(step)
            return super().forward(refinement, batch, step)

    learner = FlowRefinementTask(Constant(), Told(), baselines={})
    trainer(tmp_path, max_epochs=2, limit_val_batches=0).fit(learner, Pans())
    assert steps == [0, 1, 2, 3]


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path):
    with pytest.raises(InputError, match="loss is nan at step 0"):
        trainer(tmp_path, max_epochs=1, num_sanity_val_steps=0).fit(task(math.nan), Pans())


def test_predict_returns_what_the_net_says(tmp_path):
    [first, second] = trainer(tmp_path).predict(task(0.5), Pans())
    assert first.forward[-1].shape == (3, 3, 2, 8, 10)
    assert len(second.forward[-1]) == 1
    assert first.forward[-1][0, 0, 0].unique().tolist() == [1, 2]


def test_bad_steps_are_named():
    with pytest.raises(InputError, match=r"FlowRefinementTask: test_steps is 0"):
        task(test_steps=0)


REFINER = REPOSITORY / "configs" / "refiner"


def options(run, *configs, epochs=1):
    """Options that make `fit` on an experiment of the refiner take a second or two."""
    return [
        *(word for config in configs for word in ("--config", str(config))),
        *("--data.scenes", "4", "--data.val_scenes", "2", "--data.test_scenes", "3"),
        *("--data.size", "[40,48]", "--data.frames", "4", "--data.batch_size", "2", "--data.workers", "0"),
        *("--model.net.channels", "4", "--model.net.steps", "2", "--model.net.levels", "1"),
        *("--trainer.max_epochs", str(epochs), "--trainer.devices", "1"),
        *("--trainer.default_root_dir", str(run)),
    ]


@pytest.fixture(scope="module")
def refiner_run(tmp_path_factory):
    """The run folder of two epochs of `fit` of the small experiment, a `test` and a `predict`, by the command line."""
    run = tmp_path_factory.mktemp("runs") / "refiner"
    for command in ("fit", "test", "predict"):
        assert main([command, *options(run, REFINER / "small.yaml", epochs=2)]) == 0
    return run


@pytest.mark.slow
def test_fit_test_and_predict_on_synthetic_scenes(refiner_run):
    """The real net on real scenes: true edges beat every fill, any net beats zero, and the net's fill is biharmonic."""
    summary = json.loads((refiner_run / "test" / "summary.json").read_text())
    assert set(summary["floors"]) == {"fill", "zero", "nearest", "harmonic", "biharmonic", "inertia"}
    assert summary["floors"]["fill"] == pytest.approx(summary["floors"]["biharmonic"], abs=1e-6)
    assert summary["bounds"]["harmonic_true_edges"] < min(summary["floors"].values())
    assert summary["epe"]["hole"] < summary["floors"]["zero"]
    assert summary["epe"]["frame"] < summary["epe"]["hole"] / 2
    assert (summary["protocol"], summary["setup"], summary["steps"]) == ("strict", "all", 2)
    rows = list(csv.DictReader((refiner_run / "test" / "per_video.csv").open()))
    assert len(rows) == 3
    mean = sum(float(row["epe_hole"]) for row in rows) / 3
    assert mean == pytest.approx(summary["epe"]["hole"])
    files = sorted((refiner_run / "predict").rglob("*.flow.png"))
    assert len(files) == 3 * 2 * 4
    assert read_flow(files[0]).flow.shape == (40, 48, 2)
    assert read_image(refiner_run / "pictures" / "epoch_0001.png").shape[2] == 3


def test_a_checkpoint_rebuilds_its_net(refiner_run):
    """With its own steps and channels, and the fill of its config; it completes flow of another size."""
    task = load_task(refiner_run)
    hidden = torch.zeros(1, 3, 2, 24, 30)
    hidden[..., 10:16, 10:20] = 1
    flow = torch.ones(1, 3, 2, 24, 30)
    refined = task(torch.where(hidden > 0, torch.nan, flow), flow, hidden)
    assert len(refined.forward) == 3
    assert refined.forward[-1].isfinite().all()
    assert torch.equal(refined.forward[-1][hidden == 0], flow[hidden == 0])


OTHERS = [(REFINER / "report.yaml",), *((REFINER / "small.yaml", path) for path in sorted(REFINER.glob("grid/*.yaml")))]


@pytest.mark.slow
@pytest.mark.parametrize("configs", OTHERS, ids=lambda configs: configs[-1].stem)
def test_every_shipped_config_trains(configs, tmp_path):
    assert main(["fit", *options(tmp_path, *configs), "--trainer.limit_train_batches", "1"]) == 0
    task = load_task(tmp_path)
    rule, architecture = type(task.net.update.first.rule).__name__.lower(), task.net.architecture
    stem = "power_1" if configs[-1].stem == "report" else configs[-1].stem
    assert f"{rule.removesuffix('rule')}_{architecture}" == stem
