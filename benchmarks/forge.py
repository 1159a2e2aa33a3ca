"""Speed of every fill, in frames per second on one core, and of OpenCV's Telea inpainting on the same holes.

    python benchmarks/forge.py [--frames 16] [--rounds 3] [--fill NAME ...]

The input is a rendered clip of 256 x 448 with sensor noise. The holes are a border and a free-form blob, each about
30 % of the frame. The table also shows how close the fill is to the original in the blob (PSNR and SSIM, mean of 5
draws).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from outpaint_lightning.data.synthetic import render, sample_scene
from outpaint_lightning.forge.fills import Fill
from outpaint_lightning.forge.masks import BlobMask, BorderMask
from outpaint_lightning.forge.parts import Footage

HEIGHT, WIDTH = 256, 448


def seconds(work: Callable[..., object], *args: object) -> float:
    """Return how many seconds `work` takes."""
    start = time.perf_counter()
    work(*args)
    return time.perf_counter() - start


def telea(frames: np.ndarray, mask: np.ndarray) -> None:
    """Inpaint every frame in a plain loop over OpenCV."""
    for frame, hole in zip(frames, mask, strict=True):
        cv2.inpaint(frame, hole.astype(np.uint8), 3, cv2.INPAINT_TELEA)


def nearness(fill: Fill, footage: Footage, mask: np.ndarray) -> tuple[float, float]:
    """Return PSNR in dB and SSIM between fill and original in the region: middle frame, mean of 5 draws."""
    at = len(mask) // 2
    before, region = footage.frames[at], mask[at]
    psnr, ssim = [], []
    for seed in range(5):
        filled = fill.apply(footage, mask, fill.sample(np.random.default_rng(seed)))[at]
        error = ((filled[region].astype(float) - before[region]) ** 2).mean()
        psnr.append(10 * np.log10(255**2 / max(error, 1e-6)))
        _, similar = structural_similarity(before, filled, channel_axis=2, full=True)
        ssim.append(similar[region].mean())
    return float(np.mean(psnr)), float(np.mean(ssim))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fill", nargs="+", help="some of the fills")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    clips = (np.stack(list(render(sample_scene(seed, HEIGHT, WIDTH, args.frames, "move")))) for seed in (1, 2))
    frames, donor = (np.clip(clip + rng.normal(0, 2, clip.shape), 0, 255).astype(np.uint8) for clip in clips)
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
    print(
        f"{'fill':16}"
        + "".join(f"{name + ' frames/s':>18}{'x cv2 Telea':>13}" for name in masks)
        + f"{'PSNR':>8}{'SSIM':>7}"
    )
    for name, part in sorted(Fill.known().items()):
        if name == "net" or (args.fill and name not in args.fill):  # the speed of a net depends on its checkpoint
            continue
        fill = part()
        params = fill.sample(np.random.default_rng(0))
        line = f"{name:16}"
        for mask in masks.values():
            ours, ratios = [], []
            for _ in range(args.rounds):
                peer = seconds(telea, frames, mask)
                ours.append(seconds(fill.apply, footage, mask, params))
                ratios.append(peer / ours[-1])
            line += f"{args.frames / statistics.median(ours):18.1f}{statistics.median(ratios):13.2f}"
        psnr, ssim = nearness(fill, footage, masks["blob"])
        print(line + f"{psnr:8.1f}{ssim:7.3f}", flush=True)


if __name__ == "__main__":
    main()
