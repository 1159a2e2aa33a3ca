"""Why twins matter: a localizer trained where the file format gives the answer away, and one trained on twins.

    python benchmarks/shortcut.py CLIPS OUT [--manifest FILE] [--quality 60] [options of fit]

The same forgeries are stored as PNG and as JPEG. `confounded` has forged PNG clips and authentic JPEG clips, `swapped`
the other way round; in `twins` each clip and its forgeries are all PNG or all JPEG. One net is trained on `confounded`,
one on `twins`, with everything else equal; both are tested on all three. Everything but putting the datasets together
is done by the commands that a user would type.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import yaml

from outpaint_lightning.cli import main as outpaint_lightning
from outpaint_lightning.io import read_dataset, write_manifest

CONFIG = "configs/localizer/small.yaml"


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
    print(f"\n{'trained on':14}{'tested on':14}{'F1':>8}{'authentic pixels marked':>26}")
    for (trained, tested), (f1, fpr) in results.items():
        print(f"{trained:14}{tested:14}{f1:8.3f}{fpr:26.1%}")


if __name__ == "__main__":
    main()
