"""Everything an audit learns of one clip, small enough to keep for every clip of a large dataset."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.audit.attributes import FRAMES, image_attributes, video_attributes
from outpaint_lightning.audit.findings import ERROR, Finding, of_error
from outpaint_lightning.audit.fingerprints import HASHED_FRAMES, file_hash, picture_hash
from outpaint_lightning.io import VIDEO_SUFFIXES, ClipEntry, frame_files, open_clip, read_image, read_mask
from outpaint_lightning.types import InputError

GRID = 64
"""Cells on each side of the coverage: as many as `metrics.MaskPrior` has."""

MAKE_AGAIN = "make the file again from its source, or remove the clip"
_ONE_SIZE = "resize the frames to one size, or split the clip where the size changes"
_MASK_SIZE = "write masks at the size of their frames, by nearest neighbour"
_MASK_VALUES = "write 8-bit grey PNG masks of 0 and 255 only: no blending, no JPEG, no resize but nearest neighbour"
_EMPTY_MASKS = "remove the masks and the name of the forger if the clip is authentic, else write what was forged"


@dataclass(frozen=True)
class ClipFacts:
    """What was learnt of one clip."""

    entry: ClipEntry
    frames: int = 0
    findings: tuple[Finding, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    """See `attributes.ATTRIBUTES`; what does not apply is absent."""
    files: tuple[int, ...] = ()
    """`file_hash` of each frame in order or of the video; in a quick scan, of the frame in the middle."""
    pictures: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    """`picture_hash` of some frames, flat ones left out; none in a quick scan."""
    coverage: NDArray[np.float16] | None = None
    """`GRID GRID`: the share of the clip's frames in which each cell is forged; None where no mask was read."""

    @property
    def is_forged(self) -> bool:
        """Whether the clip is called forged: it has masks, or a forger is named."""
        return bool(self.entry.masks or self.entry.forger)

    @property
    def area(self) -> float:
        """Forged share of the clip's pixels; 0 where masks were not read."""
        return 0.0 if self.coverage is None else float(self.coverage.mean(dtype=np.float64))


def scan(entry: ClipEntry, *, quick: bool = False) -> ClipFacts:
    """Look at one clip.

    Args:
        entry: the clip.
        quick: read headers, and the bytes of one frame, only.
    """
    try:
        if entry.frames.suffix.lower() in VIDEO_SUFFIXES and entry.frames.is_file():
            return _scan_video(entry, quick)
        return _scan_images(entry, quick)
    except InputError as error:
        return ClipFacts(entry, findings=(of_error("undecodable", error, MAKE_AGAIN),))
    except OSError as error:
        told = InputError(f"{error.filename or entry.frames}: cannot be read ({error.strerror})")
        return ClipFacts(entry, findings=(of_error("undecodable", told, MAKE_AGAIN),))


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
    masks, coverage = _scan_masks(entry, (clip.height, clip.width))
    attributes[FRAMES] = str(len(clip))
    return ClipFacts(entry, len(clip), (*findings, *masks), attributes, files, _spread(pictures), coverage)


def _scan_images(entry: ClipEntry, quick: bool) -> ClipFacts:
    files = frame_files(entry.frames)
    attributes = {FRAMES: str(len(files))}
    with suppress(InputError):  # the reading below tells of it, or of what else is wrong with the file
        attributes |= image_attributes(files[0])
    if quick:
        hashes = tuple(file_hash(file, hurry=True) for file in hashed_files(files, 1))
        return ClipFacts(entry, len(files), (), attributes, hashes)
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
    among = f"{len(files)} frames"
    findings = [
        *_once("undecodable", broken, among, MAKE_AGAIN),
        *_once("frame-size", resized, among, _ONE_SIZE),
    ]
    masks, coverage = _scan_masks(entry, first)
    hashes = tuple(file_hash(file) for file in files)
    return ClipFacts(entry, len(files), (*findings, *masks), attributes, hashes, _spread(pictures), coverage)


def hashed_files(files: Sequence[Path], count: int) -> Sequence[Path]:
    """Return the files of a clip's frames of which `count` hashes were made: all, or the one in the middle."""
    return files if count == len(files) else [files[len(files) // 2]]


def _scan_masks(entry: ClipEntry, size: tuple[int, ...] | None) -> tuple[list[Finding], NDArray[np.float16] | None]:
    """Read the masks of a clip one by one; return what is wrong with them and where they are.

    Args:
        entry: the clip.
        size: height and width of its frames, if known.
    """
    if entry.masks is None:
        return [], None
    files = frame_files(entry.masks)
    total, read = np.zeros((GRID, GRID)), 0
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
        total += cv2.resize(mask.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
        read += 1
    among = f"{len(files)} masks"
    findings = [
        *_once("undecodable", broken, among, MAKE_AGAIN),
        *_once("mask-values", unclear, among, _MASK_VALUES),
        *_once("mask-size", resized, among, _MASK_SIZE),
    ]
    if read and not findings and not total.any():
        called = f"the manifest names the forger {entry.forger!r}" if entry.forger else "a clip with masks is forged"
        findings.append(Finding(ERROR, "empty-masks", entry.masks, f"no mask marks a pixel; {called}", _EMPTY_MASKS))
    return findings, (total / read).astype(np.float16) if read else None


def _decodes(file: Path) -> bool:
    try:
        read_image(file)
    except InputError:
        return False
    return True


def _once(kind: str, errors: Sequence[InputError], among: str, advice: str) -> list[Finding]:
    """Return the first of some errors as a finding that counts the others `among` all files; none of no errors."""
    findings = [of_error(kind, error, advice) for error in errors[:1]]
    if len(errors) > 1:
        more = f" (and {len(errors) - 1} more of {among})"
        findings = [replace(finding, message=finding.message + more) for finding in findings]
    return findings


def _shown(size: tuple[int, ...]) -> str:
    return f"{size[1]}x{size[0]}"


def _spread(pictures: list[int | None]) -> NDArray[np.uint64]:
    """Return the hashes of up to `HASHED_FRAMES` frames at equal distances, of those that have one."""
    known = [picture for picture in pictures if picture is not None]
    chosen = np.unique(np.linspace(0, len(known) - 1, min(len(known), HASHED_FRAMES)).round().astype(int))
    return np.array([known[index] for index in chosen], np.uint64)
