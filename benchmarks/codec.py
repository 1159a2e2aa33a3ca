"""The cost of encoding windows on the fly, in milliseconds per window of a loader worker, compared with plain reading.

    python benchmarks/codec.py [--size 256 448] [--crop 128] [--span 6] [--windows 24] [--rounds 3]

The input is a rendered clip with sensor noise, stored as JPEG frames and as H.264. For each choice of codec, windows of
2 frames are read with and without it, alternately, in one process. Figures are processor time, because others may share
the cores; they are medians over rounds. The last line is the default mixture of `RandomCodec`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from outpaint_lightning.data import RandomCodec, WindowDataset
from outpaint_lightning.data.codec import CHOICES
from outpaint_lightning.data.synthetic import render, sample_scene
from outpaint_lightning.io import VideoWriter, read_dataset, write_image

FRAMES = 24


def main() -> None:
    """Print a table with one line for each choice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 448), metavar=("H", "W"))
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--span", type=int, default=6)
    parser.add_argument("--windows", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(options)
    with tempfile.TemporaryDirectory() as folder:
        roots = _write(Path(folder), *options.size)
        print(f"{'codec':34}" + "".join(f"{kind + ' ms':>14}{'x reading':>12}" for kind in roots))
        for title, choices in _choices().items():
            cells = [_cost(root, choices, options) for root in roots.values()]
            print(f"{title:34}" + "".join(f"{ms:14.1f}{ratio:12.2f}" for ms, ratio in cells), flush=True)


def _write(folder: Path, height: int, width: int) -> dict[str, Path]:
    """Write the clip as JPEG frames and as a video. Return the two dataset folders."""
    rng = np.random.default_rng(0)
    rendered = np.stack(list(render(sample_scene(1, height, width, FRAMES, "move"))))
    frames = np.clip(rendered + rng.normal(0, 2, rendered.shape), 0, 255).astype(np.uint8)
    for number, frame in enumerate(frames):
        write_image(folder / "jpeg" / "frames" / "clip" / f"{number:05}.jpg", frame)
    (folder / "video" / "videos").mkdir(parents=True)
    with VideoWriter(folder / "video" / "videos" / "clip.mp4", height, width, 25, crf=20) as writer:
        for frame in frames:
            writer.write(frame)
    return {"JPEG frames": folder / "jpeg", "video": folder / "video"}


def _choices() -> dict[str, list[Any]]:
    """Return every codec and preset at medium quality, and the default mixture."""
    presets = {
        "h264": ("ultrafast", "superfast", "veryfast", "medium"),
        "hevc": ("ultrafast", "veryfast", "fast"),
        "vp9": ("8", "5", "4"),
        "av1": ("12", "8"),
    }
    quality = {"h264": 24, "hevc": 26, "vp9": 34, "av1": 36}
    choices: dict[str, list[Any]] = {"none": ["none"]}
    choices["resize 0.5 and back"] = [{"class_path": "resize", "init_args": {"scale": [0.5, 0.5], "restore": 1.0}}]
    choices["jpeg 75"] = [{"class_path": "jpeg", "init_args": {"quality": [75, 75]}}]
    for name, speeds in presets.items():
        for preset in speeds:
            crf = quality[name]
            args = {"quality": [crf, crf], "preset": [preset]}
            choices[f"{name} {preset}, CRF {crf}"] = [{"class_path": name, "init_args": args}]
    choices["the default mixture"] = CHOICES
    return choices


def _cost(root: Path, choices: list[Any], options: argparse.Namespace) -> tuple[float, float]:
    """Return the milliseconds that the codec adds per window, and the reading time relative to plain reading."""
    entries, crop = read_dataset(root), (options.crop, options.crop)
    plain = WindowDataset(entries, crop=crop)
    coded = WindowDataset(entries, crop=crop, codec=RandomCodec(choices, span=options.span))
    order = np.random.default_rng(0).integers(len(plain), size=options.windows).tolist()

    def read(data: WindowDataset, epoch: int) -> float:
        start = time.process_time()
        for index in order:
            data[epoch, index]
        return time.process_time() - start

    pairs = [(read(coded, epoch), read(plain, epoch)) for epoch in range(options.rounds)]
    added = statistics.median(a - b for a, b in pairs) / options.windows * 1e3
    return added, statistics.median(a / b for a, b in pairs)


if __name__ == "__main__":
    main()
