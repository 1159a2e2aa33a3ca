"""Speed of every fill, in frames per second on one core, beside OpenCV's own Telea inpainting on the same holes.

    python benchmarks/forge.py [--frames 16] [--rounds 3]

A rendered clip of 256 x 448, a border and a free-form blob of about 30 % of the frame each.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np

from outpaint_lightning.data.synthetic import render, sample_scene
from outpaint_lightning.forge.fills import Fill
from outpaint_lightning.forge.masks import BlobMask, BorderMask
from outpaint_lightning.forge.parts import Footage

HEIGHT, WIDTH = 256, 448


def seconds(work: Callable[..., object], *args: object) -> float:
    """Return how long `work` takes."""
    start = time.perf_counter()
    work(*args)
    return time.perf_counter() - start


def telea(frames: np.ndarray, mask: np.ndarray) -> None:
    """Inpaint every frame as a plain loop over OpenCV would."""
    for frame, hole in zip(frames, mask, strict=True):
        cv2.inpaint(frame, hole.astype(np.uint8), 3, cv2.INPAINT_TELEA)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    frames, donor = (np.stack(list(render(sample_scene(seed, HEIGHT, WIDTH, args.frames, "move")))) for seed in (1, 2))
    footage = Footage(frames, donor=donor)
    edge = [round(0.082 * side) for side in (WIDTH, HEIGHT, WIDTH, HEIGHT)]
    samplers = {
        "border": (BorderMask(), {"start": edge, "stop": edge}),
        "blob": (blob := BlobMask(area=(0.3, 0.3), drift=1.0), blob.sample(np.random.default_rng(0), footage)),
    }
    masks = {name: sampler.render(params, footage) for name, (sampler, params) in samplers.items()}
    print(
        f"{args.frames} frames of {HEIGHT}x{WIDTH}, one core; forged: "
        + ", ".join(f"{name} {mask.mean():.0%}" for name, mask in masks.items())
    )
    print(f"{'fill':14}" + "".join(f"{name + ' frames/s':>18}{'x cv2 Telea':>13}" for name in masks))
    for name, part in sorted(Fill.known().items()):
        if name == "net":  # as fast as its checkpoint
            continue
        fill = part()
        params = fill.sample(np.random.default_rng(0))
        line = f"{name:14}"
        for mask in masks.values():
            ours, ratios = [], []
            for _ in range(args.rounds):
                peer = seconds(telea, frames, mask)
                ours.append(seconds(fill.apply, footage, mask, params))
                ratios.append(peer / ours[-1])
            line += f"{args.frames / statistics.median(ours):18.1f}{statistics.median(ratios):13.2f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
