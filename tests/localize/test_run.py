import csv
import json
import shutil
import tracemalloc

import numpy as np
import pytest
import torch
from support import fit_options, short_options, texture, write_clip

from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.cli import main
from outpaint_lightning.data import window_indices
from outpaint_lightning.io import VideoFile, VideoWriter, open_clip, read_mask, write_manifest
from outpaint_lightning.localize.finding import stream
from outpaint_lightning.localize.judging import Stream, streams, windows
from outpaint_lightning.localize.run import localize
from outpaint_lightning.losses import SequenceCrossEntropy
from outpaint_lightning.metrics import frame_scores
from outpaint_lightning.nets import RaftLocalizer
from outpaint_lightning.pictures import overlay, strip
from outpaint_lightning.pictures.marks import GAP
from outpaint_lightning.tasks import LocalizationTask
from outpaint_lightning.types import InputError


@pytest.mark.parametrize("stride", [1, 2, 3, -1, -2, -3])
@pytest.mark.parametrize("length", [2, 3, 4])
@pytest.mark.parametrize("more", [0, 1, 5, 30])
def test_windows_are_the_datasets(length, stride, more):
    """The stream must judge each frame by the very frames that training used."""
    total = 2 * (length - 1) * abs(stride) + more
    frames = (np.full((1, 1, 3), t, np.uint8) for t in range(total))
    streamed = [[int(f[0, 0, 0]) for f in window] for window in windows(frames, length, stride)]
    assert streamed == [window_indices(t, total, length, stride) for t in range(total)]


@pytest.mark.parametrize("stride", [1, -1])
def test_ten_thousand_frames_are_streamed(stride):
    """All frames at once would be 120 MB."""
    frames = (np.full((64, 64, 3), t % 256, np.uint8) for t in range(10_000))
    tracemalloc.start()
    count = sum(1 for _ in windows(frames, 2, stride))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 10_000
    assert peak < 1_000_000


@pytest.mark.parametrize("stride", [1, -1])
def test_one_frame_is_too_few(stride):
    with pytest.raises(InputError, match=f"1 frames; windows of 2 frames at stride {stride} need at least 2"):
        list(windows(iter([np.zeros((1, 1, 3), np.uint8)]), 2, stride))


def task_of(frames: int, stride: int, tile: list[int] | None = None, head: str = "flow") -> LocalizationTask:
    torch.manual_seed(0)
    net = RaftLocalizer("small", 2, carry=True, head=head)
    task = LocalizationTask(net, SequenceCrossEntropy(), tile=tile).eval()
    task.window = {"frames": frames, "stride": stride}
    return task


def clip_of(total: int, height: int = 130, width: int = 142) -> list[np.ndarray]:
    return [np.random.default_rng(t).integers(0, 256, (height, width, 3), dtype=np.uint8) for t in range(total)]


def images(frames: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)[None].float() / 255


def streamed(task: LocalizationTask, frames: list[np.ndarray]) -> list[torch.Tensor]:
    judge = Stream(task)
    return [judge([pair])[0] for pair in windows(frames, 2, task.window["stride"])]


@torch.no_grad()
@pytest.mark.parametrize("stride", [-1, -2])
@pytest.mark.parametrize("head", ["flow", "features"])
def test_a_stream_is_walked_along_the_clip(stride, head):
    """By hand with `stream`. Catches a state that is dropped, one of the other chain, and one of the first frames.

    The first frames are judged by the pair forwards in time, and the pairs backwards start anew behind them.
    """
    task, frames = task_of(4, stride, head=head), clip_of(6)
    found = streamed(task, frames)
    assert len(found) == 6
    states = {}
    for t, probability in enumerate(found):
        neighbour = t + stride if t + stride >= 0 else t - stride
        logits, state = task.net.stream(images([frames[t], frames[neighbour]]), states.get(t % -stride))
        if t >= -stride:
            states[t % -stride] = state
        torch.testing.assert_close(probability, logits.softmax(1)[0, 1], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found[5], task(images([frames[5], frames[5 + stride]]))[0], atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("tile", [None, [128, 128]], ids=["whole", "tiles"])
def test_a_stream_is_the_window_back_to_the_clips_start(tile):
    """Catches, in tiles, states of other rows: 200 x 150 needs two rows of two, whose states must stay apart.

    The last frame's window spans the clip, so both are equal there. The first frame is judged forwards: by one pair,
    not by the three of its window.
    """
    task, frames = task_of(4, -1, tile), clip_of(4, 200, 150)
    found = streamed(task, frames)
    torch.testing.assert_close(found[3], task(images(frames[::-1]))[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[0], task(images(frames[:2]))[0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found[0], task(images(frames))[0], atol=1e-3)


def whole_window(net, image, last_only=False):  # noqa: ARG001 (as its own)
    raise AssertionError("a net that carries its state is to be streamed")


@pytest.mark.slow
def test_localize_carries_the_state(tmp_path, capsys):
    """Through the command line: a run that carries is streamed at one pair a frame, and refuses batches."""
    root = tmp_path / "data"
    write_manifest(
        root / "manifest.csv",
        [
            write_clip(root, (f"{name}{suffix}", split, name, forger), frames=6)
            for name, split in (("a", "train"), ("c", "val"))
            for suffix, forger in (("", ""), ("__1", "left/flat/hard"))
        ],
    )
    carry = ["--config", "localizer/carry", "--model.net.updates", "2"]
    assert main(["fit", *carry, *short_options(root, tmp_path / "run")]) == 0
    words = ["localize", str(root / "frames" / "c__1"), "--ckpt_path", str(tmp_path / "run"), "--out", str(tmp_path)]
    assert main([*words, "--batch-size", "2"]) == 2
    assert "--batch-size is 2: expected 1, this net carries its state" in capsys.readouterr().err
    pairs = []
    with pytest.MonkeyPatch.context() as patch:
        stream = RaftLocalizer.stream
        patch.setattr(
            RaftLocalizer, "stream", lambda net, image, state: pairs.append(state) or stream(net, image, state)
        )
        patch.setattr(RaftLocalizer, "forward", whole_window)
        assert main(words) == 0
    assert [state is None for state in pairs] == [True, True, False, False, False, False]
    task = load_task(tmp_path / "run")
    expected = streamed(task, list(open_clip(root / "frames" / "c__1")))
    scores = [float(row["score"]) for row in csv.DictReader((tmp_path / "c__1" / "frames.csv").open())]
    assert scores == pytest.approx([frame_scores(probability).item() for probability in expected], abs=1e-5)


def test_a_net_that_looks_ahead_is_not_streamed():
    """Catches a stream of windows that look forwards: they have no frame before them to carry from."""
    assert streams(task_of(4, -1))
    assert not streams(task_of(4, 1))
    plain = task_of(4, -1)
    plain.net.carry = False
    assert not streams(plain)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("videos") / "clip.mp4"
    with VideoWriter(path, 130, 142, 12.5) as writer:
        for t in range(5):
            writer.write(texture(1, 132, 156)[:130, t : t + 142])
    return path


def test_localize_a_video(video, run_folder, tmp_path, capsys):
    words = ["localize", str(video), "--ckpt_path", str(run_folder), "--out", str(tmp_path), "--profile"]
    assert main(words) == 0
    folder = tmp_path / "clip"
    summary = json.loads((folder / "summary.json").read_text())
    spent = summary["seconds_of"]
    assert list(spent) == ["decoding", "judging", "writing"]
    assert all(seconds > 0 for seconds in spent.values())
    assert f"{round(100 * spent['judging'] / sum(spent.values()))} %, writing" in capsys.readouterr().out
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


@pytest.mark.slow
def test_localize_agrees_with_test_on_the_same_frames(dataset, run_folder, tmp_path):
    """A frame folder of the test split: the masks that `predict` writes."""
    assert main(["predict", *fit_options(dataset, run_folder), "--overwrite"]) == 0
    words = [str(dataset / "frames" / "d__1"), "--ckpt_path", str(run_folder), "--out", str(tmp_path)]
    assert main(["localize", *words]) == 0
    for t in range(3):
        found = read_mask(tmp_path / "d__1" / "masks" / f"{t:05d}.png")
        assert (found == read_mask(run_folder / "predict" / "d__1" / f"{t:05d}.png")).mean() > 0.999


def test_truncated_video_keeps_what_decodes(video, run_folder, tmp_path, capsys):
    """All inputs are analysed, the broken one as far as it goes; then it is named and the exit code is 2."""
    from outpaint_lightning.io import opening

    class Broken(VideoFile):
        def __iter__(self):
            for t, frame in enumerate(super().__iter__()):
                if t == 3:
                    raise InputError(f"{self.path}: frame 3 does not decode (file truncated?)")
                yield frame

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "VideoFile", Broken)
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


def test_several_inputs_get_an_index_and_scripts_get_json(dataset, run_folder, tmp_path, capsys):
    """On stdout there is JSON and nothing else; what is there is not replaced unasked, the index neither."""
    inputs = [str(dataset / "frames" / name) for name in ("c", "d")]
    words = ["localize", *inputs, "--ckpt_path", str(run_folder), "--out", str(tmp_path), "--json", "--save", "coco"]
    assert main(words) == 0
    said = capsys.readouterr()
    summaries = json.loads(said.out)
    assert [summary["input"] for summary in summaries] == inputs
    assert {summary["verdict"] for summary in summaries} == {"no verdict"}
    assert "no verdict" in said.err
    index = (tmp_path / "index.html").read_text()
    assert all(f'href="{name}/report.html"' in index for name in ("c", "d"))
    assert len(json.loads((tmp_path / "c" / "regions.json").read_text())["images"]) == 3
    shutil.rmtree(tmp_path / "c")
    shutil.rmtree(tmp_path / "d")
    assert main(words) == 2
    assert "index.html already exists" in capsys.readouterr().err
    assert main([*words[:-1], "cocoa"]) == 2
    assert "--save cocoa: expected probability or coco; did you mean 'coco'?" in capsys.readouterr().err


def test_arrays_in_python_are_what_the_files_hold(dataset, run_folder, tmp_path):
    path = dataset / "frames" / "c"
    found = localize(path, run_folder)
    assert main(["localize", str(path), "--ckpt_path", str(run_folder), "--out", str(tmp_path)]) == 0
    assert np.array_equal(found.frames, np.stack(list(open_clip(path))))
    assert np.array_equal(found.masks, found.probability >= found.threshold)
    for t in range(3):
        assert np.array_equal(found.masks[t], read_mask(tmp_path / "c" / "masks" / f"{t:05d}.png"))
    rows = list(csv.DictReader((tmp_path / "c" / "frames.csv").open()))
    assert found.scores == pytest.approx([float(row["score"]) for row in rows], abs=1e-6)
    assert found.times == pytest.approx([float(row["time"]) for row in rows], abs=1e-4)
    assert found.verdict.score == pytest.approx(found.scores.mean())
    streamed = list(stream(path, run_folder, threshold=0.01))
    assert [each.number for each in streamed] == [0, 1, 2]
    assert all(np.array_equal(each.mask, found.probability[each.number] >= 0.01) for each in streamed)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda path, run: localize(path, run, "out"), "expected none for one path"),
        (lambda path, run: localize([path], run), "out is None"),
        (lambda path, run: localize(path, run, threshold=1.0), "--threshold is 1.0"),
        (lambda path, run: stream(path, run, threshold=1.0), "threshold is 1.0"),
    ],
)
def test_bad_calls_are_named(call, words, dataset, run_folder):
    with pytest.raises(InputError, match=words):
        call(dataset / "frames" / "c", run_folder)
