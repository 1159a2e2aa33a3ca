"""How well a fill is found that the training never showed, or a group of fills that are alike.

    python benchmarks/leave_one_out.py CLIPS OUT [--manifest FILE] [--fills telea ... | --groups] [options of fit]
    python benchmarks/leave_one_out.py DATA OUT --test DATA --groups --config localizer/shipped --minutes 180

Forges CLIPS once with borders and boxes, each clip once with every fill; or takes DATA that is forged already. Then a
net is trained, and its threshold chosen, on all fills but one and tested on that one alone, for each fill; and one net
is trained on all of them, which has a forgery of each clip more to learn from. The test is done once as the clips are
and once under H.264 at CRF 23. All runs are in OUT, where the same command goes on when it was broken off; the table
goes to OUT/leave_one_out.csv too. Exit code 1: a run failed, and the table has gaps.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import Run, best_floor, carry_out, forge_once, grid, keep, link, score, start

from outpaint_lightning.benchmark.report import GROUPS
from outpaint_lightning.io import ClipEntry, read_dataset, write_csv
from outpaint_lightning.io.manifest import read_table

CODEC = "h264"
TEST = ("--data.corruptions", "crf_23")
"""Options of test: the curve of `CODEC` with one level."""
SCORES = ("seen", "left_out", "compressed", "floor")


def fill_of(forger: str) -> str:
    """Return the fill of a forger such as `border/telea/hard`."""
    return forger.split("/")[1]


def leaving_out(fills: Collection[str], entries: Sequence[ClipEntry]) -> list[ClipEntry]:
    """Return the clips to train on without some fills and to test them on: authentic ones in every split."""
    return [
        entry for entry in entries if not entry.forger or (fill_of(entry.forger) in fills) == (entry.split == "test")
    ]


def table(
    parts: Mapping[str, Collection[str]],
    seen: Sequence[Mapping[str, str]] | None,
    left_out: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return a row for each part, and one of the means over the parts that have all scores.

    Args:
        parts: names, and the fills of each.
        seen: videos of the test of the run on all fills, as in `per_video.csv`; None while it is not done.
        left_out: `summary.json` of the run without each part, of those that are done.
    """
    rows: list[dict[str, Any]] = []
    for part, fills in parts.items():
        f1 = [float(row["f1"]) for row in seen or () if row["f1"] and fill_of(row["forger"]) in fills]
        summary = left_out.get(part)
        rows.append(
            {
                "fill": part,
                "seen": statistics.mean(f1) if f1 else None,
                "left_out": summary["f1"]["mean"] if summary else None,
                "compressed": summary["robustness"][CODEC]["f1"][0] if summary else None,
                "floor": best_floor(summary) if summary else None,
                "videos": summary["f1"]["videos"] if summary else len(f1),
            }
        )
    whole = [row for row in rows if None not in [row[name] for name in SCORES]]
    means = {name: statistics.mean(row[name] for row in whole) if whole else None for name in SCORES}
    return [*rows, {"fill": "mean", **means, "videos": sum(row["videos"] for row in whole)}]


def divided(data: Path, test: Path | None) -> list[ClipEntry]:
    """Return the clips of a forged dataset; with `test`, the splits train and val of the one and test of the other."""
    entries = read_dataset(data)
    if test is None:
        return entries
    return [entry for entry in entries if entry.split in ("train", "val")] + [
        entry for entry in read_dataset(test) if entry.split == "test"
    ]


def main() -> int:
    """Forge, split, execute the runs and print the table; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("clips", type=Path, help="clean clips, or a dataset that is forged already: it has masks")
    parser.add_argument("out", type=Path)
    parser.add_argument("--manifest", type=Path, help="of clean clips")
    parser.add_argument("--test", type=Path, help="another dataset that is forged already, whose split test is used")
    parted = parser.add_mutually_exclusive_group()
    parted.add_argument("--fills", nargs="+", default=["telea", "reflect", "replicate", "harmonic", "push-pull"])
    parted.add_argument("--groups", action="store_true", help="leave out the groups of fills of the benchmark")
    parser.add_argument("--minutes", type=int, help="of each training, at most")
    parser.add_argument("--max-frames", type=int, help="of each clip")
    parser.add_argument("--config", default="localizer/unet_srm", help="a file, or the name of a shipped experiment")
    parser.add_argument("--seed", type=int, default=0, help="of forging and training")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, which share the cores")
    args, fit = parser.parse_known_args()
    keep(args.out)
    fit = ["--model.threshold", "validation", *(word for word in fit if word != "--")]
    if args.minutes:
        fit += ["--trainer.max_time", f"00:{args.minutes // 60:02d}:{args.minutes % 60:02d}:00"]
    parts = GROUPS if args.groups else {fill: (fill,) for fill in args.fills}

    roots = {"all": args.out / "all", **{part: args.out / f"without_{part.replace(' ', '_')}" for part in parts}}
    whole, *without = [
        Run(root.name, (args.config,), root, args.out / "runs" / root.name, args.seed, tuple(fit), TEST)
        for root in roots.values()
    ]
    for run in (whole, *without):
        run.check()
    data = args.clips
    if not (args.clips / "masks").is_dir():
        data = args.out / "data"
        forge_once(
            args.clips, data, args.manifest, _forging(args, [fill for fills in parts.values() for fill in fills])
        )
    entries = divided(data, args.test)
    link(entries, whole.root)
    possible = []
    for fills, run in zip(parts.values(), without, strict=True):
        left = leaving_out(fills, entries)
        if any(entry.forger and entry.split == "test" for entry in left):  # else there is nothing to test on
            link(left, run.root)
            possible.append(run)
    failed = carry_out([whole, *possible], args.jobs)

    seen = read_table(whole.folder / "test" / "per_video.csv") if whole.done else None
    left_out = {part: run.summary for part, run in zip(parts, without, strict=True) if run.done}
    rows = table(parts, seen, left_out)
    write_csv(args.out / "leave_one_out.csv", rows)
    lines = [[row["fill"], *(score(row[name]) for name in SCORES), str(row["videos"])] for row in rows]
    print("\n".join(grid(("fill", "F1 seen in training", "F1 left out", "the same, CRF 23", "floor", "videos"), lines)))
    return 1 if failed else 0


def _forging(args: argparse.Namespace, fills: Sequence[str]) -> list[str]:
    """Return the options of forge."""
    options = ["--mask", "border", "box", "--fill", *fills, "--seam", "hard", "feather", "--chain", "none"]
    options += ["--per-clip", str(len(fills)), "--seed", str(args.seed)]
    return options + (["--max-frames", str(args.max_frames)] if args.max_frames else [])


if __name__ == "__main__":
    start(main)
