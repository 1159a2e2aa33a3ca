"""A clean clip and the footage that its forgeries may use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.chains import Chain
from outpaint_lightning.forge.forger import SMALLEST, Forger, Record, replay
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.forge.recipe import rng_of
from outpaint_lightning.io import (
    Clip,
    ClipEntry,
    frame_files,
    frame_numbers,
    has_name_of_video,
    image_size,
    is_image,
    open_clip,
    paired_masks,
    read_mask,
)
from outpaint_lightning.types import InputError

DONORS = 16  # largest number of clips that may be spliced into one
DONOR_FRAMES = 32  # frames read from a donor, the first ones; a longer forgery plays them forwards and backwards


@dataclass(frozen=True)
class Material:
    """A clean clip and the footage that its forgeries may use.

    Attributes:
        entry: the clip.
        objects: folder with one object mask per frame, or a mask file for a photo; every value except 0 is object.
        donors: name and path of some clips of other sources in the same split.
        limit: number of first frames that are used; None uses all.
    """

    entry: ClipEntry
    objects: Path | None = None
    donors: tuple[tuple[str, Path], ...] = ()
    limit: int | None = None

    @property
    def available(self) -> frozenset[str]:
        """The contents that its footage can have besides frames; see `Part.needs`."""
        return frozenset({"objects"} if self.objects else ()) | frozenset({"donor"} if self.donors else ())

    @property
    def is_photo(self) -> bool:
        """Whether it is a single image file."""
        return is_image(self.entry.frames)

    def span(self, clip: Clip) -> range:
        """Return the indices of the frames that are used."""
        return range(len(clip) if self.limit is None else min(len(clip), self.limit))

    def check(self) -> Clip:
        """Open the clip and check its object masks.

        Raises:
            InputError: the clip cannot be read, is smaller than `SMALLEST`, or its object masks differ in number or
                size.
        """
        clip = open_clip(self.entry.frames)
        if min(clip.height, clip.width) < SMALLEST:
            raise InputError(
                f"{clip.path}: frames of {clip.width}x{clip.height}; expected {SMALLEST}x{SMALLEST} or more"
            )
        if self.objects:
            files = self._object_files()
            if len(files) != len(clip):
                raise InputError(f"{self.objects}: {len(files)} masks for {len(clip)} frames of {clip.path}")
            _require_size(files[0], image_size(files[0]), (clip.height, clip.width))
        return clip

    def fingerprint(self, needs: frozenset[str]) -> dict[str, Any]:
        """Return plain values on which the forgeries of this clip with these needs depend.

        Files are represented by name, size and modification time.
        """
        return {
            "split": self.entry.split,
            "scene": self.entry.scene,
            "camera": self.entry.camera,
            "source": self.entry.source,
            "frames": _fingerprint(self.entry.frames),
            "objects": _fingerprint(self.objects if "objects" in needs else None),
            "donors": [name for name, _ in self.donors] if "donor" in needs else [],
        }

    def make(
        self,
        frames: NDArray[np.uint8],
        span: range,
        chain: Chain,
        forger: Forger | None,
        lot: Sequence[object],
        twin_lot: Sequence[object],
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None, Record]:
        """Draw a forgery, make it, and prepare it for its chain.

        Args:
            frames: the clip's frames of `span`, `T H W 3`.
            span: the indices of the frames.
            chain: chain for the clip and its forgery.
            forger: a forger whose needs are available; None leaves the clip unchanged.
            lot: key of the forgery's random choices.
            twin_lot: key of the chain's random choices, the same for a forgery and its untouched twin.

        Returns:
            Frames and label, ready to be encoded, and the record; without a forger the label is None.
        """
        mask, record = None, Record()
        try:
            if forger:
                footage, record = self.draw(rng_of(*lot), forger, frames, span)
                frames, mask = replay(footage, record)
        except InputError as error:
            raise InputError(f"{self.entry.frames}: {error}") from error
        params = chain.sample(rng_of(*twin_lot, "chain parameters"))
        record["chain"] = {"name": chain.name, "class_path": chain.class_path, "params": params}
        prepared, label = chain.prepare(frames, mask, params)
        if label is not None and not label.any():
            raise InputError(f"{self.entry.frames}: nothing of the forgery is left after {record['chain']}")
        return prepared, label, record

    def draw(
        self, rng: np.random.Generator, forger: Forger, frames: NDArray[np.uint8], span: range
    ) -> tuple[Footage, Record]:
        """Collect the footage that a forger needs, and draw a forgery.

        Args:
            rng: the only source of randomness.
            forger: a forger whose needs are available.
            frames: the clip's frames of `span`, `T H W 3`.
            span: the indices of the frames.

        Returns:
            The footage and its record: the result of `Forger.sample` plus the `donor`'s name and whether `objects` are
            needed.
        """
        taken: Record = {"objects": "objects" in forger.needs}
        if "donor" in forger.needs:
            taken["donor"] = self.donors[rng.integers(len(self.donors))][0]
        footage = self.footage(frames, span, taken)
        return footage, taken | forger.sample(rng, footage)

    def footage(self, frames: NDArray[np.uint8], span: range, record: Record) -> Footage:
        """Collect the footage for a record from `draw`.

        Raises:
            InputError: the record's donor or objects are missing.
        """
        objects = donor = None
        if record["objects"]:
            if self.objects is None:
                raise InputError(f"{self.entry.clip}: object masks are needed; expected a folder of them")
            files = self._object_files()
            objects = np.stack([_object(files[index], frames.shape[1:3]) for index in span])
        if name := record.get("donor"):
            path = dict(self.donors).get(name)
            if path is None:
                raise InputError(f"{self.entry.clip}: no clip {name!r} to splice from")
            clip = open_clip(path)
            donor = clip.read(range(min(len(clip), DONOR_FRAMES, self.limit or DONOR_FRAMES)))
        return Footage(frames, objects, donor)

    def _object_files(self) -> list[Path]:
        """Return the object mask of each frame, by the frame's name; for a video, by the frame's number."""
        if self.objects is None:
            return []
        frames, files = self.entry.frames, frame_files(self.objects)
        is_video = has_name_of_video(frames) and frames.is_file()
        names = frame_numbers(len(files)) if is_video else [file.stem for file in frame_files(frames)]
        return paired_masks(self.objects, names, frames) if len(names) == len(files) else files

    def shows_objects(self, span: range) -> bool:
        """Whether an object mask of one of these frames is not empty."""
        files = self._object_files()
        return any(read_mask(files[index], nonzero=True).any() for index in span if index < len(files))


def materials(entries: Sequence[ClipEntry], objects: Path | None = None, limit: int | None = None) -> list[Material]:
    """Collect the material of clean clips.

    Args:
        entries: clips of all splits.
        objects: folder with a folder (or, for a photo, a PNG) of object masks for some of the clips.
        limit: see `Material`.

    Raises:
        InputError: `objects` has masks for none of the clips.
    """
    # A clip's donors follow it on a ring in random order, so that adding a clip changes few of them.
    rings: dict[str, list[ClipEntry]] = {}
    for entry in sorted(entries, key=lambda entry: rng_of("donors", entry.clip).random()):
        rings.setdefault(entry.split, []).append(entry)
    donors = {
        entry.clip: tuple(islice(_others(entry, ring[at + 1 :] + ring[:at]), DONORS))
        for ring in rings.values()
        for at, entry in enumerate(ring)
    }
    found = []
    for entry in entries:
        candidates = () if objects is None else (objects / entry.clip, objects / f"{entry.clip}.png")
        masks = next((path for path in candidates if path.exists()), None)
        found.append(Material(entry, masks, donors[entry.clip], limit))
    if objects is not None and not any(material.objects for material in found):
        raise InputError(f"{objects}: masks of none of the clips; expected {objects / entries[0].clip} or the like")
    return found


def _fingerprint(path: Path | None) -> str:
    files = [] if path is None else sorted(path.iterdir()) if path.is_dir() else [path]
    facts = [(file.name, (status := file.stat()).st_size, status.st_mtime_ns) for file in files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _others(entry: ClipEntry, clips: Iterable[ClipEntry]) -> Iterator[tuple[str, Path]]:
    return ((clip.clip, clip.frames) for clip in clips if clip.source != entry.source)


def _object(path: Path, size: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = read_mask(path, nonzero=True)
    _require_size(path, mask.shape, size)
    return mask


def _require_size(path: Path, found: tuple[int, ...], size: tuple[int, ...]) -> None:
    if found != size:
        raise InputError(f"{path}: mask of {found[1]}x{found[0]} on frames of {size[1]}x{size[0]}; the same expected")
