"""What is killed, stopped or started twice: no trial is lost, no process stays."""

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from .conftest import DRIVER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes that die with their parent: Linux alone"),
]


def start(folder, *options, **changes):
    command = [*DRIVER, folder.write(**changes), "--out", str(folder.out), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(what, seconds=60):
    """Return what is true at last."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def pids(folder, count, name="pid"):
    """Return the process of each trial, when so many have started."""

    def read():
        files = sorted((folder.out / "trials").glob(f"*/{name}"))
        found = [int(text) for file in files if (text := file.read_text())]
        return len(found) >= count and found

    return wait_for(read)


def alive(pid):
    """Whether it runs: one that nobody has buried yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def held(folder):
    """Overrides of trials that wait for `let_go`."""
    return {"hold": str(folder.path / "go")}


def let_go(held):
    Path(held["hold"]).touch()


def test_a_killed_host_loses_no_trial(folder, held):
    """Two hosts on one study; the trial of the one that is killed is tried again by the other."""
    first = start(folder, overrides=held, trials=3)
    trial = pids(folder, 1)[0]
    second = start(folder, overrides=held, trials=3)
    pids(folder, 2)
    first.kill()
    wait_for(lambda: not alive(trial), 5)
    let_go(held)
    said, _ = second.communicate(timeout=90)
    assert second.returncode == 0, said
    first.communicate()
    trials = folder.trials()
    assert sorted(folder.states()) == ["COMPLETE"] * 3 + ["FAIL"]
    lost = next(trial for trial in trials if trial.state.name == "FAIL")
    again = next(trial for trial in trials if trial.system_attrs.get("failed_trial") == lost.number)
    assert again.params == lost.params
    assert "its host was lost; tried again" in (folder.out / "trials.csv").read_text()


def test_a_killed_sweep_goes_on(folder, held):
    main = start(folder, overrides=held, trials=2)
    trial = pids(folder, 1)[0]
    main.kill()
    wait_for(lambda: not alive(trial), 5)
    main.communicate()
    let_go(held)
    again = start(folder, overrides=held, trials=2)
    said, _ = again.communicate(timeout=90)
    assert again.returncode == 0, said
    assert sorted(folder.states()) == ["COMPLETE", "COMPLETE", "FAIL"]


def put_to_sleep(main, database):
    """Stop a process, at a moment when nobody holds the lock of the database: SQLite cannot take it from a sleeper."""
    for _ in range(100):
        main.send_signal(signal.SIGSTOP)
        with closing(sqlite3.connect(database, timeout=0.2)) as reader, suppress(sqlite3.OperationalError):
            reader.execute("BEGIN IMMEDIATE")
            return
        main.send_signal(signal.SIGCONT)
        time.sleep(0.05)
    pytest.fail("the database was always locked")


def test_a_host_that_slept_too_long(folder, held):
    """Its trial was taken for lost and ran elsewhere; it must not break off when it finds out."""
    first = start(folder, overrides=held, trials=2)
    pids(folder, 1)
    second = start(folder, overrides=held, trials=2)
    pids(folder, 2)
    put_to_sleep(first, folder.out / "study.db")
    let_go(held)
    wait_for(lambda: "FAIL" in folder.states())
    first.send_signal(signal.SIGCONT)
    for main in (first, second):
        said, _ = main.communicate(timeout=90)
        assert main.returncode == 0, said
        assert ("taken for lost while this host slept" in said) == (main is first)
    assert sorted(folder.states()) == ["COMPLETE", "COMPLETE", "FAIL"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop(folder, held, number):
    held["mode"] = "child"
    main = start(folder, overrides=held, trials=2)
    trial, child = pids(folder, 1)[0], pids(folder, 1, "child")[0]
    main.send_signal(number)
    said, _ = main.communicate(timeout=60)
    assert main.returncode == 130, said
    assert said.endswith("outpaint-lightning: interrupted\n")
    assert not any(alive(pid) for pid in (trial, child))
    assert folder.states() == ["FAIL", "WAITING"]  # it does not count, and comes again
    stopped, queued = folder.trials()
    assert stopped.user_attrs["reason"] == "interrupted"
    assert queued.user_attrs == {}  # the folder in trials.csv would be another trial's
    let_go(held)
    assert folder.sweep("--trials", "2", overrides=held) == 0
    assert sorted(folder.states()) == ["COMPLETE", "COMPLETE", "FAIL"]


def test_killed_main_leaves_no_process(folder, held):
    main = start(folder, "--workers", "2", overrides=held, trials=2)
    first, second = pids(folder, 2)
    main.kill()
    wait_for(lambda: not alive(first) and not alive(second), 5)
    main.communicate()


def test_two_sweeps_at_once_in_one_folder(folder):
    both = [start(folder, trials=6) for _ in range(2)]
    for main in both:
        said, _ = main.communicate(timeout=90)
        assert main.returncode == 0, said
    assert folder.states() == ["COMPLETE"] * 6
    assert len({trial.params["x"] for trial in folder.trials()}) == 6
