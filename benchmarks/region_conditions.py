"""A region detector's test under several conditions: the paper's kind of data, all forgeries, JPEG, other datasets.

    python benchmarks/region_conditions.py CKPT [CKPT ...] IMAGES OUT [--also DATASET ...] [--only NAME ...] [--worst N]

IMAGES is a dataset of authentic images with a split `test`; each is forged and judged beside its untouched twin.
`paper` is the data of Sideras (2023): one box, uniform in place and size, and fills that smear. `shapes` adds free
forms and feathered seams, with four forgeries of each image, for the rectangle gap. `full` is the recipe of the shipped
detector's training. In `paper_jpeg_70` both of a pair are compressed by JPEG of quality 70. DATASET is judged as it is.

`OUT/conditions.csv` is the table. `OUT/<checkpoint>/<condition>/test` holds the usual report with the best and the
worst boxes, and the card that `seal --run` reads. For detectors with masks, `--worst N` adds a picture of the N worst
answers and `answers.csv`, all answers with what may explain them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import yaml
from experiments import grid, score
from lightning.pytorch.callbacks import Callback
from region_worst import WorstImages

from outpaint_lightning.callbacks import BoxExamples, TestReport
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.data import RandomCodec, RegionDataModule
from outpaint_lightning.io import write_csv

PAPER: dict[str, Any] = {
    "masks": ["box"],
    "fills": ["telea", "harmonic", "push-pull"],
    "seams": ["hard"],
    "chains": ["none"],
    "per_clip": 1,
    "seed": 0,
}
RECIPES = {
    "paper": PAPER,
    "shapes": {**PAPER, "masks": ["box", "brush", "blob", "polygon"], "seams": ["hard", "feather"], "per_clip": 4},
}
QUALITIES = (90, 70, 50)
COLUMNS = (
    *("checkpoint", "condition", "images", "F1", "floor", "AUROC", "false alarms", "mean IoU", "best floor"),
    *("IoU of the mask's box", "rectangle gap", "mAP", "mAP at 0.5", "pixel F1"),
)


def conditions(images: Path, others: list[Path], folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the options of the DataModule of each condition. Recipes are written into the folder."""
    for root in others:
        yield root.resolve().name, {"root": str(root)}
    online = {"root": str(images), "online": True}
    recipes = {name: str(folder / f"{name}.yaml") for name in RECIPES}
    for name, content in RECIPES.items():
        Path(recipes[name]).write_text(yaml.safe_dump(content), encoding="utf-8")
    for name, recipe in {**recipes, "full": "shipped_regions"}.items():
        yield name, {**online, "recipe": recipe}
        for quality in QUALITIES:
            yield f"{name}_jpeg_{quality}", {**online, "recipe": recipe, "codec": jpeg(quality)}


def jpeg(quality: int) -> RandomCodec:
    """Return what compresses all test images by one quality."""
    return RandomCodec([{"class_path": "jpeg", "init_args": {"quality": [quality, quality]}}], splits=["test"])


def measured(checkpoint: Path, name: str, options: Mapping[str, Any], run: Path, worst: int) -> dict[str, Any]:
    """Test a checkpoint under a condition, with a report in the folder `run`; return a row of the table.

    With `worst`, that many of the worst images are shown.
    """
    task: Any = load_task(checkpoint)
    task.detections = True
    data = RegionDataModule(**{"size": tuple(task.size), "batch_size": 8, "workers": 0, **options})
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "auto"}
    reports: list[Callback] = [TestReport(), BoxExamples(), *([WorstImages(worst)] if worst else [])]
    pl.Trainer(devices=1, default_root_dir=run, callbacks=reports, **quiet).test(task, data, verbose=False)
    summary, rows = task.result.summary, task.result.rows
    authentic = [row for row in rows if not row["label"]]
    floors = {key: value for key, value in summary["floors"].items() if key != "all_forged"}
    return {
        "checkpoint": checkpoint.stem,
        "condition": name,
        "images": len(rows),
        "f1": summary["f1"],
        "floor_f1": summary["floors"]["all_forged"],
        "auroc": summary["auroc"],
        "false_alarms": sum(row["found"] for row in authentic) / len(authentic) if authentic else None,
        "iou": summary["iou"]["mean"],
        "floor_iou": max(floors.values()),
        "mask_box_iou": summary.get("mask", {}).get("box_iou"),
        "gap": summary["rectangle_gap"]["f1"],
        "map": summary["detections"]["map"],
        "map_50": summary["detections"]["map_50"],
        "pixel_f1": summary.get("mask", {}).get("f1"),
    }


def main() -> None:
    """Test, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("images", type=Path)
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--also", type=Path, nargs="+", default=[], help="datasets to judge as they are")
    parser.add_argument("--only", nargs="+", help="conditions by name (default: all)")
    parser.add_argument("--worst", type=int, default=0, help="number of worst images to show")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, given in conditions(options.images, options.also, Path(folder)):
            for checkpoint in options.checkpoints:
                if not options.only or name in options.only:
                    rows.append(measured(checkpoint, name, given, options.out / checkpoint.stem / name, options.worst))
                    print(rows[-1], flush=True)
                    write_csv(options.out / "conditions.csv", rows)
    print("\n".join(grid(COLUMNS, [[cell(value) for value in row.values()] for row in rows])))


def cell(value: str | float | None) -> str:
    """Return a value of the table as text: names and counts as they are."""
    return str(value) if isinstance(value, str | int) else score(value)


if __name__ == "__main__":
    main()
