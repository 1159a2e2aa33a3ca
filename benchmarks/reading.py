"""Speed of reading windows of a video file, compared with opening it in PyAV for every window; the pixels are equal.

    python benchmarks/reading.py [--frames 300] [--window 5] [--windows 60] [--gop 250] [--rounds 5]

A rendered clip of 360 x 640 is encoded with x264 and its usual B-frames. `--gop 250` is x264's default: one keyframe in
ten seconds. Windows begin at random frames. A dataset's sampler may sort them by clip and frame; each unsorted window
costs a seek. PyAV seeks to the keyframe before a window and decodes from there. Both use one decoder thread.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from timing import Row, compared

from outpaint_lightning.data.synthetic import render, sample_scene
from outpaint_lightning.io import VideoFile, VideoWriter

HEIGHT, WIDTH = 360, 640
FPS = 25


def main() -> None:
    """Measure and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--windows", type=int, default=60)
    parser.add_argument("--gop", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{options}, PyAV {av.__version__}", flush=True)
    for row in rows(options.rounds, options.frames, options.window, options.windows, options.gop):
        print(row, flush=True)


def rows(rounds: int, frames: int = 300, length: int = 5, count: int = 60, gop: int = 250) -> Iterator[Row]:
    """Yield the rows of sorted windows, of unsorted windows, and of opening the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write(path, frames, gop)
        starts = np.random.default_rng(0).integers(0, frames - length + 1, count)
        for name, order in {"sorted": np.sort(starts), "in no order": starts}.items():
            windows = [range(start, start + length) for start in order.tolist()]
            require_equal(path, windows)
            yield compared(
                f"{count} windows of {length} frames, {name}, a keyframe every {gop}",
                "PyAV a window",
                lambda windows=windows: ours(path, windows),
                lambda windows=windows: theirs(path, windows),
                rounds,
                "frames identical",
            )
        yield compared(
            "opening a video", "PyAV's first frame", lambda: VideoFile(path), lambda: theirs(path, [range(1)]), rounds
        )


def write(path: Path, frames: int, gop: int) -> None:
    """Encode a rendered clip."""
    with VideoWriter(path, HEIGHT, WIDTH, FPS, options={"g": str(gop), "sc_threshold": "0"}) as writer:
        for frame in render(sample_scene(1, HEIGHT, WIDTH, frames, "move")):
            writer.write(frame)


def ours(path: Path, windows: Sequence[range]) -> list[NDArray[np.uint8]]:
    """Read windows from one open clip. Opening it is included."""
    clip = VideoFile(path)
    return [clip.read(window) for window in windows]


def theirs(path: Path, windows: Sequence[range]) -> list[NDArray[np.uint8]]:
    """Read each window with plain PyAV."""
    return [pyav_window(path, window) for window in windows]


def pyav_window(path: Path, window: range) -> NDArray[np.uint8]:
    """Open the file, seek, and decode up to the window's end."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        step = round(1 / (FPS * stream.time_base))
        container.seek(window.start * step, stream=stream)
        for frame in container.decode(stream):
            if frame.pts >= window.start * step:
                found.append(frame.to_ndarray(format="rgb24", threads=1))
            if len(found) == len(window):
                break
    return np.stack(found)


def require_equal(path: Path, windows: Sequence[range]) -> None:
    """Exit if the two give different pixels."""
    for window, mine, peer in zip(windows, ours(path, windows), theirs(path, windows), strict=True):
        if not np.array_equal(mine, peer):
            raise SystemExit(f"frames {window.start} to {window.stop - 1} differ from PyAV's")


if __name__ == "__main__":
    main()
