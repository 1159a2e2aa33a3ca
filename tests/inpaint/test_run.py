"""`inpaint` through the real command line, on clips whose hidden content is known."""

import json

import numpy as np
import pytest
import torch
from support import REPOSITORY, texture

from outpaint_lightning.cli import main
from outpaint_lightning.inpaint import pieces as pieces_module
from outpaint_lightning.inpaint.completion import FILLS, FillCompletion, complete_flow
from outpaint_lightning.inpaint.pieces import pieces
from outpaint_lightning.inpaint.propagation import Origin
from outpaint_lightning.inpaint.run import inpaint
from outpaint_lightning.inpaint.writer import draw_origin
from outpaint_lightning.io import VideoFile, VideoWriter, opening, read_flow, read_image, write_image, write_mask
from outpaint_lightning.types import InputError

COUNT, HEIGHT, WIDTH = 7, 64, 96


@pytest.fixture(scope="module")
def clean():
    """A pan of two pixels a frame to the left."""
    wide = texture(4, HEIGHT, WIDTH + 2 * COUNT + 2)
    return np.stack([wide[:, 2 * t : 2 * t + WIDTH] for t in range(COUNT)])


@pytest.fixture(scope="module")
def holes():
    """A box of 10 x 10 that stays where it is: after five frames all that it hides has come out."""
    hole = np.zeros((COUNT, HEIGHT, WIDTH), bool)
    hole[:, 28:38, 44:54] = True
    return hole


@pytest.fixture(scope="module")
def material(tmp_path_factory, clean, holes):
    """`clip` with grey in its holes, and `masks`."""
    root = tmp_path_factory.mktemp("material")
    for t, (frame, hole) in enumerate(zip(clean, holes, strict=True)):
        write_image(root / "clip" / f"{t:05d}.png", np.where(hole[..., None], np.uint8(128), frame))
        write_mask(root / "masks" / f"{t:05d}.png", hole)
    return root


def words(material, out, *more):
    return ["inpaint", str(material / "clip"), "--masks", str(material / "masks"), "--out", str(out), *more]


def written(folder):
    return np.stack([read_image(path) for path in sorted((folder / "frames").iterdir())])


def psnr(found, true):
    error = np.mean((found.astype(float) - true) ** 2)
    return 10 * np.log10(255**2 / error) if error else np.inf


def refused(capsys, line, *parts):
    capsys.readouterr()
    assert main(line) == 2
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert said.startswith("outpaint-lightning: error: ")
    for part in parts:
        assert part in said


def test_known_pixels_are_kept_and_hidden_ones_found(material, clean, holes, tmp_path, capsys):
    """Catches flow read from inside the hole (grey, it stands still), frames out of order and a lost last frame.

    DIS is some hundredths of a pixel off and texture changes by at most 40 grey levels a pixel: 35 dB is 4.5 levels.
    """
    assert main(words(material, tmp_path, "--fill", "harmonic")) == 0
    folder = tmp_path / "clip"
    frames = written(folder)
    assert np.array_equal(frames[~holes], clean[~holes])
    assert psnr(frames[holes], clean[holes]) > 35
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["pixels"]["known"] == (~holes).sum()
    assert sum(summary["pixels"].values()) == holes.size
    assert summary["pixels"]["inpainted"] < 0.1 * holes.sum()
    assert summary["never_seen"] == pytest.approx(summary["pixels"]["inpainted"] / holes.sum(), abs=1e-6)
    assert summary["hole_motion"] == pytest.approx(2, abs=0.1)
    assert (summary["frames"], summary["fill"], summary["checkpoint"]) == (COUNT, "harmonic", None)
    assert summary["hole"] == pytest.approx(holes.mean(), abs=1e-6)
    assert summary["fallbacks"] == {"flow_not_finite": [], "copied_frames": []}
    assert summary["warnings"] == [
        "100% of the hole is masked in every frame: only where something moves can it be seen"
    ]
    assert "seen in other frames" in capsys.readouterr().out
    for name in ("inpainted.mp4", "provenance.mp4"):
        film = VideoFile(folder / name)
        assert (len(film), film.height, film.width) == (COUNT, HEIGHT, WIDTH)


@pytest.mark.parametrize(("step", "least", "most", "why"), [
    (0, 1, 1, "what it hides hardly moves (0.0 px"), (3, 0.65, 0.85, "too short, or its flow cannot be followed (3.0"),
])  # fmt: skip
def test_what_is_never_seen_is_said_with_the_reason(clean, tmp_path, capsys, step, least, most, why):
    """Two frames: nothing comes out of the box, or 2 to 3 columns of 10. Catches a share of the frame for the hole."""
    for t in range(2):
        write_image(tmp_path / "two" / f"{t}.png", clean[0, :, step * t : WIDTH - 3 + step * t])
    hole = np.zeros((HEIGHT, WIDTH - 3), bool)
    hole[28:38, 44:54] = True
    write_mask(tmp_path / "mask.png", hole)
    summary = inpaint(tmp_path / "two", tmp_path / "mask.png", tmp_path / "out", fill="nearest")
    assert least <= summary["never_seen"] <= most
    assert any(line.startswith("no other frame shows") and why in line for line in summary["warnings"])
    assert f"{1 - summary['never_seen']:.1%} of these seen in other frames" in capsys.readouterr().out


def test_flow_files_hold_the_completed_flow(material, holes, tmp_path):
    """Forward of all frames but the last, backward of all but the first; -2 px in the hole as well. Catches x for y."""
    inpaint(material / "clip", material / "masks", tmp_path, fill="harmonic")
    for direction, numbers, u in (("forward", range(COUNT - 1), -2), ("backward", range(1, COUNT), 2)):
        files = sorted((tmp_path / "clip" / "flow" / direction).iterdir())
        assert [file.name for file in files] == [f"{t:05d}.flow.png" for t in numbers]
        for t, file in zip(numbers, files, strict=True):
            assert np.abs(read_flow(file).flow[holes[t]] - (u, 0)).max() < 0.25


def test_pieces_meet_without_a_jump(material, clean, holes, tmp_path):
    """Pieces of four frames, one of them done before, one to look ahead. Catches frames lost or doubled between."""
    inpaint(material / "clip", material / "masks", tmp_path, fill="harmonic", window=4)
    frames = written(tmp_path / "clip")
    assert np.array_equal(frames[~holes], clean[~holes])
    # One step along the pan, which every frame but the ends has on both sides, uncovers two columns of each edge; of
    # the inner one, flow that is a hundredth of a pixel short still samples a masked pixel.
    seen = holes.copy()
    seen[:, :, 45:53] = False
    seen[[0, -1]] = False
    assert psnr(frames[seen], clean[seen]) > 30


def test_memory_is_that_of_the_window(monkeypatch, clean):
    """200 frames in pieces of 8: never more than 8 are handed on."""
    lengths = []
    real = pieces_module.propagate
    monkeypatch.setattr(
        pieces_module, "propagate", lambda frames, *rest: lengths.append(len(frames)) or real(frames, *rest)
    )
    source = iter([(clean[0][:32, :32], np.zeros((32, 32), bool))] * 200)
    found = list(pieces(source, 200, FillCompletion("zero", torch.device("cpu")), 8))
    assert [number for piece in found for number in piece.numbers] == list(range(200))
    assert max(lengths) == 8


def test_one_mask_for_all_frames_and_a_video_of_masks(material, holes, tmp_path):
    """A PNG, and a film, whose edges are not exact; both give the frames of the folder of masks."""
    one = material / "masks" / "00000.png"
    with VideoWriter(tmp_path / "masks.mp4", HEIGHT, WIDTH, 25, crf=0) as film:
        for hole in holes:
            film.write(np.repeat(hole[..., None] * np.uint8(255), 3, 2))
    results = []
    for number, masks in enumerate((material / "masks", one, tmp_path / "masks.mp4")):
        inpaint(material / "clip", masks, tmp_path / str(number), fill="nearest")
        results.append(written(tmp_path / str(number) / "clip"))
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_dilate_grows_the_hole(material, holes, tmp_path):
    """By a disc of three pixels: 10 + 6 a side, less the corners."""
    summary = inpaint(material / "clip", material / "masks", tmp_path, fill="zero", dilate=3)
    assert 16 * 16 - 4 * 6 <= (holes.size - summary["pixels"]["known"]) / COUNT < 16 * 16
    assert not np.array_equal(written(tmp_path / "clip")[:, 26, 48], written_clip(material)[:, 26, 48])


def written_clip(material):
    return np.stack([read_image(path) for path in sorted((material / "clip").iterdir())])


def test_numbers_of_objects_are_holes(material, tmp_path):
    """DAVIS numbers its objects 1, 2, ...: all are holes, not only 255."""
    import cv2

    numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
    numbers[28:33, 44:54], numbers[33:38, 44:54] = 1, 2
    cv2.imwrite(str(tmp_path / "mask.png"), numbers)
    summary = inpaint(material / "clip", tmp_path / "mask.png", tmp_path, fill="harmonic")
    assert summary["hole"] == pytest.approx(100 / HEIGHT / WIDTH, abs=1e-6)


def test_nothing_masked_is_a_copy_and_said_to_be(material, tmp_path, capsys):
    write_mask(tmp_path / "none.png", np.zeros((HEIGHT, WIDTH), bool))
    line = ["inpaint", str(material / "clip"), "--masks", str(tmp_path / "none.png"), "--fill", "harmonic"]
    assert main([*line, "--out", str(tmp_path)]) == 0
    assert "no pixel is masked" in capsys.readouterr().out
    summary = json.loads((tmp_path / "clip" / "summary.json").read_text())
    assert (summary["never_seen"], summary["hole_motion"]) == (None, None)
    assert np.array_equal(written(tmp_path / "clip"), written_clip(material))


def test_inverted_masks_and_whole_frames_are_warned_of(material, holes, tmp_path):
    for t, hole in enumerate(holes):
        write_mask(tmp_path / "masks" / f"{t}.png", np.ones_like(hole) if t == 3 else ~hole)
    said = inpaint(material / "clip", tmp_path / "masks", tmp_path, fill="nearest")["warnings"]
    assert any("inverted" in line for line in said)
    assert any(line.startswith("all of frame 3 is masked") for line in said)


def test_flow_that_is_not_finite_is_filled_harmonically_and_said_so(monkeypatch, material, tmp_path):
    """A refiner that diverged: the frames are those of the harmonic fill, and the summary names them."""

    class Diverged(torch.nn.Module):
        def forward(self, forward, backward, hidden):
            return torch.where(hidden > 0, torch.nan, forward), backward

    monkeypatch.setitem(FILLS, "diverged", Diverged)
    summary = inpaint(material / "clip", material / "masks", tmp_path, fill="diverged")
    assert summary["fallbacks"]["flow_not_finite"] == list(range(COUNT))
    assert any("flow was not finite in frames 0, 1" in line for line in summary["warnings"])
    inpaint(material / "clip", material / "masks", tmp_path / "harmonic", fill="harmonic")
    assert np.array_equal(written(tmp_path / "clip"), written(tmp_path / "harmonic" / "clip"))


def test_what_is_hidden_never_reaches_the_completion(holes):
    """Strict: hidden are vectors that begin in a hole, end in the next frame's, or are bent by DIS around it."""
    given = []

    def complete(forward, backward, hidden):
        given.append(hidden[0])
        return forward, backward

    still = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    step = still + np.float32((20, 0)), still - np.float32((20, 0))
    complete_flow(holes, [step] * (COUNT - 1), complete)
    (hidden,) = given
    assert hidden[:, :, 28 - 8, 44 + 5].all()  # the margin
    assert hidden[2, 0, 33, 26]  # lands in the hole of frame 3
    assert not hidden[2, 1, 33, 26]  # comes from outside
    assert hidden[2, 1, 33, 72]
    assert torch.equal(hidden[-1, 0], hidden[-1, 1])  # beyond the clip: the other direction reversed
    assert torch.equal(hidden[0, 0], hidden[0, 1])


def test_provenance_colours():
    """Green later, blue earlier, turquoise both, red invented; a known pixel is not touched."""
    frame = np.full((1, 5, 3), 100, np.uint8)
    picture = draw_origin(frame, np.array([[0, 1, 2, 3, 4]], np.uint8))
    assert picture[0].tolist() == [[100] * 3, [80, 160, 80], [85, 105, 178], [70, 160, 165], [178, 70, 70]]
    assert list(Origin) == [0, 1, 2, 3, 4]


def test_bad_input_is_one_line(material, tmp_path, capsys, run_folder):
    few, small = tmp_path / "few", tmp_path / "small"
    for t in range(2):
        write_mask(few / f"{t}.png", np.zeros((HEIGHT, WIDTH), bool))
    for t in range(COUNT):
        write_mask(small / f"{t}.png", np.zeros((8, 9), bool))
    write_image(tmp_path / "single" / "0.png", texture(1, 32, 32))
    write_mask(tmp_path / "all.png", np.ones((HEIGHT, WIDTH), bool))
    clip, masks, out = str(material / "clip"), str(material / "masks"), str(tmp_path / "out")
    for line, *parts in (
        (["nowhere", "--masks", masks, "--fill", "zero"], "nowhere: no such"),
        ([clip, "--masks", str(few), "--fill", "zero"], "few: 2 masks; 7 were expected"),
        ([clip, "--masks", str(small), "--fill", "zero"], "0.png is 9x8; 96x64 was expected"),
        ([clip, "--masks", "nowhere", "--fill", "zero"], "nowhere: cannot be read"),
        ([clip, "--masks", str(tmp_path / "all.png"), "--fill", "zero"], "frames 0 to 6: every pixel of 7 frames"),
        ([str(tmp_path / "single"), "--masks", masks, "--fill", "zero"], "single: 1 frame; at least 2"),
        ([clip, "--masks", masks, "--fill", "harmonik"], "--fill is 'harmonik'", "did you mean 'harmonic'?"),
        ([clip, "--masks", masks, "--fill", "zero", "--steps", "3"], "--steps needs --ckpt_path"),
        ([clip, "--masks", masks, "--fill", "zero", "--window", "3"], "--window is 3: expected at least 4"),
        ([clip, "--masks", masks], "--ckpt_path", "--fill"),
        ([clip, "--masks", masks, "--ckpt_path", str(run_folder)], "holds a LocalizationTask"),
        ([clip, "--masks", masks, "--fill", "zero", "--device", "cuda:77"], "--device cuda:77"),
    ):
        refused(capsys, ["inpaint", *line, "--out", out], *parts)
    assert not (tmp_path / "out" / "clip").exists()
    assert not list((tmp_path / "out").glob(".*"))


def test_nothing_is_overwritten_unasked(material, tmp_path, capsys):
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "mine.txt").write_text("keep")
    refused(capsys, words(material, tmp_path, "--fill", "zero"), "pass --overwrite")
    assert (tmp_path / "clip" / "mine.txt").exists()
    assert main(words(material, tmp_path, "--fill", "zero", "--overwrite")) == 0
    assert not (tmp_path / "clip" / "mine.txt").exists()
    refused(capsys, words(material, material, "--fill", "zero", "--overwrite"), "would replace")
    assert (material / "clip" / "00000.png").exists()


@pytest.fixture(scope="module")
def refiner(tmp_path_factory):
    """The run folder of one epoch of `fit` of the small refiner through the real command line."""
    run = tmp_path_factory.mktemp("runs") / "refiner"
    options = {
        **{"data.scenes": 2, "data.val_scenes": 1, "data.size": "[40,48]", "data.frames": 4, "data.batch_size": 2},
        **{
            "data.workers": 0,
            "model.net.channels": 4,
            "model.net.steps": 2,
            "model.net.levels": 1,
            "trainer.max_epochs": 1,
        },
        **{"trainer.default_root_dir": run, "model.optimizer.lr": 0.02},
    }
    words = ["--config", str(REPOSITORY / "configs" / "refiner" / "small.yaml")]
    assert main(["fit", *words, *(f"--{name}={value}" for name, value in options.items())]) == 0
    return run


@pytest.mark.slow
def test_a_refiner_completes_the_flow(material, clean, holes, refiner, tmp_path):
    """The checkpoint's steps, or those asked for. Catches a refiner that is loaded and then left out.

    Two training steps change its fill little: what is hidden is found as well as with the fill, less 3 dB.
    """
    summary = inpaint(material / "clip", material / "masks", tmp_path / "given", ckpt_path=refiner)
    assert (summary["steps"], summary["fill"]) == (2, None)
    assert str(refiner) in summary["checkpoint"]
    assert summary["fallbacks"]["flow_not_finite"] == []
    frames = written(tmp_path / "given" / "clip")
    assert np.array_equal(frames[~holes], clean[~holes])
    assert psnr(frames[holes], clean[holes]) > 32
    assert main(words(material, tmp_path / "more", "--ckpt_path", str(refiner), "--steps", "5")) == 0
    assert json.loads((tmp_path / "more" / "clip" / "summary.json").read_text())["steps"] == 5
    inpaint(material / "clip", material / "masks", tmp_path / "fill", fill="harmonic")
    refined, filled = (
        np.stack([read_flow(file).flow for file in sorted((tmp_path / kind / "clip/flow/forward").iterdir())])
        for kind in ("given", "fill")
    )
    difference = np.abs(refined - filled).max((0, 3))  # two roundings to 16 bits of a range of 10 pixels: 2e-4
    assert difference[0, 0] < 2e-4
    assert difference.max() > 2e-3


@pytest.mark.parametrize("window", [4, 40])
def test_truncated_video_keeps_what_decodes(monkeypatch, clean, holes, tmp_path, capsys, window):
    """Filled as far as it goes, in one piece or several; then it is named and the exit code is 2."""

    class Broken(VideoFile):
        def __iter__(self):
            for t, frame in enumerate(super().__iter__()):
                if t == breaks:
                    raise InputError(f"{self.path}: frame {t} does not decode (file truncated?)")
                yield frame

    with VideoWriter(tmp_path / "clip.mp4", HEIGHT, WIDTH, 25) as film:
        for frame in clean:
            film.write(frame)
    write_mask(tmp_path / "mask.png", holes[0])
    line = ["inpaint", str(tmp_path / "clip.mp4"), "--masks", str(tmp_path / "mask.png"), "--fill", "harmonic"]
    monkeypatch.setattr(opening, "VideoFile", Broken)
    for breaks in (4, 5):
        out = tmp_path / str(breaks)
        assert main([*line, "--out", str(out), "--window", str(window)]) == 2
        assert f"frame {breaks} does not decode" in capsys.readouterr().err
        summary = json.loads((out / "clip" / "summary.json").read_text())
        assert summary["frames"] == breaks == len(written(out / "clip"))
        assert f"frame {breaks}" in summary["error"]
        assert len(list((out / "clip" / "flow" / "forward").iterdir())) == breaks - 1
    breaks = 1  # nothing can be taken from other frames
    refused(capsys, [*line, "--out", str(tmp_path / "none")], "frame 1 does not decode")
    assert not (tmp_path / "none" / "clip").exists()


def test_an_object_does_not_bend_the_flow_around_it(clean, tmp_path):
    """A box in front of the camera moves against the pan, 12 pixels a frame, bright: what DIS sees of it is covered.

    Its own motion would reach the vectors 8 pixels beside the mask; those of the pan are known to 0.25 px.
    """
    for t, frame in enumerate(clean):
        moving, left = frame.copy(), 6 + 12 * t
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[24:44, left : left + 12] = True
        moving[mask] = texture(9, 20, 12).reshape(-1, 3) // 2 + 128
        write_image(tmp_path / "walk" / f"{t}.png", moving)
        write_mask(tmp_path / "masks" / f"{t}.png", mask)
    inpaint(tmp_path / "walk", tmp_path / "masks", tmp_path / "out", fill="harmonic")
    for file in sorted((tmp_path / "out" / "walk" / "flow" / "forward").iterdir()):
        assert np.abs(read_flow(file).flow[8:-8, 8:-8] - (-2, 0)).max() < 0.5


def test_neither_completion_is_refused(material, tmp_path):
    with pytest.raises(InputError, match="either --ckpt_path or --fill"):
        inpaint(material / "clip", material / "masks", tmp_path)
