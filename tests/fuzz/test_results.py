"""What commands leave, nearly right: runs are compared and begun datasets gone on with, or refused in one line."""

from __future__ import annotations

import json
import shutil

import pytest
from fuzz.harness import fuzz
from written_runs import write_run, write_sweep

from outpaint_lightning.compare.run import compare
from outpaint_lightning.forge.output import prepare, read_record

RECORD = {
    "clip": "a__1", "split": "train", "source": "a", "path": "a", "forger": "border/telea/hard", "seed": 0, "number": 1,
    "masks": {"class_path": "outpaint_lightning.forge.masks.Border", "params": {"left": 0.25}},
    "chain": {"name": "none", "params": {}}, "read": 2, "frames": 2, "height": 8, "width": 8, "area": 0.25,
}  # fmt: skip


@pytest.fixture
def results(tmp_path):
    """A run and a sweep, and their files by a name that says where each lies."""
    run, sweep = write_run(tmp_path / "runs" / "run"), write_sweep(tmp_path / "runs" / "sweep")
    (run / "test" / "examples").mkdir()
    record = {"clip": "a", "frame": 0, "f1": 0.5, "file": "a.png"}
    (run / "test" / "examples" / "examples.json").write_text(json.dumps([record]))
    files = [path for folder in (run, sweep) for path in folder.rglob("*.*") if path.is_file()]
    return tmp_path / "runs", {str(path.relative_to(tmp_path / "runs")).replace("/", "~"): path for path in files}


def test_runs_and_sweeps(results, tmp_path):
    folder, files = results
    seeds = {name: path.read_bytes() for name, path in files.items()}

    def read(path):
        target = files[path.name]
        shutil.copy(path, target)
        try:
            compare([folder], tmp_path / "page", overwrite=True)
        finally:
            target.write_bytes(seeds[path.name])

    fuzz(read, seeds, tmp_path, 30)


def test_records(tmp_path):
    def read(path):
        shutil.copy(path, tmp_path / "a__1.json")
        record = read_record(tmp_path / "a__1.json")
        assert record is None or record["clip"] == "a__1"

    fuzz(read, {"record.json": json.dumps(RECORD).encode()}, tmp_path, 150)


def test_begun_datasets(tmp_path):
    """Whatever the note says, nothing outside of the dataset is removed."""
    clips = {"a": (["a", "a__1"], {"bytes": 5}), "b": (["b"], {})}
    out, beside = tmp_path / "data" / "out", tmp_path / "data" / "a"
    prepare(out, {"version": "1"}, clips, overwrite=False)
    beside.mkdir()

    def read(path):
        for name in ("a", "a__1", "b"):
            (out / "frames" / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, out / "forge.json")
        try:
            prepare(out, {"version": "1"}, {"b": clips["b"]}, overwrite=False)
        finally:
            assert beside.is_dir()
            assert (out / "frames").is_dir()

    fuzz(read, {"forge.json": (out / "forge.json").read_bytes()}, tmp_path, 100)
