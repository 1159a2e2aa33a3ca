"""The file of a sweep: what is refused, and the command line of a trial."""

from pathlib import Path

import pytest
import yaml

from outpaint_lightning.sweep.spec import REPORTER, read_sweep
from outpaint_lightning.types import InputError

BASIS = {
    "name": "x",
    "configs": ["localizer/small.yaml"],
    "metric": "val/f1",
    "trials": 3,
    "space": {"a.b": {"low": 0.0, "high": 1.0}},
}


def read(folder, **changes):
    (folder / "s.yaml").write_text(yaml.safe_dump({**BASIS, **changes}, sort_keys=False))
    return read_sweep(str(folder / "s.yaml"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metrics": "val/f1"}, "no key 'metrics'; did you mean 'metric'?"),
        ({"metric": None}, "metric: expected a name such as val/f1"),
        ({"direction": "up"}, "direction: expected maximize or minimize for each metric, got ['up']"),
        ({"metric": ["a", "b"]}, "direction: expected maximize or minimize for each metric"),
        (
            {"metric": ["a", "b"], "direction": ["maximize"] * 2, "pruner": "MedianPruner"},
            "pruner: expected none with several metrics",
        ),
        ({"value": "mean"}, "value: expected best or last, got 'mean'"),
        ({"trials": 0}, "trials: expected a number above 0, or all, got 0"),
        ({"trials": "all"}, "trials: all: a.b has no step"),
        ({"devices": True}, "devices: expected a number above 0, got True"),
        ({"heartbeat": 0.5}, "heartbeat: expected whole seconds above 0"),
        ({"timeout": -1}, "timeout: expected minutes above 0, or null, got -1"),
        ({"name": "a/b"}, "name: expected a name without slashes, got 'a/b'"),
        ({"configs": []}, "configs: expected at least one experiment"),
        ({"overrides": {"a.b": 1}}, "overrides: a.b is in the space as well"),
        ({"sampler": "TPESampel"}, "did you mean 'TPESampler'?"),
        ({"sampler": {"class_path": "TPESampler", "init_args": {"sed": 0}}}, "sampler: TPESampler: "),
        ({"pruner": {"init_args": {"n": 1}}}, "pruner: {'init_args': {'n': 1}}: expected a class, or class_path and"),
        ({"pruner": "optuna.samplers.TPESampler"}, "pruner: optuna.samplers.TPESampler: expected a BasePruner"),
        ({"configs": [{"a": 1}]}, "configs: expected files or names of shipped experiments, got [{'a': 1}]"),
        ({"configs": {"a": 1}}, "configs: expected files or names of shipped experiments"),
        ({"first": [{"a.c": 1}]}, "first: no key 'a.c' in the space above it; did you mean 'a.b'?"),
        ({"first": [{"a.b": 0.5, 667: None}]}, "first: no key 667 in the space above it"),  # as in `{a.b: 0,5, 667}`
        ({"first": [{"a.b": 2}]}, "first: a.b: expected 0.0 to 1.0, got 2"),
        ({"first": {"a.b": 1}}, "first: expected a list of {key: value}"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, said):
    with pytest.raises(InputError) as refused:
        read(tmp_path, **change)
    assert "s.yaml" in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "not YAML"),
        ("a: ${oc.env:NOWHERE_AT_ALL}", "NOWHERE_AT_ALL"),
        ("- a", "holds no keys; expected a sweep"),
    ],
)
def test_files_that_are_no_sweeps(tmp_path, content, said):
    (tmp_path / "s.yaml").write_text(content)
    with pytest.raises(InputError, match=said):
        read_sweep(str(tmp_path / "s.yaml"))
    with pytest.raises(InputError, match=r"_gama\.yaml: no such file; did you mean 'localizer_gamma'\?"):
        read_sweep("localizer_gama.yaml")


def test_a_config_is_looked_for_beside_the_sweep_then_from_here_then_among_the_shipped(tmp_path, monkeypatch):
    (tmp_path / "here" / "localizer").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    plan = read(tmp_path)
    assert plan.find("localizer/small").is_relative_to(Path(__file__).parents[2])
    assert plan.find("localizer/small.yaml").is_relative_to(Path(__file__).parents[2])
    Path("localizer/small.yaml").touch()
    assert plan.find("localizer/small.yaml") == Path("localizer/small.yaml")
    (tmp_path / "localizer").mkdir()
    (tmp_path / "localizer" / "small.yaml").touch()
    assert plan.find("localizer/small.yaml") == tmp_path / "localizer" / "small.yaml"


def test_command_line_of_a_trial(tmp_path):
    """The config of the space comes after the fixed ones, values after overrides, the reporter last."""
    (tmp_path / "own.yaml").write_text("")
    plan = read(
        tmp_path,
        overrides={"trainer.callbacks+": "X", "a.none": None},
        devices=2,
        space={"config": {"choices": ["own.yaml"]}, "a.b": {"choices": [[1, 2.5]]}},
    )
    words = plan.words({"a.b": [1, 2.5], "config": "own.yaml"}, Path("runs/x"))
    assert words[1].endswith("configs/localizer/small.yaml")
    assert words[3] == str(tmp_path / "own.yaml")
    assert words[4:] == [
        "--trainer.devices=2",
        "--trainer.strategy=ddp",
        "--trainer.callbacks+=X",
        "--a.none=null",
        "--a.b=[1, 2.5]",
        "--trainer.default_root_dir=runs/x",
        f"--trainer.callbacks+={REPORTER}",
        '--trainer.callbacks.metrics=["val/f1"]',
        "--overwrite",
    ]
