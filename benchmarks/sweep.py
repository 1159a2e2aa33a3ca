"""The overhead of a sweep: seconds added to each trial, and seconds to list 200 trials.

`python benchmarks/sweep.py [--trials 10]`. Here, a trial is a process that reports three validations and sleeps in
between. The remaining time is the overhead. Each listing is a separate process, imports included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import optuna

PAUSE = 0.2  # seconds per validation of a trial
TESTS = Path(__file__).parents[1] / "tests" / "sweep"
DRIVER = (sys.executable, str(TESTS / "driver.py"))
SWEEP = {
    "name": "cost",
    "configs": ["localizer/small.yaml"],
    "metric": "val/f1",
    "overrides": {"epochs": 3, "pause": PAUSE},
    "pruner": {"class_path": "MedianPruner", "init_args": {"n_startup_trials": 100000}},
    "space": {"x": {"low": 0.0, "high": 1.0}},
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "s.yaml", Path(folder) / "out"
        file.write_text(json.dumps({**SWEEP, "trials": args.trials}))
        run = [*DRIVER, str(file), "--out", str(out)]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
        study = optuna.load_study(study_name="cost", storage=f"sqlite:///{out / 'study.db'}")
        starts = sorted(trial.datetime_start for trial in study.trials if trial.datetime_start)
        apart = sorted((b - a).total_seconds() for a, b in pairwise(starts))
        alone = _seconds([sys.executable, str(TESTS / "fake_fit.py"), *_words(Path(folder) / "alone")])
        print(f"between the starts of two trials: {apart[len(apart) // 2]:.2f} s (median of {len(apart)})")
        print(f"the same trial alone: {alone:.2f} s; the sweep adds {apart[len(apart) // 2] - alone:.2f} s")
        study.add_trials([study.trials[0]] * (200 - args.trials))
        print(f"200 trials listed in {min(_seconds([*run, '--list']) for _ in range(3)):.2f} s (best of 3)")


def _words(folder: Path) -> list[str]:
    folder.mkdir()
    own = [f"--trainer.default_root_dir={folder}", '--trainer.callbacks.metrics=["val/f1"]']
    return [*own, "--x=0.5", "--epochs=3", f"--pause={PAUSE}"]


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
