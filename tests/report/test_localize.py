import csv
import json
import shutil
import tracemalloc

import numpy as np
import pytest
from support import texture

from outpaint_lightning.cli import main
from outpaint_lightning.data import window_indices
from outpaint_lightning.io import VideoFile, VideoWriter, open_clip, read_mask
from outpaint_lightning.io.pictures import GAP, overlay, strip
from outpaint_lightning.report.localize import windows
from outpaint_lightning.types import InputError


@pytest.mark.parametrize(("length", "stride", "total"), [(2, 1, 2), (2, 1, 7), (2, 3, 6), (3, 1, 9), (3, 2, 8)])
def test_windows_are_the_datasets(length, stride, total):
    """The stream must judge each frame by the very frames that training used."""
    frames = (np.full((1, 1, 3), t, np.uint8) for t in range(total))
    streamed = [[int(f[0, 0, 0]) for f in window] for window in windows(frames, length, stride)]
    assert streamed == [window_indices(t, total, length, stride) for t in range(total)]


def test_ten_thousand_frames_are_streamed():
    """All frames at once would be 120 MB."""
    frames = (np.full((64, 64, 3), t % 256, np.uint8) for t in range(10_000))
    tracemalloc.start()
    count = sum(1 for _ in windows(frames, 2, 1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 10_000
    assert peak < 1_000_000


def test_one_frame_is_too_few():
    with pytest.raises(InputError, match="1 frames; windows of 2 frames at stride 1 need at least 2"):
        list(windows(iter([np.zeros((1, 1, 3), np.uint8)]), 2, 1))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("videos") / "clip.mp4"
    with VideoWriter(path, 130, 142, 12.5) as writer:
        for t in range(5):
            writer.write(texture(1, 132, 156)[:130, t : t + 142])
    return path


def test_localize_a_video(video, run_folder, tmp_path):
    assert main(["localize", str(video), "--ckpt_path", str(run_folder), "--out", str(tmp_path)]) == 0
    folder = tmp_path / "clip"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["frames"] == 5
    assert (summary["height"], summary["width"], summary["fps"]) == (130, 142, 12.5)
    assert summary["error"] is None
    rows = list(csv.DictReader((folder / "frames.csv").open()))
    masks = [read_mask(path) for path in sorted((folder / "masks").iterdir())]
    assert [float(row["forged_fraction"]) for row in rows] == pytest.approx([m.mean() for m in masks], abs=1e-6)
    assert [row["time"] for row in rows] == ["0.0", "0.08", "0.16", "0.24", "0.32"]
    for name in ("overlay.mp4", "masks.mp4"):
        written = VideoFile(folder / name)
        assert (len(written), written.height, written.width) == (5, 130, 142)
        assert written.fps == pytest.approx(12.5)


def test_batches_change_nothing(video, run_folder, tmp_path):
    for size in ("1", "3"):
        words = ["localize", str(video), "--ckpt_path", str(run_folder), "--out", str(tmp_path / size)]
        assert main([*words, "--batch-size", size]) == 0
    scores = [[float(r["score"]) for r in csv.DictReader((tmp_path / s / "clip/frames.csv").open())] for s in "13"]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)  # convolutions of another batch size round differently


def test_localize_agrees_with_test_on_the_same_frames(dataset, run_folder, tmp_path):
    """A frame folder of the test split: the masks that `predict` writes."""
    from support import fit_options

    assert main(["predict", *fit_options(dataset, run_folder), "--overwrite"]) == 0
    words = [str(dataset / "frames" / "d__1"), "--ckpt_path", str(run_folder), "--out", str(tmp_path)]
    assert main(["localize", *words]) == 0
    for t in range(3):
        found = read_mask(tmp_path / "d__1" / "masks" / f"{t:05d}.png")
        assert (found == read_mask(run_folder / "predict" / "d__1" / f"{t:05d}.png")).mean() > 0.999


def test_truncated_video_keeps_what_decodes(video, run_folder, tmp_path, capsys):
    """All inputs are analysed, the broken one as far as it goes; then it is named and the exit code is 2."""
    from outpaint_lightning.io import video as video_module

    class Broken(video_module.VideoFile):
        def __iter__(self):
            for t, frame in enumerate(super().__iter__()):
                if t == 3:
                    raise InputError(f"{self.path}: frame 3 does not decode (file truncated?)")
                yield frame

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(video_module, "VideoFile", Broken)
        assert main(["localize", str(video), "--ckpt_path", str(run_folder), "--out", str(tmp_path)]) == 2
    assert "frame 3 does not decode" in capsys.readouterr().err
    summary = json.loads((tmp_path / "clip" / "summary.json").read_text())
    assert summary["frames"] == 3
    assert "frame 3" in summary["error"]
    assert len(open_clip(tmp_path / "clip" / "overlay.mp4")) == 3


def test_bad_input_is_named_and_leaves_nothing(video, run_folder, tmp_path, capsys):
    one_frame = tmp_path / "single.mp4"
    with VideoWriter(one_frame, 130, 142, 25) as writer:
        writer.write(texture(1, 132, 144)[:130, :142])
    out = tmp_path / "out"
    for words, part in (
        ([str(tmp_path / "no.mp4")], "no.mp4: no such file"),
        ([str(one_frame)], "single.mp4: 1 frames"),
        ([str(one_frame), str(tmp_path / "no.mp4")], "no.mp4"),
        ([str(video), str(video)], "two inputs are called 'clip'"),
        ([str(video), "--threshold", "2"], "--threshold is 2"),
        ([str(video), "--device", "cuda:77"], "--device cuda:77"),
    ):
        assert main(["localize", *words, "--ckpt_path", str(run_folder), "--out", str(out)]) == 2
        assert part in capsys.readouterr().err
    assert not out.exists() or not list(out.iterdir())


def test_the_input_is_never_replaced(video, run_folder, tmp_path):
    """`--out` beside the input, where the result's folder would be the input itself or hold it."""
    folder = tmp_path / "clip"
    shutil.copytree(video.parent, folder)
    for source in (folder, folder / "clip.mp4"):
        words = ["localize", str(source), "--ckpt_path", str(run_folder), "--out", str(tmp_path), "--overwrite"]
        assert main(words) == 2
        assert (folder / "clip.mp4").exists()


def test_existing_result_is_kept(video, run_folder, tmp_path, capsys):
    words = ["localize", str(video), "--ckpt_path", str(run_folder), "--out", str(tmp_path)]
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "mine.txt").write_text("keep")
    assert main(words) == 2
    assert "pass --overwrite" in capsys.readouterr().err
    assert (tmp_path / "clip" / "mine.txt").exists()
    assert main([*words, "--overwrite"]) == 0
    assert not (tmp_path / "clip" / "mine.txt").exists()


def test_overlay_leaves_other_pixels_alone():
    frame = texture(2, 40, 44)
    mask = np.zeros((40, 44), bool)
    mask[10:20, 10:30] = True
    picture = overlay(frame, mask)
    assert np.array_equal(picture[~mask], frame[~mask])
    inside = picture[15, 20].astype(int) - (frame[15, 20] * 0.6 + np.array([255, 40, 40]) * 0.4)
    assert np.abs(inside).max() <= 0.5
    assert picture[10, 15].tolist() == [255, 230, 0]
    assert np.array_equal(frame, texture(2, 40, 44))


def test_strip():
    a, b = np.zeros((5, 6, 3), np.uint8), np.full((5, 6, 3), 9, np.uint8)
    picture = strip([[a, b], [b, a]])
    assert picture.shape == (2 * 5 + GAP, 2 * 6 + GAP, 3)
    assert (picture[:5, -6:] == 9).all()
    assert (picture[:, 6 : 6 + GAP] == 255).all()
