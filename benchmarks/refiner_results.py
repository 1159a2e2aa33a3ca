"""One flow refiner under both protocols and all setups, compared with the fills without learning.

    python benchmarks/refiner_results.py CKPT OUT [--config FILE] [--protocols strict] [--setups all] [--options ...]

Tests the checkpoint in OUT/<protocol>_<setup> on the same 72 synthetic scenes; the output goes to log.txt there. After
an interruption, the same command continues. Prints one table per protocol and writes OUT/<protocol>.csv. A hole of
`strict` hides more than a hole of `source`, and harder vectors, so errors of the two are never compared. Options after
`--options` go to the test, e.g. `--options --data.test_scenes 8`. Exit code 1: a test failed.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import Children, device, grid, keep, score, start

from outpaint_lightning.io import write_csv, write_json
from outpaint_lightning.metrics import FILL, REFINED
from outpaint_lightning.motion.hidden import PROTOCOLS, SETUPS
from outpaint_lightning.settings.find import find_config
from outpaint_lightning.types import InputError

JUDGED = {
    "in the hole, px": ("epe", "hole"),
    "near edges, px": ("epe", "near_edges"),
    "occluded, px": ("epe", "occluded"),
    "above 1 px": ("above_1px", "hole"),
}
"""The rows of a setup, and the keys of each in a method's part of the test summary."""


@dataclass(frozen=True)
class Test:
    """The test of one checkpoint under one protocol and setup."""

    checkpoint: Path
    config: Path
    folder: Path
    protocol: str
    setup: str
    options: tuple[str, ...]

    @property
    def summary(self) -> dict[str, Any]:
        """The content of the test's summary.json."""
        content: dict[str, Any] = json.loads((self.folder / "test" / "summary.json").read_text(encoding="utf-8"))
        return content

    @property
    def done(self) -> bool:
        """Whether the test has succeeded."""
        return (self.folder / "run.json").is_file()

    def words(self) -> list[str]:
        """Return the command."""
        return [
            *("test", "--config", str(self.config), "--trainer.default_root_dir", str(self.folder), *self.options),
            *("--data.protocol", self.protocol, "--data.setup", self.setup),
            *("--ckpt_path", str(self.checkpoint), "--overwrite"),
        ]

    def record(self) -> dict[str, Any]:
        """Return the data that identify this test. A checkpoint that was trained further is a different one."""
        return {"command": self.words(), "checkpoint_changed": self.checkpoint.stat().st_mtime}

    def check(self) -> None:
        """Raise InputError if the folder holds another test."""
        if self.done and json.loads((self.folder / "run.json").read_text(encoding="utf-8")) != self.record():
            raise InputError(
                f"{self.folder}: holds the test of another checkpoint, of one trained further since, or with other "
                "options; expected another OUT"
            )

    def carry_out(self, children: Children) -> bool:
        """Run the test. Return whether it succeeded."""
        self.folder.mkdir(parents=True, exist_ok=True)
        record = self.record()
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log:
            print("$ outpaint-lightning", shlex.join(self.words()), file=log, flush=True)
            if not children.run([sys.executable, "-m", "outpaint_lightning", *self.words()], log, os.environ):
                return False
        write_json(self.folder / "run.json", record)
        return True


def measured(setup: str, summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a setup for the table of its protocol: the errors of each method, the net last.

    Args:
        setup: setup of the test.
        summary: content of `test/summary.json`.
    """
    methods = [name for name in summary["methods"] if name not in (REFINED, FILL)]
    rows = [
        {
            "setup": setup,
            "judged": title,
            "its fill": summary["methods"][FILL][kind][stratum],
            **{name: summary["methods"][name][kind][stratum] for name in methods},
            "refiner": summary["methods"][REFINED][kind][stratum],
        }
        for title, (kind, stratum) in JUDGED.items()
    ]
    worse = summary["worse_than_fill"]
    rows[0] |= {
        "gain over the best floor": summary["gain"],
        "worse than its fill": f"{worse['videos']} of {worse['of']}",
        "AUSE ratio": summary["confidence"]["ratio"],
    }
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the table of one protocol. Its columns are the keys of the first row."""
    lines = []
    for row in rows:
        cells = [row.get(column, "") for column in rows[0]]
        lines.append([cell if isinstance(cell, str) else score(cell) for cell in cells])
    return grid([column.replace("_", " ") for column in rows[0]], lines)


def main() -> int:
    """Execute the tests and print the tables; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("checkpoint", type=Path, metavar="CKPT")
    parser.add_argument("out", type=Path)
    parser.add_argument("--config", type=Path, help="that it was trained with (default: configs/refiner/small.yaml)")
    parser.add_argument("--protocols", nargs="+", default=PROTOCOLS, choices=PROTOCOLS)
    parser.add_argument("--setups", nargs="+", default=list(SETUPS), choices=SETUPS)
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="of `outpaint-lightning test`")
    args = parser.parse_args()
    if not args.checkpoint.is_file():
        raise InputError(f"{args.checkpoint}: no such file, expected a checkpoint")

    config = find_config(args.config or "refiner/small").resolve()
    checkpoint, out, options = args.checkpoint.resolve(), args.out.resolve(), tuple(args.options)
    keep(out)
    tests = [
        Test(checkpoint, config, out / f"{protocol}_{setup}", protocol, setup, options)
        for protocol in args.protocols
        for setup in args.setups
    ]
    for test in tests:
        test.check()
    failed = []
    with Children() as children:
        for test in tests:
            if not test.done and not test.carry_out(children):
                failed.append(test)
                print(f"{test.folder.name}: FAILED, see {test.folder / 'log.txt'}", flush=True)
    for protocol in args.protocols:
        done = [test for test in tests if test.protocol == protocol and test.done]
        if done:
            rows = [row for test in done for row in measured(test.setup, test.summary)]
            write_csv(out / f"{protocol}.csv", rows)
            steps, scenes = done[0].summary["steps"], done[0].summary["epe"]["videos"]
            print(f"\nprotocol {protocol}: {scenes} scenes, {steps} updates, {device()}\n", *table(rows), sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    start(main)
