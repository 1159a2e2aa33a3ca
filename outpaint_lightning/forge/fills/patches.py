"""The fill that assembles a hole from patches of the known region."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.fills.copies import mirror, nearest
from outpaint_lightning.forge.fills.diffusion import diffuse
from outpaint_lightning.forge.parts import Footage, Parameters

Places = NDArray[np.int64]
"""Upper left corners of patches, `n 2`, row and column."""
Field = NDArray[np.int64]
"""Offset in rows and columns from each patch position to its source, `H' W' 2`."""

SIZES = 7, 5, 3  # pixels per side of a patch: the first size with enough sources
ENOUGH = 0.05  # share of all positions; with fewer sources, repetition would be visible
STRIDE = 2  # pixels between the patches that cover the hole: a quarter of all patches, and each pixel lies in several
ROUNDS = 2, 4  # rounds of search and vote at full size, and how many more per halving, each a quarter of the cost
SWEEPS = 2  # passes of propagation and random search per round
NEAR = 8  # first range of the random search in pixels, if there is an initial guess
SAME_SHOT = 24.0  # mean absolute difference in grey levels; frames that differ more share no matches


@dataclass(frozen=True)
class PatchMatch(Fill):
    """Patches of known pixels that agree with one another and with the edge of the hole, found from coarse to fine.

    Two steps alternate. Every patch that touches the hole searches for the most similar known patch (PatchMatch, Barnes
    et al., 2009: it tries the shifted matches of its neighbours, and random positions around its own match). Then every
    pixel of the hole becomes the weighted mean of the matches of the patches over it; patches nearer to the edge have
    more weight (Wexler et al., 2007, but with weights from the position only: weights from similarity let the interior
    agree with itself and tear at the edge).

    A frame of the same shot starts from the matches of the previous frame, so that the content stays in place.
    Where no patch of 3 x 3 pixels is known, `mirror` fills the hole.
    """

    name = "patchmatch"

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw the `seed` of the random search."""
        return {"seed": int(rng.integers(2**32))}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`."""
        filled = mirror(footage.frames, mask)
        field = None
        for now, (frame, hole) in enumerate(zip(filled, mask, strict=True)):
            if now and not _alike(filled[now - 1], frame, ~(mask[now - 1] | hole)):
                field = None
            # The same seed again, so that equal frames are filled equally.
            field = _complete(frame, hole, field, np.random.default_rng(params["seed"]))
        return filled


def _alike(before: NDArray[np.uint8], frame: NDArray[np.uint8], known: NDArray[np.bool_]) -> bool:
    return bool(known.any()) and bool(cv2.absdiff(before, frame)[known].mean() < SAME_SHOT)


def _complete(
    frame: NDArray[np.uint8], hole: NDArray[np.bool_], field: Field | None, rng: np.random.Generator
) -> Field | None:
    """Fill the hole of a frame in place: from coarse to fine, or at full size only when starting from a field.

    Returns:
        The matches; or None, with the frame unchanged, if there is no hole or no source.
    """
    size = next((size for size in SIZES if _sources(hole, size).mean() >= ENOUGH), SIZES[-1])
    if not hole.any() or not _sources(hole, size).any():
        return None
    scales = [(frame, hole)] if field is not None else _scales(frame, hole, size)
    for halvings, (image, inside) in reversed(list(enumerate(scales))):
        search = _Search(image, inside, size, rng)
        if field is None:
            image[inside] = np.rint(diffuse(image.astype(np.float32), inside)[inside])
            search.start_anywhere()
        else:
            search.start(field, 1 if len(scales) == 1 else 2)
            search.vote()
        for _ in range(ROUNDS[0] + halvings * ROUNDS[1]):
            search.match()
            search.vote()
        field = search.field()
    return field


def _scales(
    frame: NDArray[np.uint8], hole: NDArray[np.bool_], size: int
) -> list[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Return frame and hole at full size and halved repeatedly, until a patch spans the hole or sources are too few."""
    scales = [(frame, hole)]
    while min(hole.shape) >= 2 * size and _depth(hole).max() > size // 2:
        frame, hole = _halve(frame, hole)
        if _sources(hole, size).mean() < ENOUGH:
            break
        scales.append((frame, hole))
    return scales


def _halve(image: NDArray[np.uint8], hole: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return an image at half size, with an odd last row or column repeated, and the pixels that hidden ones affect."""
    even = ((0, hole.shape[0] % 2), (0, hole.shape[1] % 2))
    image, hole = np.pad(image, (*even, (0, 0)), mode="edge"), np.pad(hole, even, mode="edge")
    height, width = hole.shape[0] // 2, hole.shape[1] // 2
    inside = np.asarray(hole.reshape(height, 2, width, 2).any(axis=(1, 3)))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), inside


def _depth(hole: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the distance in pixels of each pixel of the hole from the known region, and 0 elsewhere."""
    # SciPy's transform, because the last bit of OpenCV's depends on the number of threads.
    depth: NDArray[np.float64] = distance_transform_edt(hole)
    return depth


def _sources(hole: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """Return the positions (`H' W'`) at which all pixels of a patch are known."""
    hidden = cv2.boxFilter(hole.astype(np.float32), -1, (size, size), anchor=(0, 0), normalize=False)
    sources: NDArray[np.bool_] = hidden[: hole.shape[0] - size + 1, : hole.shape[1] - size + 1] < 0.5
    return sources


class _Search:
    """The patches that cover the hole of one image, each with its best known patch so far."""

    def __init__(self, image: NDArray[np.uint8], hole: NDArray[np.bool_], size: int, rng: np.random.Generator) -> None:
        self.image, self.hole, self.size, self.rng = image, hole, size, rng
        self.windows = sliding_window_view(image.reshape(len(image), -1), (size, 3 * size))[:, ::3]
        self.sources = _sources(hole, size)
        rows, columns = (np.union1d(np.arange(0, places, STRIDE), places - 1) for places in self.sources.shape)
        chosen = ~self.sources[np.ix_(rows, columns)]
        row, column = np.nonzero(chosen)
        self.at = np.stack([rows[row], columns[column]], axis=1)
        numbers = np.full((len(rows) + 2, len(columns) + 2), -1)
        numbers[1:-1, 1:-1][chosen] = np.arange(len(self.at))
        self.neighbours = [numbers[row + y, column + x] for y, x in ((0, 1), (1, 0), (2, 1), (1, 2))]
        middle = self.at + size // 2
        self.weight = (1 / np.square(1 + _depth(hole)[middle[:, 0], middle[:, 1]])).astype(np.float32)

    def start_anywhere(self) -> None:
        """Start with random sources."""
        sources = np.argwhere(self.sources)
        self.found = sources[self.rng.integers(len(sources), size=len(self.at))]
        self.reach = max(self.sources.shape)

    def start(self, field: Field, scale: int) -> None:
        """Start with the matches of an image `scale` times smaller, each moved to the nearest source."""
        limit = np.array(self.sources.shape) - 1
        smaller = np.minimum(self.at // scale, np.array(field.shape[:2]) - 1)
        guess = np.clip(self.at + scale * field[smaller[:, 0], smaller[:, 1]], 0, limit)
        self.found = nearest(self.sources)[:, guess[:, 0], guess[:, 1]].T.astype(np.int64)
        self.reach = NEAR

    def match(self) -> None:
        """Improve the matches for the current image."""
        every = np.arange(len(self.at))
        self.targets = self._patches(self.at)
        self.distance = self._distances(every, self.found)
        for _ in range(SWEEPS):
            for neighbour in self.neighbours:
                which = np.flatnonzero(neighbour >= 0)
                other = neighbour[which]
                self._try(which, self.found[other] + self.at[which] - self.at[other])
            reach = self.reach
            while reach >= 1:
                self._try(every, self.found + self.rng.integers(-reach, reach, self.found.shape, endpoint=True))
                reach //= 2

    def vote(self) -> None:
        """Set each pixel of the hole to the weighted mean of the matches of the patches over it."""
        height, width = self.hole.shape
        at, found = self.at @ [width, 1], self.found @ [width, 1]
        shown = np.dstack([self.image, np.ones_like(self.image[..., :1])]).reshape(-1, 4).astype(np.float32)
        total = np.zeros_like(shown)
        for step in (np.arange(self.size)[:, None] * width + np.arange(self.size)).ravel():
            total[at + step] += self.weight[:, None] * shown[found + step]
        colour = total.reshape(height, width, 4)[self.hole]
        self.image[self.hole] = np.rint(colour[:, :3] / colour[:, 3:])

    def field(self) -> Field:
        """Return the matches as offsets; positions without a patch get the offset of the nearest patch."""
        chosen = np.zeros(self.sources.shape, dtype=bool)
        chosen[self.at[:, 0], self.at[:, 1]] = True
        offsets = np.zeros((*chosen.shape, 2), dtype=np.int64)
        offsets[chosen] = self.found - self.at  # both in row order
        row, column = nearest(chosen)
        dense: Field = offsets[row, column]
        return dense

    def _try(self, which: NDArray[np.int64], found: Places) -> None:
        """Accept candidates that are sources and more similar than the current match."""
        inside = ((found >= 0) & (found < self.sources.shape)).all(axis=1)
        new = inside & (found != self.found[which]).any(axis=1)
        which, found = which[new], found[new]
        usable = self.sources[found[:, 0], found[:, 1]]
        which, found = which[usable], found[usable]
        distance = self._distances(which, found)
        better = distance < self.distance[which]
        self.found[which[better]] = found[better]
        self.distance[which[better]] = distance[better]

    def _distances(self, which: NDArray[np.int64], found: Places) -> NDArray[np.float32]:
        # Integers below 3 x 7 x 7 x 255^2 < 2^24, so float32 is exact and the same on every machine.
        difference = self._patches(found) - self.targets[which]
        distances: NDArray[np.float32] = np.einsum("ij,ij->i", difference, difference)
        return distances

    def _patches(self, places: Places) -> NDArray[np.float32]:
        patches = self.windows[places[:, 0], places[:, 1]].astype(np.float32)
        return patches.reshape(len(places), 3 * self.size**2)
