"""Kill commands at random moments, continue them, and compare their results with an uninterrupted run.

    python benchmarks/soak.py OUT [--kills 20] [--commands fit forge sweep localize] [--seed 0]

Each kill is SIGKILL at a moment drawn uniformly from the duration of the uninterrupted command. It hits only the first
process (as `kill` with a process id does) or its whole session (as a stopped container does). Then the folder is
checked, the same command continues, and its result is compared. `OUT/soak.csv` has a line for each kill. With the same
OUT, the script continues after an interruption. Needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from experiments import grid, keep, start

from outpaint_lightning.demo.run import Scale, render_clips
from outpaint_lightning.io import read_dataset, write_csv
from outpaint_lightning.io.manifest import read_table
from outpaint_lightning.settings.find import find_config

SCALE = Scale(height=64, width=80, frames=8, scenes=(4, 2, 2))
CONFIG = str(find_config("localizer/small").resolve())
EPOCHS, TRIALS = 4, 3
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
CLOCK = ("seconds", "frames_per_second", "metrics.csv", "checkpoint")  # keys that differ between equal runs


class Case(ABC):
    """A command under test.

    Args:
        material: folder with the input of all cases: `clips`, `forged`, and the run folder `fit` with a checkpoint.
    """

    name: str

    def __init__(self, material: Path) -> None:
        self.material = material

    @abstractmethod
    def words(self, out: Path) -> list[str]:
        """Return the command line that starts the work, or continues it after a kill."""

    def is_done(self, out: Path) -> bool:  # noqa: ARG002 - most commands also continue from their end
        """Return whether the command had finished when it was killed, so that nothing is left to do."""
        return False

    def killed(self, out: Path) -> list[str]:  # noqa: ARG002 - most commands leave nothing to check
        """Return what is wrong with the files that the killed command left."""
        return []

    def differences(self, out: Path, reference: Path) -> list[str]:
        """Return the differences from the uninterrupted result; by default, the files that differ."""
        found, expected = digests(out), digests(reference)
        return [f"{name} differs" for name in sorted({*found, *expected}) if found.get(name) != expected.get(name)]


class Forge(Case):
    """A dataset; files that were written are kept."""

    name = "forge"

    def words(self, out: Path) -> list[str]:
        """See `Case`."""
        clips = self.material / "clips"
        options = ("--manifest", str(clips / "manifest.csv"), "--per-clip", "2", "--fill", "telea", "harmonic")
        return ["forge", str(clips), str(out), *options, "--workers", "2"]

    def is_done(self, out: Path) -> bool:
        """See `Case`. The manifest is written last."""
        return (out / "manifest.csv").is_file()

    def killed(self, out: Path) -> list[str]:
        """Check that a manifest exists only if all clips that it lists are complete."""
        if not self.is_done(out):
            return []
        return [f"{e.clip} is listed but has no masks" for e in read_dataset(out) if e.forger and e.masks is None]


class Localize(Case):
    """The masks of a clip. A folder exists either complete or not at all."""

    name = "localize"

    def words(self, out: Path) -> list[str]:
        """See `Case`."""
        clip = next(entry for entry in read_dataset(self.material / "forged") if entry.forger)
        again = ["--overwrite"] if (out / clip.frames.stem).exists() else []
        return ["localize", str(clip.frames), "--ckpt_path", str(self.material / "fit"), "--out", str(out), *again]

    def killed(self, out: Path) -> list[str]:
        """See `Case`."""
        folders = [path for path in out.iterdir() if not path.name.startswith(".")] if out.is_dir() else []
        return [f"{path.name} is half" for path in folders if not (path / "summary.json").is_file()]


class Fit(Case):
    """A training. Its checkpoints always load, and no epoch is lost or counted twice."""

    name = "fit"

    def words(self, out: Path) -> list[str]:
        """See `Case`."""
        resumed = (out / "checkpoints" / "last.ckpt").is_file()
        more = ["--ckpt_path", "last"] if resumed else ["--overwrite"]
        options = (
            f"--{key}={'null' if value is None else value}" for key, value in settings(self.material, EPOCHS).items()
        )
        return ["fit", "--config", CONFIG, *options, "--trainer.default_root_dir", str(out), *more]

    def killed(self, out: Path) -> list[str]:
        """See `Case`."""
        problems = []
        for path in out.glob("checkpoints/*.ckpt"):
            try:
                torch.load(path, weights_only=True)
            except Exception as error:  # any error of torch for a partial file
                problems.append(f"{path.name} is half: {type(error).__name__}")
        return problems

    def differences(self, out: Path, reference: Path) -> list[str]:
        """See `Case`. Weights may differ: a resumed training draws other augmentations."""
        last, expected = (
            torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True) for folder in (out, reference)
        )
        problems = [f"{key} is {last[key]}" for key in ("epoch", "global_step") if last[key] != expected[key]]
        validated, wanted = (
            [row["step"] for row in read_table(folder / "metrics.csv") if row["val/f1"]] for folder in (out, reference)
        )
        return problems + ([f"validations at steps {validated}"] if validated != wanted else [])


class Sweep(Case):
    """A study. Each trial exists once."""

    name = "sweep"

    def words(self, out: Path) -> list[str]:
        """See `Case`."""
        return ["sweep", str(self.material / "sweep.yaml"), "--out", str(out)]

    def differences(self, out: Path, reference: Path) -> list[str]:
        """See `Case`. A killed trial is listed as failed, and another trial has its values."""
        tables = (read_table(folder / "trials.csv") for folder in (out, reference))
        found, expected = (
            sorted(row["model.criterion.gamma"] for row in rows if row["state"] == "COMPLETE") for rows in tables
        )
        missing = [] if (out / "best.yaml").is_file() else ["no best.yaml"]
        return missing + ([f"complete are {found}, expected {expected}"] if found != expected else [])


CASES: dict[str, type[Case]] = {case.name: case for case in (Fit, Forge, Sweep, Localize)}


def settings(material: Path, epochs: int) -> dict[str, Any]:
    """Return the options of a training that takes seconds."""
    return {
        **{"data.root": str(material / "forged"), "data.batch_size": 2, "data.workers": 1, "data.crop": None},
        **{"model.net.updates": 1, "trainer.max_epochs": epochs, "trainer.limit_train_batches": 4},
        **{"trainer.check_val_every_n_epoch": 1, "trainer.accelerator": "cpu", "trainer.devices": 1},
        "trainer.precision": 32,
    }


def prepare(material: Path) -> None:
    """Make the input of all cases, unless it exists."""
    if not (material / "clips" / "manifest.csv").is_file():
        render_clips(material / "clips", SCALE)
    sweep = {
        "name": "soak",
        "configs": [CONFIG],
        "overrides": settings(material, 1),
        "metric": "val/f1",
        "trials": TRIALS,
        "heartbeat": 2,
        "sampler": {"class_path": "RandomSampler", "init_args": {"seed": 0}},
        "space": {"model.criterion.gamma": {"low": 0.5, "high": 0.9}},
    }
    (material / "sweep.yaml").write_text(yaml.safe_dump(sweep), encoding="utf-8")
    forged = ["forge", str(material / "clips"), str(material / "forged"), "--per-clip", "1", "--fill", "telea"]
    forged += ["--manifest", str(material / "clips" / "manifest.csv"), "--seam", "hard"]
    for done, words in (
        (material / "forged" / "manifest.csv", forged),
        (material / "fit" / "checkpoints" / "last.ckpt", Fit(material).words(material / "fit")),
    ):
        if not done.exists():
            finish(words, material / "log.txt")


def finish(words: Sequence[str], log: Path) -> float:
    """Run a command to its end. Return its duration in seconds.

    Raises:
        SystemExit: it failed.
    """
    began = time.monotonic()
    process = begin(words, log)
    if process.wait():
        raise SystemExit(f"{' '.join(words)}: exit code {process.returncode}, see {log}")
    return time.monotonic() - began


def begin(words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a command in its own session."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        file.write(f"$ outpaint-lightning {' '.join(words)}\n".encode())
        file.flush()
        return subprocess.Popen(
            [sys.executable, "-m", "outpaint_lightning", *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=ENVIRONMENT,
        )


def kill_once(case: Case, out: Path, reference: Path, moment: float, whole_session: bool) -> dict[str, Any]:
    """Kill a command, continue it and compare; return the line of `soak.csv`."""
    log = out.with_suffix(".log")
    process = begin(case.words(out), log)
    try:
        process.wait(moment)
        reached = "end"
    except subprocess.TimeoutExpired:
        reached = "killed"
        (os.killpg if whole_session else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
    broken = case.killed(out)
    code = 0 if case.is_done(out) else begin(case.words(out), log).wait()
    different = [f"exit code {code}"] if code else case.differences(out, reference)
    return {
        "how": "session" if whole_session else "process",
        "moment": round(moment, 2),
        "reached": reached,
        "broken": "; ".join(broken),
        "different": "; ".join(different),
    }


def digests(root: Path) -> dict[str, str]:
    """Return a digest of every file below a folder. For JSON, timing keys are left out."""
    return {
        str(path.relative_to(root)): _digest(path)
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".json":
        held = json.loads(content)
        content = json.dumps({key: value for key, value in held.items() if key not in CLOCK}).encode()
    return hashlib.sha256(content).hexdigest()


def soak(case: Case, out: Path, kills: int, rng: random.Random, rows: list[dict[str, Any]], file: Path) -> None:
    """Run the kills of a command that are not in `rows` yet."""
    reference = out / case.name / "reference"
    took = out / case.name / "seconds.txt"
    if not took.is_file():
        shutil.rmtree(reference, ignore_errors=True)
        seconds = finish(case.words(reference), out / case.name / "reference.log")
        took.write_text(f"{seconds:.2f}", encoding="utf-8")
    longest = float(took.read_text(encoding="utf-8"))
    done = {int(row["kill"]) for row in rows if row["command"] == case.name}
    for number in range(kills):
        moment, whole_session = rng.uniform(0, longest), rng.random() < 0.5
        if number in done:
            continue
        folder = out / case.name / f"{number:03d}"
        shutil.rmtree(folder, ignore_errors=True)
        row = kill_once(case, folder, reference, moment, whole_session)
        rows.append({"command": case.name, "kill": number, **row})
        write_csv(file, rows)
        print(f"{case.name} {number}: {row}", flush=True)
        if not row["broken"] and not row["different"]:
            shutil.rmtree(folder)


def main() -> int:
    """Kill, continue, compare and print the figures; return 1 if a kill lost something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kills", type=int, default=20, help="of each command (default: %(default)s)")
    parser.add_argument("--commands", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args()
    out = args.out.resolve()
    keep(out)
    file = out / "soak.csv"
    rows: list[dict[str, Any]] = []
    if file.is_file():
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
    prepare(out / "material")
    for name in args.commands:
        soak(CASES[name](out / "material"), out, args.kills, random.Random(f"{args.seed} {name}"), rows, file)
    figures = []
    for name in args.commands:
        own_rows = [row for row in rows if row["command"] == name]
        counts = (
            sum(row["reached"] == "killed" for row in own_rows),
            sum(bool(row["broken"]) for row in own_rows),
            sum(bool(row["different"]) for row in own_rows),
        )
        figures.append([name, str(len(own_rows)), *map(str, counts)])
    print("\n".join(grid(("command", "runs", "killed before their end", "broken files", "other results"), figures)))
    return 1 if any(row["broken"] or row["different"] for row in rows) else 0


if __name__ == "__main__":
    start(main)
