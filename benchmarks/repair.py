"""How near blind repair comes: `inpaint` by the masks that `localize` has found, beside the true masks.

    python benchmarks/repair.py CLIPS OUT [--clips tennis bmx_trees] [--fill nearest] [--dilate 8]

The first 12 frames of each clip are forged once: a blob or a polygon, filled by Telea, patches or a median. The
forgery is localized by the weights that ship, and repaired by the masks that were found and by the true ones, both
dilated alike. PSNR is that of the truly forged pixels against the clip before it was forged: as forged, repaired by
what was found, repaired by the truth. The table is printed and goes to OUT/repair.csv; all files stay in OUT.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from experiments import grid, score, start
from inpaint import psnr
from numpy.typing import NDArray

from outpaint_lightning.forge.run import forge
from outpaint_lightning.inpaint.run import inpaint
from outpaint_lightning.io import open_clip, read_dataset, read_image, read_mask, write_csv, write_image
from outpaint_lightning.localize.run import localize
from outpaint_lightning.types import InputError

FRAMES = 12
RECIPE = (
    "masks: [blob, polygon]\nfills: [telea, patchmatch, median]\nseams: [hard]\nchains: [none]\nper_clip: 1\nseed: 0\n"
)
COLUMNS = ("clip", "forger", "IoU of the masks", "forged [dB]", "found masks [dB]", "true masks [dB]", "seen elsewhere")


def cut(clips: Path, names: list[str], out: Path) -> Path:
    """Write the beginnings of clips as a folder of clips."""
    for name in names:
        for t, frame in enumerate(islice(open_clip(clips / name), FRAMES)):
            write_image(out / name / f"{t:05d}.png", frame)
    return out


def pictures(folder: Path) -> NDArray[np.uint8]:
    """Return the frames of a folder, `T H W 3`."""
    return np.stack([read_image(path) for path in sorted(folder.iterdir())])


def masks(folder: Path) -> NDArray[np.bool_]:
    """Return the masks of a folder, `T H W`."""
    return np.stack([read_mask(path) for path in sorted(folder.iterdir())])


def measured(frames: Path, truth: Path, forger: str, out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Find and repair a forgery, and return its row."""
    name = frames.name
    localize([frames], "default", out / "found", overwrite=True)
    ways = {"found": out / "found" / name / "masks", "true": truth}
    repaired = out / "repaired"  # not `found`: the masks that were found lie in the folder of the same name there
    summaries = {way: inpaint(frames, path, repaired / way, overwrite=True, **options) for way, path in ways.items()}
    clean = np.stack(list(islice(open_clip(out / "clips" / name.partition("__")[0]), FRAMES)))
    found, true = masks(ways["found"]), masks(truth)
    unseen = summaries["found"]["never_seen"]
    return {
        "clip": name,
        "forger": forger,
        "iou": float((found & true).sum() / max(1, (found | true).sum())),
        "forged": psnr(pictures(frames)[true], clean[true]),
        **{way: psnr(pictures(repaired / way / name / "frames")[true], clean[true]) for way in ways},
        "carried": None if unseen is None else 1 - unseen,
    }


def main() -> int:
    """Measure, print the table; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("clips_folder", type=Path, metavar="CLIPS")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--clips", nargs="+", required=True, metavar="NAME", help="of CLIPS")
    parser.add_argument("--fill", default="nearest", help="of the flow (default: %(default)s)")
    parser.add_argument("--dilate", type=int, default=8, help="of both masks (default: %(default)s)")
    args = parser.parse_args()
    if not args.clips_folder.is_dir():
        raise InputError(f"{args.clips_folder}: no such folder; one of clips was expected")
    recipe = args.out / "recipe.yaml"
    args.out.mkdir(parents=True, exist_ok=True)
    recipe.write_text(RECIPE, encoding="utf-8")
    forge(cut(args.clips_folder, args.clips, args.out / "clips"), args.out / "forged", recipe)
    entries = [entry for entry in read_dataset(args.out / "forged") if entry.masks is not None]
    options = {"fill": args.fill, "dilate": args.dilate}
    rows = [measured(entry.frames, entry.masks, entry.forger, args.out, options) for entry in entries if entry.masks]
    write_csv(args.out / "repair.csv", rows)
    lines = [
        [row["clip"], row["forger"], *(score(value, 2) for value in row.values() if not isinstance(value, str))]
        for row in rows
    ]
    print("\n".join(grid(COLUMNS, lines)))
    return 0


if __name__ == "__main__":
    start(main)
