"""The region detector's results: backbones, box losses, masks, and how much it depends on rectangles.

    python benchmarks/region_results.py IMAGES OUT [--scale full] [--rows resnet18 mse] [--jobs 2]

IMAGES is a dataset of authentic photos (docs/reference/dataset.md) with a split. Each row fits and tests
configs/regions/<config>.yaml with online forging in OUT/<row>; the output goes to log.txt there. After an interruption,
the same command continues. The table is printed and goes to OUT/regions.csv. Exit code 1: a run failed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from experiments import Run, carry_out, grid, keep, score, start

from outpaint_lightning.io import atomic, write_csv
from outpaint_lightning.types import InputError


@dataclass(frozen=True)
class Scale:
    """The size of the experiment."""

    config: str
    """Name of a config in configs/regions."""
    recipe: Mapping[str, Any]
    """Recipe options of all forgeries."""
    options: tuple[str, ...]
    """Options of both fit and test, as on the command line."""


SMOOTH = {"fills": ["telea", "harmonic", "push-pull"]}
TWO_CORES = (
    *("--trainer.devices", "1", "--trainer.precision", "bf16-mixed"),
    *("--data.passes", "4", "--data.batch_size", "16", "--data.workers", "0"),
)
SCALES = {
    "full": Scale("resnet18", {"fills": ["reflect", "telea", "harmonic", "push-pull", "patchmatch"]}, ()),
    "two-cores": Scale("small", SMOOTH, (*TWO_CORES, "--trainer.max_epochs", "6")),
    "two-cores-96": Scale("small", SMOOTH, (*TWO_CORES, "--trainer.max_epochs", "4", "--data.size", "[96, 96]")),
}
RECTANGLES, FREE_FORMS = ["box"], ["brush", "blob", "polygon"]


@dataclass(frozen=True)
class Row:
    """The changes to the config with ResNet18 and GIoU, trained and tested on boxes and free forms."""

    backbone: str = "resnet18"
    net: Mapping[str, Any] = field(default_factory=dict)
    """Further options of the net."""
    criterion: Mapping[str, Any] = field(default_factory=dict)
    masks: tuple[str, ...] = (*RECTANGLES, *FREE_FORMS)
    """Masks in training."""
    rate: float = 1.0e-3
    """The learning rate."""


def of_box(loss: str, beta: float) -> dict[str, Any]:
    """Return the criterion with a box loss. beta makes an untrained net's loss about 50, as with GIoU."""
    return {"localization": {"class_path": f"outpaint_lightning.losses.{loss}"}, "beta": beta}


ROWS = {
    "alexnet": Row("alexnet", rate=1.0e-4),  # without normalisation, it learns nothing at 1.0e-3
    "vgg11": Row("vgg11", rate=1.0e-4),
    "resnet18": Row(),
    "resnet50": Row("resnet50"),
    "smooth_l1": Row(criterion=of_box("SmoothL1", 2.5)),
    "mse": Row(criterion=of_box("MSE", 0.06)),
    "beta_0.8": Row(criterion={"beta": 0.8}),
    "colours_only": Row(net={"residual": None}),
    "segmentation": Row(net={"segmentation": True}),
    "boxes_only": Row(masks=tuple(RECTANGLES)),
    "free_forms_only": Row(masks=tuple(FREE_FORMS)),
}
COLUMNS = (
    *("row", "precision", "recall", "F1", "AUROC", "mean IoU", "of images found", "above 0.5", "above 0.75"),
    *("F1 of boxes less free forms", "IoU of boxes less free forms", "pixel F1 of the mask", "IoU of its box"),
    *("minutes of training", "from"),
)


def planned(images: Path, out: Path, names: list[str], scale: Scale, weights: str | None) -> list[Run]:
    """Write the changes of the rows into OUT. Return the runs, in their order."""
    runs = []
    for name in names:
        row = ROWS[name]
        recipes = {}
        for masks in (row.masks, ROWS["resnet18"].masks):
            recipes[masks] = out / f"recipe_{'_'.join(masks)}.yaml"
            common = {"seams": ["hard", "feather"], "chains": ["none"], "per_clip": 1, "seed": 0}
            with atomic(recipes[masks]) as partial:
                partial.write_text(yaml.safe_dump({"masks": list(masks), **scale.recipe, **common}), encoding="utf-8")
        net = {"backbone": row.backbone, "weights": weights, **row.net}
        model = {"net": {"init_args": net}, "criterion": {"init_args": dict(row.criterion)}}
        with atomic(out / f"{name}.yaml") as partial:
            partial.write_text(yaml.safe_dump({"model": {"init_args": model}}), encoding="utf-8")
        options = ("--config", str(out / f"{name}.yaml"), *scale.options, "--data.online", "true")
        options += ("--data.recipe", str(recipes[row.masks]), "--model.optimizer.lr", str(row.rate))
        tested = ("--data.recipe", str(recipes[ROWS["resnet18"].masks]))
        runs.append(Run(name, (f"regions/{scale.config}",), images, out / name, 0, options, tested, describe_images))
    return runs


def describe_images(summary: Mapping[str, Any]) -> str:
    """Return F1 and IoU of a region detector's test, with their floors, as text."""
    floors = summary["floors"]
    return (
        f"F1 {score(summary['f1'])} (floor {score(floors['all_forged'])}), IoU {score(summary['iou']['mean'])} (best "
        f"floor {score(max(value for name, value in floors.items() if name != 'all_forged'))})"
    )


def measured(run: Run) -> dict[str, Any]:
    """Return the numbers of a finished run for the table, as a row of the CSV file."""
    summary, iou, gap = run.summary, run.summary["iou"], run.summary["rectangle_gap"]
    mask = summary.get("mask", {})
    return {
        "row": run.name,
        **{name: summary[name] for name in ("precision", "recall", "f1", "auroc")},
        **{f"iou_{name}": iou[name] for name in ("mean", "found", "above_50", "above_75")},
        **{f"gap_{name}": gap[name] for name in ("f1", "iou")},
        **{f"mask_{name}": mask.get(name) for name in ("f1", "box_iou")},
        "minutes_fit": run.record["minutes"]["fit"],
        "from": "pretrained weights" if summary["pretrained"] else "scratch",
    }


def main() -> int:
    """Execute the runs and print the table; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scale", choices=SCALES, help="default: full on a GPU, else two-cores")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--weights", help="`imagenet`, or a file for the rows of one backbone (default: from scratch)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, which share the cores")
    args = parser.parse_args()
    if unknown := [name for name in args.rows if name not in ROWS]:
        raise InputError(f"--rows {unknown[0]}: expected some of {', '.join(ROWS)}")

    scale = SCALES[args.scale or ("full" if torch.cuda.is_available() else "two-cores")]
    out = args.out.resolve()
    keep(out)
    runs = planned(args.images.resolve(), out, args.rows, scale, args.weights)
    for run in runs:
        run.check()
    failed = carry_out(runs, args.jobs)
    rows = [measured(run) for run in runs if run.done]
    if rows:
        write_csv(out / "regions.csv", rows)
        lines = [
            [v if isinstance(v, str) else score(v, 1 if k == "minutes_fit" else 3) for k, v in r.items()] for r in rows
        ]
        floors = next(run for run in runs if run.done).summary["floors"]
        print(f"floors: {', '.join(f'{name} {score(value)}' for name, value in floors.items())}")
        print("\n".join(grid(COLUMNS, lines)))
    return 1 if failed else 0


if __name__ == "__main__":
    start(main)
