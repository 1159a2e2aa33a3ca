from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from outpaint_lightning.cli import main
from outpaint_lightning.demo.run import HELD_OUT, NETS, Scale, demo, render_clips
from outpaint_lightning.io import VideoFile, frame_files, read_dataset, read_image, read_mask, write_mask
from outpaint_lightning.pictures.marks import BAND, GAP
from outpaint_lightning.types import InputError

TINY = Scale(
    height=40,
    width=48,
    frames=2,
    scenes=(2, 1, 2),
    forge=("--recipe", "outpainting", "--per-clip", "1", "--fill", "telea", "--seam", "hard", "--workers", "1"),
    fit=(
        "--trainer.max_epochs=1", "--trainer.limit_train_batches=1", "--data.batch_size=2", "--data.crop=null",
        "--data.workers=0", "--model.net.updates=1",
    ),
)  # fmt: skip


LEAVES = {"forge": "forged", "fit": "run", "test": "run", "localize": "found"}


def left(words: list[str]) -> str:
    """The folder that a command of the demo writes into."""
    return Path(words[words.index("--out") + 1]).name if "--out" in words else LEAVES[words[0]]


@dataclass
class Replay:
    """Gives again what the commands of an earlier demo left, with another F1, or fails at one of them."""

    earlier: Path
    out: Path
    f1: float = 0.0
    fails: str = ""

    def __call__(self, words: list[str]) -> int:
        if words[0] == self.fails:
            return 130
        shutil.copytree(self.earlier / left(words), self.out / left(words), dirs_exist_ok=True)
        path = self.out / "run/test/summary.json"
        if words[0] == "test":
            summary = json.loads(path.read_text())
            path.write_text(json.dumps(summary | {"f1": summary["f1"] | {"mean": self.f1}}))
        return 0


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A whole demo by the real command line: its folder, exit code, what it printed and the commands it ran."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on tiny nets more threads only wait for each other
    out, printed, commands = tmp_path_factory.mktemp("demo"), io.StringIO(), []

    def run(words: list[str]) -> int:
        commands.append(words)
        return main(words)

    with contextlib.redirect_stdout(printed):
        code = demo(out, overwrite=False, run=run, scale=TINY)
    torch.set_num_threads(threads)
    return out, code, printed.getvalue(), commands


@pytest.mark.slow
def test_the_numbers_printed_are_those_of_the_test_and_decide_the_exit_code(done):
    out, code, printed, _ = done
    summary = json.loads((out / "run/test/summary.json").read_text())
    table = printed[printed.rindex("pixel F1 on") :]
    numbers = [line.split()[-1] for line in table.splitlines()]
    values = [summary["f1"]["mean"], *summary["floors"].values(), summary["gain"], summary["authentic"]["pixel_fpr"]]
    assert numbers[: len(values)] == [f"{value:.3f}" for value in values]
    won = summary["f1"]["mean"] > max(summary["floors"].values())
    assert code == (0 if won else 1)
    assert ("does not exceed" in printed) != won


def test_every_command_is_printed_as_it_was_run(done):
    _, _, printed, commands = done
    assert [words[0] for words in commands] == ["forge", "fit", "test", "localize", "localize"]
    for words in commands:
        assert f"$ outpaint-lightning {' '.join(words)}\n" in printed


def test_what_is_promised_is_there_and_shows_what_it_should(done):
    out, _, printed, _ = done
    for folder in NETS:
        film = VideoFile(out / folder / "suspect/overlay.mp4")
        assert (len(film), film.height, film.width) == (TINY.frames, TINY.height, TINY.width)
        assert str(out / folder / "suspect/overlay.mp4") in printed
    assert str(out / "strip.png") in printed
    picture = read_image(out / "strip.png")
    assert picture.shape == (BAND + 2 * TINY.height + GAP + BAND, 4 * TINY.width + 3 * GAP, 3)
    picture = picture[BAND:]
    suspect = next(entry for entry in read_dataset(out / "forged") if entry.split == "test" and entry.masks)
    frame = read_image(suspect.frames / "00001.png")
    assert np.array_equal(picture[: TINY.height, : TINY.width], frame)
    truth = picture[: TINY.height, -TINY.width :]
    changed = (truth != frame).any(-1)
    mask = read_image(suspect.masks / "00001.png")[..., 0] > 0
    assert (changed & mask).sum() > 0.9 * mask.sum()


def test_each_net_is_judged_on_the_suspect_by_its_own_masks(done, tmp_path, capsys):
    """Catches one net shown under the name of the other, and precision or recall in place of F1."""
    entry = next(entry for entry in read_dataset(done[0] / "forged") if entry.split == "test" and entry.masks)
    replay = Replay(done[0], tmp_path)

    def run(words: list[str]) -> int:
        code = replay(words)
        if words[0] == "localize":
            for true in frame_files(entry.masks):
                mask = read_mask(true)
                write_mask(tmp_path / left(words) / "suspect/masks" / true.name, mask | (left(words) == "found"))
        return code

    demo(tmp_path, overwrite=False, run=run, scale=TINY)
    printed = capsys.readouterr().out
    share = np.mean([read_mask(true).mean() for true in frame_files(entry.masks)])
    assert re.search(rf"F1 on suspect\.mp4, trained here +{2 * share / (1 + share):.3f}\n", printed)
    assert re.search(r"F1 on suspect\.mp4, shipped net +1\.000\n", printed)


@pytest.mark.parametrize(("f1", "code"), [(1.0, 0), (0.0, 1)])
def test_the_exit_code_says_whether_the_floors_were_beaten(done, tmp_path, capsys, f1, code):
    assert demo(tmp_path, overwrite=False, run=Replay(done[0], tmp_path, f1), scale=TINY) == code
    printed = capsys.readouterr().out
    assert re.search(rf"pixel F1 on 2 forged test clips +{f1:.3f}\n", printed)
    assert ("does not exceed the best floor" in printed) == (code == 1)


@pytest.mark.parametrize("command", LEAVES)
def test_a_command_that_fails_ends_the_demo_with_its_exit_code_and_no_table(done, tmp_path, capsys, command):
    assert demo(tmp_path, overwrite=False, run=Replay(done[0], tmp_path, fails=command), scale=TINY) == 130
    printed = capsys.readouterr().out
    assert f"`{command}` ended with exit code 130" in printed
    assert "pixel F1" not in printed


def test_an_earlier_demo_is_replaced_only_when_asked_to_and_nothing_else_is_removed(done, tmp_path):
    demo(tmp_path, overwrite=False, run=Replay(done[0], tmp_path), scale=TINY)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="--overwrite"):
        demo(tmp_path, overwrite=False, run=Replay(done[0], tmp_path), scale=TINY)
    assert (tmp_path / "run").exists()
    demo(tmp_path, overwrite=True, run=Replay(done[0], tmp_path, fails="forge"), scale=TINY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "notes.txt"]


def test_splits_share_neither_scenes_nor_photographs(tmp_path):
    render_clips(tmp_path / "clips", TINY)
    with (tmp_path / "clips/manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["split"] for row in rows] == ["train", "train", "val", "test", "test"]
    assert len({row["source"] for row in rows}) == len(rows)
    assert not set(HELD_OUT["val"]) & set(HELD_OUT["test"])
