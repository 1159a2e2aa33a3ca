"""A clean clip and what may be taken into its forgeries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.chains import Chain
from outpaint_lightning.forge.forger import SMALLEST, Forger, Record, replay
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.forge.recipe import rng_of
from outpaint_lightning.io import IMAGE_SUFFIXES, Clip, ClipEntry, frame_files, open_clip, read_mask
from outpaint_lightning.types import InputError

DONOR_FRAMES = 32  # read of a donor, the first ones; a longer forgery shows them forth and back


@dataclass(frozen=True)
class Material:
    """A clean clip and what may be taken into its forgeries.

    Attributes:
        entry: The clip.
        objects: Folder of one object mask a frame, or a mask file for a photo; everything but 0 is object.
        donors: Name and path of the clips of other sources in the same split.
        limit: Frames of a clip that are used, the first ones; None takes all.
    """

    entry: ClipEntry
    objects: Path | None = None
    donors: tuple[tuple[str, Path], ...] = ()
    limit: int | None = None

    @property
    def available(self) -> frozenset[str]:
        """What its footage may have beside frames; see `Part.needs`."""
        return frozenset({"objects"} if self.objects else ()) | frozenset({"donor"} if self.donors else ())

    @property
    def is_photo(self) -> bool:
        """Whether it is a single image file."""
        return self.entry.frames.suffix.lower() in IMAGE_SUFFIXES and not self.entry.frames.is_dir()

    def span(self, clip: Clip) -> range:
        """Return the frames that are used."""
        return range(len(clip) if self.limit is None else min(len(clip), self.limit))

    def check(self) -> Clip:
        """Open the clip and count its object masks.

        Raises:
            InputError: It cannot be read, is smaller than `SMALLEST`, or has another number of object masks.
        """
        clip = open_clip(self.entry.frames)
        if min(clip.height, clip.width) < SMALLEST:
            raise InputError(
                f"{clip.path}: frames of {clip.width}x{clip.height}; expected {SMALLEST}x{SMALLEST} or more"
            )
        if self.objects and len(files := frame_files(self.objects)) != len(clip):
            raise InputError(
                f"{self.objects}: {len(files)} masks for {len(clip)} frames of {clip.path}; as many expected"
            )
        return clip

    def make(
        self,
        frames: NDArray[np.uint8],
        span: range,
        chain: Chain,
        forger: Forger | None,
        lot: Sequence[object],
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None, Record]:
        """Draw a forgery, make it, and prepare it for its chain.

        Args:
            frames: The clip's frames of `span`, `T H W 3`.
            span: Their numbers.
            chain: What clip and forgery go through.
            forger: One whose needs are available; None leaves the clip as it is.
            lot: Everything depends on this key and nothing else. The chain's parameters depend on all of it but its
                last element, the number of the forgery: they are its twin's.

        Returns:
            Frames and label ready to be encoded, and the record; without a forger there is no label.
        """
        mask, record = None, Record()
        try:
            if forger:
                footage, record = self.draw(rng_of(*lot), forger, frames, span)
                frames, mask = replay(footage, record)
        except InputError as error:
            raise InputError(f"{self.entry.frames}: {error}") from error
        params = chain.sample(rng_of(*lot[:-1], "chain parameters"))
        record["chain"] = {"name": chain.name, "class_path": chain.class_path, "params": params}
        prepared, label = chain.prepare(frames, mask, params)
        if label is not None and not label.any():
            raise InputError(f"{self.entry.frames}: nothing of the forgery is left after {record['chain']}")
        return prepared, label, record

    def draw(
        self, rng: np.random.Generator, forger: Forger, frames: NDArray[np.uint8], span: range
    ) -> tuple[Footage, Record]:
        """Gather what a forger needs and draw a forgery.

        Args:
            rng: The only source of chance.
            forger: One whose needs are available.
            frames: The clip's frames of `span`, `T H W 3`.
            span: Their numbers.

        Returns:
            The footage and its record: what `Forger.sample` gives, with the `donor`'s name and whether `objects` are
            needed.
        """
        taken: Record = {"objects": "objects" in forger.needs}
        if "donor" in forger.needs:
            taken["donor"] = self._donor(rng)
        footage = self.footage(frames, span, taken)
        return footage, taken | forger.sample(rng, footage)

    def footage(self, frames: NDArray[np.uint8], span: range, record: Record) -> Footage:
        """Gather the footage of a record that `draw` gave.

        Raises:
            InputError: The record's donor or objects are not there.
        """
        objects = donor = None
        if record["objects"]:
            if self.objects is None:
                raise InputError(f"{self.entry.clip}: object masks are needed; expected a folder of them")
            files = frame_files(self.objects)
            objects = np.stack([_object(files[index], frames.shape[1:3]) for index in span])
        if name := record.get("donor"):
            path = dict(self.donors).get(name)
            if path is None:
                raise InputError(f"{self.entry.clip}: no clip {name!r} to splice from")
            clip = open_clip(path)
            donor = clip.read(range(min(len(clip), DONOR_FRAMES)))
        return Footage(frames, objects, donor)

    def _donor(self, rng: np.random.Generator) -> str:
        # The lowest lot wins, so that a clip more changes the choice only where it wins itself.
        lot = int(rng.integers(2**32))
        return min((np.random.default_rng([lot, *name.encode()]).random(), name) for name, _ in self.donors)[1]


def materials(entries: Sequence[ClipEntry], objects: Path | None = None, limit: int | None = None) -> list[Material]:
    """Gather the material of clean clips.

    Args:
        entries: Clips of all splits.
        objects: Folder with a folder (or, for a photo, a PNG) of object masks for some of the clips.
        limit: See `Material`.

    Raises:
        InputError: `objects` has masks for none of the clips.
    """
    found = []
    for entry in entries:
        places = () if objects is None else (objects / entry.clip, objects / f"{entry.clip}.png")
        donors = ((e.clip, e.frames) for e in entries if e.split == entry.split and e.source != entry.source)
        masks = next((place for place in places if place.exists()), None)
        found.append(Material(entry, masks, tuple(donors), limit))
    if objects is not None and not any(material.objects for material in found):
        raise InputError(f"{objects}: masks of none of the clips; expected {objects / entries[0].clip} or the like")
    return found


def _object(path: Path, size: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = read_mask(path, nonzero=True)
    if mask.shape != size:
        raise InputError(
            f"{path}: mask of {mask.shape[1]}x{mask.shape[0]} on a frame of {size[1]}x{size[0]}; the same size expected"
        )
    return mask
