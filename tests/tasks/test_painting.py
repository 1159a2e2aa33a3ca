"""Spatiotemporal inpainting, with the traps of the public re-implementation as tests."""

import json
from functools import partial

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from support import write_clip

from outpaint_lightning.callbacks import ClipWriter
from outpaint_lightning.cli import main
from outpaint_lightning.data import PaintingDataModule
from outpaint_lightning.data.painting.fields import write_fields
from outpaint_lightning.losses import RelativisticLeastSquares
from outpaint_lightning.nets import MeanFill, PatchDiscriminator, SpatiotemporalGenerator
from outpaint_lightning.tasks import SpatiotemporalInpaintingTask
from outpaint_lightning.types import InputError

T, SIDE = 3, 16
QUIET = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}


def task(mode="unsupervised", channels=1, lr=1e-3, **options):
    torch.manual_seed(0)
    net = SpatiotemporalGenerator(channels, width=4, widest=4, norm="group", frames=T, start=options.pop("start", None))
    critics = PatchDiscriminator(2, channels, 4, 1), PatchDiscriminator(3, channels, 4, 1, differences=True)
    adam = partial(torch.optim.Adam, lr=lr)
    return SpatiotemporalInpaintingTask(net, *critics, mode, optimizer=adam, critic_optimizer=adam, **options)


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    root = tmp_path_factory.mktemp("fields")
    write_fields(root, {"train": 4, "val": 2, "test": 4}, T, (SIDE, SIDE))
    return root


@pytest.fixture
def batch():
    torch.manual_seed(0)
    clean, other = torch.rand(2, 2, T, 1, SIDE, SIDE) + 0.1
    mask, again = (torch.rand(2, 2, T, 1, SIDE, SIDE) > 0.5).float()
    return {"image": torch.where(mask > 0.5, 0, clean), "mask": mask, "again": again, "clean": clean, "other": other}


class Spoiled(PaintingDataModule):
    """Holds NaN for every clean frame of training."""

    def on_after_batch_transfer(self, batch, dataloader_idx):  # noqa: ARG002
        if "again" in batch:
            batch |= {key: torch.full_like(batch[key], torch.nan) for key in ("clean", "other")}
        return batch


def fitted(task, data, **options):
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = pl.Trainer(accelerator="cpu", **quiet, **{"max_epochs": 1, "limit_val_batches": 0, **options})
    trainer.fit(task, data)
    return trainer


def test_unsupervised_training_reads_no_clean_frame(fields):
    """The public code trains against what it takes for clean clips; there are none here."""
    trained = task()
    before = [parameter.clone() for parameter in trained.trained.parameters()]
    fitted(trained, Spoiled(str(fields), batch_size=2, frames=T))
    assert all(parameter.isfinite().all() for parameter in trained.parameters())
    moved = [not torch.equal(old, new) for old, new in zip(before, trained.trained.parameters(), strict=True)]
    assert sum(moved) > len(moved) / 2


@pytest.mark.parametrize(("mode", "key"), [("unpaired", "other"), ("paired", "clean")])
def test_other_modes_read_theirs(mode, key, batch):
    made = task(mode)
    real, fake = made.compared(batch, filled := made.generate(batch))
    assert real is batch[key]
    assert fake is filled


def test_the_second_mask_hides_exactly_what_it_says(batch):
    """Both sides of the comparison are filled with the same 0, or a critic would see the fill."""
    made = task()
    filled = made.generate(batch)
    real, fake = made.compared(batch, filled)
    again = batch["again"] > 0.5
    assert real is batch["image"]
    assert (fake[again] == 0).all()
    assert torch.equal(fake[~again], filled[~again])
    assert torch.equal(filled[batch["mask"] < 0.5], batch["image"][batch["mask"] < 0.5])


def test_only_voxels_that_the_second_mask_leaves_visible_teach(batch):
    """Gradients at what the net invents: none where y is known, none where the new mask hides."""
    made = task()
    invented = torch.rand_like(batch["image"], requires_grad=True)
    made.trained.forward = lambda image, mask: invented  # noqa: ARG005
    made.generator_terms(batch, made.generate(batch))["loss"].backward()
    taught = invented.grad != 0
    visible = (batch["mask"] > 0.5) & (batch["again"] < 0.5)
    assert not taught[~visible].any()
    assert taught[visible].float().mean() > 0.9


def test_paired_adds_the_error_on_hidden_voxels(batch):
    """With the weight, and with no gradient for what is known. An L1 over the whole clip would count zeros."""
    made = task("paired", l1=3.0, adversarial=0.5)
    terms = made.generator_terms(batch, filled := made.generate(batch))
    hidden = batch["mask"] > 0.5
    error = (filled - batch["clean"])[hidden].abs().mean()
    torch.testing.assert_close(terms["loss/l1"], error)
    torch.testing.assert_close(terms["loss"], 3 * error + 0.5 * (terms["loss/frame"] + terms["loss/sequence"]))
    assert "loss/l1" not in task("unpaired").generator_terms(batch, filled)


def test_held_out_voxels_are_known_and_unseen(batch):
    """Catches an error on what the net was shown, on what m hides (0 there), and a truth taken from clean frames."""
    made = task(held_out=2.0)
    batch |= {key: torch.full_like(batch[key], torch.nan) for key in ("clean", "other")}
    held = (batch["again"] > 0.5) & (batch["mask"] < 0.5)
    given = {}

    def remember(image, mask):
        given.update(image=image, mask=mask)
        return torch.zeros_like(image)

    filled = made.generate(batch)
    made.trained.forward = remember
    terms = made.generator_terms(batch, filled)
    assert terms["loss/held_out"].item() == pytest.approx(batch["image"][held].mean().item())
    torch.testing.assert_close(terms["loss"] - 2 * terms["loss/held_out"], terms["loss/frame"] + terms["loss/sequence"])
    assert (given["image"][held] == 0).all()
    assert (given["mask"][held] == 1).all()


def test_a_relative_criterion_gets_the_real_scores(batch):
    made = task("paired", criterion=RelativisticLeastSquares())
    terms = made.generator_terms(batch, made.generate(batch))
    assert terms["loss"].isfinite()


def test_a_few_steps_come_closer_to_four_clips(fields):
    """Paired, from the nearest frame on."""
    data = PaintingDataModule(str(fields), batch_size=4, frames=T, occlusions=["clouds"])
    trained = task("paired", lr=3e-3, start=MeanFill(), decay=0.5, adversarial=0.01)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))

    def error():
        hidden = batch["mask"] > 0.5
        with torch.no_grad():
            return (trained.eval()(batch["image"], batch["mask"]) - batch["clean"])[hidden].abs().mean().item()

    before = error()
    fitted(trained, data, max_epochs=12)
    assert error() < 0.8 * before


def run(command, root, folder):
    """Run a command with sti.yaml, smaller; sti_small.yaml runs in docs/how-to/train-a-generator.md."""
    critics = [word for part in ("frame", "sequence")
               for word in (f"--model.{part}_critic.channels", "1", f"--model.{part}_critic.width", "2")]  # fmt: skip
    return main([
        command, "--config", "generators/sti", "--data.root", str(root), "--data.frames", str(T), "--data.workers", "0",
        "--data.occlusions", "[rain, bar, clouds, remove-pixels]", "--trainer.default_root_dir", str(folder),
        "--model.net.channels", "1", "--model.net.width", "4", "--model.net.widest", "4", "--model.net.frames", str(T),
        *critics, "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--trainer.precision", "32-true",
    ])  # fmt: skip


@pytest.fixture(scope="module")
def run_folder(fields, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    for command in ("fit", "test"):
        assert run(command, fields, folder) == 0
    return folder


@pytest.mark.slow
def test_fit_and_test_leave_their_files(run_folder):
    summary = json.loads((run_folder / "test" / "summary.json").read_text())
    assert summary["mode"] == "unsupervised"
    assert summary["floors"].keys() == {"mean", "nearest_frame", "biharmonic"}
    assert summary["by_occlusion"].keys() == {"rain", "bar", "clouds", "remove-pixels"}
    assert {part["samples"]: part["distance"] for part in summary["frechet"].values()} == {4 * T: None, 4: None}
    assert (run_folder / "test" / "per_video.csv").read_text().count("\n") == 5
    assert (run_folder / "pictures" / "epoch_0000.png").is_file()


@pytest.mark.slow
def test_own_clips_need_a_folder_and_a_size(tmp_path):
    """sti_real.yaml over sti_small.yaml."""
    for name in ("a", "b", "c"):
        write_clip(tmp_path, (name, "", name, ""), frames=6, size=(40, 60))
    assert main([
        "fit", "--config", "generators/sti_small", "--config", "generators/sti_real",
        "--data.root", str(tmp_path / "frames"), "--data.size", "[32, 40]", "--model.net.width", "4",
        "--trainer.default_root_dir", str(tmp_path / "run"), "--trainer.max_epochs", "1",
        "--trainer.accelerator", "cpu",
    ]) == 0  # fmt: skip
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()


def test_predicted_clips_are_written(fields, tmp_path):
    """Fields as arrays that hold the very numbers."""
    trainer = pl.Trainer(default_root_dir=tmp_path, callbacks=[ClipWriter()], **QUIET)
    predicted = trainer.predict(task(start=MeanFill()), PaintingDataModule(str(fields), frames=T, batch_size=4))
    files = sorted((tmp_path / "predict").glob("test*/*.npy"))
    assert len(files) == 4 * T
    written = np.stack([np.load(file) for file in files]).reshape(predicted[0].shape)
    np.testing.assert_array_equal(written, predicted[0].numpy())


def test_compare_knows_the_kind(run_folder, tmp_path):
    assert main(["compare", str(run_folder), "--out", str(tmp_path / "out")]) == 0
    page = next((tmp_path / "out").glob("*.html")).read_text()
    assert "error where hidden" in page
    assert "remove-pixels" in page


def test_the_average_is_what_is_loaded(run_folder):
    """Elsewhere, a checkpoint's `net` is used alone."""
    from outpaint_lightning.checkpoints.rebuild import load_net, load_task

    net, whole = load_net(run_folder), load_task(run_folder)
    image, mask = torch.rand(1, T, 1, SIDE, SIDE), torch.ones(1, T, 1, SIDE, SIDE)
    torch.testing.assert_close(net.filled(image, mask), whole(image, mask))
    assert not torch.equal(net(image, mask), whole.trained(image, mask))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "supervised"}, "mode is 'supervised'"),
        ({"l1": -1.0}, "l1 is -1"),
        ({"adversarial": -1.0}, "adversarial"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=f"SpatiotemporalInpaintingTask: {message}"):
        task(**options)
