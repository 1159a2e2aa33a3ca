from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from outpaint_lightning.forge import command, run
from outpaint_lightning.forge.forger import replay
from outpaint_lightning.forge.output import STAGE
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.forge.run import forge
from outpaint_lightning.forge.sheet import summary
from outpaint_lightning.io import open_clip, read_dataset, read_mask, read_table, write_csv
from outpaint_lightning.types import InputError


@pytest.fixture
def clips(tmp_path: Path, panning: Callable[..., np.ndarray], write_clip: Callable[..., None]) -> Path:
    """Five clips of 2 frames, sizes odd and different, `D01_V_flat_still_0001` among them."""
    names = ["a", "b", "c", "d10", "D01_V_flat_still_0001"]
    for number, name in enumerate(names):
        write_clip(tmp_path / "clips" / name, panning(2, 33 + number, 48 - number, (2, 0), seed=number))
    return tmp_path / "clips"


def _recipe(**changes: object) -> Recipe:
    return Recipe.read("outpainting", **changes)


def _bytes(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _frames(folder: Path) -> np.ndarray:
    clip = open_clip(folder)
    return clip.read(range(len(clip)))


def test_writes_a_dataset_whose_records_replay_it(clips: Path, tmp_path: Path):
    rows = forge(clips, tmp_path / "out", _recipe(seed=3, per_clip=3))
    entries = {entry.clip: entry for entry in read_dataset(tmp_path / "out")}
    assert list(entries)[:4] == ["a", "a__1", "a__2", "a__3"]
    assert len(entries) == 20 == len(rows)
    assert entries["D01_V_flat_still_0001__2"].scene == "flat"
    assert entries["a"].scene == "unknown"
    assert {entry.split for entry in entries.values()} == {"train", "val", "test"}
    for entry in entries.values():
        original = _frames(clips / entry.source)
        record = json.loads((tmp_path / "out" / "records" / f"{entry.clip}.json").read_text())
        assert record["source"] == record["path"] == entry.source
        assert record["chain"]["name"] == "none"
        if not entry.forger:
            assert entry.masks is None
            assert entry.clip == entry.source
            np.testing.assert_array_equal(_frames(entry.frames), original)
            continue
        assert entry.masks is not None
        forged, label = replay(Footage(original), record)
        np.testing.assert_array_equal(_frames(entry.frames), forged)
        np.testing.assert_array_equal([read_mask(path) for path in sorted(entry.masks.iterdir())], label)
        row = next(row for row in rows if row["clip"] == entry.clip)
        assert row["area"] == pytest.approx(label.mean())
        assert row["forger"] == entry.forger
        assert row == record
    names = ["contact_sheet.png", "forge.json", "frames", "manifest.csv", "masks", "records"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names


@pytest.mark.slow
def test_same_seed_same_bytes_whatever_the_workers(
    tmp_path: Path, panning: Callable[..., np.ndarray], write_clip: Callable[..., None]
):
    """Every fill and seam, lossless, JPEG and H.264, with all threads here and one in each worker."""
    for number in range(4):
        write_clip(tmp_path / "clips" / f"c{number}", panning(3, 65 + number, 80, (2, 1), seed=number))
    recipe = Recipe.read("default", per_clip=13, chains=["none", "jpeg", "h264"], masks=["border", "blob", "clouds"])
    records = forge(tmp_path / "clips", tmp_path / "one", recipe)
    assert len({part for record in records for part in record["forger"].split("/")}) == 1 + 3 + 13 + 5
    forge(tmp_path / "clips", tmp_path / "two", recipe, workers=2)
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


def test_a_clip_more_and_a_forgery_more_change_no_other(
    clips: Path, tmp_path: Path, panning: Callable[..., np.ndarray], write_clip: Callable[..., None]
):
    forge(clips, tmp_path / "before", _recipe(per_clip=1, fills=["reflect"]))
    write_clip(clips / "aa", panning(1, 32, 32, (0, 0)))
    forge(clips, tmp_path / "after", _recipe(per_clip=2, fills=["reflect"]))
    before, after = _bytes(tmp_path / "before"), _bytes(tmp_path / "after")
    for name in ("manifest.csv", "forge.json", "contact_sheet.png"):
        del before[name]
    assert before.items() <= after.items()
    assert before["frames/a__1/00000.png"] != after["frames/a__2/00000.png"]
    forge(clips, tmp_path / "other", _recipe(seed=1, per_clip=1, fills=["reflect"]))
    assert before["frames/a__1/00000.png"] != _bytes(tmp_path / "other")["frames/a__1/00000.png"]


def test_every_combination_comes_up_once_before_any_comes_twice(clips: Path, tmp_path: Path):
    rows = forge(clips, tmp_path / "out", _recipe(per_clip=12))
    for clip in clips.iterdir():
        kinds = [row["forger"] for row in rows if row["source"] == clip.name and row["forger"]]
        assert len(set(kinds)) == 12
        for axis in (0, 1, 2):  # and early on each axis is even by itself
            first = Counter(kind.split("/")[axis] for kind in kinds[:3])
            assert max(first.values()) - min(first.values()) <= 1


def test_the_manifest_gives_splits_categories_and_further_columns(clips: Path, tmp_path: Path):
    manifest = tmp_path / "manifest.csv"
    rows = [
        {"clip": clip.name, "split": "train", "scene": "indoor", "camera": "move", "source": "s", "licence": "own, cut"}
        for clip in clips.iterdir()
    ]
    write_csv(manifest, [*rows, {**rows[0], "clip": "a photo", "split": "test"}])
    forge(clips, tmp_path / "out", _recipe(per_clip=1, fills=["reflect"]), manifest=manifest)
    for entry in read_dataset(tmp_path / "out"):
        assert (entry.split, entry.scene, entry.camera, entry.source) == ("train", "indoor", "move", "s")
        assert entry.extra == {"licence": "own, cut"}


def test_splits_keep_sources_whole_and_give_every_split_one(
    tmp_path: Path, texture: Callable[..., np.ndarray], write_clip: Callable[..., None]
):
    rows = [{"clip": f"c{number}", "source": f"s{number // 2}"} for number in range(40)]
    for row in rows:
        write_clip(tmp_path / "clips" / row["clip"], texture(8, 8)[None])
    write_csv(tmp_path / "m.csv", rows)
    written = forge(tmp_path / "clips", tmp_path / "out", _recipe(per_clip=0), manifest=tmp_path / "m.csv")
    split_of = {row["source"]: row["split"] for row in written}
    assert all(split_of[row["source"]] == row["split"] for row in written)
    assert Counter(split_of.values()) == {"train": 14, "val": 3, "test": 3}
    again = forge(tmp_path / "clips", tmp_path / "other", _recipe(per_clip=0, seed=1), manifest=tmp_path / "m.csv")
    assert [row["split"] for row in again] != [row["split"] for row in written]


def test_a_dataset_of_clean_clips_is_forged_by_its_own_manifest(clips: Path, tmp_path: Path):
    """Catches `frames` and `videos` taken for clips, and clips that the manifest leaves out."""
    root = tmp_path / "dataset"
    shutil.copytree(clips, root / "frames")
    first, second, *others = sorted(clip.stem for clip in clips.iterdir())
    rows = [
        {"clip": clip, "split": "train", "scene": "outdoor", "camera": "still", "source": clip, "license": "MIT"}
        for clip in (first, second)
    ]
    write_csv(root / "manifest.csv", rows)
    records = forge(root, tmp_path / "out", _recipe(per_clip=1))
    assert [record["clip"] for record in records] == [first, f"{first}__1", second, f"{second}__1"]
    table = read_table(tmp_path / "out" / "manifest.csv")
    assert {(row["license"], row["scene"], row["split"]) for row in table} == {("MIT", "outdoor", "train")}
    assert others
    with pytest.raises(InputError, match=r"m\.csv: .*dataset/manifest\.csv lists the clips already"):
        forge(root, tmp_path / "other", _recipe(), manifest=tmp_path / "m.csv")
    write_csv(root / "manifest.csv", [{**rows[0], "forger": "net"}])
    with pytest.raises(InputError, match="no masks of a clip forged"):
        forge(root, tmp_path / "other", _recipe())


def test_bad_input_is_named(clips: Path, tmp_path: Path):
    def refused(message: str, source: Path = clips, out: Path = tmp_path / "out", **options: object):
        parts = {axis: options.pop(axis) for axis in ("fills", "per_clip", "chains") if axis in options}
        with pytest.raises(InputError, match=message) as caught:
            forge(source, out, _recipe(**parts), **options)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()

    def manifest(*rows: dict[str, str]) -> Path:
        write_csv(tmp_path / "m.csv", rows)
        return tmp_path / "m.csv"

    every = [{"clip": clip.name, "split": "train", "source": clip.name} for clip in clips.iterdir()]
    refused("nowhere", source=tmp_path / "nowhere")
    refused("outside", out=clips / "out")
    refused("no row for the clip", manifest=manifest(*[row for row in every if row["clip"] != "b"]))
    refused("'trian'", manifest=manifest(*[{**row, "split": "trian"} for row in every]))
    refused(
        "two splits",
        manifest=manifest(*[{**row, "source": "s"} for row in every[1:]], {**every[0], "source": "s", "split": "test"}),
    )
    refused("has no split", manifest=manifest(*every[1:], {**every[0], "split": ""}))
    refused("more than one row", manifest=manifest(*every, every[0]))
    refused("column 'clip'", manifest=manifest({"name": "a"}))
    refused("is forged", manifest=manifest(*[{**row, "forger": "net"} for row in every]))
    refused("did you mean 'telea'", fills=["tela"])
    refused("fills: expected a list of at least one Fill", fills=[])
    refused("per_clip is -1", per_clip=-1)
    refused("--max-frames 0", max_frames=0)
    refused("--workers 0", workers=0)
    refused("masks of none of the clips", objects=tmp_path)
    (clips / "empty").mkdir()
    refused("empty")
    (clips / "empty").rename(clips / "a__1")
    cv2.imwrite(str(clips / "a__1" / "0.png"), np.zeros((16, 16), np.uint8))
    refused("a__1: two clips")
    cv2.imwrite(str(clips / "a__1" / "0.png"), np.zeros((4, 16), np.uint8))
    refused("a__1: frames of 16x4")


def test_an_old_dataset_is_kept_unless_overwrite_and_other_files_always(clips: Path, tmp_path: Path):
    out = tmp_path / "out"
    forge(clips, out, _recipe(per_clip=2, fills=["reflect"]))
    (out / "notes.txt").write_text("mine")
    old = _bytes(out)
    with pytest.raises(InputError, match="--overwrite"):
        forge(clips, out, _recipe(per_clip=1))
    assert _bytes(out) == old
    forge(clips, out, _recipe(per_clip=1, fills=["reflect"]), overwrite=True)
    assert not (out / "frames" / "a__2").exists()
    assert (out / "notes.txt").read_text() == "mine"


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make the n-th mask that is written fail, as on a full disk, after its clip was encoded."""
    real, calls = run.write_png, []

    def set_up(failing_call: int) -> None:
        def full_disk(*args: object) -> None:
            calls.append(args)
            if len(calls) == failing_call:
                raise OSError("disk full")
            real(*args)

        monkeypatch.setattr(run, "write_png", full_disk)

    return set_up


def test_an_interrupted_run_leaves_whole_clips_and_goes_on(
    clips: Path, tmp_path: Path, failing: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
):
    recipe = _recipe(per_clip=2)
    forge(clips, tmp_path / "whole", recipe)
    failing(4)  # the second forgery of the second clip
    out = tmp_path / "out"
    with pytest.raises(OSError, match="disk full"):
        forge(clips, out, recipe)
    written = {path.name for path in (out / "frames").iterdir()}
    assert written == {path.stem for path in (out / "records").iterdir()}
    assert len(written) == 5
    assert {path.name for path in (out / "masks").iterdir()} == {name for name in written if "__" in name}
    assert not (out / STAGE).exists()
    assert not (out / "manifest.csv").exists()
    # What a killed process leaves beside: a clip whose record was not written yet.
    victim = next(name for name in written if "__" in name)
    (out / "records" / f"{victim}.json").unlink()
    (out / "frames" / victim / "00000.png").unlink()
    monkeypatch.undo()
    untouched = {path: path.stat().st_mtime_ns for path in (out / "frames").rglob("*.png") if victim not in path.parts}

    forge(clips, out, recipe)
    assert _bytes(out) == _bytes(tmp_path / "whole")
    assert all(path.stat().st_mtime_ns == before for path, before in untouched.items())


def test_an_interrupted_run_goes_on_with_the_same_recipe_only(
    clips: Path, tmp_path: Path, failing: Callable[[int], None]
):
    out = tmp_path / "out"
    failing(2)
    with pytest.raises(OSError, match="disk full"):
        forge(clips, out, _recipe(per_clip=2))
    before = _bytes(out)
    with pytest.raises(InputError, match="begun with another recipe"):
        forge(clips, out, _recipe(per_clip=2, seed=1))
    assert _bytes(out) == before
    forge(clips, out, _recipe(per_clip=1, seed=1), overwrite=True)
    assert len(read_dataset(out)) == 10


def test_clips_that_change_meanwhile_are_made_anew(
    clips: Path, tmp_path: Path, failing: Callable[[int], None], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    """One clip gone (as after its unreadable frame has stopped the run), one changed, one new: the others are kept."""
    recipe = _recipe(per_clip=1)
    out, manifest = tmp_path / "out", tmp_path / "m.csv"
    write_csv(
        manifest, [{"clip": name, "split": "train"} for name in ("a", "b", "c", "d10", "D01_V_flat_still_0001", "e")]
    )
    failing(4)
    with pytest.raises(OSError, match="disk full"):
        forge(clips, out, recipe, manifest=manifest)
    monkeypatch.undo()
    kept = (out / "frames" / "c" / "00000.png").stat().st_mtime_ns
    (clips / "a" / "00000.png").write_bytes((clips / "a" / "00001.png").read_bytes())
    shutil.rmtree(clips / "b")
    shutil.copytree(clips / "c", clips / "e")
    capsys.readouterr()
    forge(clips, out, recipe, manifest=manifest)
    assert "made anew, as they changed: a, b" in capsys.readouterr().err
    forge(clips, tmp_path / "whole", recipe, manifest=manifest)
    assert _bytes(out) == _bytes(tmp_path / "whole")
    assert (out / "frames" / "c" / "00000.png").stat().st_mtime_ns == kept


@pytest.mark.slow
def test_a_killed_run_leaves_no_process_and_goes_on(
    tmp_path: Path, panning: Callable[..., np.ndarray], write_clip: Callable[..., None]
):
    for number in range(6):
        write_clip(tmp_path / "clips" / f"c{number}", panning(4, 96, 128, (2, 1), seed=number))
    words = ["forge", str(tmp_path / "clips"), str(tmp_path / "out"), "--per-clip", "4", "--workers", "2"]
    process = subprocess.Popen([sys.executable, "-m", "outpaint_lightning", *words], start_new_session=True)
    while len(list(tmp_path.glob("out/records/*.json"))) < 4:
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()  # the parent alone, as the kernel does when memory runs out
    process.wait()
    started = time.monotonic()
    while time.monotonic() < started + 20:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("workers outlive their parent")
    assert not (tmp_path / "out" / "manifest.csv").exists()
    forge(tmp_path / "clips", tmp_path / "out", Recipe.read("default"), max_frames=300)
    forge(tmp_path / "clips", tmp_path / "whole", Recipe.read("default"), max_frames=300)
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "whole")


def test_what_is_not_ours_is_never_removed(clips: Path, tmp_path: Path):
    (tmp_path / "mine" / "videos").mkdir(parents=True)
    (tmp_path / "mine" / "videos" / "holiday.mp4").write_bytes(b"mine")
    with pytest.raises(InputError, match="something else than a dataset of forge"):
        forge(clips, tmp_path / "mine", _recipe(), overwrite=True)
    assert (tmp_path / "mine" / "videos" / "holiday.mp4").read_bytes() == b"mine"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "m.csv").write_text("clip\n")
    with pytest.raises(InputError, match="outside of"):
        forge(clips, tmp_path / "out", _recipe(), manifest=tmp_path / "out" / "m.csv", overwrite=True)


def test_what_would_fail_later_is_refused_before_anything_is_written(clips: Path, tmp_path: Path):
    for parts, message in (
        ({"fills": ["net"]}, "a: net: expected the checkpoint"),
        ({"chains": ["av1"]}, "a: av1 of frames of 48x33.*expected 64"),
    ):
        with pytest.raises(InputError, match=message):
            forge(clips, tmp_path / "out", _recipe(**parts))
        assert not (tmp_path / "out").exists()


def test_twins_go_through_the_same_chain(clips: Path, tmp_path: Path):
    chains = ["jpeg", {"class_path": "resize", "init_args": {"scale": [0.7, 1.3]}}]
    records = forge(clips, tmp_path / "out", _recipe(per_clip=2, chains=chains))
    by_source = {}
    for record in records:
        by_source.setdefault(record["source"], []).append(record)
    assert {record["chain"]["name"] for record in records} == {"jpeg", "resize"}
    for twin, *forged in by_source.values():
        assert all(record["chain"] == twin["chain"] for record in forged)
        assert all((record["height"], record["width"]) == (twin["height"], twin["width"]) for record in forged)
        for record in forged:
            frames, same = (_frames(tmp_path / "out" / "frames" / r["clip"]) for r in (record, twin))
            masks = [read_mask(path) for path in sorted((tmp_path / "out" / "masks" / record["clip"]).iterdir())]
            assert frames.shape == same.shape
            if record["chain"]["name"] == "resize":  # lossless
                np.testing.assert_array_equal(frames[~np.stack(masks)], same[~np.stack(masks)])


def test_names_that_a_table_cannot_hold_are_refused(clips: Path, tmp_path: Path):
    (clips / "a").rename(clips / " lead")
    with pytest.raises(InputError, match="begins or ends with a blank"):
        forge(clips, tmp_path / "out", _recipe())


def test_videos_are_written_where_the_chain_makes_them(
    tmp_path: Path, panning: Callable[..., np.ndarray], write_clip: Callable[..., None]
):
    write_clip(tmp_path / "clips" / "a", panning(6, 64, 96, (2, 0)))
    cv2.imwrite(str(tmp_path / "clips" / "photo.png"), panning(1, 65, 97, (0, 0))[0])
    with pytest.raises(InputError, match="photo cannot become a video"):
        forge(tmp_path / "clips", tmp_path / "none", _recipe(chains=["h264"]))
    assert not (tmp_path / "none").exists()
    forge(tmp_path / "clips", tmp_path / "out", _recipe(per_clip=1, fills=["telea"], chains=["h264", "jpeg"], seed=4))
    entries = {entry.clip: entry for entry in read_dataset(tmp_path / "out")}
    assert entries["a"].frames.suffix == entries["a__1"].frames.suffix == ".mp4"
    assert [path.name for path in entries["photo__1"].frames.iterdir()] == ["00000.jpg"]
    assert len(open_clip(entries["a__1"].frames)) == len(list((tmp_path / "out/masks/a__1").iterdir())) == 6


def test_object_masks_and_donors(clips: Path, tmp_path: Path):
    """The objects are numbers in some clips only; a splice shows another source of the same split."""
    for index in range(2):
        mask = np.zeros((33, 48), np.uint8)
        mask[10:20, 10 + index : 20 + index] = 3
        path = tmp_path / "objects" / "a" / f"{index:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), mask)
    write_csv(
        tmp_path / "m.csv",
        [{"clip": clip.name, "split": "train" if clip.name in "abc" else "test"} for clip in clips.iterdir()],
    )
    splice = _recipe(per_clip=2, masks=["object", "box"], fills=["splice"], seams=["hard"])
    records = forge(clips, tmp_path / "out", splice, objects=tmp_path / "objects", manifest=tmp_path / "m.csv")
    by_clip = {record["clip"]: record for record in records}
    assert {by_clip[f"a__{n}"]["forger"] for n in (1, 2)} == {"object/splice/hard", "box/splice/hard"}
    assert {by_clip[f"b__{n}"]["forger"] for n in (1, 2)} == {"box/splice/hard"}
    for record in records:
        if record["forger"]:
            donor = by_clip[record["donor"]]
            assert donor["source"] != record["source"]
            assert donor["split"] == record["split"]
    cv2.imwrite(str(tmp_path / "objects" / "a" / "00002.png"), mask)
    with pytest.raises(InputError, match="3 masks for 2 frames"):
        forge(clips, tmp_path / "other", splice, objects=tmp_path / "objects", manifest=tmp_path / "m.csv")
    with pytest.raises(InputError, match="no forger is left; expected object masks"):
        forge(clips, tmp_path / "other", _recipe(masks=["object"]))


def test_longer_clips_are_cut_and_that_is_said(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    records = forge(clips, tmp_path / "out", _recipe(per_clip=1), max_frames=1)
    assert {record["frames"] for record in records} == {1}
    assert "5 clips cut to their first 1 frames" in capsys.readouterr().err


def test_video_files_are_sources_too(tmp_path: Path, panning: Callable[..., np.ndarray]):
    av = pytest.importorskip("av")
    (tmp_path / "clips").mkdir()
    with av.open(str(tmp_path / "clips" / "film.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 64, 48
        for image in panning(3, 48, 64, (2, 0)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    forge(tmp_path / "clips", tmp_path / "out", _recipe(per_clip=1, fills=["reflect"]))
    np.testing.assert_array_equal(
        _frames(tmp_path / "out" / "frames" / "film"), _frames(tmp_path / "clips" / "film.mp4")
    )
    assert json.loads((tmp_path / "out" / "records" / "film__1.json").read_text())["path"] == "film.mp4"


def test_command_forges_and_prints_the_summary(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    command.add_arguments(parser)
    options = [
        "--recipe",
        "outpainting",
        "--per-clip",
        "2",
        "--mask",
        "box",
        "--fill",
        "reflect",
        "telea",
        "--seam",
        "hard",
        "--workers",
        "1",
    ]
    assert command.run(parser.parse_args([str(clips), str(tmp_path / "out"), *options])) == 0
    printed = capsys.readouterr()
    assert "forge: 5/5 clips" in printed.err
    table = [line.split() for line in printed.out.splitlines()]
    assert ["reflect", "5"] in table
    assert ["telea", "5"] in table
    assert ["forgeries", "box"] in table
    assert sum(int(line[3]) for line in table[1:4]) == 10


def test_summary_by_hand():
    row = {"split": "train", "source": "s", "frames": 4, "forger": "box/telea/hard", "area": 0.25, "clip": "s__1"}
    row["chain"] = {"name": "jpeg"}
    table = summary([row, {**row, "area": 0.5}, {**row, "forger": "", "area": 0.0}]).splitlines()
    assert table[1].split() == ["train", "1", "1", "2", "12", "37.5%"]
    assert table[3].split() == ["test", "0", "0", "0", "0", "-"]
    assert table[-2] == "seams: hard 2"
    assert table[-1] == "chains: jpeg 3"


def test_command_imports_nothing_heavy():
    code = "import sys, outpaint_lightning.forge.command; print({'numpy', 'cv2', 'av', 'torch'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


def test_clips_do_not_share_their_draws(
    tmp_path: Path, texture: Callable[..., np.ndarray], write_clip: Callable[..., None]
):
    for name in ("a", "b", "c"):
        write_clip(tmp_path / "clips" / name, texture(64, 64)[None])
    forge(tmp_path / "clips", tmp_path / "out", _recipe(per_clip=2, masks=["box"], fills=["reflect"], seams=["hard"]))
    records = [json.loads(path.read_text()) for path in (tmp_path / "out" / "records").glob("*__*.json")]
    assert len({str(record["mask"]["params"]) for record in records}) == 6


def _begun(clips: Path, out: Path, recipe: Recipe) -> dict[str, Any]:
    """Make a dataset, take its manifest away as if the run had been interrupted, and return what it noted."""
    forge(clips, out, recipe)
    (out / "manifest.csv").unlink()
    noted: dict[str, Any] = json.loads((out / "forge.json").read_text())
    return noted


@pytest.mark.parametrize("name", ["../../victim", "/victim", "..", "", "a\0b", 5])
def test_names_that_lead_out_of_the_folder_are_refused(clips: Path, tmp_path: Path, name: Any):
    """The folders that an unfinished dataset names are removed: those of a stranger's may lie anywhere."""
    shutil.copytree(clips, tmp_path / "victim")
    out, recipe = tmp_path / "out", _recipe(per_clip=0)
    noted = _begun(clips, out, recipe)
    noted["clips"]["gone"] = {"names": [str(tmp_path / "victim") if name == "/victim" else name]}
    (out / "forge.json").write_text(json.dumps(noted))
    before = _bytes(tmp_path / "victim")
    with pytest.raises(InputError, match=r"forge\.json: .* is no name of a clip; --overwrite begins anew"):
        forge(clips, out, recipe)
    assert _bytes(tmp_path / "victim") == before
    assert (out / "records").is_dir()


def test_links_out_of_the_folder_are_not_followed(clips: Path, tmp_path: Path):
    out, recipe = tmp_path / "out", _recipe(per_clip=0)
    noted = _begun(clips, out, recipe)
    (out / "masks").symlink_to(clips)
    noted["clips"]["gone"] = {"names": ["a"]}
    (out / "forge.json").write_text(json.dumps(noted))
    before = _bytes(clips)
    forge(clips, out, recipe)
    assert _bytes(clips) == before


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"settings": {}, "clips": 5}', '{"settings": {}, "clips": {"a": {}}}', "[" * 3000]
)
def test_a_broken_note_of_an_unfinished_dataset_is_one_line(clips: Path, tmp_path: Path, text: str):
    out, recipe = tmp_path / "out", _recipe(per_clip=0)
    out.mkdir()
    (out / "forge.json").write_text(text)
    with pytest.raises(InputError, match=r"out/forge\.json: "):
        forge(clips, out, recipe)


def test_clips_whose_records_are_broken_are_made_anew(clips: Path, tmp_path: Path):
    """Half a record, and one that leads the contact sheet to a picture elsewhere."""
    out, recipe = tmp_path / "out", _recipe(per_clip=1)
    forge(clips, tmp_path / "whole", recipe)
    _begun(clips, out, recipe)
    records = sorted((out / "records").glob("*.json"))
    for record, text in zip(records, ["", '{"clip":', "[]", '{"clip": "../../victim"}', "[" * 3000], strict=False):
        record.write_text(text)
    led = json.loads(records[5].read_text())
    records[5].write_text(json.dumps({**led, "clip": "../../victim"}))
    forge(clips, out, recipe)
    assert _bytes(out) == _bytes(tmp_path / "whole")
