"""Lists that say what is in a dataset, nearly right: manifests, lists of splits and of photos, ranges of flow."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from fuzz.harness import fuzz

from outpaint_lightning.data.boxes import read_boxes
from outpaint_lightning.io import read_dataset, read_flow, read_table, write_image, write_mask


@pytest.fixture
def dataset(tmp_path):
    """Two clips of a frame each, one with a mask, in three layouts."""
    frame = np.zeros((8, 8, 3), np.uint8)
    for clip in ("a", "b"):
        for place in ("own/frames", "davis/JPEGImages"):
            write_image(tmp_path / place / clip / "0.png", frame)
        write_image(tmp_path / "photos" / f"{clip}.png", frame)
    for place in ("own/masks", "davis/Annotations"):
        write_mask(tmp_path / place / "b" / "0.png", np.eye(8, dtype=bool))
    write_mask(tmp_path / "photos" / "mask.png", np.eye(8, dtype=bool))
    return tmp_path


MANIFESTS = {
    "full.csv": b"clip,split,scene,camera,source,forger,note\na,train,s,c,a,,x\nb,test,s,c,b,border/flat/hard,\n",
    "small.csv": b"\xef\xbb\xbfclip\r\na\r\nb\r\n",
    "quoted.csv": b'clip,source\n"a","x, ""y"""\nb,"\n"\n',
}


def test_manifests(dataset):
    def read(path):
        shutil.copy(path, dataset / "own" / "manifest.csv")
        assert all(row.keys() for row in read_table(path))
        read_dataset(dataset / "own", on_problem=lambda _kind, error: str(error))
        read_dataset(dataset / "own")

    fuzz(read, MANIFESTS, dataset, 100)


def test_lists_of_splits(dataset):
    lists = {
        "train.txt": b"a\n",
        "val.txt": b"b\n\nb\n",
        "test.txt": b"/JPEGImages/480p/a/00000.jpg /Annotations/x.png\n",
    }
    folder = dataset / "davis" / "ImageSets" / "2017"
    folder.mkdir(parents=True)

    def read(path):
        shutil.copy(path, folder / path.name)
        read_dataset(dataset / "davis", on_problem=lambda _kind, error: str(error))

    fuzz(read, lists, dataset, 100)


def test_lists_of_photos(dataset):
    lists = {
        "list.json": b'[["photos/a.png", "Negative"], ["photos/b.png", "photos/mask.png"]]',
        "deep.json": b"[" * 3000,
        "number.json": b"[" + b"9" * 5000 + b"]",
        "odd.json": b'[["\\ud800", "Negative"], ["a\\u0000", "../../x"], [null, {"a": [1.5e999]}]]',
    }

    def read(path):
        read_dataset(path, on_problem=lambda _kind, error: str(error))

    fuzz(read, lists, dataset, 100)


def test_boxes(dataset):
    rows = b"path,label,xmin,ymin,xmax,ymax,split,source\nphotos/a.png,0,,,,,train,a\nphotos/b.png,1,1,2,7.5,8,,b\n"
    lists = {"boxes.csv": rows}
    fuzz(read_boxes, lists, dataset, 100)


def test_ranges_of_flow(dataset):
    write_image(dataset / "flow.png", np.zeros((8, 8, 3), np.uint8))

    def read(path):
        shutil.copy(path, dataset / "minmax.txt")
        assert np.isfinite(read_flow(dataset / "flow.png").flow).all()

    fuzz(read, {"list.txt": b"some/where/flow.png -1.5 2e0\nother.png 0 1\n"}, dataset, 100)
