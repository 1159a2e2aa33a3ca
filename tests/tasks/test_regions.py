import csv

import lightning.pytorch as pl
import pytest
import torch
import yaml
from support import REPOSITORY, SCRATCH, region_options

from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.cli import main
from outpaint_lightning.data import RegionDataModule
from outpaint_lightning.geometry import boxes_from_masks
from outpaint_lightning.losses import GIoU, RegionCriterion
from outpaint_lightning.nets.detectors.region import RegionOutput
from outpaint_lightning.results import REGIONS
from outpaint_lightning.tasks import RegionTask
from outpaint_lightning.types import InputError

SIZE = (64, 96)


class Blue(torch.nn.Module):
    """Finds what is blue, as the photos' forgeries are: the right answer without training."""

    def __init__(self, masks=True, factor=1.0):
        super().__init__()
        self.masks = masks
        self.weight = torch.nn.Parameter(torch.tensor(factor))

    def forward(self, image):
        red, _, blue = image[:, 0].unbind(1)
        mask = ((blue > 0.55) & (red < 0.45))[:, None].float()
        label = mask.flatten(1).any(1).float()
        sure = self.weight * 20
        return RegionOutput(
            (2 * label - 1) * sure, boxes_from_masks(mask) * self.weight, (2 * mask - 1) * sure if self.masks else None
        )


def trainer(path, **options):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "devices": 1}
    return pl.Trainer(default_root_dir=path, accelerator="cpu", **quiet, **options)


def task(net=None, **options):
    return RegionTask(net or Blue(), RegionCriterion(GIoU()), **options)


def module(root, **options):
    return RegionDataModule(str(root), **{"size": SIZE, "batch_size": 3, "workers": 0, **options})


def test_the_right_answer_scores_one(photos, tmp_path):
    """Two photos of other proportions: x and y swapped, or a box that is not brought back to its photo, would show."""
    judge = task()
    trainer(tmp_path).test(judge, module(photos), verbose=False)
    summary = judge.result.summary
    assert (summary["f1"], summary["precision"], summary["recall"], summary["auroc"]) == (1, 1, 1, 1)
    assert summary["images"] == {"forged": 2, "authentic": 2, "found": 2}
    assert summary["iou"]["mean"] > 0.9  # resizing blends a pixel of the border, which the mask counts as forged
    assert summary["mask"]["f1"] > 0.95
    assert summary["mask"]["box_iou"] == pytest.approx(summary["iou"]["mean"])
    assert summary["mask"]["pixel_fpr"] == 0
    assert (summary["size"], summary["pretrained"], summary["threshold"]) == (None, False, 0.5)
    rows = {row["clip"]: row for row in judge.result.rows}
    assert list(rows) == ["photo3", "photo3__1", "photo4", "photo4__1"]
    for clip, height, width in (("photo3__1", 120, 80), ("photo4__1", 96, 144)):
        truth = [rows[clip][f"true_{side}"] for side in ("xmin", "ymin", "xmax", "ymax")]
        assert truth == pytest.approx([0, height / 4, width / 2, height / 2], abs=2)
    assert rows["photo3"]["true_xmax"] == 0


def test_floors_come_from_the_training_boxes(photos, tmp_path):
    """All boxes are alike: their mean is the answer, whole an eighth of the image, the centre box beside it."""
    judge = task(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0))
    runner = trainer(tmp_path, max_epochs=1)
    runner.fit(judge, module(photos))
    assert judge.size == [*SIZE]
    trainer(tmp_path).test(judge, module(photos), verbose=False)
    floors = judge.result.summary["floors"]
    assert floors["mean"] > 0.95
    assert floors["whole"] == pytest.approx(1 / 8, abs=0.01)
    overlap = 0.25 * 0.125  # of [0, 1/2] x [1/4, 1/2] and [1/4, 3/4] x [3/8, 5/8]
    assert floors["centre"] == pytest.approx(overlap / (2 / 8 - overlap), abs=0.02)
    assert floors["all_forged"] == pytest.approx(2 / 3)


def test_a_net_without_masks_has_no_scores_of_them(photos, tmp_path):
    judge = task(Blue(masks=False))
    trainer(tmp_path).test(judge, module(photos), verbose=False)
    assert "mask" not in judge.result.summary
    assert judge.result.summary["f1"] == 1


def test_all_regions_are_ranked_where_wanted(photos, tmp_path):
    """The net finds what there is to a pixel of 16, and so for IoU 0.75; with one box an image, too: there is one."""
    for masks in (True, False):
        judge = task(Blue(masks=masks), detections=True)
        trainer(tmp_path).test(judge, module(photos), verbose=False)
        found = judge.result.summary["detections"]
        assert (found["map_50"], found["map_75"]) == (1, 1)
        assert found["map"] > 0.85
        assert found["recall"] > 0.85
    assert any(line.startswith("mean average precision") for line in REGIONS.lines(judge.result.summary, []))


def test_detections_need_their_package(monkeypatch):
    monkeypatch.setattr("outpaint_lightning.tasks.regions.find_spec", lambda _name: None)
    with pytest.raises(
        InputError, match=r"expected faster-coco-eval to be installed, .*outpaint_lightning\[detections\]"
    ):
        task(detections=True)


def test_a_box_counts_as_much_as_it_is_trusted():
    """The geometric mean of its class and its predicted IoU: 0.9 and 0.4 are 0.6. Without masks alone."""
    answers = {"score": torch.tensor([0.9]), "box": torch.tensor([[1.0, 2, 3, 4]]), "quality": torch.tensor([0.4])}
    [found] = RegionTask.regions(answers)
    assert found.boxes.tolist() == [[1, 2, 3, 4]]
    assert found.scores.tolist() == pytest.approx([0.6])


def test_answers_follow_the_threshold():
    """Of masks and of their boxes; the class is left to whoever compares the score."""
    output = RegionOutput(torch.tensor([0.0]), torch.tensor([[1, 2, 3, 4.0]]), torch.full((1, 1, 4, 6), -1.0))
    output.mask[..., 1:3, 2:5] = 1.0
    answers = task(threshold=0.6).answers(output)
    assert answers["score"].tolist() == [0.5]
    assert answers["box"].tolist() == [[1, 2, 3, 4]]
    assert answers["mask"].sum() == 6
    assert answers["mask_box"].tolist() == [[2, 1, 5, 3]]
    assert not task(threshold=0.8).answers(output)["mask"].any()
    assert task(threshold=0.8).answers(output)["mask_box"].tolist() == [[0, 0, 0, 0]]
    assert set(task().answers(output._replace(mask=None))) == {"score", "box"}


def test_a_box_from_a_mask_is_that_of_the_surest_region():
    """Catches the box around both regions, the larger one, and an image without a region that has no box."""
    output = RegionOutput(torch.zeros(2), torch.tensor([[0, 0, 40, 30.0]] * 2), torch.full((2, 1, 30, 40), -4.0))
    output.mask[0, :, 2:6, 3:9] = 3.0
    output.mask[0, :, 12:28, 12:38] = 1.0
    judge = task()
    judge.net.box_from_mask = True
    assert judge.answers(output)["box"].tolist() == [[3, 2, 9, 6], [0, 0, 40, 30]]


def test_half_precision_is_judged_in_single():
    """bf16 has three digits: a box at 1001 would come out at 1000, and a score of 0.998 as 1."""
    answers = task().answers(RegionOutput(torch.tensor([6.25], dtype=torch.bfloat16), torch.ones(1, 4), None))
    assert answers["score"].dtype == torch.float32
    assert answers["score"].item() == pytest.approx(torch.tensor(6.25).sigmoid().item())


def test_a_threshold_that_is_none():
    with pytest.raises(InputError, match=r"RegionTask: threshold is 1"):
        task(threshold=1)


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_images_of_another_size_are_refused(photos, tmp_path, command):
    judge = task()
    judge.size = [64, 64]
    with pytest.raises(InputError, match=r"data.size is \[64, 96\]; the checkpoint was trained on \[64, 64\]"):
        getattr(trainer(tmp_path), command)(judge, module(photos))


def test_a_loss_that_is_not_finite_stops(photos, tmp_path):
    with pytest.raises(InputError, match=r"loss is nan at step 0 \(epoch 0, batch 0\)"):
        trainer(tmp_path, max_epochs=1, num_sanity_val_steps=0).fit(task(Blue(factor=float("nan"))), module(photos))


def test_validation_without_forgeries_trains_on(photos, tmp_path):
    """F1 and IoU are undefined there: NaN, which a checkpoint that monitors them takes for the worst."""
    runner = trainer(tmp_path, max_epochs=1, limit_val_batches=1)
    runner.fit(task(), module(photos, eval_batch_size=1))
    assert runner.callback_metrics["val/f1_and_iou"].isnan()
    assert "val/iou" not in runner.callback_metrics


def test_the_checkpoint_rebuilds_the_task(region_run):
    """Weights, the size of the images and the floors' boxes; without them `localize` would resize as it likes."""
    loaded = load_task(region_run)
    assert isinstance(loaded, RegionTask)
    assert loaded.size == [*SIZE]
    assert loaded.prior.mean.tolist() == pytest.approx([0, 0.25, 0.5, 0.5], abs=0.02)


def test_the_log_has_the_terms_and_the_numbers(region_run):
    rows = list(csv.DictReader((region_run / "metrics.csv").open()))
    last = [row for row in rows if row["val/f1"]][-1]
    for name in ("loss", "loss/class", "loss/box", "loss/mask", "f1_and_iou", "iou", "giou", "mask_f1"):
        assert last[f"val/{name}"], name
    assert float(last["val/f1_and_iou"]) == pytest.approx((float(last["val/f1"]) + float(last["val/iou"])) / 2)


def test_a_checkpoint_needs_no_weights_of_the_yaml(photos, region_run):
    """The checkpoint has them: those that the YAML names would be downloaded to be replaced."""
    words = [*region_options(photos, region_run), "--overwrite"]
    at = words.index(str(SCRATCH))
    del words[at - 1 : at + 1]  # what remains says imagenet
    assert main(["test", *words]) == 0
    config = yaml.safe_load((region_run / "config.test.yaml").read_text())
    assert config["model"]["init_args"]["net"]["init_args"]["weights"] is None


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("regions/**/*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_config_runs(path, photos, tmp_path):
    """One batch of training and validation of each YAML, with its own net; nothing is written.

    Tests and predictions differ in nothing but the net; building VGG11 again for each takes seconds.
    """
    base = ["--config", "regions/resnet18"] if path.parent.name == "rows" else []
    options = [
        *base,
        "--config",
        str(path),
        "--data.root",
        str(photos),
        "--data.batch_size",
        "2",
        "--data.workers",
        "0",
    ]
    options += ["--data.size", "[64,64]", "--config", str(SCRATCH), "--trainer.devices", "1"]
    options += ["--trainer.default_root_dir", str(tmp_path), "--trainer.fast_dev_run", "1"]
    for command in ("fit", "test", "predict") if path.stem == "small" else ("fit",):
        assert main([command, *options]) == 0
    assert not list(tmp_path.iterdir())
