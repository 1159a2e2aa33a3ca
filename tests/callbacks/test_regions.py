import csv
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch.trainer.states import TrainerFn
from support import region_options

from outpaint_lightning.callbacks import BoxPictures, MaskWriter
from outpaint_lightning.callbacks.regions import EXAMPLE_SIZE, coco, examples
from outpaint_lightning.cli import main
from outpaint_lightning.io import FrameFolder, image_size, read_image, read_mask, write_image
from outpaint_lightning.pictures.boxes import TRUTH
from outpaint_lightning.pictures.marks import BAND, CONTOUR, GAP
from outpaint_lightning.results import REGIONS
from outpaint_lightning.types import InputError


@pytest.fixture(scope="module")
def predicted(photos, region_run):
    """The folder of a prediction at a threshold that finds every image forged."""
    words = [*region_options(photos, region_run), "--overwrite", "--model.threshold", "0.000001"]
    assert main(["predict", *words]) == 0
    return region_run / "predict"


@pytest.mark.slow
def test_predict_writes_the_boxes_of_the_original_images(predicted):
    """Of photos of 120x80 and 96x144 judged at 64x96: a box in the net's pixels would never pass x 96 or y 64."""
    rows = list(csv.DictReader((predicted / "boxes.csv").open()))
    assert [row["clip"] for row in rows] == ["photo3", "photo3__1", "photo4", "photo4__1"]
    for row, (height, width) in zip(rows, [(120, 80), (120, 80), (96, 144), (96, 144)], strict=True):
        assert row["label"] == "1"
        assert 0 <= float(row["xmin"]) < float(row["xmax"]) <= width
        assert 0 <= float(row["ymin"]) < float(row["ymax"]) <= height
        place = f"{row['clip']}.png"
        assert image_size(predicted / "drawn" / place) == (height, width)
        assert read_mask(predicted / "masks" / place).shape == (height, width)
    assert not (predicted / "photo3").exists()  # MaskWriter's place


def test_the_drawn_image_is_the_original_with_its_box(predicted, photos):
    """Not the image as the net saw it: pixels away from box, mask and caption are the photo's own."""
    row = next(row for row in csv.DictReader((predicted / "boxes.csv").open()) if row["clip"] == "photo4")
    picture, photo = (read_image(path / "photo4.png") for path in (predicted / "drawn", photos / "frames"))
    left, top, right, bottom = (round(float(row[side])) for side in ("xmin", "ymin", "xmax", "ymax"))
    assert picture[bottom - 1, right - 1].tolist() == [*CONTOUR]
    assert picture[bottom - 1, left].tolist() == [*CONTOUR]
    away = ~read_mask(predicted / "masks" / "photo4.png")
    away[top:bottom, left:right] = away[:30] = False
    away[1:] &= away[:-1]  # the mask's outline is a pixel wider
    away[:-1] &= away[1:]
    away[:, 1:] &= away[:, :-1]
    away[:, :-1] &= away[:, 1:]
    assert np.array_equal(picture[away], photo[away])


def test_json_says_what_csv_says(predicted, photos):
    rows = list(csv.DictReader((predicted / "boxes.csv").open()))
    found = json.loads((predicted / "boxes.json").read_text())
    assert [image["file_name"] for image in found["images"]] == [f"frames/{row['clip']}.png" for row in rows]
    assert all((photos / image["file_name"]).exists() for image in found["images"])
    assert len(found["annotations"]) == 4
    box = [float(rows[2][side]) for side in ("xmin", "ymin", "xmax", "ymax")]
    assert found["annotations"][2]["bbox"] == pytest.approx([*box[:2], box[2] - box[0], box[3] - box[1]], abs=0.011)


@pytest.mark.slow
def test_nothing_found_is_zeros(photos, region_run, tmp_path):
    words = [*region_options(photos, tmp_path), "--ckpt_path", str(region_run), "--model.threshold", "0.999999"]
    assert main(["predict", *words]) == 0
    rows = list(csv.DictReader((tmp_path / "predict" / "boxes.csv").open()))
    assert [row["label"] for row in rows] == ["0"] * 4
    assert {float(row[side]) for row in rows for side in ("xmin", "ymin", "xmax", "ymax")} == {0}
    assert json.loads((tmp_path / "predict" / "boxes.json").read_text())["annotations"] == []


def test_coco_by_hand():
    """Width and height, not the far corner; ids from 1; an image without a box has no annotation."""
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}]
    rows = [
        {"label": 0, "score": 0.1, "xmin": 0.0, "ymin": 0.0, "xmax": 0.0, "ymax": 0.0},
        {"label": 1, "score": 0.9, "xmin": 10.0, "ymin": 20.0, "xmax": 40.5, "ymax": 30.0},
    ]
    [annotation] = coco(images, rows)["annotations"]
    assert annotation == {
        "id": 1, "image_id": 2, "category_id": 1, "bbox": [10.0, 20.0, 30.5, 10.0], "area": 305.0, "iscrowd": 0,
        "score": 0.9,
    }  # fmt: skip


@pytest.mark.slow
def test_test_writes_its_result_and_prints_the_floors(photos, region_run, capsys):
    assert main(["test", *region_options(photos, region_run), "--overwrite"]) == 0
    printed = capsys.readouterr().out
    summary = json.loads((region_run / "test" / "summary.json").read_text())
    rows = list(csv.DictReader((region_run / "test" / "per_image.csv").open()))
    assert [row["clip"] for row in rows] == ["photo3", "photo3__1", "photo4", "photo4__1"]
    assert summary["floors"]["all_forged"] == pytest.approx(2 / 3)
    assert summary["checkpoint"] == f"{region_run}/checkpoints/best.ckpt"
    assert summary["size"] == [64, 96]
    for name in ("all_forged", "centre", "mean", "whole"):
        assert re.search(rf"^  floor {name} +{summary['floors'][name]:.3f}$", printed, re.MULTILINE)
    assert f"{summary['iou']['mean']:.3f}" in printed
    assert re.search(r"^trained from +scratch, images of 64x96$", printed, re.MULTILINE)
    assert f"written to {region_run}/test: summary.json, per_image.csv" in printed
    assert (region_run / "test" / "examples.png").exists()
    assert not (region_run / "test" / "per_video.csv").exists()


def test_the_callbacks_of_videos_leave_images_alone(tmp_path):
    """A tensor may be anything, such as the frames of a generator: the kind of the task says whether it is masks."""
    trainer = SimpleNamespace(is_global_zero=True, fast_dev_run=False, default_root_dir=tmp_path, ckpt_path=None)
    batch = {"meta": [{"clip": "a", "frames": [0]}]}
    for task in (SimpleNamespace(kind=REGIONS), SimpleNamespace()):
        MaskWriter().write_on_batch_end(trainer, task, torch.ones(1, 4, 4, dtype=torch.bool), None, batch, 0, 0)
    assert not list(tmp_path.iterdir())


def test_fit_shows_boxes_of_each_validation(region_run):
    """One forged image of the one validation source, as large as the net sees it, each epoch."""
    assert sorted(path.name for path in (region_run / "pictures").iterdir()) == ["epoch_0000.png", "epoch_0001.png"]
    picture = read_image(region_run / "pictures" / "epoch_0001.png")
    assert picture.shape == (64 + BAND, 96, 3)
    assert (picture[:-BAND] == TRUTH).all(2).sum() > 20


def shown(path, batch_size=3, count=2, **state):
    """Run `BoxPictures` on a batch of a source each, the first authentic; return what each kind of logger was given."""
    calls = []
    wandb = SimpleNamespace(log_image=lambda key, images, step: calls.append(("wandb", key, len(images), step)))
    board = SimpleNamespace(add_image=lambda tag, image, step, **more: calls.append((tag, image.shape, step, more)))
    trainer = SimpleNamespace(
        loggers=[wandb, SimpleNamespace(experiment=board), SimpleNamespace(experiment=object())],
        **{"is_global_zero": True, "fast_dev_run": False, "sanity_checking": False, "current_epoch": 3, **state},
        state=SimpleNamespace(fn=state.pop("fn", TrainerFn.FITTING)), global_step=7, default_root_dir=path,
    )  # fmt: skip
    task = SimpleNamespace(kind=REGIONS)
    batch = {
        "image": torch.zeros(batch_size, 1, 3, 40, 60),
        "label": torch.arange(batch_size).clamp(max=1),
        "box": torch.tensor([[10.0, 5, 30, 25]]).expand(batch_size, 4),
        "meta": [{"clip": f"c{i}", "source": f"s{i}"} for i in range(batch_size)],
    }
    callback = BoxPictures(count)
    callback.on_validation_epoch_start()
    outputs = {"score": torch.full((batch_size,), 0.5), "box": torch.tensor([[0.0, 0, 60, 40]]).expand(batch_size, 4)}
    for _ in range(2):  # the second batch shows sources seen already
        callback.on_validation_batch_end(trainer, task, outputs, batch, 0)
    callback.on_validation_end(trainer, task)
    return calls


def test_loggers_that_take_images_get_them(tmp_path):
    """Two of three, as the first is authentic; a logger of numbers is passed over."""
    assert shown(tmp_path) == [
        ("wandb", "media/val/boxes", 2, 7),
        ("media/val/boxes", (40 + BAND, 60 + 4 + 60, 3), 7, {"dataformats": "HWC"}),
    ]
    picture = read_image(tmp_path / "pictures" / "epoch_0003.png")
    assert picture[39, 30].tolist() == [*CONTOUR]
    assert picture[24, 20].tolist() == [*TRUTH]
    assert picture[30, 30].tolist() == [0, 0, 0]
    samples = [(picture[40:] == colour).all(2).sum() for colour in (CONTOUR, TRUTH)]
    assert samples == [4 * 11] * 2  # the legend: the edge of a sample of 12 x 12 for each colour


def test_rows_of_four_are_filled_up(tmp_path):
    calls = shown(tmp_path, batch_size=6, count=5)
    assert calls[0][2] == 5
    assert read_image(tmp_path / "pictures" / "epoch_0003.png").shape == (84 + BAND, 4 * 64 - 4, 3)


@pytest.mark.parametrize("state", [{"sanity_checking": True}, {"is_global_zero": False}, {"fast_dev_run": 1}])
def test_nothing_is_shown_out_of_season(tmp_path, state):
    assert shown(tmp_path, **state) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_validate_keeps_the_pictures_of_fit(photos, region_run):
    before = (region_run / "pictures" / "epoch_0000.png").stat().st_mtime_ns
    assert main(["validate", *region_options(photos, region_run), "--overwrite"]) == 0
    assert (region_run / "pictures" / "epoch_0000.png").stat().st_mtime_ns == before


def test_pictures_count():
    with pytest.raises(InputError, match=r"BoxPictures\.count is 0"):
        BoxPictures(0)


def test_examples_are_the_best_the_middle_and_the_worst(tmp_path):
    """Each image is a flat grey of its own: the rows show which were taken, in order of IoU, not of the table."""
    clips = {}
    rows = []
    for i in range(16):
        write_image(tmp_path / f"{i}.png", np.full((54, 72, 3), 16 * i, np.uint8))
        clips[str(i)] = FrameFolder(tmp_path / f"{i}.png")
        box = dict.fromkeys(("xmin", "ymin", "true_xmin", "true_ymin"), 0.0) | dict.fromkeys(
            ("xmax", "ymax", "true_xmax", "true_ymax"), 1.0
        )
        rows.append({"clip": str(i), "frame": 0, "score": 0.5, "iou": ((7 * i) % 16) / 16, **box})
    picture = examples(rows, clips)
    width, height = EXAMPLE_SIZE
    shown = picture[height - 8 :: height + GAP, width - 8 :: width + GAP, 0] // 16
    by_iou = sorted(range(16), key=lambda i: -rows[i]["iou"])
    assert shown.tolist() == [by_iou[:4], by_iou[6:10], by_iou[-4:]]
    assert examples(rows[:1], clips).shape == (3 * height + 2 * GAP + BAND, width, 3)
