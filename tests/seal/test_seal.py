import json
import shutil

import pytest
import torch
from support import fit_options

from outpaint_lightning.checkpoints.card import read_card, write_card
from outpaint_lightning.cli import main
from outpaint_lightning.localize.calibration import Calibration, Level
from outpaint_lightning.seal.records import benchmark_of, training_of
from outpaint_lightning.seal.records import test_of as found_test
from outpaint_lightning.types import InputError


@pytest.fixture(scope="module")
def run(run_folder, tmp_path_factory):
    """A copy of the small run, to write into."""
    untested = shutil.ignore_patterns("test")  # another file may have tested the shared run
    return shutil.copytree(run_folder, tmp_path_factory.mktemp("sealed") / "run", ignore=untested)


def localized(run, dataset, out, *options):
    words = ["localize", str(dataset / "frames" / "c"), "--ckpt_path", str(run), "--out", str(out), *options]
    assert main(words) == 0
    return json.loads((out / "c" / "score.json").read_text())


@pytest.mark.slow
def test_seal_learns_the_scores_that_localize_gives(run, dataset, tmp_path, capsys):
    """One score a source and level; of the same clip, the one that `localize` writes. And the test's numbers."""
    levels = tmp_path / "levels.yaml"
    levels.write_text("jpeg: {class_path: jpeg, option: quality, levels: [20]}\n")
    assert main(["test", *fit_options(dataset, run)]) == 0
    words = ["seal", str(run), "--data", str(dataset), "--levels", str(levels)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "tested on" in said
    assert "calibrated on 1 authentic videos, too few for a verdict" in said
    card = read_card(run / "checkpoints" / "best.ckpt")
    summary = json.loads((run / "test" / "summary.json").read_text())
    assert card["tested"]["value"] == summary["f1"]["mean"]
    assert card["tested"]["floors"] == {k: v for k, v in summary["floors"].items() if v is not None}
    assert card["tested"]["pixel_fpr"] == summary["authentic"]["pixel_fpr"]
    assert card["trained"]["data"] == dataset.name
    assert str(dataset) not in json.dumps(card)
    as_it_is, jpeg = card["calibration"]["levels"]
    assert [len(as_it_is[kind]) for kind in ("authentic", "forged")] == [1, 1]
    found = localized(run, dataset, tmp_path)
    assert found["answer"] is None
    assert any(abs(found["score"] - score) < 1e-4 for score in as_it_is["authentic"])
    assert jpeg["name"] == "jpeg quality 20"
    assert jpeg["authentic"] != as_it_is["authentic"]
    assert card["calibration"]["known"]["fps"] is None
    assert main(["seal", str(run)]) == 0
    assert read_card(run / "checkpoints" / "best.ckpt") == card  # nothing newer: the calibration stays


def test_localize_answers_by_the_card(run, dataset, tmp_path, capsys):
    path = run / "checkpoints" / "best.ckpt"
    card = read_card(path)
    levels = (Level("as it is", tuple(i / 1e6 for i in range(19)), (1.0, 1.0, 1.0, 1.0)),)
    write_card(path, {**card, "calibration": Calibration(levels, None).plain})
    found = localized(run, dataset, tmp_path / "found", "--recheck")
    assert found["answer"] == "traces found"
    assert found["p_value"] == pytest.approx(1 / 20)
    assert [each["answer"] for each in found["rechecked"]] == ["traces found"] * 2
    assert len({found["score"], *(each["score"] for each in found["rechecked"])}) == 3
    assert f"{dataset / 'frames' / 'c'}: traces found" in capsys.readouterr().out
    assert json.loads((tmp_path / "found" / "c" / "summary.json").read_text())["verdict"] == "traces found"


def test_bad_input_is_named(run, dataset, tmp_path, capsys):
    noise = tmp_path / "noise.yaml"
    noise.write_text("noise: {class_path: noise, option: deviation, levels: [5]}\n")
    path = run / "checkpoints" / "best.ckpt"
    before = path.read_bytes()
    for words, part in (
        (["--split", "validation"], "--split validation: expected some of train, val, test"),
        (["--data", str(dataset), "--frames", "0"], "--frames is 0"),
        (["--data", str(dataset), "--split", "train"], "was trained on its split 'train'"),
        (["--data", str(tmp_path)], f"{tmp_path}"),
        (["--data", str(dataset), "--levels", str(noise)], "noise deviation 5 is no codec"),
        (["--data", str(dataset), "--frames", "1"], "no authentic clip can be judged"),
    ):
        assert main(["seal", str(run), *words]) == 2
        assert part in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_test_of_other_weights_is_no_test_of_these(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "card.json").write_text('{"version": 1, "weights": "a", "tested": {"value": 1}}')
    assert found_test(tmp_path, {"weights": "a"}) == {"value": 1}
    with pytest.raises(InputError, match=r"card\.json: the test of this run judged other weights"):
        found_test(tmp_path, {"weights": "b"})
    assert found_test(tmp_path / "nowhere", {"weights": "b"}) == {}


def test_a_benchmark_of_other_weights_or_of_something_else_is_refused(tmp_path):
    numbers = dict.fromkeys(("f1", "floor", "pixel_fpr", "forged", "authentic"), 0.5)
    found = {"version": 1, "fingerprint": "a", "conditions": {"none": numbers}}
    file = tmp_path / "benchmark.json"
    file.write_text(json.dumps(found))
    assert benchmark_of(file, {"weights": "a"})["levels"] == []
    with pytest.raises(InputError, match=r"benchmark\.json: this benchmark judged other weights"):
        benchmark_of(file, {"weights": "b"})
    for broken in ({"version": 1}, {**found, "conditions": {}}, {**found, "conditions": 3}):
        file.write_text(json.dumps(broken))
        with pytest.raises(InputError, match=r"benchmark\.json: expected benchmark\.json, as this version"):
            benchmark_of(file, {"weights": "a"})


def test_paths_of_the_machine_stay_at_home(tmp_path):
    (tmp_path / "config.fit.yaml").write_text(
        "data: {class_path: x.Y, init_args: {root: /secret/place/forged, crop: [128, 128], flows: /secret/f}}\n"
        "model: {class_path: x.Z, init_args: {net: {class_path: x.Net, init_args: {weights: /secret/w.pt}}}}\n"
        "trainer: {max_epochs: 3}\n"
    )
    trained = training_of(tmp_path)
    assert trained["data"] == "forged"
    assert trained["options"] == {"crop": [128, 128], "flows": "f"}
    assert trained["net"] == {"class_path": "x.Net", "init_args": {"weights": "w.pt"}}
    assert trained["epochs"] == 3
    assert "secret" not in json.dumps(trained)
    assert training_of(tmp_path / "nowhere") == {}


def test_a_card_of_other_weights_stops_localize(run, dataset, tmp_path, capsys):
    checkpoint = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    checkpoint["card"]["weights"] = "0" * 16
    torch.save(checkpoint, tmp_path / "other.ckpt")
    words = ["localize", str(dataset / "frames" / "c"), "--ckpt_path", str(tmp_path / "other.ckpt")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "other.ckpt: its card belongs to other weights" in capsys.readouterr().err
