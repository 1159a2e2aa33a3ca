"""Telling which background goes with a foreground: losses, scores, files, and what is refused."""

from functools import partial

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from outpaint_lightning.callbacks import LayoutWriter
from outpaint_lightning.data import ContextDataModule
from outpaint_lightning.io.index import read_index
from outpaint_lightning.nets import LayoutGenerator, Segmenter
from outpaint_lightning.tasks import LayoutTask, SegmentationTask
from outpaint_lightning.tasks.layouts import parts_of
from outpaint_lightning.types import InputError

QUIET = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False,
         "enable_checkpointing": False}  # fmt: skip


def net(classes=8, **options):
    torch.manual_seed(0)
    return LayoutGenerator(classes, **{"width": 4, "downs": 2, "widest": 2, "latent": 4, "embedding": 6, **options})


def task(lr=1e-2, **options):
    return LayoutTask(net(), **{"samples": 2, "optimizer": partial(torch.optim.Adam, lr=lr), **options})


def data(**options):
    sizes = {"batch_size": 4, "size": (16, 16), "scenes": 4, "val_scenes": 3, "test_scenes": 5}
    return ContextDataModule(**{**sizes, **options})


@pytest.fixture(scope="module")
def batch():
    module = data()
    module.setup("fit")
    return next(iter(module.train_dataloader()))


def test_the_loss_is_the_sum_that_it_says(batch):
    made, noise = task(contrast=0.5), torch.zeros(4, 4)
    terms = made.terms(batch, noise, weight=0.25)
    expected = terms["loss/layout"] + 0.25 * terms["loss/divergence"] + 0.5 * terms["loss/contrast"]
    torch.testing.assert_close(terms["loss"], expected)
    assert "loss/contrast" not in task(contrast=0.0).terms(batch, noise, 0.25)


def test_a_batch_of_one_is_refused_where_it_is_compared(batch):
    one = {key: value[:1] for key, value in batch.items()}
    with pytest.raises(InputError, match=r"a batch of 1 photo has no negatives; .* or model\.contrast 0"):
        task().terms(one, torch.zeros(1, 4), 0.0)
    assert task(contrast=0.0).terms(one, torch.zeros(1, 4), 0.0)["loss"].isfinite()


def test_parts_are_the_foreground_or_its_things():
    """Two photos, of two things and of one: three anchors, the last of photo 1. None where a photo has no thing."""
    objects = torch.zeros(3, 1, 4, 4, dtype=torch.long)
    objects[0, 0, 0, 0], objects[0, 0, 1, 1], objects[1, 0, 2] = 1, 2, 1
    batch = {"objects": objects, "mask": (objects == 0).float()[:, :, None]}
    places, owners, chosen = parts_of(batch, "object")
    assert places.shape == (3, 2, 4, 4)
    assert owners.tolist() == [0, 0, 1]
    assert places[chosen].sum((1, 2)).tolist() == [1, 1, 4]
    whole, owners, _ = parts_of(batch, "image")
    assert owners.tolist() == [0, 1]
    assert torch.equal(whole[:, 0], (objects[:, 0] > 0).float())


def test_the_divergence_rises_at_first():
    made = task(divergence=0.4, warm_up=0.5)
    seen = []
    made.terms = lambda batch, noise, weight: seen.append(weight) or type(made).terms(made, batch, noise, weight)
    pl.Trainer(max_epochs=4, limit_val_batches=0, **QUIET).fit(made, data())
    assert seen == pytest.approx([0.0, 0.2, 0.4, 0.4])


def test_four_scenes_are_learned_and_the_latent_is_not_ignored(batch):
    """40 steps: layouts of known foregrounds, their own retrieved, and samples that differ (no collapse)."""
    made = task()
    optimizer = torch.optim.Adam(made.parameters(), 1e-2)
    torch.manual_seed(0)
    first = None
    for _ in range(40):
        optimizer.zero_grad()
        terms = made.terms(batch, torch.randn(4, 4), 0.01)
        terms["loss"].backward()
        optimizer.step()
        first = first or terms["loss/layout"].item()
    assert terms["loss/layout"].item() < 0.5 * first
    assert terms["loss/contrast"].item() < 0.7
    with torch.no_grad():
        drawn = made.net.eval().sample(batch["image"][:, 0], batch["mask"][:, 0], 8)
    assert (drawn != drawn[:, :1]).float().mean() > 0


def test_a_test_leaves_its_numbers():
    made = task(samples=3, granularity="object")
    trainer = pl.Trainer(max_epochs=1, **QUIET)
    trainer.fit(made, data())
    assert trainer.callback_metrics["val/layout_iou"] >= 0
    (logged,) = trainer.test(made, data(), verbose=False)
    summary = made.result.summary
    assert summary["retrieval"]["chance"] == pytest.approx(1 / 5)
    assert summary["floors"]["common"] > 0
    assert summary["samples"] == 3
    assert 0 <= summary["disagreement"] <= 1
    assert logged["test/layout_iou"] == pytest.approx(summary["iou"]["mean"])
    assert [row["clip"] for row in made.result.rows] == [f"test{i:04d}" for i in range(5)]
    assert made.kind.lines(summary, made.result.rows)


def test_layouts_are_written_as_a_dataset_has_them(tmp_path):
    trainer = pl.Trainer(default_root_dir=tmp_path, callbacks=[LayoutWriter()], **QUIET)
    (predicted, _) = trainer.predict(task(), data())
    for sample, name in enumerate(("test0000", "test0001")):
        for number in range(2):
            written = read_index(tmp_path / "predict" / name / f"layout_{number}.png")
            np.testing.assert_array_equal(written, predicted["layouts"][sample, number].numpy())
    assert (tmp_path / "predict" / "contact_sheet.png").is_file()


def test_a_segmenter_learns_and_is_judged():
    torch.manual_seed(0)
    made = SegmentationTask(Segmenter(8, 4, 1), partial(torch.optim.Adam, lr=2e-2))
    pl.Trainer(max_epochs=10, limit_val_batches=0, **QUIET).fit(made, data())
    pl.Trainer(**QUIET).test(made, data(), verbose=False)
    assert made.result.summary["accuracy"] > 0.3
    assert made.result.summary["segmented"] == 5


def test_nets_of_other_classes_are_refused():
    wrong = LayoutTask(net(5)), SegmentationTask(Segmenter(5, 4, 1))
    for made in wrong:
        with pytest.raises(InputError, match=r"model.net: has 5 classes; the data has 8 \(sky, water, grass"):
            pl.Trainer(max_epochs=1, **QUIET).fit(made, data())


@pytest.mark.parametrize(
    ("name", "value"),
    [("contrast", -1.0), ("temperature", 0.0), ("warm_up", 2.0), ("granularity", "pixel"), ("samples", 0)],
)
def test_bad_options_are_named(name, value):
    with pytest.raises(InputError, match=f"LayoutTask: {name} is {value!r}: expected"):
        task(**{name: value})
