"""Why twins matter: a localizer trained where the file format gives the answer away, and one trained on twins.

    python benchmarks/shortcut.py CLIPS OUT [--manifest FILE] [--quality 60] [options of fit]

The same forgeries are stored as PNG and as JPEG. `confounded` has forged PNG clips and authentic JPEG clips, `swapped`
the other way round; in `twins` each clip and its forgeries are all PNG or all JPEG. One net is trained on `confounded`,
one on `twins`, with everything else equal; both are tested on all three. The same is done with a plain classifier of
whole clips. Forging, training and testing the localizer are the commands that a user would type.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F
import yaml
from torch.utils.data import DataLoader
from torchvision.models import resnet18

from outpaint_lightning.cli import main as outpaint_lightning
from outpaint_lightning.data.clips import collate
from outpaint_lightning.data.windows import WindowDataset
from outpaint_lightning.io import read_dataset, write_manifest
from outpaint_lightning.types import Batch

CONFIG = "configs/localizer/small.yaml"
BALANCE = torch.tensor([2.0, 1.0])  # two forgeries of each clip


def put_together(forged: Path, authentic: Path, out: Path) -> None:
    """Make a dataset of links: the forged clips of one, the authentic clips of another."""
    shutil.rmtree(out, ignore_errors=True)
    chosen = [entry for entry in read_dataset(forged) if entry.forger]
    chosen += [entry for entry in read_dataset(authentic) if not entry.forger]
    for entry in chosen:
        for kind, path in (("frames", entry.frames), ("masks", entry.masks)):
            if path:
                (out / kind).mkdir(parents=True, exist_ok=True)
                (out / kind / path.name).symlink_to(os.path.relpath(path, out / kind))
    write_manifest(out / "manifest.csv", [replace(entry, extra={}) for entry in chosen])


def classify(out: Path, trained: str, steps: int = 150) -> dict[str, float]:
    """Train a ResNet18 from scratch to tell forged from authentic clips by crops of their frames.

    Returns:
        For each of the datasets, the mean of its accuracies on forged and on authentic clips of the test split.
    """
    torch.manual_seed(0)
    net = resnet18(num_classes=2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    net.train()
    done = 0
    while done < steps:
        for batch in islice(crops(out / trained, "train", seed=done), steps - done):
            loss = F.cross_entropy(net(batch["image"][:, 0].float() / 255), is_forged(batch), BALANCE)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
    net.eval()
    accuracy = {}
    with torch.inference_mode():
        for tested in ("confounded", "twins", "swapped"):
            right: dict[int, list[bool]] = {0: [], 1: []}
            for batch in crops(out / tested, "test"):
                truth = is_forged(batch)
                for label, found in zip(
                    truth.tolist(), net(batch["image"][:, 0].float() / 255).argmax(1).tolist(), strict=True
                ):
                    right[label].append(label == found)
            accuracy[tested] = sum(sum(of) / len(of) for of in right.values()) / 2
    return accuracy


def crops(root: Path, split: str, seed: int = 0) -> DataLoader:
    """Return random 128 x 128 crops of the windows of a split, in random order."""
    dataset = WindowDataset([entry for entry in read_dataset(root) if entry.split == split], crop=(128, 128), seed=seed)
    order = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, 16, shuffle=True, generator=order, collate_fn=collate, drop_last=split == "train")


def is_forged(batch: Batch) -> torch.Tensor:
    """Return 1 for each window of a forged clip, whether its crop shows forged pixels or not."""
    return torch.tensor([int(bool(meta["forger"])) for meta in batch["meta"]])


def run(*words: str) -> None:
    """Print a command and run it."""
    print("$ outpaint-lightning", *words, flush=True)
    if outpaint_lightning(words):
        raise SystemExit(1)


def main() -> None:
    """Forge, put together, train, test and print the table."""
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
    print(f"\n{'trained on':14}{'tested on':14}{'F1':>8}{'authentic pixels marked':>26}{'forged clip? (ResNet18)':>26}")
    right = {trained: classify(out, trained) for trained in ("confounded", "twins")}
    for (trained, tested), (f1, fpr) in results.items():
        print(f"{trained:14}{tested:14}{f1:8.3f}{fpr:26.1%}{right[trained][tested]:26.1%}")


if __name__ == "__main__":
    main()
