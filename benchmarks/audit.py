"""Time and memory of the audit of a generated dataset.

    python benchmarks/audit.py [--clips 1000] [--frames 8] [--height 96] [--width 128] [--workers 2] [--keep DIR]

Half of the clips are forged, each with its authentic twin from the same source. Generating them is not timed. The peak
is the peak of the process that holds all results. A whole audit imports torch and torchmetrics for the floors, which
takes most of its memory and seconds of its time.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from outpaint_lightning.audit.run import audit
from outpaint_lightning.io import ClipEntry, write_manifest
from outpaint_lightning.processes.pool import cores

SPLITS = ("train", "train", "train", "val", "test")


def main() -> None:
    """Print one line for the whole audit and one line for the quick audit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--height", type=int, default=96)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--keep", type=Path, help="generate the dataset here and keep it, or take the one that is here")
    options = parser.parse_args()
    print(options)
    with tempfile.TemporaryDirectory() as temporary:
        root = options.keep or Path(temporary) / "data"
        if not root.exists():
            generate(root, options.clips // 2, options.frames, options.height, options.width)
        for quick in (True, False):
            start = time.perf_counter()
            report = audit(root, quick=quick, workers=options.workers)
            seconds = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            clips = report.statistics["clips"]
            print(
                f"{'quick' if quick else 'whole'} {seconds:6.1f} s, {clips / seconds:5.0f}/s, peak {peak:.0f} MB; "
                f"kinds found: {sorted({finding.kind for finding in report.findings})}"
            )


def generate(root: Path, sources: int, frames: int, height: int, width: int) -> None:
    """Write panning textures, each one unchanged and with a random box blurred."""
    entries = []
    for source in range(sources):
        rng = np.random.default_rng(source)
        noise = rng.integers(0, 256, (height // 8, (width + frames) // 8, 3), dtype=np.uint8)
        wide = cv2.resize(noise, (width + frames, height), interpolation=cv2.INTER_CUBIC)
        mask = np.zeros((height, width), np.uint8)
        (y0, y1), (x0, x1) = (np.sort(rng.choice(side, 2, replace=False)) for side in (height, width))
        mask[y0 : y1 + 1, x0 : x1 + 1] = 255
        for clip, forger in ((f"{source:05}", ""), (f"{source:05}__1", "box/blur/hard")):
            (root / "frames" / clip).mkdir(parents=True)
            if forger:
                (root / "masks" / clip).mkdir(parents=True)
            for t in range(frames):
                frame = wide[:, t : t + width].copy()
                if forger:
                    frame[mask > 0] = cv2.blur(frame, (9, 9))[mask > 0]
                    cv2.imwrite(str(root / "masks" / clip / f"{t:05}.png"), mask)
                cv2.imwrite(str(root / "frames" / clip / f"{t:05}.png"), frame)
            split = SPLITS[source % len(SPLITS)]
            entries.append(
                ClipEntry(clip, split, "rendered", "move", str(source), forger, root / "frames" / clip, None)
            )
    write_manifest(root / "manifest.csv", entries)


if __name__ == "__main__":
    main()
