"""Free forms: brush strokes, smooth blobs and polygons, each scaled to a drawn area and still or moving."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from outpaint_lightning.forge.masks.base import AREA, MaskSampler, largest, path
from outpaint_lightning.forge.parts import Footage, Parameters

WATCHED = 8  # frames of a clip, evenly spaced, on which the area is measured; a way is straight between its bounces
OUTLINE = 96  # corners of a blob; the chord of one at a radius of 300 px is 0.16 px away from the curve
ROUND = 10  # corners of a stroke's round end; at a radius of 20 px their chord is 0.3 px away from the circle


class Piece(NamedTuple):
    """A part of a form.

    Attributes:
        points: `N 2`, x and y in pixels from the place of the form.
        thickness: Width in pixels of a stroke through them, 1 or more; 0 for the area that they enclose.
    """

    points: NDArray[np.float64]
    thickness: float

    @property
    def most_pixels(self) -> float:
        """More pixels than it covers wherever it lies and however it is turned."""
        filled = self.thickness == 0
        steps = np.diff(self.points, axis=0, append=self.points[:1] if filled else self.points[-1:])
        # Corners are up to 0.71 px off their pixels, and OpenCV fills 0.5 px beyond them.
        width = self.thickness + 2
        rim = float(np.linalg.norm(steps, axis=1).sum()) * width + np.pi / 4 * width**2
        return rim + filled * cv2.contourArea(self.points.astype(np.float32))

    @property
    def outlines(self) -> NDArray[np.float64]:
        """Polygons `P N 2` that together cover it: itself, or one with round ends for each line of a stroke."""
        if self.thickness == 0:
            return self.points[None]
        first, last = self.points[:-1], self.points[1:]
        heading = np.arctan2(*(last - first).T[::-1])
        end = np.linspace(np.pi / 2, 3 * np.pi / 2, ROUND)
        around = heading[:, None] + np.concatenate([end, end + np.pi])
        centre = np.stack([first, last], axis=1).repeat(ROUND, axis=1)
        return centre + (self.thickness - 1) / 2 * np.stack([np.cos(around), np.sin(around)], axis=2)


@dataclass(frozen=True)
class FreeForm(MaskSampler):
    """A form at a uniform place, cut by the frame's edge; it moves straight, may turn, and bounces off the edges.

    Attributes:
        area: Smallest and largest area that shows, as a fraction of the frame's, on average over the clip.
        drift: Probability that the form moves over the clip.
        max_drift: Farthest way from the first frame to the last, as a fraction of the frame's width and height.
        max_turn: Largest turn from the first frame to the last of a form that moves, in degrees.
    """

    limits: ClassVar = {"area": AREA, "drift": (0, 1), "max_drift": (0, 1)}

    area: tuple[float, float] = (0.03, 0.3)
    drift: float = 0.5
    max_drift: float = 0.2
    max_turn: float = 0.0

    @abstractmethod
    def _form(
        self, rng: np.random.Generator, start: NDArray[np.int64], frame: NDArray[np.int64]
    ) -> Callable[[float], list[Piece]]:
        """Draw a form of about one pixel and return what makes it larger by a factor.

        Args:
            rng: The only source of chance.
            start: x and y of its place in the first frame. The first piece must cover it.
            frame: Width and height of the frame.
        """

    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw `pieces` (`points` and `thickness` of each), their place at `start` and `stop`, and the `turn`.

        The place (x and y, in pixels) at `stop` may lie outside the frame: the form bounces. The area is reached
        but for steps of whole pixels; less shows where the form, uncut by the edge, would be as large as the frame.
        """
        frames, height, width = footage.shape
        frame = np.array([width, height])
        area = rng.uniform(*self.area)
        start = rng.integers(0, frame)
        moves = frames > 1 and rng.random() < self.drift
        way = rng.uniform(-self.max_drift, self.max_drift, size=2) * frame * moves
        turn = rng.uniform(-self.max_turn, self.max_turn) * moves
        form = self._form(rng, start, frame)
        watched = Footage.blank(min(frames, WATCHED) if moves else 1, height, width)
        place = {
            "start": start.tolist(),
            "stop": np.rint(start + way).astype(np.int64).tolist(),
            "turn": round(float(turn), 2),
        }

        def params(pieces: list[Piece]) -> Parameters:
            return {**place, "pieces": [{"points": p.points.tolist(), "thickness": p.thickness} for p in pieces]}

        def fits(scale: float) -> bool:
            pieces = form(scale)
            if sum(piece.most_pixels for piece in pieces) >= width * height:
                return False
            mask = self.render(params(pieces), watched)
            return bool(np.count_nonzero(mask) <= area * mask.size)

        return params(form(largest(fits, 4 * float(np.sqrt(width * height)))))

    def render(self, params: Parameters, footage: Footage) -> NDArray[np.bool_]:
        """Return the masks `frames height width`."""
        frames, height, width = footage.shape
        places = _bounced(path(params["start"], params["stop"], frames).astype(np.float64), np.array([width, height]))
        turns = np.deg2rad(np.linspace(0, params["turn"], frames))
        cos, sin = np.cos(turns), np.sin(turns)
        turned = np.array([[cos, sin], [-sin, cos]]).transpose(2, 0, 1)  # for rows: positive from x towards y
        pieces = [Piece(np.array(piece["points"]), piece["thickness"]).outlines for piece in params["pieces"]]
        mask = np.zeros((frames, height, width), dtype=np.uint8)
        for hole, place, turn in zip(mask, places, turned, strict=True):
            for outlines in pieces:
                # One by one: where polygons given together overlap, OpenCV leaves a hole.
                for outline in np.rint(outlines @ turn + place).astype(np.int32):
                    cv2.fillPoly(hole, [outline], 1)
        return mask.view(np.bool_)


def _bounced(points: NDArray[np.float64], frame: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return `points` (`N 2`) folded into the frame at its first and last pixels, as a ball bounces between walls."""
    last = (frame - 1).astype(np.float64)
    folded: NDArray[np.float64] = last - np.abs(points % (2 * last) - last)
    return folded


@dataclass(frozen=True)
class BrushMask(FreeForm):
    """Brush strokes: random walks with round ends that bounce off the frame's edges.

    After the free-form masks of Yu et al., *Free-Form Image Inpainting with Gated Convolution* (2019), algorithm 1.
    Lengths and thickness count in proportion to one another; the area gives the scale.

    Attributes:
        strokes: Fewest and most strokes, each beginning at a uniform place.
        vertices: Fewest and most points of a stroke, at least 2.
        angle: Sharpest turn of a walk at a vertex, in degrees.
        length: Shortest and longest way between two vertices.
        thickness: Thinnest and thickest stroke.
    """

    name = "brush"
    limits: ClassVar = FreeForm.limits | {"strokes": (1, 100), "vertices": (2, 1000), "thickness": (0.01, 100)}

    strokes: tuple[int, int] = (1, 4)
    vertices: tuple[int, int] = (4, 12)
    angle: float = 90.0
    length: tuple[float, float] = (0.5, 1.5)
    thickness: tuple[float, float] = (0.4, 1.0)

    def _form(
        self, rng: np.random.Generator, start: NDArray[np.int64], frame: NDArray[np.int64]
    ) -> Callable[[float], list[Piece]]:
        count = rng.integers(*self.strokes, endpoint=True)
        begins = np.vstack([start, rng.integers(0, frame, size=(count - 1, 2))])
        walks = [self._walk(rng) for _ in range(count)]
        thicknesses = rng.uniform(*self.thickness, size=count)

        def pieces(scale: float) -> list[Piece]:
            return [
                Piece(
                    (_bounced(begin + scale * walk, frame) - start).round(2),
                    max(1.0, round(scale * float(thickness), 2)),
                )
                for begin, walk, thickness in zip(begins, walks, thicknesses, strict=True)
            ]

        return pieces

    def _walk(self, rng: np.random.Generator) -> NDArray[np.float64]:
        steps = rng.integers(*self.vertices, endpoint=True) - 1
        sharpest = np.deg2rad(self.angle)
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.uniform(-sharpest, sharpest, size=steps))
        ways = rng.uniform(*self.length, size=(steps, 1)) * np.column_stack([np.cos(heading), np.sin(heading)])
        return np.vstack([np.zeros((1, 2)), np.cumsum(ways, axis=0)])


@dataclass(frozen=True)
class _Outline(FreeForm):
    """The area within a closed line around the form's place."""

    @abstractmethod
    def _outline(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw the angle and the distance from the place of each corner, in order; half a turn apart at most."""

    def _form(
        self,
        rng: np.random.Generator,
        start: NDArray[np.int64],  # noqa: ARG002 - it lies about its place, wherever that is
        frame: NDArray[np.int64],  # noqa: ARG002
    ) -> Callable[[float], list[Piece]]:
        angle, radius = self._outline(rng)
        corners = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
        return lambda scale: [Piece((scale * corners).round(2), 0.0)]


@dataclass(frozen=True)
class BlobMask(_Outline):
    """A smooth blob: random radii, between them a periodic cubic spline of their logarithm, which stays positive.

    Attributes:
        knots: Fewest and most radii, evenly spaced.
        radius: Shortest and longest radius, in proportion to one another; the area gives the scale.

    Example:
        >>> import numpy as np
        >>> from outpaint_lightning.forge.parts import Footage
        >>> blob, footage = BlobMask(area=(0.1, 0.2)), Footage.blank(frames=2, height=64, width=64)
        >>> mask = blob.render(blob.sample(np.random.default_rng(0), footage), footage)
        >>> bool(0.05 < mask.mean() < 0.25)
        True
    """

    name = "blob"
    limits: ClassVar = FreeForm.limits | {"knots": (3, 100), "radius": (0.01, 100)}

    max_turn: float = 30.0
    knots: tuple[int, int] = (6, 8)
    radius: tuple[float, float] = (0.4, 1.0)

    def _outline(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        knots = int(rng.integers(*self.knots, endpoint=True))
        logarithm = np.log(rng.uniform(*self.radius, size=knots))
        spline = CubicSpline(np.arange(knots + 1), np.append(logarithm, logarithm[0]), bc_type="periodic")
        turn = np.arange(OUTLINE) / OUTLINE
        return 2 * np.pi * (turn + rng.random()), np.exp(spline(knots * turn))


@dataclass(frozen=True)
class PolygonMask(_Outline):
    """A polygon, convex or not, that turns as it moves.

    Attributes:
        corners: Fewest and most corners, at least 3.
        radius: Shortest and longest distance of a corner from the place, in proportion; the area gives the scale.
    """

    name = "polygon"
    limits: ClassVar = FreeForm.limits | {"corners": (3, 100), "radius": (0.01, 100)}

    drift: float = 1.0
    max_drift: float = 0.4
    max_turn: float = 90.0
    corners: tuple[int, int] = (3, 8)
    radius: tuple[float, float] = (0.5, 1.0)

    def _outline(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        corners = int(rng.integers(*self.corners, endpoint=True))
        # Up to 0.2 steps to either side leave those of a triangle at most 168 degrees apart: its place is inside.
        step = np.arange(corners) + rng.uniform(-0.2, 0.2, size=corners)
        return 2 * np.pi * (step / corners + rng.random()), rng.uniform(*self.radius, size=corners)
