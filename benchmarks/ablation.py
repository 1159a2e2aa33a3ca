"""The paper's ablation: train and test every row with several seeds, and write the table.

    python benchmarks/ablation.py CLIPS OUT [--manifest FILE] [--scale full] [--seeds 3] [--rows plain flip] [--jobs 2]

Forges CLIPS into OUT/data once. Then, seed by seed, fits and tests each row in OUT/<row>/<seed>; the output goes to
log.txt there. A row is configs/localizer/<row>.yaml, or configs/localizer/rows/<row>.yaml as an overlay of small.yaml.
After an interruption, the same command continues. The table goes to OUT/ablation.csv, one row per run, and into the
page, between the comments `<!-- table -->` and `<!-- /table -->`; other text on the page stays. Exit code 1: a run
failed.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import Run, carry_out, forge_once, grid, keep, score, start

from outpaint_lightning.io import atomic, read_dataset, write_csv
from outpaint_lightning.settings.find import shipped_configs
from outpaint_lightning.types import InputError

ROWS = (
    *("plain", "flip", "timewarp", "elastic", "flip_timewarp", "flip_timewarp_elastic"),
    *("elastic_15_7", "elastic_18_9", "elastic_21_11"),
    *("focal_07", "focal_08", "focal_09"),
    *("unet", "unet_srm", "unet_bayar"),
    *("features", "carry"),
)


@dataclass(frozen=True)
class Scale:
    """The size of the experiment, as command-line options."""

    forge: tuple[str, ...]
    run: tuple[str, ...]
    """Options of both fit and test."""


SCALES = {
    "full": Scale(
        forge=("--recipe", "outpainting", "--seed", "0"),
        run=("--model.threshold", "validation", "--trainer.devices", "1", "--trainer.precision", "bf16-mixed"),
    ),
    "two-cores": Scale(
        forge=("--recipe", "outpainting", "--fill", "telea", "--max-frames", "6", "--seed", "0"),
        run=(
            *("--model.threshold", "validation", "--trainer.devices", "1", "--trainer.precision", "bf16-mixed"),
            *("--trainer.max_epochs", "2", "--trainer.check_val_every_n_epoch", "2"),
            *("--data.batch_size", "4", "--data.workers", "0", "--data.val_every", "3", "--data.test_every", "3"),
            *("--model.optimizer.lr", "1.0e-3"),
        ),
    ),
}

HEADER = """\
# Results of the ablation

<!-- table -->
<!-- /table -->
"""

COLUMNS = (
    *("row", "F1 at 0.5", "F1 at the threshold of validation", "the thresholds", "F1 at the best on test"),
    *("gain over the best floor", "false positives on authentic", "variance over videos", "minutes of training"),
    "seeds",
)


def planned(out: Path, rows: Sequence[str], seeds: int, scale: Scale) -> list[Run]:
    """Return the runs in the order of execution: all rows with seed 0, then all rows with seed 1, ..."""
    return [
        Run(f"{row}, seed {seed}", configs_of(row), out / "data", out / row / str(seed), seed, scale.run)
        for seed in range(seeds)
        for row in rows
    ]


def configs_of(row: str) -> tuple[str, ...]:
    """Return the configs of a row: one complete file, or small.yaml and its overlay."""
    laid_over = f"localizer/rows/{row}"
    return ("localizer/small", laid_over) if laid_over in shipped_configs() else (f"localizer/{row}",)


def measured(row: str, seed: int, summary: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of one run for the table, as a row of the CSV file.

    Args:
        row: name of the row.
        seed: seed of the run.
        summary: content of `test/summary.json`.
        record: content of `run.json`.
    """
    oracle = summary["oracle"] or {"threshold": None, "f1": None}
    return {
        "row": row,
        "seed": seed,
        "f1_at_0.5": summary["curve"]["f1"][summary["curve"]["thresholds"].index(0.5)],
        "f1": summary["f1"]["mean"],
        "threshold": summary["threshold"],
        "oracle_f1": oracle["f1"],
        "oracle_threshold": oracle["threshold"],
        "gain": summary["gain"],
        "pixel_fpr": summary["authentic"]["pixel_fpr"],
        "variance": summary["f1"]["variance"],
        "minutes_fit": record["minutes"]["fit"],
        "minutes_test": record["minutes"]["test"],
        "device": record["device"],
        "threads": record["threads"],
    }


def table(rows: Sequence[str], results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of the table: means over the finished seeds, "-" for a row without any.

    Args:
        rows: names, in the order of the table.
        results: results of `measured`, in any order.
    """
    results_by_row = {
        row: sorted((one for one in results if one["row"] == row), key=lambda one: one["seed"]) for row in rows
    }
    return grid(COLUMNS, [[row, *cells(own)] for row, own in results_by_row.items()])


def cells(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the cells of one row of the table, without its name."""

    def values(name: str) -> list[Any]:
        return [result[name] for result in results]

    return [
        spread(values("f1_at_0.5")),
        spread(values("f1")),
        ", ".join(score(threshold, 2) for threshold in values("threshold")) or "-",
        spread(values("oracle_f1")),
        average(values("gain")),
        average(values("pixel_fpr"), "{:.1%}"),
        average(values("variance")),
        average(values("minutes_fit"), "{:.1f}"),
        str(len(results)),
    ]


def spread(values: Sequence[float | None]) -> str:
    """Return the mean and, with two or more values, the sample standard deviation (n - 1): `0.500 ± 0.010`."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    deviation = f" ± {statistics.stdev(known):.3f}" if len(known) > 1 else ""
    return f"{statistics.mean(known):.3f}{deviation}"


def average(values: Sequence[float | None], form: str = "{:.3f}") -> str:
    """Return the mean of the known values, "-" if there are none."""
    known = [value for value in values if value is not None]
    return form.format(statistics.mean(known)) if known else "-"


def report(
    command: str, scale: Scale, data: Sequence[str], floors: Mapping[str, float | None], runs: int,
    rows: Sequence[str], results: Sequence[Mapping[str, Any]],
) -> list[str]:  # fmt: skip
    """Return the lines for the page.

    Args:
        command: the command line.
        scale: size of the experiment.
        data: lines that describe the dataset.
        floors: F1 of each floor on the test split.
        runs: planned number of runs.
        rows: names, in the order of the table.
        results: results of `measured`.
    """
    devices = Counter((result["device"], result["threads"]) for result in results)
    return [
        f"{len(results)} of {runs} runs are done.",
        "",
        "```console",
        f"$ {command}",
        f"$ outpaint-lightning forge CLIPS OUT/data {shlex.join(scale.forge)}",
        f"$ outpaint-lightning fit --config localizer/small --config localizer/rows/ROW --data.root OUT/data "
        f"{shlex.join(scale.run)}",
        "```",
        "",
        "`unet`, `unet_srm`, `features` and `carry` are complete: `--config localizer/unet` alone. "
        "Fit and test have the seed as `--seed_everything` and `--data.seed`; the test judges the last checkpoint.",
        "",
        *(f"- Device: {name}; threads of a run: {threads}; runs: {n}" for (name, threads), n in devices.items()),
        *(f"- {line}" for line in data),
        f"- Floors, F1 on test: {', '.join(f'{name} {score(value)}' for name, value in floors.items())}",
        "",
        *table(rows, results),
        "",
        "Means over the seeds, ± the sample's standard deviation (n - 1). Gain, false positives and variance are those "
        "at the threshold of validation; the best on test is chosen on the test itself, for comparison only. Minutes "
        "leave out trainings that were broken off.",
    ]


def counts(root: Path) -> list[str]:
    """Return a line for each split of a dataset, with its number of videos."""
    forged: Counter[str] = Counter()
    authentic: Counter[str] = Counter()
    for entry in read_dataset(root):
        (forged if entry.forger else authentic)[entry.split] += 1
    return [
        f"Videos of {split}: {forged[split]} forged, {authentic[split]} authentic" for split in ("train", "val", "test")
    ]


def replace_between(text: str, mark: str, lines: Sequence[str]) -> str:
    """Return `text` with `lines` in place of the text between `<!-- mark -->` and `<!-- /mark -->`.

    Raises:
        InputError: the text does not contain both comments.
    """
    start, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise InputError(f"expected the comments {start} and {end}, between which the result goes")
    return "\n".join([before + start, *lines, end + after])


def filled(page: Path, lines: Sequence[str]) -> str:
    """Return the text of the page with the lines between its comments. A missing page is created.

    Raises:
        InputError: the page does not contain the comments.
    """
    before = page.read_text(encoding="utf-8") if page.is_file() else HEADER
    try:
        return replace_between(before, "table", lines)
    except InputError as error:
        raise InputError(f"{page}: {error}") from error


def main() -> int:
    """Forge, execute the runs and write the page; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--scale", choices=SCALES, help="default: full where there is a GPU")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", default=ROWS, metavar="NAME", help=f"default: {' '.join(ROWS)}")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, which share the cores")
    parser.add_argument("--page", type=Path, default=Path("docs/results/ablation.md"))
    args = parser.parse_args()
    keep(args.out)
    name = args.scale or default_scale()
    scale = SCALES[name]
    runs = planned(args.out, args.rows, args.seeds, scale)
    for run in runs:
        run.check()
    filled(args.page, [])  # reports a broken page now, not after hours
    forge_once(args.clips, args.out / "data", args.manifest, scale.forge)
    try:
        failed = carry_out(runs, args.jobs)
    finally:  # also after an interruption
        write_results(args, name, runs)
    return 1 if failed else 0


def default_scale() -> str:
    """Return the default scale for this machine."""
    import torch

    return "full" if torch.cuda.is_available() else "two-cores"


def write_results(args: argparse.Namespace, scale: str, runs: Sequence[Run]) -> None:
    """Write the table and the page from the finished runs."""
    done = [run for run in runs if run.done]
    if not done:
        return
    results = [measured(run.folder.parent.name, run.seed, run.summary, run.record) for run in done]
    command = ["python", "benchmarks/ablation.py", "CLIPS", "OUT", "--scale", scale, "--seeds", str(args.seeds)]
    command += ["--manifest", args.manifest.name] if args.manifest else []
    command += ["--jobs", str(args.jobs), *(["--rows", *args.rows] if tuple(args.rows) != ROWS else [])]
    data = counts(args.out / "data")
    lines = report(shlex.join(command), SCALES[scale], data, done[0].summary["floors"], len(runs), args.rows, results)
    write_csv(args.out / "ablation.csv", results)
    text = filled(args.page, lines)
    with atomic(args.page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"{len(done)} of {len(runs)} runs are in {args.out / 'ablation.csv'} and {args.page}")


if __name__ == "__main__":
    start(main)
