"""What each part of the shipped localizer's recipe adds: codecs, paired views, pretrained weights, fills, averaging.

    python benchmarks/localizer_steps.py DATA OUT [--seeds 3] [--first 0] [--jobs 1] [options of fit]

DATA is forged, with the fills that are "made anew" among others, and has all three splits. Each row of the table is
`localizer/shipped` with overlays of configs/localizer/steps; its training and test are in OUT/<row>/<seed>. The
threshold is the one of validation, with the recipe's limit on authentic pixels. Each net is tested once on the clips as
they are and once under H.264 at CRF 23. The same command goes on when it was broken off. The table goes to
OUT/steps.csv too, one row for each run. Exit code 1: a run failed, and the table has gaps.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ablation import average, spread
from experiments import Run, best_floor, carry_out, grid, keep, link, start
from leave_one_out import CODEC, TEST, fill_of

from outpaint_lightning.benchmark.report import GROUPS
from outpaint_lightning.io import ClipEntry, read_dataset, write_csv


class Step(NamedTuple):
    """One row: the overlays, and whether forgeries that are made anew from a region's own content are trained on."""

    overlays: tuple[str, ...]
    regenerated: bool = False


STEPS = {
    "no codecs": Step(("single", "scratch", "lossless")),
    "codecs": Step(("single", "scratch")),
    "codecs, paired views": Step(("single", "scratch", "paired")),
    "codecs, pretrained": Step(("single",)),
    "codecs, pretrained, regenerated": Step(("single",), regenerated=True),
    "the same, averaged weights": Step(("averaged",), regenerated=True),
}
COLUMNS = (
    *("trained with", "F1", "F1 under CRF 23", "F1 at 0.5", "F1 at the best on test"),
    *("authentic pixels marked", "under CRF 23", "minutes of training", "seeds"),
)


def without_regenerated(entries: Sequence[ClipEntry]) -> list[ClipEntry]:
    """Return the clips without the forgeries to train on that are made anew."""
    anew = GROUPS["made anew"]
    return [
        entry for entry in entries if entry.split != "train" or not entry.forger or fill_of(entry.forger) not in anew
    ]


def measured(name: str, run: Run) -> dict[str, Any]:
    """Return the numbers of a run that is done."""
    summary = run.summary
    curve, under = summary["curve"], summary["robustness"][CODEC]
    return {
        "step": name,
        "seed": run.seed,
        "f1": summary["f1"]["mean"],
        "compressed": under["f1"][0],
        "f1_at_0.5": curve["f1"][curve["thresholds"].index(0.5)],
        "oracle_f1": (summary["oracle"] or {"f1": None})["f1"],
        "pixel_fpr": summary["authentic"]["pixel_fpr"],
        "compressed_pixel_fpr": under["pixel_fpr"][0],
        "threshold": summary["threshold"],
        "floor": best_floor(summary),
        "minutes": run.record["minutes"]["fit"],
        "device": run.record["device"],
        "threads": run.record["threads"],
    }


def table(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of the table: means over the seeds that are done, with deviations of scores."""
    rows = []
    for name in STEPS:
        own = [result for result in results if result["step"] == name]
        scores = [spread([each[key] for each in own]) for key in ("f1", "compressed", "f1_at_0.5", "oracle_f1")]
        shares = [average([each[key] for each in own], "{:.1%}") for key in ("pixel_fpr", "compressed_pixel_fpr")]
        rows.append([name, *scores, *shares, average([each["minutes"] for each in own], "{:.1f}"), str(len(own))])
    return grid(COLUMNS, rows)


def main() -> int:
    """Execute the runs and print the table; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("data", type=Path, help="a forged dataset: it has masks")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, which share the cores")
    args, fit = parser.parse_known_args()
    keep(args.out)
    options = ("--model.threshold", "validation", *(word for word in fit if word != "--"))
    roots = {True: args.out / "data", False: args.out / "data_without_regenerated"}
    runs = [
        (
            name,
            Run(
                f"{name}, seed {seed}",
                ("localizer/shipped", *(f"localizer/steps/{overlay}" for overlay in step.overlays)),
                roots[step.regenerated],
                args.out / name.replace(", ", "_").replace(" ", "_") / str(seed),
                seed,
                options,
                TEST,
            ),
        )
        for seed in range(args.first, args.first + args.seeds)
        for name, step in STEPS.items()
    ]
    for _, run in runs:
        run.check()
    entries = read_dataset(args.data)
    link(entries, roots[True])
    link(without_regenerated(entries), roots[False])
    failed = carry_out([run for _, run in runs], args.jobs)

    results = [measured(name, run) for name, run in runs if run.done]
    write_csv(args.out / "steps.csv", results)
    print("\n".join(table(results)))
    return 1 if failed else 0


if __name__ == "__main__":
    start(main)
