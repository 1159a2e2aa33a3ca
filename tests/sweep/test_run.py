"""Whole sweeps on fake trials: what counts, what is left behind, what is said."""

import csv
import json
import sqlite3
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
import yaml
from sqlalchemy.exc import OperationalError

from outpaint_lightning.cli import main
from outpaint_lightning.sweep.run import share_out
from outpaint_lightning.sweep.spec import Factory
from outpaint_lightning.sweep.study import SeededSampler, file_url, open_storage, storage_errors, try_again
from outpaint_lightning.sweep.worker import run_workers
from outpaint_lightning.types import InputError

pytestmark = pytest.mark.slow


def test_good_and_bad_trials(folder, plots, capfd, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    modes = ["ok", "crash", "silent", "nan", "hang"]
    code = folder.sweep(
        space={"x": {"low": 0.0, "high": 1.0}, "mode": {"choices": modes}},
        first=[{"x": 0.3 + i / 10, "mode": mode} for i, mode in enumerate(modes)],
        trials=len(modes),
        timeout=0.02,
    )
    assert code == 0
    ok, *bad = folder.trials()
    assert ok.state.name == "COMPLETE"
    assert ok.value == pytest.approx(1.1)  # its best validation, not 1.0, its last
    assert [trial.state.name for trial in bad] == ["FAIL"] * 4
    reasons = [trial.user_attrs["reason"] for trial in bad]
    assert reasons[0] == "ValueError: the cause"  # of rank 1, not what rank 0 noticed of it later
    assert reasons[1] == "no output"  # exit code 0 is not success
    assert reasons[2] == "val/f1 was not a number in any validation"
    assert reasons[3] == "took longer than 0.02 minutes (timeout)"

    rows = [*csv.DictReader((folder.out / "trials.csv").open())]
    assert [*rows[0]] == ["number", "state", "value", "x", "mode", "epochs", "seconds", "reason", "folder"]
    assert rows[0]["epochs"] == "3"
    assert rows[0]["folder"] == "trials/00000"
    best = yaml.safe_load((folder.out / "best.yaml").read_text())
    assert best == {"trainer": {"default_root_dir": "runs/fake_best", "callbacks": []}}
    assert (plots / "history.png").stat().st_size > 5000
    assert json.loads((folder.out / "sweep.json").read_text())["space"] == ["x", "mode"]

    environment = json.loads(folder.of_trial(0, "environment.json"))
    assert not {"LOCAL_RANK", "SLURM_NTASKS"} & set(environment)
    assert environment["WANDB_NAME"] == "x=0.3 mode=ok"
    assert environment["WANDB_RUN_GROUP"] == "fake"
    assert int(environment["OMP_NUM_THREADS"]) >= 1

    said = capfd.readouterr().out
    assert "trial 0: val/f1 1.1000 (best 1.1000 of trial 0) x=0.3 mode=ok, " in said
    assert "trial 1: failed, x=0.4 mode=crash" in said


def test_going_on(folder, capfd, monkeypatch):
    assert folder.sweep(trials=2) == 0
    monkeypatch.chdir(folder.path)
    folder.out = folder.out.relative_to(folder.path)
    assert folder.sweep(trials=2) == 0
    assert len(folder.trials()) == 2  # enough is enough
    best = yaml.safe_load((folder.out / "best.yaml").read_text())
    assert best["trainer"]["default_root_dir"] == "runs/fake_best"  # the trial knows its folder by another path
    assert folder.sweep("--trials", "3") == 0
    values = [trial.params["x"] for trial in folder.trials()]
    assert len({*values}) == 3  # the seed does not start over
    capfd.readouterr()

    assert folder.sweep(space={"x": {"low": 0.0, "high": 2.0}}) == 2
    assert "study 'fake'" in (said := capfd.readouterr().err)
    assert "has another space" in said
    assert folder.sweep(value="last") == 2  # two meanings in one ranking
    assert "has another value" in capfd.readouterr().err
    assert folder.sweep("--epochs.of", "2024-05-01", "--epochs.to", "@here: [", "--epochs.by", "[0.5]") == 2
    said = capfd.readouterr().err
    assert '"epochs.by": [0.5], "epochs.of": "2024-05-01", "epochs.to": "@here: ["' in said  # as fit is to read them
    assert "has another overrides" in said

    assert folder.sweep("--list") == 0
    assert capfd.readouterr().out.count("COMPLETE") == 3
    assert len(folder.trials()) == 3


def test_constraints(folder, capfd):
    """x is reported as `cost`: 0.3 is the best, and above the limit of 0.25. Catches a limit that nobody obeys."""
    first = [{"x": 0.3}, {"x": 0.1}, {"x": 0.2}, {"x": 0.25}]
    assert folder.sweep(constraints={"cost": 0.25}, first=first[:1], trials=1) == 0
    said = capfd.readouterr().out
    assert "trial 0: val/f1 1.1000, exceeds cost by 0.05 x=0.3" in said
    assert "(best" not in said
    folder.out = folder.path / "runs" / "second"
    assert folder.sweep(constraints={"cost": 0.25}, first=first, trials=4) == 0
    trials = optuna.load_study(study_name="fake", storage=f"sqlite:///{folder.out / 'study.db'}").trials
    assert [trial.constraints["cost"] for trial in trials] == pytest.approx([0.05, -0.15, -0.05, 0.0])
    assert "Trial 3 of" in (folder.out / "best.yaml").read_text()  # a limit that is reached is kept
    rows = [*csv.DictReader((folder.out / "trials.csv").open())]
    assert [row["exceeds"] for row in rows] == ["cost by 0.05", "", "", ""]
    assert folder.sweep(constraints={"cost": "low"}) == 2
    assert "constraints: expected {metric: largest value}, got {'cost': 'low'}" in capfd.readouterr().err


def test_pruning(folder):
    folder.sweep(
        trials=2,
        first=[{"x": 0.3}, {"x": 1.0}],
        overrides={"epochs": 12, "pause": 0.2},
        pruner={"class_path": "ThresholdPruner", "init_args": {"lower": 0.9}},
    )
    assert folder.states() == ["COMPLETE", "PRUNED"]
    assert len(folder.of_trial(0, "reports.jsonl").splitlines()) == 12
    assert len(folder.of_trial(1, "reports.jsonl").splitlines()) < 6  # 0.51 at once


def test_grid_with_two_workers_tries_everything_once(folder):
    space = {"config": {"choices": ["localizer/small", "localizer/rows/plain"]}, "x": {"choices": [1, 2]}}
    assert folder.sweep("--workers", "2", trials="all", space=space) == 0
    tried = sorted(tuple(trial.params.values()) for trial in folder.trials())
    assert tried == [(f"localizer/{name}", x) for name in ("rows/plain", "small") for x in ("1", "2")]
    words = json.loads(folder.of_trial(0, "words.json"))
    assert [words[i + 1].rpartition("/")[2] for i, word in enumerate(words) if word == "--config"] == ["small.yaml"] * 2


def test_several_metrics(folder, plots):
    first = [{"x": 0.2}, {"x": 0.3}, {"x": 0.9}]
    assert folder.sweep(metric=["val/f1", "cost"], direction=["maximize", "minimize"], first=first, trials=3) == 0
    assert [trial.values for trial in folder.trials()] == [
        pytest.approx(v) for v in ([1.09, 0.2], [1.1, 0.3], [0.74, 0.9])
    ]
    rows = [*csv.DictReader((folder.out / "trials.csv").open())]
    assert {"val/f1", "cost"} < set(rows[0])
    assert (plots / "pareto.png").exists()
    assert "Trial 1 of" in (folder.out / "best.yaml").read_text()  # best in the first metric; the front is 0 and 1


def test_a_sweep_at_fault_ends_at_once_and_can_be_corrected(folder, capfd):
    assert folder.sweep(overrides={"mode": "bad"}, trials=4) == 2
    said = capfd.readouterr()
    assert "trial 0: data.root: nowhere: no such folder" in said.err
    assert not (folder.out / "trials" / "00001").exists()
    assert folder.sweep(trials=1) == 0  # other overrides, and yet not refused


def test_a_trial_that_diverges_is_not_the_sweeps_fault(folder):
    """It ends with the exit code of bad input, as the first of all."""
    space = {"x": {"low": 0.0, "high": 1.0}, "mode": {"choices": ["diverged", "ok"]}}
    assert folder.sweep(space=space, first=[{"mode": "diverged"}, {"mode": "ok"}], trials=2) == 0
    assert folder.states() == ["FAIL", "COMPLETE"]


def test_a_trial_without_room_for_its_files_is_not_lost(folder, capfd):
    (folder.out / "trials").mkdir(parents=True)
    (folder.out / "trials" / "00000").touch()  # as a full disk, which root does not meet in a test
    assert folder.sweep(trials=1) == 2
    assert "trials/00000: File exists; the same command goes on" in capfd.readouterr().err
    assert folder.states() == ["FAIL", "WAITING"]


def test_a_grid_wants_a_study_of_its_own(folder, capfd):
    """Its workers would wait for ever for combinations that nobody has queued."""
    space = {"x": {"choices": [0.1, 0.2, 0.3]}}
    assert folder.sweep(space=space, trials=1) == 0
    assert folder.sweep(space=space, trials="all") == 2
    assert "s.yaml: trials: study 'fake'" in capfd.readouterr().err


def test_what_is_lost_is_tried_again_twice_and_what_is_stopped_always(tmp_path):
    store = open_storage(f"sqlite:///{tmp_path / 'study.db'}", 1)
    study = optuna.create_study(storage=store)
    study.enqueue_trial({"x": 0.5})
    lose = store.get_heartbeat_stale_trial_callback()
    reasons = [None, "interrupted", "interrupted", None, None]
    for number, reason in enumerate(reasons):
        trial = study.ask()
        assert trial.number == number
        assert trial.suggest_float("x", 0, 1) == 0.5
        if reason:
            trial.set_user_attr("reason", reason)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        (try_again if reason else lose)(study, study.trials[number])
    assert len(study.trials) == len(reasons)  # not one more


def test_a_storage_that_cannot_be_used_is_named_without_its_password(folder, capfd):
    assert folder.sweep("--storage", "postgresql+psycopg://me:hush@127.0.0.1:1/studies") == 2
    said = capfd.readouterr().err
    assert "storage postgresql+psycopg://me:***@127.0.0.1:1/studies: " in said
    assert "hush" not in said
    assert folder.sweep("--storage", "studies.db") == 2
    assert "expected a URL" in capfd.readouterr().err
    full = OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))
    refused = pytest.raises(InputError, match=r"sqlite:///x\.db: database or disk is full; the same command")
    with refused, storage_errors("sqlite:///x.db"):
        raise full


@dataclass
class Fails:
    """A worker that finds the sweep at fault."""

    def run(self):
        raise InputError("at fault")


@dataclass
class Waits:
    """A worker that goes on until it is asked to stop."""

    stop: threading.Event
    stopped: bool = False

    def run(self):
        self.stopped = self.stop.wait(30)


def test_a_worker_that_fails_stops_the_others():
    """Kills one that waits for all of them, hours after the first has said what is at fault."""
    stop = threading.Event()
    waiting = Waits(stop)
    with pytest.raises(InputError, match="at fault"):
        run_workers([waiting, Fails()], stop)
    assert waiting.stopped


def test_folders_of_any_name_have_a_study_of_their_own(tmp_path, monkeypatch):
    """Kills an address put together as text: `?` ended the path, and two sweeps shared one study outside them."""
    monkeypatch.chdir(tmp_path)
    folders = [Path(name) for name in ("lr?=1", "lr?=2", "a#b", "100%", "{x}", "plain")]
    for number, folder in enumerate(folders):
        folder.mkdir()
        optuna.create_study(storage=open_storage(file_url(folder / "study.db"), 1), study_name=f"study {number}")
    for number, folder in enumerate(folders):
        assert [path.name for path in folder.iterdir()] == ["study.db"]
        assert optuna.get_all_study_names(open_storage(file_url(folder / "study.db"), 1)) == [f"study {number}"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(map(str, folders))
    assert file_url(Path("runs/gamma/study.db")) == "sqlite:///runs/gamma/study.db"  # as those of earlier versions


def test_windows_is_refused_in_one_line(folder, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as there
    assert folder.sweep() == 2
    said = capfd.readouterr().err
    assert "does not work on Windows" in said
    assert said.count("\n") == 1


def test_listing_what_was_never_started(folder, capfd):
    assert folder.sweep("--list") == 2
    assert "study.db: no such file" in capfd.readouterr().err
    assert not folder.out.exists()


def test_gpus_are_shared_out():
    of = lambda *args: [one.get("CUDA_VISIBLE_DEVICES") for one in share_out(*args)]  # noqa: E731
    assert of(1, None, ["0", "1", "5"]) == ["0", "1", "5"]
    assert of(2, None, ["0", "1", "2", "3", "4"]) == ["0,1", "2,3"]
    assert of(2, 1, ["0", "1", "2", "3"]) == ["0,1"]
    assert of(1, None, []) == [None]
    assert of(2, 3, []) == [None] * 3
    with pytest.raises(InputError, match="expected 1 to 2: 5 GPUs, 2 for a trial"):
        share_out(2, 3, ["0", "1", "2", "3", "4"])
    with pytest.raises(InputError, match="expected at most the 1 GPUs here"):
        share_out(2, None, ["0"])
    with pytest.raises(InputError, match="--workers 0: expected 1 or more"):
        share_out(1, 0, [])


def test_a_seed_gives_each_trial_values_of_its_own_whoever_asks():
    def ask(number_of_workers):
        study = optuna.create_study()
        found = []
        for i in range(6):
            if i % number_of_workers == 0:  # a new worker
                study.sampler = SeededSampler(Factory(optuna.samplers.TPESampler, {"seed": 0}))
            found.append(study.ask().suggest_float("x", 0, 1))
        return found

    assert ask(1) == ask(6)
    assert len({*ask(1)}) == 6


@pytest.mark.parametrize("drawn", [True, False])
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_an_interruption_changes_no_values(lost, drawn):
    """Catches seeds by the number of a trial: a retry takes one, and all later trials had other values."""

    def ask(lost):
        study = optuna.create_study(sampler=SeededSampler(Factory(optuna.samplers.RandomSampler, {"seed": 0})))
        found = []
        while len(found) < 3:
            trial = study.ask()
            if trial.number == lost:
                if drawn:
                    trial.suggest_float("x", 0, 1)
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                try_again(study, study.trials[lost])
                trial = study.ask()
            found.append(trial.suggest_float("x", 0, 1))
        return found

    assert ask(lost) == ask(lost=-1)


def test_a_sampler_that_deals_out_a_sequence_keeps_its_seed():
    study = optuna.create_study()
    options = {"search_space": {"x": [*range(8)]}, "seed": 0}
    study.sampler = SeededSampler(Factory(optuna.samplers.GridSampler, options))
    assert sorted(study.ask().suggest_int("x", 0, 7) for _ in range(8)) == [*range(8)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--worker", "2"], "no option '--worker'; did you mean '--workers'?"),
        (["--data.root"], "--data.root: expected a value"),
        (["--trials", "0"], "--trials 0: expected a number above 0"),
    ],
)
def test_bad_words(folder, capsys, words, said):
    assert main(["sweep", folder.write(), *words]) == 2
    assert said in capsys.readouterr().err
