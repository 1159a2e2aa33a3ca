"""Two commands that write to one output: one wins, the other prints one line, exits with 2 and changes nothing."""

import os
import runpy
import sys
import threading

import pytest
from support import REPOSITORY, fit_options, texture, write_clip

from outpaint_lightning.cli import main
from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.forge.run import forge
from outpaint_lightning.io import frame_files, read_dataset, write_image
from outpaint_lightning.io.output import sole_writer
from outpaint_lightning.types import InputError


@pytest.fixture
def clips(tmp_path):
    """Two clips of three frames."""
    for name in ("p", "q"):
        write_clip(tmp_path / "clean", (name, "train", name, ""))
    return tmp_path / "clean" / "frames"


def refused(capsys, words):
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "another command is writing there" in line
    return line


def held(out):
    """All that lies below a folder."""
    return sorted(path.relative_to(out) for path in out.rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("command", ["fit", "test"])
def test_two_of_a_kind_in_one_run_folder(command, run_folder, dataset, capsys):
    """The rows of two trainings in one `metrics.csv` would go unnoticed; a test beside a training is welcome."""
    options = [command, *fit_options(dataset, run_folder), "--overwrite"]
    with sole_writer(run_folder, command):
        before = held(run_folder)
        assert f"{run_folder}/{command}: another" in refused(capsys, options)
        resumed = [*options, "--ckpt_path", "last"]
        assert f"{run_folder}/{command}: another" in refused(capsys, resumed)
        assert held(run_folder) == before


def test_localize_and_inpaint_on_one_output(clips, run_folder, tmp_path, capsys):
    """Of two inputs, the one that is free is not begun either: half of each command would win."""
    out = tmp_path / "out"
    write_image(tmp_path / "mask.png", texture(1) * 0)
    with sole_writer(out, "q"):
        refused(capsys, ["localize", clips / "p", clips / "q", "--ckpt_path", run_folder, "--out", out])
        refused(capsys, ["inpaint", clips / "q", "--masks", tmp_path / "mask.png", "--fill", "zero", "--out", out])
        assert os.listdir(out) == [".q.lock"]


def test_forge_compare_and_demo_on_one_output(clips, run_folder, tmp_path, capsys):
    out = tmp_path / "out"
    with sole_writer(out):
        refused(capsys, ["forge", clips, out, "--mask", "box", "--fill", "telea"])
        refused(capsys, ["compare", run_folder, "--out", out])
        refused(capsys, ["demo", "--out", out, "--overwrite"])
        assert os.listdir(out) == [".lock"]


def test_two_forgers_that_start_together_leave_one_whole_dataset(clips, tmp_path):
    """Both used to end with 2, with a manifest there and masks missing."""
    recipe = Recipe.of(masks=["box"], fills=["replicate"], seams=["hard"], chains=["none"], per_clip=2)
    out, together, errors = tmp_path / "out", threading.Barrier(2), []

    def run():
        together.wait()
        try:
            forge(clips, out, recipe)
        except InputError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 1
    entries = read_dataset(out)
    assert sorted(entry.clip for entry in entries) == ["p", "p__1", "p__2", "q", "q__1", "q__2"]
    assert all(len(frame_files(entry.masks)) == 3 for entry in entries if entry.forger)
    with pytest.raises(InputError, match="already exists; pass --overwrite"):  # complete, as the second one finds it
        forge(clips, out, recipe)


@pytest.mark.parametrize(
    "script", ["ablation", "leave_one_out", "localizer_steps", "region_results", "refiner_ablation"]
)
def test_two_runners_of_experiments(script, tmp_path, monkeypatch, capsys):
    path = REPOSITORY / "benchmarks" / f"{script}.py"
    monkeypatch.syspath_prepend(path.parent)
    given = [] if script == "refiner_ablation" else [str(tmp_path / "clips")]
    monkeypatch.setattr(sys, "argv", [path.name, *given, str(tmp_path / "out")])
    with sole_writer(tmp_path / "out"):
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(path), run_name="__main__")
        assert os.listdir(tmp_path / "out") == [".lock"]
    assert left.value.code == 2
    assert "another command is writing there" in capsys.readouterr().err
