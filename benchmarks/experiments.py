"""Run many trainings and tests, each in its own process, resumable, some at a time; and make tables of their numbers.

ablation.py, leave_one_out.py, region_results.py and others share this module. It is not a benchmark itself.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TextIO

from outpaint_lightning.io import ClipEntry, write_json, write_manifest
from outpaint_lightning.io.output import sole_writer
from outpaint_lightning.processes.pool import cores
from outpaint_lightning.settings.find import find_config
from outpaint_lightning.types import InputError

PATIENCE = 10  # seconds that a child gets to end by itself
_HELD = ExitStack()  # released when the script ends


class Children:
    """Child processes that end with this process: leaving the `with` block ends them and prevents new ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            left = list(self._running)
        for child in left:
            child.terminate()
        for child in left:
            try:
                child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()

    def run(self, words: Sequence[str], log: TextIO, environment: Mapping[str, str]) -> bool:
        """Run a command line with its output in `log`. Return whether it succeeded."""
        with self._lock:
            if self._closed:
                return False
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
            self._running.add(child)
        try:
            return child.wait() == 0
        finally:
            with self._lock:
                self._running.discard(child)


def describe_videos(summary: Mapping[str, Any]) -> str:
    """Return the F1 of a localizer's test and its best floor, as text."""
    return (
        f"F1 {score(summary['f1']['mean'])} at the threshold {score(summary['threshold'])} of "
        f"{summary['threshold_source']}, best floor {score(best_floor(summary))}"
    )


@dataclass(frozen=True)
class Run:
    """One training, and the test of its last checkpoint.

    `run.json` in its folder records the options, the device and the minutes of each finished command, so that an
    interrupted run can continue.
    """

    name: str
    """The name that is printed."""
    configs: tuple[str, ...]
    """The experiment and its overlays: files, or names of shipped configs."""
    root: Path
    """Folder of the dataset."""
    folder: Path
    seed: int
    options: tuple[str, ...]
    """Options of both fit and test."""
    test_options: tuple[str, ...] = ()
    """Options of the test alone, placed after the others."""
    describe: Callable[[Mapping[str, Any]], str] = describe_videos
    """Describes the summary of a finished run in one line."""

    @property
    def summary(self) -> dict[str, Any]:
        """The content of the test's summary.json."""
        content: dict[str, Any] = json.loads((self.folder / "test" / "summary.json").read_text(encoding="utf-8"))
        return content

    @property
    def record(self) -> dict[str, Any]:
        """The content of `run.json`, or its initial content if the run has not started."""
        path = self.folder / "run.json"
        initial: dict[str, Any] = {"options": list(self.options), "minutes": {}}
        return {**initial, **json.loads(path.read_text(encoding="utf-8"))} if path.is_file() else initial

    @property
    def done(self) -> bool:
        """Whether both training and test have succeeded."""
        return "test" in self.record["minutes"]

    def check(self) -> None:
        """Raise InputError if a config is missing, or if the folder holds a run with other options."""
        for config in self.configs:
            find_config(config)
        before = tuple(self.record["options"])
        if before != self.options:
            raise InputError(
                f"{self.folder}: was run with {shlex.join(before) or 'no options'}; expected "
                f"{shlex.join(self.options) or 'none'}, or another OUT"
            )

    def carry_out(self, children: Children, threads: int) -> bool:
        """Train and test, without the commands that are done already. Return whether all succeeded.

        The minutes of a training that was interrupted are unknown (None).
        """
        record = {**self.record, "device": device(), "threads": threads}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "run.json", record)
        resumed = (self.folder / "checkpoints" / "last.ckpt").is_file()
        commands = {
            "fit": ("--ckpt_path", "last") if resumed else ("--overwrite",),
            "test": (*self.test_options, "--ckpt_path", "last", "--overwrite"),
        }
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log:
            for command, further in commands.items():
                if command in record["minutes"]:
                    continue
                words = [command, *self.words(), *further]
                print("$ outpaint-lightning", shlex.join(words), file=log, flush=True)
                start = time.monotonic()
                if not children.run([sys.executable, "-m", "outpaint_lightning", *words], log, environment):
                    return False
                minutes = (time.monotonic() - start) / 60
                record["minutes"][command] = None if command == "fit" and resumed else minutes
                write_json(self.folder / "run.json", record)
        return True

    def words(self) -> list[str]:
        """Return the options of both fit and test."""
        return [
            *(word for config in self.configs for word in ("--config", config)),
            *("--seed_everything", str(self.seed), "--data.seed", str(self.seed), "--data.root", str(self.root)),
            *("--trainer.default_root_dir", str(self.folder), *self.options),
        ]

    def line(self) -> str:
        """Return the line that is printed for a finished run."""
        fit, test = (score(self.record["minutes"][command], 1) for command in ("fit", "test"))
        return f"{self.name}: {self.describe(self.summary)}; fit {fit} min, test {test} min"


def carry_out(runs: Sequence[Run], jobs: int) -> list[Run]:
    """Execute the unfinished runs in order, `jobs` at a time. Print a line for each one that ends.

    Args:
        runs: runs with separate folders.
        jobs: number of runs at a time. They share the cores.

    Returns:
        The failed runs.

    Raises:
        InputError: `jobs` is less than 1.
        KeyboardInterrupt: the user interrupted; the running commands are ended.
    """
    if jobs < 1:
        raise InputError(f"--jobs {jobs}: expected 1 or more")
    left = [run for run in runs if not run.done]
    print(f"{len(runs) - len(left)} of {len(runs)} runs are done", flush=True)
    failed = []
    threads = max(1, cores() // jobs)
    with ThreadPoolExecutor(jobs) as pool, Children() as children:
        working = {pool.submit(run.carry_out, children, threads): run for run in left}
        for number, future in enumerate(as_completed(working), start=len(runs) - len(left) + 1):
            run = working[future]
            if future.result():
                print(f"[{number}/{len(runs)}] {run.line()}", flush=True)
            else:
                failed.append(run)
                print(f"[{number}/{len(runs)}] {run.name}: FAILED, see {run.folder / 'log.txt'}", flush=True)
    return failed


def forge_once(clips: Path, root: Path, manifest: Path | None, options: Sequence[str]) -> None:
    """Forge a dataset unless it exists. An interrupted one is continued.

    Raises:
        InputError: a dataset from other clips or with other options exists.
        SystemExit: forging failed and has printed why.
    """
    words = [str(clips.resolve()), *(("--manifest", str(manifest.resolve())) if manifest else ()), *options]
    note = root.with_suffix(".json")
    if (root / "manifest.csv").is_file():
        before = json.loads(note.read_text(encoding="utf-8"))["forge"] if note.is_file() else []
        if before != words:
            raise InputError(
                f"{root}: was forged with {shlex.join(before) or 'unknown options'}; expected {shlex.join(words)}, "
                "or another OUT"
            )
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    write_json(note, {"forge": words})
    command = ["forge", words[0], str(root), *words[1:]]
    print("$ outpaint-lightning", shlex.join(command), flush=True)
    done = subprocess.run([sys.executable, "-m", "outpaint_lightning", *command], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def link(entries: Sequence[ClipEntry], out: Path) -> None:
    """Make a dataset of links to the frames and masks of the given clips."""
    shutil.rmtree(out, ignore_errors=True)
    for entry in entries:
        for kind, path in (("frames", entry.frames), ("masks", entry.masks)):
            if path:
                (out / kind).mkdir(parents=True, exist_ok=True)
                (out / kind / path.name).symlink_to(os.path.relpath(path, out / kind))
    write_manifest(out / "manifest.csv", [replace(entry, extra={}) for entry in entries])


def keep(out: Path) -> None:
    """Prevent other runners from using a folder until the script ends.

    Raises:
        InputError: another runner is using it.
    """
    _HELD.enter_context(sole_writer(out))


def start(main: Callable[[], int]) -> NoReturn:
    """Run a script. Bad input gives one line and exit code 2, as in the console script.

    SIGTERM acts like Ctrl-C, so that `kill` and `timeout` leave no child process.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    name = Path(sys.argv[0]).stem
    try:
        with _HELD:
            sys.exit(main())
    except InputError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{name}: interrupted; the same command goes on", file=sys.stderr)
        sys.exit(130)


def device() -> str:
    """Return the name of the GPU, or of the CPU if there is no GPU."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.is_file() else []
    return names[0] if names else platform.processor() or platform.machine()


def best_floor(summary: Mapping[str, Any]) -> float | None:
    """Return the F1 of the best floor of a test."""
    return max((value for value in summary["floors"].values() if value is not None), default=None)


def score(value: float | None, digits: int = 3) -> str:
    """Return a number as text, "-" for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
