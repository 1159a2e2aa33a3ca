r"""Cut the clean clips for training, validating and testing the shipped localizer: short parts of moderate size.

Each source gives up to `--parts` parts of `--frames` consecutive frames. If the short side of a frame exceeds
`LARGEST`, parts alternate between the whole frame at a smaller size, which removes most traces of the camera's
compression, and a crop at native size, which keeps all of them. Training uses only permissively licensed clips, unless
`--all` is given.

    python benchmarks/shipped_sources.py ../shared/data ../sources --split train
    outpaint-lightning forge ../sources/train ../forged/train --recipe shipped

The region detector is trained on single frames and on photos, forged while it trains:

    python benchmarks/shipped_sources.py ../shared/data ../images --split train --frames 1 --parts 12 --photos \
        --short 144 288
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.recipe import rng_of
from outpaint_lightning.io import open_clip
from outpaint_lightning.io.images import write_image

PERMISSIVE = re.compile(r"(MIT|Apache-2\.0|BSD-[23]-Clause|CC0-1\.0|CC-BY-4\.0|BSL-1\.0)")
RESERVED = re.compile(r"footage|template")  # the licence of the repository is not the licence of its footage
DOUBTFUL = {"husky_board", "us_open", "golf_swing", "hover_drone", "city_topdown", "dusk_walker", "lab_mouse"}
SMALLEST, LARGEST = 240, 432  # pixels on the short side of a part
CROP = (384, 512)  # size of parts at native size


def main() -> None:
    """Write `OUT/<split>/<clip>-<part>/00000.png` and `OUT/<split>.csv`."""
    options = _options()
    rows = list(_rows(options.data, options.split, options.all or options.split != "train", options.photos))
    written = []
    for row in rows:
        frames = open_clip(row["path"])
        for number, start in enumerate(_starts(len(frames), options.frames, options.parts)):
            name = f"{row['clip']}-{number}"
            part = frames.read(range(start, start + min(options.frames, len(frames))))
            for index, frame in enumerate(_sized(part, name, number, options.short)):
                file = options.out / options.split / name / f"{index:05d}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                write_image(file, frame)
            written.append(
                {key: row[key] for key in ("split", "scene", "camera", "source", "license")} | {"clip": name}
            )
    with (options.out / f"{options.split}.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["clip", "split", "scene", "camera", "source", "license"])
        table.writeheader()
        table.writerows(written)
    print(f"{len(written)} parts of {len(rows)} sources in {options.out / options.split}")


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with manifest.csv, clips/ and footage/")
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", choices=["train", "val", "test"], default="train")
    parser.add_argument("--parts", type=int, default=3, help="of a source")
    parser.add_argument("--frames", type=int, default=8, help="of a part")
    parser.add_argument("--photos", action="store_true", help="take the photos as well")
    parser.add_argument(
        "--short", type=int, nargs=2, metavar=("LOW", "HIGH"), help="pixels on the short side; then no part is a crop"
    )
    parser.add_argument("--all", action="store_true", help="train on clips of any licence")
    return parser.parse_args()


def _rows(data: Path, split: str, any_licence: bool, photos: bool) -> Iterator[dict[str, Any]]:
    listed = data / "manifest.csv"
    folders = [(data / "clips", listed), (data / "footage", data / "footage/manifest.csv")]
    for folder, file in [*folders, *([(data / "photos", listed)] if photos else [])]:
        with file.open(newline="") as table:
            for row in csv.DictReader(table):
                path = _path(folder, row["clip"])
                permitted = PERMISSIVE.match(row["license"]) and not RESERVED.search(row["license"])
                if path and row["split"] == split and (any_licence or permitted) and row["clip"] not in DOUBTFUL:
                    yield {"source": row["clip"], **row, "path": path}


def _path(folder: Path, clip: str) -> Path | None:
    """Return the clip's frames, video or image file; None if the folder has none of its name."""
    files = (*sorted(folder.glob(f"videos/{clip}.*")), *sorted(folder.glob(f"{clip}.*")))
    candidates = (folder / clip, folder / "frames" / clip, *files)
    return next((candidate for candidate in candidates if candidate.exists()), None)


def _starts(total: int, frames: int, parts: int) -> list[int]:
    """Return the first frames of the parts, spread over the clip and at least two lengths apart."""
    count = max(1, min(parts, total // (2 * frames)))
    return np.linspace(0, max(0, total - frames), count).round().astype(int).tolist()


def _sized(
    frames: NDArray[np.uint8], name: str, number: int, wanted: tuple[int, int] | None
) -> Iterator[NDArray[np.uint8]]:
    rng = rng_of("shipped sources", name)
    height, width = frames.shape[1:3]
    short = min(height, width)
    if short > LARGEST and number % 2 and not wanted:
        rows, columns = (min(side, whole) for side, whole in zip(CROP, (height, width), strict=True))
        top, left = (int(rng.integers(w - s + 1)) for s, w in ((rows, height), (columns, width)))
        yield from frames[:, top : top + rows, left : left + columns]
        return
    scale = min(1.0, rng.uniform(*(wanted or (SMALLEST, LARGEST))) / short)
    size = (round(width * scale), round(height * scale))
    for frame in frames:
        yield frame if scale == 1 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


if __name__ == "__main__":
    main()
