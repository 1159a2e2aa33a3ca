from __future__ import annotations

import csv
import pickle
from pathlib import Path

import numpy as np
import pytest

from outpaint_lightning.io import (
    VideoWriter,
    read_dataset,
    write_image,
    write_manifest,
    write_mask,
)
from outpaint_lightning.io.dataset import Problem
from outpaint_lightning.types import InputError

FRAME = np.zeros((8, 10, 3), np.uint8)


def add(root, clip, frames=3, masks=None):
    """Add a clip of `frames` frames and, if given, that many masks."""
    for index in range(frames):
        write_image(root / "frames" / clip / f"{index:05d}.png", FRAME)
    for index in range(masks or 0):
        write_mask(root / "masks" / clip / f"{index:05d}.png", FRAME[..., 0] > 0)


def add_video(root, clip, frames=3):
    with VideoWriter(root / "videos" / f"{clip}.mp4", 8, 10, 25) as writer:
        for _ in range(frames):
            writer.write(FRAME)


@pytest.fixture
def root(tmp_path):
    """A dataset of a forged clip, its authentic copy, and a video."""
    root = tmp_path / "data"
    add(root, "walk")
    add(root, "walk_f0", masks=3)
    add_video(root, "D01_V_indoor_move_0001")
    (root / "manifest.csv").write_text(
        "clip,split,scene,camera,source,forger,seed\n"
        "walk_f0,train,outdoor,still,walk,border/reflect,7\n"
        "walk,train,outdoor,still,walk,,\n"
        "D01_V_indoor_move_0001,test,,,,,\n"
    )
    return root


def test_manifest_rows_become_entries_in_their_order(root):
    """Catches sorted rows, lost columns, and a mask folder made up for an authentic clip."""
    forged, authentic, video = read_dataset(root)
    assert [entry.clip for entry in (forged, authentic, video)] == ["walk_f0", "walk", "D01_V_indoor_move_0001"]
    assert (forged.split, forged.scene, forged.camera, forged.source) == ("train", "outdoor", "still", "walk")
    assert (forged.forger, authentic.forger) == ("border/reflect", "")
    assert (forged.frames, forged.masks) == (root / "frames" / "walk_f0", root / "masks" / "walk_f0")
    assert authentic.masks is None
    assert forged.extra == {"seed": "7"}
    assert video.frames == root / "videos" / "D01_V_indoor_move_0001.mp4"
    assert (video.scene, video.camera, video.source) == ("indoor", "move", "D01_V_indoor_move_0001")


def test_without_a_manifest_every_clip_counts(root):
    """Catches videos or frame folders overlooked, and categories invented for a name that tells none."""
    (root / "manifest.csv").unlink()
    add(root, "walk10")
    add(root, "walk9")
    (root / "videos" / "readme.txt").touch()
    entries = {entry.clip: entry for entry in read_dataset(root)}
    assert list(entries) == ["D01_V_indoor_move_0001", "walk", "walk9", "walk10", "walk_f0"]
    walk = entries["walk"]
    assert (walk.split, walk.scene, walk.camera, walk.source, walk.forger) == ("", "unknown", "unknown", "walk", "")
    assert entries["walk_f0"].masks == root / "masks" / "walk_f0"


def test_written_manifest_is_read_back_equal(root):
    entries = read_dataset(root)
    write_manifest(root / "manifest.csv", entries)
    with (root / "manifest.csv").open() as file:
        assert next(csv.reader(file)) == ["clip", "split", "scene", "camera", "source", "forger", "seed"]
    assert read_dataset(root) == entries


def test_masks_of_a_video_are_counted_against_its_frames(root):
    clip = "D01_V_indoor_move_0001"
    for index in range(2):
        write_mask(root / "masks" / clip / f"{index:05d}.png", FRAME[..., 0] > 0)
    with pytest.raises(InputError, match=rf"masks/{clip}/00002\.png: missing mask; .*{clip}\.mp4"):
        read_dataset(root)
    write_mask(root / "masks" / clip / "00002.png", FRAME[..., 0] > 0)
    assert read_dataset(root)[2].masks == root / "masks" / clip


def _replace(old, new):
    def apply(root):
        path = root / "manifest.csv"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return apply


def _remove(name):
    return lambda root: (root / name).unlink()


def _empty(name):
    return lambda root: [file.unlink() for file in (root / name).iterdir()]


def _rename(name, to):
    return lambda root: (root / name).rename(root / to)


def _extra_mask(root):
    write_mask(root / "masks" / "walk_f0" / "00003.png", FRAME[..., 0] > 0)


def _one_mask_for_all(root):
    _rename("masks/walk_f0", "../lost")(root)
    write_mask(root / "masks" / "walk_f0.png", FRAME[..., 0] > 0)


def _broken_video(root):
    (root / "videos" / "D01_V_indoor_move_0001.mp4").write_text("no video")
    write_mask(root / "masks" / "D01_V_indoor_move_0001" / "00000.png", FRAME[..., 0] > 0)


@pytest.mark.parametrize(
    ("damage", "kind", "kept", "said"),
    [
        (
            _replace("walk,train", "wolk,train"),
            "missing",
            "fv",
            r"manifest\.csv: clip 'wolk' has no frames; .*mp4; did you mean 'walk'\?",
        ),
        (_replace("walk,train", "../walk,train"), "missing", "fv", r"manifest\.csv: clip '../walk' has no frames"),
        (_replace("walk,train,outdoor", "walk_f0,train,outdoor"), "twice", "fv", r"clip 'walk_f0' is listed twice"),
        (
            _replace("_0001,test", "_0001,tset"),
            "split",
            "fa",
            r"split 'tset'; expected train, val, test .*; did you mean 'test'\?",
        ),
        (
            _replace("walk,train", "walk,val"),
            "leak",
            "fav",
            r"source 'walk' is in split 'train' \(clip 'walk_f0'\) and 'val' \(clip 'walk'\)",
        ),
        (_replace("clip,split", "name,split"), "manifest", "", r"manifest\.csv: no column 'clip'; expected clip,split"),
        (
            lambda root: (root / "manifest.csv").write_text("clip;split\nwalk;test\n"),
            "manifest",
            "",
            r"manifest\.csv: no column 'clip'; expected clip,split.*; found 'clip;split'$",
        ),
        (_replace("clip,split", "clip,clip"), "manifest", "", r"manifest\.csv: header 'clip,clip,.*distinct column"),
        (
            _replace("still,walk,,\n", "still,walk,\n"),
            "manifest",
            "",
            r"manifest\.csv: row 2 \('walk'\) has 6 cells; 7 were expected",
        ),
        (_empty("frames/walk"), "empty", "fv", r"frames/walk: no frames"),
        (
            lambda root: write_image(root / "frames/walk/00001.jpg", FRAME),
            "twice",
            "fv",
            r"frames/walk: 00001\.jpg and 00001\.png are one frame",
        ),
        (
            _remove("masks/walk_f0/00001.png"),
            "masks",
            "av",
            r"masks/walk_f0/00001\.png: missing mask; one for every frame of .*walk_f0",
        ),
        (_empty("masks/walk_f0"), "masks", "av", r"masks/walk_f0/00000\.png: missing mask"),
        (_rename("masks/walk_f0", "../lost"), "masks", "av", r"masks/walk_f0: no masks of a clip forged by 'border/re"),
        (
            lambda root: add(root, "wlk", 0) or write_mask(root / "masks/wlk/00000.png", FRAME[..., 0] > 0),
            "stray",
            "fav",
            r"masks/wlk: masks of no clip; did you mean 'walk'\?",
        ),
        (_extra_mask, "masks", "av", r"masks/walk_f0: 4 masks for the 3 frames"),
        (
            _one_mask_for_all,
            "masks",
            "av",
            r"masks/walk_f0\.png: not the masks of .*frames/walk_f0; one PNG a frame was expected in .*masks/walk_f0/$",
        ),
        (_broken_video, "undecodable", "fa", r"videos/D01_V_indoor_move_0001\.mp4: is no video"),
        (lambda root: (root / "manifest.csv").write_text("clip,split\n"), "manifest", "", r"manifest\.csv: no rows"),
        (lambda root: (root / "manifest.csv").write_text(""), "manifest", "", r"manifest\.csv: header ''"),
        (
            lambda root: (root / "manifest.csv").write_bytes(b"clip\n\xff\xfe"),
            "manifest",
            "",
            r"manifest\.csv: is not a CSV file in UTF-8",
        ),
        (
            lambda root: add_video(root.parent / "data", "twin") or (root / "videos/twin.avi").touch(),
            "twice",
            "fav",
            r"videos/twin\.mp4: .*videos/twin\.avi has the same name",
        ),
    ],
)
def test_damaged_dataset_is_named_in_one_line_and_told_with_its_kind(root, damage, kind, kept, said):
    """Catches a reader that stops at a problem it should only tell, or keeps what cannot be used.

    Args:
        root: the dataset.
        damage: what is done to it.
        kind: of the problem.
        kept: the clips that stay usable: (f)orged, (a)uthentic, (v)ideo.
        said: the message.
    """
    damage(root)
    with pytest.raises(InputError, match=said) as caught:
        read_dataset(root)
    assert "\n" not in str(caught.value)
    assert str(root) in str(caught.value)
    problems = []
    entries = read_dataset(root, lambda *problem: problems.append(problem))
    assert [(kind, str(error)) for kind, error in problems] == [(kind, str(caught.value))]
    names = {"walk_f0": "f", "walk": "a", "D01_V_indoor_move_0001": "v"}
    assert "".join(names[entry.clip] for entry in entries) == kept


def test_folders_and_files_count_in_frames_and_videos(root):
    """Catches clips that are overlooked in the folder of the other kind, and side files told of or taken for clips."""
    (root / "manifest.csv").unlink()
    (root / "frames" / "walk").rename(root / "videos" / "walk")
    add_video(root, "run")
    (root / "videos" / "run.mp4").rename(root / "frames" / "run.mp4")
    (root / "videos" / "walk_f0.mp4").touch()  # a folder of this name counts
    for folder in ("frames", "videos", "masks"):
        for name in ("README.txt", "list.csv", "Thumbs.db", ".DS_Store"):
            (root / folder / name).touch()
    frames = {entry.clip: str(entry.frames.relative_to(root)) for entry in read_dataset(root)}
    assert frames == {
        "D01_V_indoor_move_0001": "videos/D01_V_indoor_move_0001.mp4",
        "run": "frames/run.mp4",
        "walk": "videos/walk",
        "walk_f0": "frames/walk_f0",
    }


@pytest.mark.parametrize("folder", ["frames", "videos"])
@pytest.mark.parametrize(
    ("name", "make", "kind", "said"),
    [
        ("lost", lambda path: path.symlink_to("nowhere"), "missing", r"clip 'lost' has no frames; .*lost is a broken"),
        ("lost.mp4", lambda path: path.symlink_to("nowhere"), "missing", r"clip 'lost' has no .*lost\.mp4 is a broken"),
        ("a.gif", lambda path: path.touch(), "undecodable", r"a\.gif: not an image; one of .* was expected"),
        ("bare", lambda path: path.mkdir(), "empty", r"bare: no frames"),
    ],
)
def test_what_cannot_be_a_clip_is_told(root, folder, name, make, kind, said):
    """Catches a clip left out without a word."""
    (root / "manifest.csv").unlink()
    make(root / folder / name)
    with pytest.raises(InputError, match=said):
        read_dataset(root)
    kinds = []
    assert len(read_dataset(root, lambda kind, _: kinds.append(kind))) == 3
    assert kinds == [kind]


@pytest.mark.parametrize(
    ("folder", "kept"), [("frames", 0), ("masks", 0), ("frames/walk", 2), ("masks/walk_f0", 2), ("", None)]
)
def test_folder_that_cannot_be_read_is_told(root, folder, kept, monkeypatch):
    """Catches an audit that stops at it, masks called missing that nobody may see, and a forged clip without any."""
    iterdir, is_dir = Path.iterdir, Path.is_dir

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    def locked(path):
        return refuse(path) if path == root / folder else iterdir(path)

    monkeypatch.setattr(Path, "iterdir", locked)  # root may read whatever its mode is
    if not folder:
        monkeypatch.setattr(Path, "is_dir", lambda path: refuse(root) if path.parent == root else is_dir(path))
    expected = f"{root / folder}: cannot be read (Permission denied)"
    with pytest.raises(InputError) as caught:
        read_dataset(root)
    assert str(caught.value) == expected
    if folder:
        problems = []
        assert len(read_dataset(root, lambda *problem: problems.append(problem))) == kept
        assert [(kind, str(error)) for kind, error in problems] == [("undecodable", expected)]


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        (["v.mp4"], r"masks/v\.mp4: not the masks of .*v\.mp4; one PNG a frame was expected in .*masks/v/$"),
        (["v.png"], r"masks/v\.png: not the masks of .*v\.mp4; one PNG a frame was expected in .*masks/v/$"),
        (["v/0.png", "v/1.png"], r"masks/v/00000\.png: missing mask; .*; found 0\.png$"),
        (["v/00000.png", "v/00001.jpg"], r"masks/v/00001\.png: missing mask; .*; found 00001\.jpg$"),
        (["v/00000.png"], r"masks/v/00001\.png: missing mask; one for every frame of .*v\.mp4 was expected$"),
        (["v/00000.png", "v/00001.png", "v/00001.jpg"], r"masks/v: 3 masks for the 2 frames of"),
        (["v/00000.png", "v/00001.png", "v.mp4"], r"masks/v\.mp4: not the masks of clip 'v'; expected .*masks/v$"),
    ],
)
def test_masks_of_a_video_are_told_by_what_lies_there(tmp_path, masks, said):
    """Catches `did you mean 'v'?` asked of v, a mask called missing that has another name, and a JPEG counted."""
    add_video(tmp_path, "v", frames=2)
    for name in masks:
        (tmp_path / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "masks" / name).touch()
    with pytest.raises(InputError, match=said) as caught:
        read_dataset(tmp_path)
    assert "\n" not in str(caught.value)


def test_suffix_of_masks_in_capitals(tmp_path):
    add_video(tmp_path, "v", frames=1)
    write_mask(tmp_path / "masks" / "v" / "00000.png", FRAME[..., 0] > 0)
    (tmp_path / "masks" / "v" / "00000.png").rename(tmp_path / "masks" / "v" / "00000.PNG")
    [entry] = read_dataset(tmp_path)
    assert entry.masks == tmp_path / "masks" / "v"


def test_masks_behind_a_broken_link_are_told(root):
    """Catches a forged clip taken for authentic because the disk of its masks is not mounted."""
    (root / "manifest.csv").unlink()
    _rename("masks/walk_f0", "../lost")(root)
    (root / "masks" / "walk_f0").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"masks/walk_f0: a broken link; the masks of .*frames/walk_f0 were expected"):
        read_dataset(root)


def test_a_name_of_two_lines_is_one_line(root):
    """Found by make fuzz: a manifest whose quotes are shifted."""
    (root / "manifest.csv").write_text('clip,split\n"a\nb",train\n')
    with pytest.raises(InputError, match=r"^.*manifest\.csv: clip 'a\\nb': the name of a folder or file was expected$"):
        read_dataset(root)


def test_manifest_of_one_row(root):
    (root / "manifest.csv").write_text("clip\nwalk\n")
    assert [entry.clip for entry in read_dataset(root)] == ["walk"]


def test_every_problem_is_told(root):
    """Catches a tolerant reader that ends after the first problem of a kind, or of a list."""
    _empty("frames/walk")(root)
    _remove("masks/walk_f0/00001.png")(root)
    _replace("_0001,test", "_0001,tset")(root)
    for name in ("no", "none"):
        write_mask(root / "masks" / name / "0.png", FRAME[..., 0] > 0)
    kinds = []
    assert read_dataset(root, lambda kind, _: kinds.append(kind)) == []
    assert kinds == ["masks", "empty", "split", "stray", "stray"]


def test_masks_moved_away_are_told_twice(root):
    """Masks under a name misspelled: the forged clip has none, and they belong to no clip."""
    _rename("masks/walk_f0", "masks/walk_f")(root)
    with pytest.raises(InputError, match=r"masks/walk_f0: no masks of a clip forged by 'border/reflect'"):
        read_dataset(root)
    kinds = []
    read_dataset(root, lambda kind, _: kinds.append(kind))
    assert kinds == ["masks", "stray"]


def test_problem_survives_pickling():
    """Catches an error that a worker process cannot hand back, as its arguments are not its constructor's."""
    problem = pickle.loads(pickle.dumps(Problem("masks", "a: no masks")))
    assert (problem.kind, str(problem)) == ("masks", "a: no masks")


def test_root_without_clips_says_what_was_expected(tmp_path):
    """Also when problems are only told: there is nothing to go on with."""
    for on_problem in (None, lambda *_: None):
        with pytest.raises(InputError, match=r"nowhere: no such folder; .*nowhere/frames or .*nowhere/videos"):
            read_dataset(tmp_path / "nowhere", on_problem)
        (tmp_path / "clips").mkdir(exist_ok=True)
        with pytest.raises(
            InputError, match=r"no clips; expected frames/<clip> or videos/<clip>\.mp4 \(our own\); JPEG"
        ):
            read_dataset(tmp_path, on_problem)
    (tmp_path / "frames").mkdir()
    with pytest.raises(InputError, match=r"no clips; expected frames/<clip>"):
        read_dataset(tmp_path)
