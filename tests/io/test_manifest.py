from __future__ import annotations

import csv

import numpy as np
import pytest

from outpaint_lightning.io import (
    VideoWriter,
    read_dataset,
    read_table,
    vision_name,
    write_image,
    write_manifest,
    write_mask,
)
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


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            _replace("walk,train", "wolk,train"),
            r"manifest\.csv: clip 'wolk' has no frames; .*mp4; did you mean 'walk'\?",
        ),
        (_replace("walk,train", "../walk,train"), r"manifest\.csv: clip '../walk' has no frames"),
        (_replace("walk,train,outdoor", "walk_f0,train,outdoor"), r"clip 'walk_f0' is listed twice"),
        (_replace("_0001,test", "_0001,tset"), r"split 'tset'; expected train, val, test .*; did you mean 'test'\?"),
        (
            _replace("walk,train", "walk,val"),
            r"source 'walk' is in split 'train' \(clip 'walk_f0'\) and 'val' \(clip 'walk'\)",
        ),
        (_replace("clip,split", "name,split"), r"manifest\.csv: no column 'clip'; expected clip,split,scene"),
        (_replace("clip,split", "clip,clip"), r"manifest\.csv: header 'clip,clip,.*distinct column names"),
        (_replace("still,walk,,\n", "still,walk,\n"), r"manifest\.csv: row 2 \('walk'\) has 6 cells; 7 were expected"),
        (_empty("frames/walk"), r"frames/walk: no frames"),
        (
            _remove("masks/walk_f0/00001.png"),
            r"masks/walk_f0/00001\.png: missing mask; one for every frame of .*walk_f0",
        ),
        (_empty("masks/walk_f0"), r"masks/walk_f0/00000\.png: missing mask"),
        (_rename("masks/walk_f0", "masks/walk_f"), r"masks/walk_f0: no masks of a clip forged by 'border/reflect'"),
        (_rename("masks/walk_f0", "../lost"), r"masks/walk_f0: no masks of a clip forged"),
        (
            lambda root: add(root, "wlk", 0) or write_mask(root / "masks/wlk/00000.png", FRAME[..., 0] > 0),
            r"masks/wlk: masks of no clip; did you mean 'walk'\?",
        ),
        (_extra_mask, r"masks/walk_f0: 4 masks for the 3 frames"),
        (lambda root: (root / "manifest.csv").write_text("clip,split\n"), r"manifest\.csv: no rows"),
        (lambda root: (root / "manifest.csv").write_text(""), r"manifest\.csv: header ''"),
        (
            lambda root: (root / "manifest.csv").write_bytes(b"clip\n\xff\xfe"),
            r"manifest\.csv: is not a CSV file in UTF-8",
        ),
        (
            lambda root: add_video(root.parent / "data", "twin") or (root / "videos/twin.avi").touch(),
            "have the same name",
        ),
    ],
)
def test_damaged_dataset_is_named_in_one_line(root, damage, said):
    damage(root)
    with pytest.raises(InputError, match=said) as caught:
        read_dataset(root)
    assert "\n" not in str(caught.value)
    assert str(root) in str(caught.value)


def test_root_without_frames_says_what_was_expected(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder; .*nowhere/frames or .*nowhere/videos"):
        read_dataset(tmp_path / "nowhere")
    (tmp_path / "clips").mkdir()
    with pytest.raises(InputError, match=r"no clips; frames/<clip>/00000\.png or videos/<clip>\.mp4 were expected"):
        read_dataset(tmp_path)


def test_table_survives_what_spreadsheets_do(tmp_path):
    """Catches a byte order mark in the first column's name, blanks around cells, empty lines and quoted commas."""
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffclip, scene\r\n"a, b" , outdoor\r\n\r\nc,\r\n'.encode())
    assert read_table(path) == [{"clip": "a, b", "scene": "outdoor"}, {"clip": "c", "scene": ""}]
    with pytest.raises(InputError, match=r"nowhere\.csv: cannot be read"):
        read_table(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        ("D01_V_indoor_move_0001", ("indoor", "move")),
        ("D35_V_flat_still_0002", ("flat", "still")),
        ("D12_V_outdoorYT_panrot_0003", ("outdoor", "panrot")),
        ("D12_V_outdoorWA_panrot_0003", ("outdoor", "panrot")),
        ("D12_V_flat_WA_move_0003", ("flat", "move")),
        ("D01_V_indoor_move_0001_f3", ("indoor", "move")),  # made from one
        ("D1_V_indoor_move_0001", None),
        ("D01_V_indoor_run_0001", None),
        ("D01_I_indoor_move_0001", None),
        ("xD01_V_indoor_move_0001", None),
        ("D01_V_indoor_move_00012", None),
        ("walk", None),
    ],
)
def test_vision_names_tell_scene_and_camera(clip, expected):
    assert vision_name(clip) == expected
