"""Why twins matter: compare a localizer trained where the file format reveals the answer with one trained on twins.

    python benchmarks/shortcut.py CLIPS OUT [--manifest FILE] [--quality 60] [options of fit]

The same forgeries are stored as PNG and as JPEG. `confounded` has forged PNG clips and authentic JPEG clips; `swapped`
is the reverse. In `twins`, a clip and its forgeries are all PNG or all JPEG. One net is trained on `confounded` and one
on `twins`, with all else equal; both are tested on all three. In addition, a single number of a frame, its blockiness,
is used to classify clips. Clips are forged, and the localizer is trained and tested, with a user's commands.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from outpaint_lightning.cli import main as outpaint_lightning
from outpaint_lightning.io import open_clip, read_dataset, write_manifest

CONFIG = "localizer/small"


def put_together(forged: Path, authentic: Path, out: Path) -> None:
    """Make a dataset of links: the forged clips of one dataset and the authentic clips of another."""
    shutil.rmtree(out, ignore_errors=True)
    chosen = [entry for entry in read_dataset(forged) if entry.forger]
    chosen += [entry for entry in read_dataset(authentic) if not entry.forger]
    for entry in chosen:
        for kind, path in (("frames", entry.frames), ("masks", entry.masks)):
            if path:
                (out / kind).mkdir(parents=True, exist_ok=True)
                (out / kind / path.name).symlink_to(os.path.relpath(path, out / kind))
    write_manifest(out / "manifest.csv", [replace(entry, extra={}) for entry in chosen])


def classify(out: Path, trained: str) -> dict[str, float]:
    """Classify clips as forged or authentic by blockiness alone, with a threshold fitted to the training split.

    Returns:
        For each dataset, the mean of the accuracies on forged and authentic clips of the test split.
    """
    value, forged = measure(out / trained, "train")
    rules = [(sign, at) for sign in (1, -1) for at in value]
    sign, at = max(rules, key=lambda rule: accuracy(rule[0] * value >= rule[0] * rule[1], forged))
    found = {}
    for tested in ("confounded", "twins", "swapped"):
        value, forged = measure(out / tested, "test")
        found[tested] = accuracy(sign * value >= sign * at, forged)
    return found


def accuracy(called_forged: np.ndarray, forged: np.ndarray) -> float:
    """Return the mean of the accuracies on both classes."""
    return float(called_forged[forged].mean() + 1 - called_forged[~forged].mean()) / 2


def measure(root: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the blockiness of the middle frame of each clip of a split, and whether the clip is forged."""
    entries = [entry for entry in read_dataset(root) if entry.split == split]
    return np.array([blockiness(entry.frames) for entry in entries]), np.array(
        [bool(entry.forger) for entry in entries]
    )


def blockiness(path: Path) -> float:
    """Return how much larger the steps between columns are at the edges of JPEG's 8-pixel blocks than elsewhere."""
    clip = open_clip(path)
    grey = clip.read([len(clip) // 2])[0].mean(axis=2)
    steps = np.abs(np.diff(grey, axis=1)).mean(axis=0)
    edges = np.arange(len(steps)) % 8 == 7
    return float(steps[edges].mean() / steps[~edges].mean())


def run(*words: str) -> None:
    """Print a command and run it."""
    print("$ outpaint-lightning", *words, flush=True)
    if outpaint_lightning(words):
        raise SystemExit(1)


def main() -> None:
    """Forge, build the datasets, train, test and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--quality", type=int, default=60)
    args, fit = parser.parse_known_args()
    out: Path = args.out

    jpeg = {"class_path": "jpeg", "init_args": {"quality": [args.quality, args.quality]}}
    parts = {"masks": ["border", "box"], "fills": ["telea", "reflect"], "seams": ["hard", "feather"], "per_clip": 2}
    out.mkdir(parents=True, exist_ok=True)
    for name, chains in (("png", ["none"]), ("jpeg", [jpeg]), ("twins", ["none", jpeg])):
        recipe = out / f"{name}.yaml"
        recipe.write_text(yaml.safe_dump({**parts, "chains": chains}))
        manifest = ["--manifest", str(args.manifest)] if args.manifest else []
        run("forge", str(args.clips), str(out / name), "--recipe", str(recipe), *manifest, "--overwrite")
    put_together(out / "png", out / "jpeg", out / "confounded")
    put_together(out / "jpeg", out / "png", out / "swapped")

    results = {}
    for trained in ("confounded", "twins"):
        own = ["--config", CONFIG, "--trainer.default_root_dir", str(out / f"trained_on_{trained}")]
        run("fit", *own, "--data.root", str(out / trained), "--overwrite", *fit)
        for tested in ("confounded", "twins", "swapped"):
            run("test", *own, "--data.root", str(out / tested), "--ckpt_path", "last", "--overwrite")
            summary = json.loads((out / f"trained_on_{trained}" / "test" / "summary.json").read_text())
            results[trained, tested] = summary["f1"]["mean"], summary["authentic"]["pixel_fpr"]
    print(f"\n{'trained on':14}{'tested on':14}{'F1':>8}{'authentic pixels marked':>26}{'clips told apart':>20}")
    right = {trained: classify(out, trained) for trained in ("confounded", "twins")}
    for (trained, tested), (f1, fpr) in results.items():
        print(f"{trained:14}{tested:14}{f1:8.3f}{fpr:26.1%}{right[trained][tested]:20.1%}")


if __name__ == "__main__":
    main()
