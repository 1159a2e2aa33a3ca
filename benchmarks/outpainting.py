"""Measure the two ablations of contextual outpainting on rendered scenes: the contrastive loss, and the critic.

    python benchmarks/outpainting.py OUT [--seeds 1] [--epochs 5] [--minutes 12]

It trains the segmenter, then for each seed both stages with and without the part in question, tests each, and prints
the tables of docs/results/generators.md. Finished runs in OUT are kept, so the command can be repeated until all are
there. No run starts after `--minutes`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from outpaint_lightning.cli import main as command

Run = tuple[str, str, list[str]]
"""Name, config, further options."""


def runs(out: Path, seeds: int, epochs: int) -> Iterator[Run]:
    """Yield the runs in their order: a later one may need the checkpoint of an earlier one."""

    def length(count: int) -> list[str]:
        return ["--trainer.max_epochs", str(count), "--trainer.check_val_every_n_epoch", str(count)]

    yield "segmenter", "cto_segmenter_small", length(3)
    for seed in range(seeds):
        options = ["--seed_everything", str(seed), *length(epochs)]
        yield f"layout_{seed}", "cto_layout_small", options
        yield f"layout_without_{seed}", "cto_layout_small", [*options, "--model.contrast", "0"]
        parts = ["--model.net.weights", str(out / f"layout_{seed}")]
        parts += ["--model.segmenter.weights", str(out / "segmenter")]
        yield f"content_{seed}", "cto_small", [*options, *parts]
        yield f"content_without_{seed}", "cto_small", [*options, *parts, "--model.context_critic", "null"]


def run(folder: Path, config: str, options: list[str]) -> None:
    """Train and test one run; what is finished is kept.

    Raises:
        SystemExit: a command failed.
    """
    words = ["--config", f"generators/{config}", "--trainer.default_root_dir", str(folder), *options]
    if not (folder / "trained").exists():
        started = time.monotonic()
        if command(["fit", *words, *(["--overwrite"] if folder.exists() else [])]):
            raise SystemExit(2)
        (folder / "trained").write_text(f"{time.monotonic() - started:.1f}")
    if command(["test", *words, "--ckpt_path", "best" if config == "cto_segmenter_small" else "last"]):
        raise SystemExit(2)


def line(name: str, summary: dict[str, Any]) -> str:
    """Return the row of a run."""
    if "retrieval" in summary:
        iou, found = summary["iou"], summary["retrieval"]
        values = [iou["mean"], iou["low"], iou["high"], summary["miou"], summary["accuracy"], summary["best"]["miou"]]
        values += [summary["disagreement"], found["top1"], found["chance"], found["alike"], found["alike_chance"]]
        values += [summary["floors"]["common"]]
    elif "judged" in summary:
        values = [score[key] for score in summary["judged"].values() for key in ("iou", "miou", "accuracy")]
    else:
        values = [summary["iou"]["mean"], summary["miou"], summary["accuracy"], summary["floors"]["common"]]
    return f"| `{name}` | " + " | ".join("-" if value is None else f"{value:.3f}" for value in values) + " |"


def main() -> None:
    """Run what is missing and print a row of each finished run."""
    parser = argparse.ArgumentParser(prog="outpainting.py", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=12.0, help="after which no run starts (default: %(default)s)")
    args = parser.parse_args()
    end, todo = time.monotonic() + 60 * args.minutes, [*runs(args.out, args.seeds, args.epochs)]
    summaries = {name: args.out / name / "test" / "summary.json" for name, _, _ in todo}
    for name, config, options in todo:
        if not summaries[name].exists() and time.monotonic() < end:
            run(args.out / name, config, options)
    for name, path in summaries.items():
        print(line(name, json.loads(path.read_text())) if path.exists() else f"| `{name}` | not run |")


if __name__ == "__main__":
    main()
