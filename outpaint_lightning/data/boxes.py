"""Reads a CSV of photos with one box each: `path,label,xmin,ymin,xmax,ymax[,split,source,scene,camera,forger]`.

The box columns are the target vector of *Classification & Localization of Inpainted Regions* (Sideras 2023).
docs/reference/dataset.md explains the columns.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.data.codec import RandomCodec
from outpaint_lightning.data.windows import WindowDataset
from outpaint_lightning.io import IMAGE_SUFFIXES, ClipEntry, composed, image_size, is_image, on_disk, read_text
from outpaint_lightning.io.files import StrPath
from outpaint_lightning.io.layouts import path_name
from outpaint_lightning.io.manifest import COLUMNS, SPLITS
from outpaint_lightning.types import InputError, did_you_mean

SIDES = ("xmin", "ymin", "xmax", "ymax")
REQUIRED = ("path", "label", *SIDES)
OPTIONAL = tuple(column for column in COLUMNS if column != "clip")

Box = tuple[float, float, float, float]
"""`xmin ymin xmax ymax` in pixels, half-open."""


def read_boxes(path: StrPath) -> tuple[list[ClipEntry], dict[str, Box]]:
    """Read the CSV and the image header of every photo.

    Args:
        path: the CSV; the paths of the photos are relative to its folder.

    Returns:
        The photos in the order of the CSV, and the boxes of the forged photos by clip name.

    Raises:
        InputError: names the file and line of an unknown column, photo, label or split; of a missing box, an empty one,
            one outside its photo or one on an authentic photo; of a photo listed twice or a source in two splits.
    """
    path = Path(path)
    entries: dict[str, ClipEntry] = {}
    boxes: dict[str, Box] = {}
    line_of: dict[str, int] = {}
    first_of: dict[str, ClipEntry] = {}
    for number, row in _rows(path):
        try:
            entry, box = _photo(path.parent, row)
            if twin := entries.get(entry.clip):
                same = "is" if twin.frames == entry.frames else f"has, but for its suffix, the name of {twin.frames} in"
                raise InputError(f"{entry.frames} {same} line {line_of[entry.clip]} already; expected each photo once")
            first = first_of.setdefault(entry.source, entry)
            if first.split != entry.split:
                raise InputError(
                    f"source {entry.source!r} is in split {entry.split!r}, and in {first.split!r} in line "
                    f"{line_of[first.clip]}; splits must not share a source"
                )
        except InputError as error:
            raise InputError(f"{path}: line {number}: {error}") from error
        entries[entry.clip], line_of[entry.clip] = entry, number
        if box is not None:
            boxes[entry.clip] = box
    if not entries:
        raise InputError(f"{path}: no rows; one for every photo was expected")
    return list(entries.values()), boxes


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of the line on which a row ends, and the row's cells, stripped of whitespace."""
    reader = csv.reader(io.StringIO(read_text(path, "a CSV file"), newline=""))
    try:
        header = [cell.strip() for cell in next(reader, [])]
        _check_header(path, header)
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) != len(header):
                raise InputError(
                    f"{path}: line {reader.line_num}: {len(cells)} cells; {len(header)} were expected, as in the header"
                )
            yield reader.line_num, {key: composed(cell.strip()) for key, cell in zip(header, cells, strict=True)}
    except csv.Error as error:
        raise InputError(f"{path}: is not a CSV file in UTF-8 ({error})") from error


def _check_header(path: Path, header: Sequence[str]) -> None:
    expected = f"expected {','.join(REQUIRED)}, and any of {','.join(OPTIONAL)}"
    known = (*REQUIRED, *OPTIONAL)
    for column in header:
        if column not in known:
            raise InputError(f"{path}: line 1: no column {column!r} is known; {expected}{did_you_mean(column, known)}")
        if header.count(column) > 1:
            raise InputError(f"{path}: line 1: the column {column!r} stands there twice; {expected}")
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise InputError(f"{path}: line 1: no column {missing[0]!r}; {expected}")


def _photo(folder: Path, row: Mapping[str, str]) -> tuple[ClipEntry, Box | None]:
    """Return the photo and the box of a row; the box is None for an authentic photo."""
    if not row["path"]:
        raise InputError("path is empty; an image file was expected")
    photo = on_disk(Path(os.path.normpath(folder / row["path"])))
    if os.path.isfile(photo) and not is_image(photo):
        raise InputError(f"{photo}: not an image; one of {' '.join(IMAGE_SUFFIXES)} was expected")
    height, width = image_size(photo)
    split = row.get("split", "")
    if split not in ("", *SPLITS):
        raise InputError(f"split is {split!r}; expected {', '.join(SPLITS)} or nothing{did_you_mean(split, SPLITS)}")
    clip = path_name(photo, folder)
    entry = ClipEntry(
        clip=clip,
        split=split,
        scene=row.get("scene") or "unknown",
        camera=row.get("camera") or "unknown",
        source=row.get("source") or clip,
        forger=row.get("forger", ""),
        frames=photo,
        masks=None,
    )
    if row["label"] == "1":
        return entry, _box(row, height, width)
    if row["label"] != "0":
        raise InputError(f"label is {row['label']!r}; 0 (authentic) or 1 (forged) was expected")
    if any(row[side] for side in SIDES) and any(_number(row, side) for side in SIDES):
        raise InputError(
            f"label 0 with the box {','.join(row[side] for side in SIDES)}; an authentic photo has none, or zeros"
        )
    if entry.forger:
        raise InputError(f"label 0 with the forger {entry.forger!r}; an authentic photo has none")
    return entry, None


def _box(row: Mapping[str, str], height: int, width: int) -> Box:
    xmin, ymin, xmax, ymax = (_number(row, side) for side in SIDES)
    for low, high, names in ((xmin, xmax, "xmin {:g}, xmax {:g}"), (ymin, ymax, "ymin {:g}, ymax {:g}")):
        if low >= high:
            raise InputError(f"{names.format(low, high)}: the box is empty; expected the first below the second")
    if xmin < 0 or ymin < 0 or xmax > width or ymax > height:
        raise InputError(
            f"box {xmin:g},{ymin:g},{xmax:g},{ymax:g} reaches outside its photo, which is {width} wide and {height} "
            f"high; expected 0,0,{width},{height} at most"
        )
    return xmin, ymin, xmax, ymax


def _number(row: Mapping[str, str], side: str) -> float:
    try:
        value = float(row[side])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"label {row['label']} with {side} {row[side]!r}; a number of pixels was expected")
    return value


class BoxDataset(WindowDataset):
    """Photos whose masks are rectangles; a mask holds every pixel that its box touches.

    Args:
        entries: photos of one split.
        boxes: boxes of the forged photos, by clip name.
        seed: see `WindowDataset`.
        codec: see `WindowDataset`.
    """

    def __init__(
        self,
        entries: Sequence[ClipEntry],
        boxes: Mapping[str, Box],
        seed: int = 0,
        codec: RandomCodec | None = None,
    ) -> None:
        super().__init__(entries, frames=1, seed=seed, codec=codec)
        self._boxes = [boxes.get(entry.clip) for entry in self.entries]

    @property
    def forged(self) -> list[int]:
        """Indices of the photos that have a box."""
        return [photo for photo, box in enumerate(self._boxes) if box is not None]

    def read_masks(self, video: int, indices: Sequence[int]) -> NDArray[np.bool_]:
        """Return the rectangle of a photo, bool `T H W`; all False for an authentic photo."""
        masks = np.zeros((len(indices), self.clips[video].height, self.clips[video].width), np.bool_)
        box = self._boxes[video]
        if box is not None:
            masks[:, math.floor(box[1]) : math.ceil(box[3]), math.floor(box[0]) : math.ceil(box[2])] = True
        return masks
