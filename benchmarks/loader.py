"""How long a training waits for its data, with codec twins and with forging on the fly; and what each fill costs.

    python benchmarks/loader.py [--step 0.4] [--steps 20] [--workers 2] [--windows 8] [--only waiting fills]

`waiting` sleeps for `--step` seconds instead of a training step, as if an accelerator did the work, and prints the
share of the time in which the next batch is not there yet. The first batches, which start the workers, are not counted.
Batches and crops are those of configs/localizer/shipped.yaml. `fills` makes windows of two frames with one fill at a
time in one process and prints how many frames a worker makes a second. The clips are rendered, JPEG, 256 x 448.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from outpaint_lightning.data import ClipDataModule, RandomCodec
from outpaint_lightning.data.synthetic import render, sample_scene
from outpaint_lightning.io import write_image
from outpaint_lightning.settings.find import find_config
from outpaint_lightning.settings.read import read_mapping

CLIPS, FRAMES, HEIGHT, WIDTH = 6, 12, 256, 448


def main() -> None:
    """Print one table for each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", type=float, default=0.4, help="seconds of a training step")
    parser.add_argument("--steps", type=int, default=20, help="steps that are counted")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--windows", type=int, default=8, help="windows that are made with each fill")
    parser.add_argument("--only", nargs="+", default=["waiting", "fills"], choices=["waiting", "fills"])
    options = parser.parse_args()
    cv2.setNumThreads(1)
    given = read_mapping(find_config("localizer/shipped"), "an experiment")["data"]["init_args"]
    given |= {"augmentations": [], "frames": 2, "workers": options.workers}
    codec = RandomCodec(**given.pop("codec")["init_args"])
    with tempfile.TemporaryDirectory() as folder:
        given["root"] = str(folder)
        _write(Path(folder))
        if "waiting" in options.only:
            loads: dict[str, dict[str, Any]] = {
                "windows as they are": {},
                "codecs of the shipped recipe": {"codec": codec},
                "forged on the fly, recipe `shipped`": {"online": True, "recipe": "shipped"},
                "forged on the fly, with codecs": {"online": True, "recipe": "shipped", "codec": codec},
            }
            print(f"| {options.workers} workers, steps of {options.step:g} s | waiting |\n|---|---|", flush=True)
            for title, load in loads.items():
                print(f"| {title} | {_waiting({**given, **load}, options):.1%} |", flush=True)
        if "fills" in options.only:
            listed = read_mapping(find_config("everything", "configs/forge"), "a recipe")["fills"]
            fills = [fill for fill in listed if isinstance(fill, str)]  # the others are variants of these
            print("| fill | frames a second and worker |\n|---|---|", flush=True)
            for fill in fills:
                print(f"| {fill} | {_rate(given, fill, options.windows):.1f} |", flush=True)


def _write(folder: Path) -> None:
    """Write rendered clips, of which two are for validation: a fill may need another clip of the split."""
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("clip", "split"))
        for number in range(CLIPS):
            table.writerow((f"clip{number}", "val" if number < 2 else "train"))
            scene = sample_scene(number, HEIGHT, WIDTH, FRAMES, "move")
            noise = np.random.default_rng(number)
            for index, frame in enumerate(render(scene)):
                noisy = np.clip(frame + noise.normal(0, 2, frame.shape), 0, 255).astype(np.uint8)
                write_image(folder / "frames" / f"clip{number}" / f"{index:05}.jpg", noisy)


def _waiting(given: Mapping[str, Any], options: argparse.Namespace) -> float:
    """Return the share of the time that a training waits for the next batch."""
    data = ClipDataModule(**given)
    data.setup("fit")
    loader = data.train_dataloader()
    batches = itertools.chain.from_iterable(itertools.repeat(loader))  # epoch after epoch
    waited = []
    for _ in range(2 * options.workers + options.steps):
        start = time.perf_counter()
        next(batches)
        waited.append(time.perf_counter() - start)
        time.sleep(options.step)
    total = sum(waited[-options.steps :])
    return total / (total + options.steps * options.step)


def _rate(given: Mapping[str, Any], fill: str, windows: int) -> float:
    """Return how many frames one process forges a second with a fill."""
    recipe = Path(given["root"]) / "one_fill.yaml"
    masks, seams = ["border", "box", "blob"], ["hard"]
    recipe.write_text(json.dumps({"masks": masks, "fills": [fill], "seams": seams, "chains": ["none"], "seed": 0}))
    data = ClipDataModule(**{**given, "online": True, "recipe": str(recipe)})
    data.setup("fit")
    dataset = data.datasets["train"]
    order = np.random.default_rng(0).integers(len(dataset), size=windows + 1).tolist()
    dataset[0, order.pop()]  # what is done once
    start = time.perf_counter()
    for index in order:
        dataset[0, index]
    return given["frames"] * windows / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
