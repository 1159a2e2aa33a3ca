"""How many frames a second `localize` judges, and where the time goes.

    python benchmarks/localize.py [CLIP] [--ckpt_path default] [--frames 24] [--height 480] [--width 854] [--rounds 3]

Without CLIP, a rendered clip is encoded with x264 at CRF 23. Printed are, medians over rounds with least and most:

- frames/s of the whole, files and page included, without the start of Python;
- milliseconds a frame of decoding, of judging and of writing, each alone, with everything else prepared;
- the time inside each part of the net;
- how much quicker the net is with its batch normalisation folded into the convolutions (`localize.judging.quicken`).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from timing import ratio, seconds
from torch import nn

from outpaint_lightning.checkpoints.card import read_card
from outpaint_lightning.checkpoints.files import find_checkpoint
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.data.synthetic import render, sample_scene
from outpaint_lightning.io import VideoWriter, open_clip
from outpaint_lightning.localize.clips import _Files, _written, localize_clip
from outpaint_lightning.localize.judging import judge_of, quicken, windows
from outpaint_lightning.localize.moments import Moments
from outpaint_lightning.localize.options import Options
from outpaint_lightning.localize.scoring import judged_frames
from outpaint_lightning.localize.watch import Watch
from outpaint_lightning.processes.memory import keep_freed_memory


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, metavar="CLIP")
    parser.add_argument("--ckpt_path", default="default")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=854)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    keep_freed_memory()  # as the command does
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = options.clip or rendered(Path(folder), options)
        slow, task = load_task(options.ckpt_path), quicken(load_task(options.ckpt_path))
        measure(path, Path(folder), task, options)
        window = next(windows(iter(open_clip(path)), judge_of(task)[1], task.window["stride"]))
        judges = [judge_of(task)[0], judge_of(slow)[0]]
        with inside(task.net) as spent:
            judges[0]([window])
            for name, taken in spent.items():
                print(f"  in {name:12} {taken * 1e3:6.0f} ms")
        told = ratio(lambda: judges[0]([window]), lambda: judges[1]([window]), 2 * options.rounds)
        print(f"folded batch normalisation: {told}")


def rendered(folder: Path, options: argparse.Namespace) -> Path:
    """Encode a rendered clip, and return its path."""
    path = folder / "clip.mp4"
    with VideoWriter(path, options.height, options.width, 25, crf=23) as writer:
        for frame in render(sample_scene(1, options.height, options.width, options.frames, "move")):
            writer.write(frame)
    return path


def measure(path: Path, folder: Path, task: Any, options: argparse.Namespace) -> None:
    """Print the speed of the whole and of its three parts."""
    clip = open_clip(path)
    frames = list(clip)
    judged = list(judged_frames(task, iter(frames)))
    checkpoint = find_checkpoint(options.ckpt_path)
    wanted = Options(checkpoint, read_card(checkpoint))
    threshold = task.chosen_threshold()

    def write() -> None:
        (folder / "alone").mkdir(exist_ok=True)
        _written(judged, _Files(folder / "alone", clip, threshold, wanted), Moments(len(frames)), threshold, Watch())

    parts: dict[str, Callable[[], object]] = {
        "the whole": lambda: localize_clip(task, open_clip(path), folder / f"found{time.monotonic_ns()}", wanted),
        "decoding": lambda: list(open_clip(path)),
        "judging": lambda: list(judged_frames(task, iter(frames))),
        "writing": write,
    }
    for name, part in parts.items():
        each = [1e3 * seconds(part) / len(frames) for _ in range(options.rounds)]
        middle = statistics.median(each)
        told = f"{middle:6.0f} ms a frame ({min(each):.0f} to {max(each):.0f}), {1e3 / middle:.2f} frames/s"
        print(f"{name:12} {told}", flush=True)


@contextmanager
def inside(net: nn.Module) -> Iterator[dict[str, float]]:
    """Measure the seconds inside each of a net's own layers while the block runs."""
    spent: dict[str, float] = {}
    hooks = []
    for name, layer in net.named_modules():
        if name and not any(name.startswith(f"{other}.") for other in spent):
            if isinstance(layer, nn.ModuleList):
                continue
            spent[name] = 0.0
            hooks.append(layer.register_forward_pre_hook(_started(spent, name)))
            hooks.append(layer.register_forward_hook(_ended(spent, name)))
    try:
        yield spent
    finally:
        for hook in hooks:
            hook.remove()


def _started(spent: dict[str, float], name: str) -> Callable[..., None]:
    def hook(*_: object) -> None:
        spent[name] -= time.perf_counter()

    return hook


def _ended(spent: dict[str, float], name: str) -> Callable[..., None]:
    def hook(*_: object) -> None:
        spent[name] += time.perf_counter()

    return hook


if __name__ == "__main__":
    main()
