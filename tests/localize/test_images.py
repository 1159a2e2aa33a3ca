import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support import region_options, texture

from outpaint_lightning.checkpoints import shipped
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.checkpoints.weights import save_weights
from outpaint_lightning.cli import main
from outpaint_lightning.io import image_size, read_image, read_mask, write_image


def localize(inputs, run, out, *options):
    return main(["localize", *map(str, inputs), "--ckpt_path", str(run), "--out", str(out), *options])


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """A folder of three frames of 70x110."""
    folder = tmp_path_factory.mktemp("frames") / "walk"
    for t in range(3):
        write_image(folder / f"{t:05d}.png", texture(t, 72, 112)[:70, :110])
    return folder


@pytest.mark.slow
def test_an_image_agrees_with_predict(photos, region_run, tmp_path):
    """Resized as for the training, in another way the score differs; and the box in the photo's own pixels."""
    assert main(["predict", *region_options(photos, region_run), "--overwrite", "--model.threshold", "0.000001"]) == 0
    rows = {row["clip"]: row for row in csv.DictReader((region_run / "predict" / "boxes.csv").open())}
    inputs = [photos / "frames" / f"{clip}.png" for clip in ("photo3__1", "photo4")]
    assert localize(inputs, region_run, tmp_path, "--threshold", "0.000001") == 0
    for clip in ("photo3__1", "photo4"):
        folder = tmp_path / clip
        assert sorted(path.name for path in folder.iterdir()) == [
            "drawn.png",
            "mask.png",
            "report.html",
            "score.json",
            "summary.json",
        ]
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["label"] == 1
        assert summary["score"] == pytest.approx(float(rows[clip]["score"]), abs=1e-5)
        box = [float(rows[clip][side]) for side in ("xmin", "ymin", "xmax", "ymax")]
        assert summary["box"] == pytest.approx(box, abs=0.02)
        assert (summary["height"], summary["width"]) == image_size(photos / "frames" / f"{clip}.png")
        assert np.array_equal(
            read_image(folder / "drawn.png"), read_image(region_run / "predict/drawn" / f"{clip}.png")
        )
        assert read_mask(folder / "mask.png").shape == (summary["height"], summary["width"])


@pytest.mark.slow
def test_an_image_goes_to_the_detector_that_ships(photos, region_run, run_folder, tmp_path, monkeypatch):
    """By default; a folder of frames goes to the localizer, also in one call. Regions are in the photo's pixels."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    for name, run in (("localizer", run_folder), ("regions", region_run)):
        save_weights(load_task(run), tmp_path / f"{name}.safetensors", {"licence": "CC0-1.0"})
    photo = photos / "frames" / "photo3__1.png"
    walk = tmp_path / "walk"
    for t in range(3):
        write_image(walk / f"{t:05d}.png", texture(t, 72, 112))
    words = ["localize", str(photo), str(walk), "--out", str(tmp_path / "out"), "--threshold", "0.000001"]
    assert main(words) == 0
    summaries = [json.loads((tmp_path / "out" / name / "summary.json").read_text()) for name in ("photo3__1", "walk")]
    assert [Path(each["checkpoint"]).stem for each in summaries] == ["regions", "localizer"]
    height, width = image_size(photo)
    for region in summaries[0]["regions"]:
        xmin, ymin, xmax, ymax = region["box"]
        assert 0 <= xmin < xmax <= width
        assert 0 <= ymin < ymax <= height
        assert 0 < region["score"] <= 1
    assert main(["localize", str(photo), "--ckpt_path", "localizer", "--out", str(tmp_path / "again")]) == 2


def test_an_image_that_is_not_found_has_no_box(photos, region_run, tmp_path, capsys):
    assert localize([photos / "frames/photo4.png"], region_run, tmp_path, "--threshold", "0.999999") == 0
    summary = json.loads((tmp_path / "photo4" / "summary.json").read_text())
    assert (summary["label"], summary["box"], summary["threshold"]) == (0, None, 0.999999)
    assert summary["regions"] == []
    assert "photo4.png: no verdict; no region, score 0." in capsys.readouterr().out


@pytest.mark.slow
def test_frames_are_judged_each_by_itself(frames, region_run, tmp_path):
    """The summary is that of the surest frame; batches change nothing."""
    for size in ("1", "2"):
        assert localize([frames], region_run, tmp_path / size, "--batch-size", size, "--threshold", "0.000001") == 0
    folder = tmp_path / "2" / "walk"
    rows = list(csv.DictReader((folder / "boxes.csv").open()))
    summary = json.loads((folder / "summary.json").read_text())
    scores = [float(row["score"]) for row in rows]
    assert len(scores) == summary["frames"] == summary["forged_frames"] == 3
    assert summary["score"] == max(scores)
    assert summary["frame"] == scores.index(max(scores))
    assert summary["box"][0] == float(rows[summary["frame"]]["xmin"])
    for kind in ("drawn", "mask"):
        assert [path.name for path in sorted((folder / kind).iterdir())] == ["00000.png", "00001.png", "00002.png"]
    alone = [float(row["score"]) for row in csv.DictReader((tmp_path / "1" / "walk" / "boxes.csv").open())]
    assert alone == pytest.approx(scores, abs=1e-5)  # convolutions of another batch size round differently


@pytest.mark.parametrize("kind", ["grey", "deep", "alpha", "narrow"])
def test_images_of_any_kind(kind, region_run, tmp_path):
    photo = texture(1, 80, 100)
    path = tmp_path / "odd.png"
    pixels = {
        "grey": photo[..., 0],
        "deep": photo.astype(np.uint16) * 257,
        "alpha": np.dstack([photo, photo[..., :1]]),
        "narrow": photo[:, :1],
    }[kind]
    cv2.imwrite(str(path), pixels)
    assert localize([path], region_run, tmp_path / "out") == 0
    assert image_size(tmp_path / "out" / "odd" / "drawn.png") == pixels.shape[:2]


def test_a_broken_image_is_named_and_leaves_nothing(photos, frames, region_run, tmp_path, capsys):
    """Its header is whole, so it is found out when it is read. The others are analysed; the exit code is 2."""
    broken = tmp_path / "broken.jpg"
    write_image(broken, read_image(photos / "frames" / "photo3.png"))
    broken.write_bytes(broken.read_bytes()[:-200])
    out = tmp_path / "out"
    assert localize([frames / "00000.png", broken, frames / "00001.png"], region_run, out) == 2
    assert "broken.jpg: does not decode" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == ["00000", "00001", "index.html"]


def test_a_checkpoint_that_does_not_know_its_size(photos, region_run, tmp_path, capsys):
    checkpoint = torch.load(region_run / "checkpoints" / "best.ckpt", weights_only=True)
    del checkpoint["size"]
    torch.save(checkpoint, tmp_path / "old.ckpt")
    assert localize([photos / "frames/photo3.png"], tmp_path / "old.ckpt", tmp_path / "out") == 2
    assert "old.ckpt: does not say how large its images are" in capsys.readouterr().err


def test_what_a_localizer_alone_writes_is_refused(photos, region_run, tmp_path, capsys):
    assert localize([photos / "frames/photo3.png"], region_run, tmp_path / "out", "--save", "coco") == 2
    assert "--save coco: is for localizers" in capsys.readouterr().err


def test_one_image_is_no_video(photos, run_folder, tmp_path, capsys):
    assert localize([photos / "frames/photo3.png"], run_folder, tmp_path) == 2
    assert "photo3.png: 1 frames; windows of 2 frames" in capsys.readouterr().err
