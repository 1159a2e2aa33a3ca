"""Scans one clip; the result is small enough to keep it for every clip of a large dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.audit.attributes import FRAMES, frames_attributes, video_attributes
from outpaint_lightning.audit.findings import Finding, of_error
from outpaint_lightning.audit.fingerprints import HASHED_FRAMES, file_hash, picture_hash
from outpaint_lightning.io import ClipEntry, frame_files, has_name_of_video, open_clip, read_image, read_mask
from outpaint_lightning.types import InputError

GRID = 64
"""Cells per side of the coverage, the same as in `metrics.MaskPrior`."""

MAKE_AGAIN = "make the file again from its source, or remove the clip"
_ONE_SIZE = "resize the frames to one size, or split the clip where the size changes"
_MASK_SIZE = "write masks at the size of their frames, by nearest neighbour"
_MASK_VALUES = "write 8-bit grey PNG masks of 0 and 255 only: no blending, no JPEG, no resize but nearest neighbour"


@dataclass(frozen=True)
class ClipFacts:
    """The facts about one clip."""

    entry: ClipEntry
    frames: int = 0
    findings: tuple[Finding, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    """See `attributes.ATTRIBUTES`; attributes that do not apply are absent."""
    files: tuple[int, ...] = ()
    """`file_hash` of the video, or of each frame that is not flat. A quick scan hashes only the frame with the largest
    file, because black frames, with which many clips begin and end, have small files."""
    pictures: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    """`picture_hash` of some frames without flat ones; empty in a quick scan."""
    coverage: NDArray[np.float16] | None = None
    """`GRID GRID`: the share of the clip's frames in which each cell is forged; None if no mask was read."""
    area: float | None = None
    """Forged share of the clip's pixels; 0 if its masks are empty, None if no mask was read."""


def scan(entry: ClipEntry, *, quick: bool = False) -> ClipFacts:
    """Scan one clip.

    Args:
        entry: the clip.
        quick: read only headers and the bytes of one frame.
    """
    try:
        if has_name_of_video(entry.frames) and entry.frames.is_file():
            return _scan_video(entry, quick)
        return _scan_images(entry, quick)
    except InputError as error:
        return ClipFacts(entry, findings=(of_error("undecodable", error, MAKE_AGAIN),))
    except OSError as error:
        unreadable = InputError(f"{error.filename or entry.frames}: cannot be read ({error.strerror})")
        return ClipFacts(entry, findings=(of_error("undecodable", unreadable, MAKE_AGAIN),))


def _scan_video(entry: ClipEntry, quick: bool) -> ClipFacts:
    attributes = video_attributes(entry.frames)
    files = (file_hash(entry.frames, hurry=quick),)
    if quick:
        return ClipFacts(entry, int(attributes.get(FRAMES, 0)), (), attributes, files)
    clip = open_clip(entry.frames)
    pictures, findings = [], []
    for index in range(len(clip)):
        try:
            pictures.append(picture_hash(clip.read([index])[0]))
        except InputError as error:
            findings.append(of_error("undecodable", error, MAKE_AGAIN))
            break
    masks, coverage, area = _scan_masks(entry, (clip.height, clip.width))
    attributes[FRAMES] = str(len(clip))
    return ClipFacts(entry, len(clip), (*findings, *masks), attributes, files, _spread(pictures), coverage, area)


def _scan_images(entry: ClipEntry, quick: bool) -> ClipFacts:
    files = frame_files(entry.frames)
    attributes = {FRAMES: str(len(files))} | frames_attributes(files[:1] if quick else files)
    if quick:
        largest = max(files, key=lambda file: file.stat().st_size)
        return ClipFacts(entry, len(files), (), attributes, (file_hash(largest, hurry=True),))
    hashes: list[int] = []
    pictures: list[int | None] = []
    broken: list[InputError] = []
    resized: list[InputError] = []
    first: tuple[int, ...] | None = None
    for file in files:
        try:
            frame = read_image(file)
        except InputError as error:
            broken.append(error)
            continue
        size = frame.shape[:2]
        first = first or size
        if size != first:
            resized.append(InputError(f"{file}: is {_shown(size)}; the first frame is {_shown(first)}"))
        pictures.append(picture_hash(frame))
        if pictures[-1] is not None:
            hashes.append(file_hash(file))
    among = f"{len(files)} frames"
    findings = [
        *_once("undecodable", broken, among, MAKE_AGAIN),
        *_once("frame-size", resized, among, _ONE_SIZE),
    ]
    masks, coverage, area = _scan_masks(entry, first)
    findings += masks
    return ClipFacts(entry, len(files), tuple(findings), attributes, tuple(hashes), _spread(pictures), coverage, area)


def _scan_masks(
    entry: ClipEntry, size: tuple[int, ...] | None
) -> tuple[list[Finding], NDArray[np.float16] | None, float | None]:
    """Read the masks of a clip one by one; return their findings, their coverage and their area.

    Args:
        entry: the clip.
        size: height and width of its frames, if known.
    """
    if entry.masks is None:
        return [], None, None
    files = frame_files(entry.masks)
    total, areas = np.zeros((GRID, GRID)), []
    broken: list[InputError] = []
    unclear: list[InputError] = []
    resized: list[InputError] = []
    for file in files:
        try:
            mask = read_mask(file, nonzero=entry.nonzero)
        except InputError as error:
            (unclear if _decodes(file) else broken).append(error)
            continue
        if size and mask.shape != size:
            resized.append(InputError(f"{file}: is {_shown(mask.shape)}; the frames are {_shown(size)}"))
        total += _cells(mask)
        areas.append(float(mask.mean()))
    among = f"{len(files)} masks"
    findings = [
        *_once("undecodable", broken, among, MAKE_AGAIN),
        *_once("mask-values", unclear, among, _MASK_VALUES),
        *_once("mask-size", resized, among, _MASK_SIZE),
    ]
    if not areas:
        return findings, None, None
    return findings, (total / len(areas)).astype(np.float16), float(np.mean(areas))


def _cells(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the forged share of each of `GRID GRID` cells of a mask."""
    height, width = mask.shape
    enlarged = width * -(-GRID // width), height * -(-GRID // height)  # OpenCV averages only if both sides shrink
    whole = cv2.resize(mask.astype(np.float32), enlarged, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.resize(whole, (GRID, GRID), interpolation=cv2.INTER_AREA), np.float32)


def _decodes(file: Path) -> bool:
    try:
        read_image(file)
    except InputError:
        return False
    return True


def _once(kind: str, errors: Sequence[InputError], among: str, advice: str) -> list[Finding]:
    """Return the first of some errors as a finding that also counts the others `among` all files; empty if none."""
    findings = [of_error(kind, error, advice) for error in errors[:1]]
    if len(errors) > 1:
        more = f" (and {len(errors) - 1} more of {among})"
        findings = [replace(finding, message=finding.message + more) for finding in findings]
    return findings


def _shown(size: tuple[int, ...]) -> str:
    return f"{size[1]}x{size[0]}"


def _spread(pictures: list[int | None]) -> NDArray[np.uint64]:
    """Return the hashes of up to `HASHED_FRAMES` evenly spaced frames, from those that have one."""
    known = [picture for picture in pictures if picture is not None]
    chosen = np.unique(np.linspace(0, len(known) - 1, min(len(known), HASHED_FRAMES)).round().astype(int))
    return np.array([known[index] for index in chosen], np.uint64)
