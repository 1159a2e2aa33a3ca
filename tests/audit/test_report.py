"""What is printed, and the exit code."""

import argparse
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from outpaint_lightning.audit.command import add_arguments, run
from outpaint_lightning.audit.findings import ERROR, Finding
from outpaint_lightning.audit.report import as_text
from outpaint_lightning.audit.run import Report, print_warnings
from outpaint_lightning.io import write_mask


def call(*words):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args([str(word) for word in (*words, "--workers", 1)]))


def test_exit_codes_and_text(dataset, capsys):
    assert call(dataset.root) == 0
    page = capsys.readouterr().out
    assert page.startswith("0 findings (0 errors, 0 warnings) in 28 clips (14 sources, 84 frames)\n")
    for line in (
        r"train +6 +6 +6 +36 ",
        r"test +5 +5 +5 +30 ",
        r"flat +0\.\d{3}$",
        r"  file format: \.png PNG 14\+14",
    ):
        assert re.search(rf"^{line}", page, re.MULTILINE), line
    for clip in (f"{source}__1" for source in "abcdefg"):
        write_mask(dataset.mask(clip, 1), np.eye(32, dtype=bool))
    dataset.write([replace(e, scene="outdoor") if e.split == "test" else e for e in dataset.entries()])
    assert call(dataset.root) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "error    mask-size  masks/a__1/00001.png: is 32x32; the frames are 64x64"
    assert lines[1] == "                    advice: write masks at the size of their frames, by nearest neighbour"
    assert lines[10] == "         mask-size  and 2 more (all of them with --json)"
    assert lines[11].startswith("warning  category   manifest.csv: scene/camera of test")
    assert "8 findings (7 errors, 1 warning) in 28 clips (14 sources, 84 frames)" in lines


def test_many_kinds_stay_on_one_page():
    """Catches five findings of each of many kinds, and columns of the floors that long names push aside."""
    findings = [Finding(ERROR, kind, Path("x"), "is wrong", "mend it") for kind in "abcde" for _ in range(9)]
    floor = {"clips": 3, "all_forged": 0.5, "mean_mask": 0.25, "border": 0.125}
    forgers = [
        {"mask": "box", "fill": "my_module.FlatColour", **floor},
        {"mask": "my_masks.Star", "fill": "net", **floor},
    ]
    numbers = {"clips": 1, "sources": 1, "frames": 1, "splits": {}, "area": {}, "floors": {"val": floor}}
    page = as_text(Report(Path("r"), findings, {**numbers, "floors_by_forger": forgers, "attributes": {}})).splitlines()
    assert page[:5] == [
        "error    a  x: is wrong",
        "            advice: mend it",
        "error    a  x: is wrong",
        "            advice: mend it",
        "         a  and 7 more (all of them with --json)",
    ]
    assert page[25:27] == ["", "45 findings (45 errors, 0 warnings) in 1 clip (1 source, 1 frame)"]
    grid = page.index(next(line for line in page if line.startswith("best floor")))
    assert page[grid : grid + 3] == [
        "best floor              box  my_masks.Star",
        "my_module.FlatColour  0.500              -",
        "net                       -          0.500",
    ]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_names_that_are_no_text_are_printed(dataset, form, capsys):
    """Catches a crash over a name in Latin-1, which `print` cannot encode."""
    (dataset.root / "manifest.csv").unlink()
    shutil.rmtree(dataset.root / "masks")
    name = os.fsdecode(b"caf\xe9")
    dataset.frame("a").parent.rename(dataset.frame(name).parent)
    dataset.frame(name).write_text("no image")
    assert call(dataset.root, *form) == 1
    page = capsys.readouterr().out
    assert "caf\\udce9" in page.replace("\\\\", "\\")  # the byte is still told apart from others
    page.encode()


def test_json_holds_everything(dataset, capsys):
    shutil.copy(dataset.frame("a"), dataset.frame("j"))
    assert call(dataset.root, "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert report["root"] == str(dataset.root)
    [finding] = report["findings"]
    assert list(finding) == ["severity", "kind", "path", "message", "advice"]
    assert (finding["severity"], finding["kind"], finding["path"]) == ("error", "duplicate", "frames/a")
    numbers = report["statistics"]
    assert (numbers["clips"], numbers["sources"], numbers["frames"]) == (28, 14, 84)
    assert list(numbers["area"]) == ["train", "val", "test"]
    assert all(len(quantiles) == 5 for quantiles in numbers["area"].values())
    assert set(numbers["floors"]) == {"val", "test"}
    [row] = numbers["floors_by_forger"]
    assert (row["mask"], row["fill"], row["clips"]) == ("box", "flat", 8)


def test_warnings_before_training_are_few(dataset, capsys):
    """Catches thousands of lines, and errors printed of a dataset that its reader refuses."""
    masks = [f"a{number}" for number in range(5)]
    dataset.write([*dataset.entries(), *(replace(dataset.entries()[0], clip=clip) for clip in masks)])
    for clip in masks:
        shutil.copytree(dataset.frame("a").parent, dataset.frame(clip).parent)
        shutil.copytree(dataset.mask("a__1").parent, dataset.mask(clip).parent)
    print_warnings(dataset.root)
    *lines, last = [line for line in capsys.readouterr().err.splitlines() if not line.endswith("clips")]
    assert len(lines) == 3
    assert all(re.match(r"audit: warning: .*/masks/a\d: masks of clip 'a\d'", line) for line in lines)
    assert last == f"audit: unexpected-masks: and 2 more: outpaint-lightning audit {dataset.root}"
    dataset.mask("b__1").unlink()
    print_warnings(dataset.root)
    print_warnings(dataset.root / "nowhere")
    assert capsys.readouterr().err == ""
