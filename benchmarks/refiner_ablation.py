"""The effect of each choice in the flow refiner, including the misprints and bugs of the paper and its code.

    python benchmarks/refiner_ablation.py OUT [--scale full] [--rows power_1 half_pixel] [--seeds 3] [--jobs 2]

Each row is configs/refiner/small.yaml with one change, trained and tested on synthetic scenes in OUT/<row>/<seed>; the
output goes to log.txt there. After an interruption, the same command continues. The seed also selects the scenes. The
table is printed and goes to OUT/refiner.csv, one row per run. Exit code 1: a run failed.

    <rule>_<architecture>   the rule for confidences and how new features combine with old ones, with the L1 loss
    total_variation         polynomial_replace, its loss plus the total variation of the flow
    forward_backward        polynomial_replace, its loss plus the shorter of the two cycles
    half_pixel              polynomial_replace, neighbours sampled half a pixel off, as in the paper's code
    steep                   polynomial_replace, with the cubic starting where the paper's ended (its figure 18)
    epsilon_floor           steep, every confidence at least 1e-5, as in the paper's code
    moving                  polynomial_replace, the loss moves from the first update to the last (equation 3)
    sigma_500               moving, with the printed width of 500: all updates have the same weight
    trust                   polynomial_add, updates see the fill in the hole
    blend                   trust, and the fill learns to weigh four others
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from ablation import spread
from experiments import Run, carry_out, grid, keep, score, start
from torch import Tensor, nn

from outpaint_lightning.io import atomic, write_csv
from outpaint_lightning.nets import FlowRefiner
from outpaint_lightning.nets.flow.refiner import ARCHITECTURES, _Fixed
from outpaint_lightning.types import InputError

FLOOR = 1e-5
NETS = "outpaint_lightning.nets"
SCENES = Path("null")  # data.root is null: no folder


@dataclass(frozen=True)
class _HalfPixelOff(_Fixed):
    def bring(self, stack: Tensor, neighbour: int, flow: Tensor) -> Tensor:
        """Sample half a pixel to the left and above: x / width * 2 - 1 is a corner of a pixel, not its centre."""
        return super().bring(stack, neighbour, flow - 0.5)


class HalfPixel(FlowRefiner):
    """The refiner with the paper's warp, which shifts everything by half a pixel and blurs it in every step."""

    def _step(
        self, features: Tensor, confidence: Tensor, own: Tensor, own_sure: Tensor, flow: Tensor, fixed: _Fixed
    ) -> tuple[Tensor, Tensor, Tensor]:
        return super()._step(features, confidence, own, own_sure, flow, _HalfPixelOff(**vars(fixed)))


class EpsilonFloor(FlowRefiner):
    """The refiner with the paper's minimum for every confidence that a partial convolution sees."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for layer in (self.update.first, self.update.second):
            layer.register_forward_pre_hook(_floor)


def _floor(layer: nn.Module, given: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG001
    features, confidence, exists = given
    return features, confidence.clamp(min=FLOOR), exists


@dataclass(frozen=True)
class Scale:
    """The size of the experiment."""

    net: Mapping[str, Any]
    """Options of every net."""
    every: float
    """Training steps from one update's turn to the next in `moving`: 1/25 of all steps, as 1000 of 25 thousand."""
    options: tuple[str, ...]
    """Options of both fit and test, as on the command line."""


SCALES = {
    "full": Scale({}, 96.0, ()),
    "two-cores": Scale(
        {"channels": 16},
        6.0,
        (
            *("--data.size", "[48, 64]", "--data.scenes", "600", "--data.batch_size", "4", "--data.workers", "0"),
            *("--data.val_scenes", "4", "--data.test_scenes", "24"),
            *("--trainer.max_steps", "150", "--trainer.devices", "1"),
        ),
    ),
}


@dataclass(frozen=True)
class Row:
    """The changes to small.yaml."""

    rule: str | Mapping[str, Any] = f"{NETS}.PolynomialRule"
    architecture: str = "add"
    net: str = f"{NETS}.FlowRefiner"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further options of the net."""
    criterion: Mapping[str, Any] = field(default_factory=dict)
    width: float | None = None
    """Width of the bell of `MovingWeights`, in updates; None keeps the weights of small.yaml."""


RULES = {name: f"{NETS}.{name.capitalize()}Rule" for name in ("binary", "mean", "power", "polynomial")}
STEEP = {"class_path": RULES["polynomial"], "init_args": {"first": 0.77, "second": 0.9}}
BLEND = {"class_path": f"{NETS}.BlendFill", "init_args": {"width": 8}}
SWITCHED = "replace"  # in a short training, the updates of `add` change too little to show an effect
AS_SOURCE = {"variation_of": "flow", "region": "frame"}
ROWS = {
    **{f"{name}_{how}": Row(rule, how) for name, rule in RULES.items() for how in ARCHITECTURES},
    "total_variation": Row(architecture=SWITCHED, criterion={"total_variation": 1.0, **AS_SOURCE}),
    "forward_backward": Row(architecture=SWITCHED, criterion={"forward_backward": 1.0, **AS_SOURCE}),
    "half_pixel": Row(architecture=SWITCHED, net="refiner_ablation.HalfPixel"),
    "steep": Row(STEEP, SWITCHED),
    "epsilon_floor": Row(STEEP, SWITCHED, net="refiner_ablation.EpsilonFloor"),
    "moving": Row(architecture=SWITCHED, width=0.5),
    "sigma_500": Row(architecture=SWITCHED, width=500.0),
    "trust": Row(options={"trust": 0.5}),
    "blend": Row(options={"trust": 0.5, "fill": BLEND}, criterion={"fill": 1.0}),
}
ERRORS = ("epe_hole", "fill_hole", "epe_near_edges", "fill_near_edges", "above_1px")
COLUMNS = (
    *("row", "error in the hole, px", "its fill's", "near edges", "its fill's", "above 1 px", "AUSE ratio"),
    *("worse than its fill", "minutes of training", "seeds"),
)


def planned(out: Path, names: Sequence[str], scale: Scale, seeds: int) -> list[Run]:
    """Write the overlays of the rows into OUT. Return the runs: all rows with seed 0, then with seed 1, ..."""
    for name in names:
        with atomic(out / f"{name}.yaml") as partial:
            partial.write_text(yaml.safe_dump({"model": {"init_args": overlay(ROWS[name], scale)}}), encoding="utf-8")
    return [
        Run(
            name=f"{name}, seed {seed}",
            configs=("refiner/small",),
            root=SCENES,
            folder=out / name / str(seed),
            seed=seed,
            options=("--config", str(out / f"{name}.yaml"), *scale.options),
            describe=describe_flow,
        )
        for seed in range(seeds)
        for name in names
    ]


def overlay(row: Row, scale: Scale) -> dict[str, Any]:
    """Return a row's task options, an overlay of small.yaml."""
    net = {"rule": row.rule, "architecture": row.architecture, **row.options, **scale.net}
    criterion = dict(row.criterion)
    if row.width is not None:
        schedule = {"every": scale.every, "width": row.width}
        criterion["schedule"] = {"class_path": "outpaint_lightning.losses.MovingWeights", "init_args": schedule}
    return {"net": {"class_path": row.net, "init_args": net}, "criterion": {"init_args": criterion}}


def describe_flow(summary: Mapping[str, Any]) -> str:
    """Return the errors of a refiner's test in the hole and near edges, with the errors of its fill, as text."""
    own, fill = summary["epe"], summary["methods"]["fill"]["epe"]
    return (
        f"{score(own['hole'])} px in the hole (its fill {score(fill['hole'])}), {score(own['near_edges'])} near edges "
        f"({score(fill['near_edges'])})"
    )


def measured(row: str, seed: int, summary: Mapping[str, Any], minutes: float | None) -> dict[str, Any]:
    """Return the numbers of one run for the table, as a row of the CSV file.

    Args:
        row: name of the row.
        seed: seed of the run.
        summary: content of `test/summary.json`.
        minutes: minutes of training; None if unknown.
    """
    own, fill, worse = summary["epe"], summary["methods"]["fill"]["epe"], summary["worse_than_fill"]
    return {
        "row": row,
        "seed": seed,
        "epe_hole": own["hole"],
        "fill_hole": fill["hole"],
        "epe_near_edges": own["near_edges"],
        "fill_near_edges": fill["near_edges"],
        "above_1px": summary["above_1px"]["hole"],
        "ause_ratio": summary["confidence"]["ratio"],
        "worse": worse["videos"],
        "videos": worse["of"],
        "minutes_fit": minutes,
    }


def table(names: Sequence[str], results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the table: means over seeds ± the sample standard deviation, and sums of videos."""
    rows = []
    for name in names:
        own = [result for result in results if result["row"] == name]
        means = [spread([result[key] for result in own]) for key in (*ERRORS, "ause_ratio")]
        worse = f"{sum(result['worse'] for result in own)} of {sum(result['videos'] for result in own)}"
        minutes = spread([result["minutes_fit"] for result in own])
        rows.append([name, *means, worse, minutes, str(len(own))])
    return grid(COLUMNS, rows)


def main() -> int:
    """Execute the runs and print the table; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--scale", choices=SCALES, help="default: full on a GPU, else two-cores")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), metavar="ROW", help="default: all")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each row")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, which share the cores")
    args = parser.parse_args()
    if unknown := [name for name in args.rows if name not in ROWS]:
        raise InputError(f"--rows {unknown[0]}: expected some of {', '.join(ROWS)}")

    scale = SCALES[args.scale or ("full" if torch.cuda.is_available() else "two-cores")]
    out = args.out.resolve()
    keep(out)
    runs = planned(out, args.rows, scale, args.seeds)
    for run in runs:
        run.check()
    # The processes that train and test find the nets of this file by its name.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    try:
        failed = carry_out(runs, args.jobs)
    finally:  # also after an interruption
        done = [run for run in runs if run.done]
        if done:
            results = [
                measured(run.folder.parent.name, run.seed, run.summary, run.record["minutes"]["fit"]) for run in done
            ]
            write_csv(out / "refiner.csv", results)
            print("\n".join(table(args.rows, results)))
    return 1 if failed else 0


if __name__ == "__main__":
    start(main)
