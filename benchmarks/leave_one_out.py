"""How well a fill is found that was never shown in training.

    python benchmarks/leave_one_out.py CLIPS OUT [--manifest FILE] [--fills telea reflect ...] [options of fit]

Forges CLIPS once with borders and boxes, each clip once with every fill. Then, for each fill, a net is trained and its
threshold chosen on all other fills, and it is tested on this fill alone. One more net is trained on all fills; it has
one more forgery of each clip to learn from. All runs are in OUT; after an interruption, the same command continues. The
table also goes to OUT/leave_one_out.csv. Exit code 1: a run failed, and the table has gaps.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import Run, best_floor, carry_out, forge_once, grid, keep, link, score, start

from outpaint_lightning.io import ClipEntry, read_dataset, write_csv
from outpaint_lightning.io.manifest import read_table


def fill_of(forger: str) -> str:
    """Return the fill of a forger such as `border/telea/hard`."""
    return forger.split("/")[1]


def leaving_out(fill: str, entries: Sequence[ClipEntry]) -> list[ClipEntry]:
    """Return the clips for training without a fill and testing on it. Authentic clips are in every split."""
    return [
        entry for entry in entries if not entry.forger or (fill_of(entry.forger) == fill) == (entry.split == "test")
    ]


def table(
    fills: Sequence[str], seen: Sequence[Mapping[str, str]] | None, left_out: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return a row for each fill, and a row with the means over the fills that have both scores.

    Args:
        fills: names of the fills.
        seen: test videos of the run on all fills, as in `per_video.csv`; None if the run is not done.
        left_out: `summary.json` of the run without each fill, for finished runs.
    """
    rows: list[dict[str, Any]] = []
    for fill in fills:
        f1 = [float(row["f1"]) for row in seen or () if row["f1"] and fill_of(row["forger"]) == fill]
        summary = left_out.get(fill)
        rows.append(
            {
                "fill": fill,
                "seen": statistics.mean(f1) if f1 else None,
                "left_out": summary["f1"]["mean"] if summary else None,
                "floor": best_floor(summary) if summary else None,
                "videos": summary["f1"]["videos"] if summary else len(f1),
            }
        )
    whole = [row for row in rows if None not in (row["seen"], row["left_out"])]
    means = {
        name: statistics.mean(row[name] for row in whole) if whole else None for name in ("seen", "left_out", "floor")
    }
    return [*rows, {"fill": "mean", **means, "videos": sum(row["videos"] for row in whole)}]


def main() -> int:
    """Forge, split, execute the runs and print the table; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--fills", nargs="+", default=["telea", "reflect", "replicate", "harmonic", "push-pull"])
    parser.add_argument("--max-frames", type=int, help="of each clip")
    parser.add_argument("--config", default="localizer/unet_srm", help="a file, or the name of a shipped experiment")
    parser.add_argument("--seed", type=int, default=0, help="of forging and training")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, which share the cores")
    args, fit = parser.parse_known_args()
    keep(args.out)
    fit = ["--model.threshold", "validation", *(word for word in fit if word != "--")]

    data = args.out / "data"
    roots = {"all": data, **{f"without_{fill}": args.out / f"without_{fill}" for fill in args.fills}}
    whole, *parted = [
        Run(name, (args.config,), root, args.out / "runs" / name, args.seed, tuple(fit)) for name, root in roots.items()
    ]
    for run in (whole, *parted):
        run.check()
    forging = ["--mask", "border", "box", "--fill", *args.fills, "--seam", "hard", "feather", "--chain", "none"]
    forging += ["--per-clip", str(len(args.fills)), "--seed", str(args.seed)]
    forging += ["--max-frames", str(args.max_frames)] if args.max_frames else []
    forge_once(args.clips, data, args.manifest, forging)
    entries = read_dataset(data)
    for fill, run in zip(args.fills, parted, strict=True):
        link(leaving_out(fill, entries), run.root)
    failed = carry_out([whole, *parted], args.jobs)

    seen = read_table(whole.folder / "test" / "per_video.csv") if whole.done else None
    left_out = {fill: run.summary for fill, run in zip(args.fills, parted, strict=True) if run.done}
    rows = table(args.fills, seen, left_out)
    write_csv(args.out / "leave_one_out.csv", rows)
    lines = [
        [row["fill"], *(score(row[name]) for name in ("seen", "left_out", "floor")), str(row["videos"])] for row in rows
    ]
    print("\n".join(grid(("fill", "F1 seen in training", "F1 left out", "floor", "videos"), lines)))
    return 1 if failed else 0


if __name__ == "__main__":
    start(main)
