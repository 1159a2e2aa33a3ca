"""The benchmark as a user runs it, on tiny clips and with a short ladder."""

import json
import shutil

import numpy as np
import pytest
from support import texture

from outpaint_lightning.benchmark import judging, run
from outpaint_lightning.benchmark.judging import conditions
from outpaint_lightning.checkpoints.card import read_card
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.cli import main
from outpaint_lightning.data.corruptions import read_curves
from outpaint_lightning.io import read_dataset, write_image


def test_the_ladder():
    names = [f"{curve.name} {level:g}" for curve in read_curves(run.NAME) for level in curve.levels]
    assert names == [
        *("h264 18", "h264 23", "h264 28", "h264 32", "h264 38", "hevc 28", "vp9 33", "av1 35"),
        *("jpeg 90", "jpeg 70", "jpeg 50", "half 0.5", "twice 28"),
    ]
    assert judging.REFERENCE in names


@pytest.fixture
def short(tmp_path, monkeypatch):
    """A ladder of two conditions, and two forgeries a clip."""
    ladder = tmp_path / "ladder.yaml"
    ladder.write_text(
        "h264: {class_path: h264, option: quality, levels: [23]}\n"
        "half: {class_path: resize, option: scale, levels: [0.5]}\n"
    )
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("masks: [box]\nfills: [telea]\nseams: [hard]\nchains: [none]\nper_clip: 2\nseed: 0\n")
    monkeypatch.setattr(run, "read_curves", lambda _name: read_curves(ladder))
    monkeypatch.setattr(run, "NAME", str(recipe))


@pytest.fixture
def clips(tmp_path):
    for name in "ab":
        for frame in range(5):
            write_image(
                tmp_path / "clips" / name / f"{frame:05}.png", texture(ord(name))[: 96 + 0, frame : frame + 128]
            )
    return tmp_path / "clips"


@pytest.mark.usefixtures("short")
def test_some_codecs_alone_make_no_score(clips, run_folder, tmp_path, capsys):
    words = ["benchmark", str(clips), "--ckpt_path", str(run_folder), "--out", str(tmp_path / "some")]
    assert main([*words, "--only", "halff"]) == 2
    assert capsys.readouterr().err.strip().endswith("--only halff: expected some of h264, half; did you mean 'half'?")
    assert main([*words, "--only", "half"]) == 0
    numbers = json.loads((tmp_path / "some" / "benchmark.json").read_text())
    assert [*numbers["conditions"]] == ["none", "half 0.5"]
    assert numbers["score"] is None
    assert "score none" in capsys.readouterr().out

    run = shutil.copytree(run_folder, tmp_path / "run", ignore=shutil.ignore_patterns("test"))
    assert main(["seal", str(run), "--benchmark", str(tmp_path / "some" / "benchmark.json")]) == 0
    assert "tested on 'benchmark version 1': pixel F1" in capsys.readouterr().out
    tested, (half,) = read_card(run / "checkpoints" / "best.ckpt")["tested"], [numbers["conditions"]["half 0.5"]]
    assert tested["value"] == numbers["conditions"]["none"]["f1"]
    (level,) = tested["levels"]
    assert level == {"name": "half 0.5", "value": half["f1"], "floor": half["floor"], "pixel_fpr": half["pixel_fpr"]}

    record = next((tmp_path / "some" / "forged" / "records").iterdir())
    forged_at = record.stat().st_mtime_ns
    assert main([*words, "--only"]) == 2
    assert main([*words, "--only", "--overwrite"]) == 0  # the clips as they are; their forgeries are used again
    assert record.stat().st_mtime_ns == forged_at
    numbers = json.loads((tmp_path / "some" / "benchmark.json").read_text())
    assert [*numbers["conditions"]] == ["none"]


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_the_same_clips_give_the_same_bytes(clips, run_folder, tmp_path, capsys):
    words = ["--ckpt_path", str(run_folder)]
    for name in ("one", "two"):
        assert main(["benchmark", str(clips), "--out", str(tmp_path / name), *words]) == 0
    one, two = ((tmp_path / name / "benchmark.json").read_bytes() for name in ("one", "two"))
    assert one == two
    told = json.loads(one)
    assert [*told["conditions"]] == ["none", "h264 23", "half 0.5"]
    assert told["conditions"]["none"]["forged"] == 4
    assert told["conditions"]["none"]["authentic"] == 2
    assert told["exchanged"]["forged"] == 4
    assert (tmp_path / "one" / "index.html").is_file()
    out = capsys.readouterr().out
    assert "warning: clips of 2 sources; expected 5 or more" in out
    assert f"score {told['score']:.3f}" in out

    assert main(["benchmark", str(clips), "--out", str(tmp_path / "one"), *words]) == 2
    assert "already exists; pass --overwrite" in capsys.readouterr().err


@pytest.mark.usefixtures("short")
def test_the_exchange_pastes_the_twin_outside_the_mask(clips, run_folder, tmp_path, monkeypatch):
    """Catches the untouched twin, which would tell a forgery by its codec, and a mask the wrong way round."""
    seen = {}
    rows = judging._rows

    def spying(task, dataset, *rest):
        seen[type(dataset).__name__] = dataset
        return rows(task, dataset, *rest)

    monkeypatch.setattr(judging, "_rows", spying)
    assert main(["benchmark", str(clips), "--out", str(tmp_path / "out"), "--ckpt_path", str(run_folder)]) == 0
    exchanged, corrupted = seen["ExchangedDataset"], seen["CorruptedDataset"]
    assert [entry.clip for entry in exchanged.entries] == ["a__1", "a__2", "b__1", "b__2"]
    (curve, _) = run.read_curves(run.NAME)
    coded = type(corrupted)(corrupted._clean, curve, 23)
    forgery, twin = coded.corrupted["a__1"].make()[0], coded.corrupted["a"].make()[0]
    frames, label = exchanged.clips[0].make()
    assert np.array_equal(frames[label], forgery[label])
    assert np.array_equal(frames[~label], twin[~label])
    assert (forgery[~label] != twin[~label]).any()  # the codec carries a forgery into what surrounds it


def test_forgeries_of_others_and_photos_are_judged_as_they_are(photos, run_folder, monkeypatch):
    monkeypatch.setattr(judging, "REFERENCE", "-")
    ((name, rows),) = conditions(load_task(run_folder), read_dataset(photos), [], 0)
    assert name == "none"
    assert len(rows) == len(read_dataset(photos))
    assert all(row["f1"] is None for row in rows if not row["forger"])
    assert all(0 <= row["auc"] <= 1 for row in rows if row["forger"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--manifest", "m.csv"], "--manifest is for clean clips"),
        (["--ckpt_path", "lost.ckpt"], "lost.ckpt: no such checkpoint"),
    ],
)
def test_bad_input_is_one_line(dataset, run_folder, tmp_path, capsys, words, message):
    given = ["benchmark", str(dataset), "--out", str(tmp_path / "out"), "--ckpt_path", str(run_folder), *words]
    assert main(given) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
