"""How close `inpaint` comes to the hidden original of real clips, compared with inpainting each frame alone.

    python benchmarks/inpaint.py CLIPS OUT [--clips tennis bmx_trees] [--fill harmonic | --ckpt_path runs/refiner/small]

CLIPS holds folders of frames and video files. In the first 16 frames of each clip, a fixed rectangle of 6 % of the
frame is painted grey. It is then filled and compared with the original: PSNR of its pixels over all frames, for
`inpaint` and for Telea frame by frame. The table is printed and goes to OUT/inpaint.csv; the filled clips stay in OUT.
If the camera stands still, no frame shows what is behind the rectangle, so a second mean covers only the clips that
move.
"""

from __future__ import annotations

import argparse
import math
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from experiments import grid, score, start
from numpy.typing import NDArray

from outpaint_lightning.forge.fills import Telea
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.inpaint.run import inpaint
from outpaint_lightning.io import open_clip, read_image, write_csv, write_image, write_mask
from outpaint_lightning.motion.classical import estimate_flow
from outpaint_lightning.types import InputError

FRAMES = 16
MOST_CLIPS = 6
RADIUS = 5  # pixels, of the neighbourhood that Telea's method uses
SHARE = 0.06  # share of the frame that is hidden
MARGIN = 1 / 8  # distance from the rectangle to the border, as a share of a side
MOVES = 2.0  # pixels per frame, median of the flow; in 16 frames this is a good part of the rectangle
COLUMNS = ("clip", "motion [px]", "seen elsewhere", "Telea [dB]", "inpaint [dB]", "gain [dB]", "frames/s")


def rectangle(height: int, width: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a mask `H W` with a rectangle that has the frame's shape and `SHARE` of its area."""
    sides = [round(math.sqrt(SHARE) * side) for side in (height, width)]
    corner = [
        int(rng.integers(round(MARGIN * whole), round((1 - MARGIN) * whole) - part + 1))
        for whole, part in zip((height, width), sides, strict=True)
    ]
    mask = np.zeros((height, width), bool)
    mask[corner[0] : corner[0] + sides[0], corner[1] : corner[1] + sides[1]] = True
    return mask


def psnr(found: NDArray[np.uint8], true: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio in dB; infinite if the pixels are equal."""
    error = np.square(found.astype(np.float64) - true).mean()
    return float(10 * np.log10(255**2 / error)) if error else math.inf


def measured(path: Path, out: Path, seed: int, completion: dict[str, Any]) -> dict[str, Any]:
    """Hide a rectangle of a clip, fill it into `out`, and return the row of the CSV file."""
    clip = open_clip(path)
    frames = np.stack(list(islice(clip, FRAMES)))
    hole = rectangle(clip.height, clip.width, np.random.default_rng(seed))
    hidden = np.where(hole[..., None], np.uint8(128), frames)
    for t, frame in enumerate(hidden):
        write_image(out / "hidden" / clip.name / f"{t:05d}.png", frame)
    write_mask(out / "hidden" / f"{clip.name}.png", hole)
    summary = inpaint(
        out / "hidden" / clip.name, out / "hidden" / f"{clip.name}.png", out, overwrite=True, **completion
    )
    found = np.stack([read_image(out / clip.name / "frames" / f"{t:05d}.png") for t in range(len(frames))])
    alone = np.concatenate([Telea().apply(Footage(frame[None]), hole[None], {"radius": RADIUS}) for frame in hidden])
    ours, floor = psnr(found[:, hole], frames[:, hole]), psnr(alone[:, hole], frames[:, hole])
    return {
        "clip": clip.name,
        "motion": float(np.median(np.linalg.norm(estimate_flow(frames)[0], axis=-1))),
        "carried": 1 - summary["never_seen"],
        "telea": floor,
        "inpaint": ours,
        "gain": ours - floor,
        "frames_per_second": summary["frames_per_second"],
    }


def means(rows: list[dict[str, Any]]) -> str:
    """Return the mean gain over all clips, and over the clips that move."""
    moving = [row["gain"] for row in rows if row["motion"] >= MOVES]
    overall = f"mean gain {np.mean([row['gain'] for row in rows]):+.2f} dB of {len(rows)} clips"
    of_moving = f"{np.mean(moving):+.2f} dB of {len(moving)}" if moving else "none"
    return f"{overall}; of those that move {MOVES:g} px a frame or more: {of_moving}"


def main() -> int:
    """Measure and print the table; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("clips_folder", type=Path, metavar="CLIPS")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--clips", nargs="+", metavar="NAME", help=f"of CLIPS (default: the first {MOST_CLIPS})")
    completion = parser.add_mutually_exclusive_group()
    completion.add_argument(
        "--fill", default="harmonic", help="see docs/how-to/inpaint-a-video.md (default: %(default)s)"
    )
    completion.add_argument("--ckpt_path", help="checkpoint or run folder of a flow refiner")
    parser.add_argument("--seed", type=int, default=0, help="of the places of the rectangles (default: %(default)s)")
    args = parser.parse_args()
    if not args.clips_folder.is_dir():
        raise InputError(f"{args.clips_folder}: no such folder; one of clips was expected")
    names = args.clips or sorted(path.name for path in args.clips_folder.iterdir())[:MOST_CLIPS]
    completed = {"ckpt_path": args.ckpt_path} if args.ckpt_path else {"fill": args.fill}
    rows = [measured(args.clips_folder / name, args.out, args.seed, completed) for name in names]
    write_csv(args.out / "inpaint.csv", rows)
    lines = [[row["clip"], *(score(value, 2) for name, value in row.items() if name != "clip")] for row in rows]
    print("\n".join(grid(COLUMNS, lines)))
    print(means(rows))
    return 0


if __name__ == "__main__":
    start(main)
