"""Free forms: brush strokes, smooth blobs and polygons, scaled to a drawn area, still or moving."""

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

WATCHED = 8  # frames on which the area is measured, evenly spaced; a path is straight between bounces
OUTLINE = 96  # corners of a blob; at a radius of 300 px a chord is 0.16 px away from the curve
ROUND = 10  # corners of a stroke's round end; at a radius of 20 px a chord is 0.3 px away from the circle


class Piece(NamedTuple):
    """A part of a form.

    Attributes:
        points: `N 2`, x and y in pixels, relative to the form's position.
        thickness: width in pixels of a stroke through the points, at least 1; 0 fills the area that they enclose.
    """

    points: NDArray[np.float64]
    thickness: float

    @property
    def most_pixels(self) -> float:
        """An upper bound of the number of pixels that it covers at any position and angle."""
        filled = self.thickness == 0
        steps = np.diff(self.points, axis=0, append=self.points[:1] if filled else self.points[-1:])
        # Rounding moves corners by up to 0.71 px, and OpenCV fills 0.5 px beyond them.
        width = self.thickness + 2
        rim = float(np.linalg.norm(steps, axis=1).sum()) * width + np.pi / 4 * width**2
        return rim + filled * cv2.contourArea(self.points.astype(np.float32))

    @property
    def outlines(self) -> NDArray[np.float64]:
        """Polygons `P N 2` that together cover the piece: itself, or one with round ends per segment of a stroke."""
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
    """A form at a uniform position, clipped at the frame's edge; it moves straight, may turn, and bounces off edges.

    Attributes:
        area: smallest and largest visible area, as a fraction of the frame, averaged over the clip.
        drift: probability that the form moves over the clip.
        max_drift: longest path from the first frame to the last, as a fraction of the frame's width and height.
        max_turn: largest turn of a moving form from the first frame to the last, in degrees.
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
        """Draw a form of about one pixel; return a function that makes its pieces at a given scale.

        Args:
            rng: the only source of randomness.
            start: x and y of its position in the first frame. The first piece must cover it.
            frame: width and height of the frame.
        """

    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw `pieces` (`points` and `thickness` of each), their position at `start` and `stop`, and the `turn`.

        The position at `stop` (x and y, in pixels) may lie outside the frame: the form bounces. The area is exact
        except for rounding to pixels; it is smaller if the whole, unclipped form would be as large as the frame.
        """
        frames, height, width = footage.shape
        frame = np.array([width, height])
        area = rng.uniform(*self.area)
        start = rng.integers(0, frame)
        moves = frames > 1 and rng.random() < self.drift
        shift = rng.uniform(-self.max_drift, self.max_drift, size=2) * frame * moves
        turn = rng.uniform(-self.max_turn, self.max_turn) * moves
        form = self._form(rng, start, frame)
        watched = Footage.blank(min(frames, WATCHED) if moves else 1, height, width)
        position = {
            "start": start.tolist(),
            "stop": np.rint(start + shift).astype(np.int64).tolist(),
            "turn": round(float(turn), 2),
        }

        def params(pieces: list[Piece]) -> Parameters:
            return {**position, "pieces": [{"points": p.points.tolist(), "thickness": p.thickness} for p in pieces]}

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
        positions = _bounced(
            path(params["start"], params["stop"], frames).astype(np.float64), np.array([width, height])
        )
        turns = np.deg2rad(np.linspace(0, params["turn"], frames))
        cos, sin = np.cos(turns), np.sin(turns)
        turned = np.array([[cos, sin], [-sin, cos]]).transpose(2, 0, 1)  # for row vectors: positive from x to y
        pieces = [Piece(np.array(piece["points"]), piece["thickness"]).outlines for piece in params["pieces"]]
        mask = np.zeros((frames, height, width), dtype=np.uint8)
        for hole, position, turn in zip(mask, positions, turned, strict=True):
            for outlines in pieces:
                # One by one, because OpenCV leaves a hole where polygons of one call overlap.
                for outline in np.rint(outlines @ turn + position).astype(np.int32):
                    cv2.fillPoly(hole, [outline], 1)
        return mask.view(np.bool_)


def _bounced(points: NDArray[np.float64], frame: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return `points` (`N 2`) reflected into the frame at its first and last pixels, like a ball between walls."""
    last = (frame - 1).astype(np.float64)
    folded: NDArray[np.float64] = last - np.abs(points % (2 * last) - last)
    return folded


@dataclass(frozen=True)
class BrushMask(FreeForm):
    """Brush strokes: random walks with round ends that bounce off the frame's edges.

    They follow the free-form masks of Yu et al., *Free-Form Image Inpainting with Gated Convolution* (2019), algorithm
    1. Lengths and thickness are relative to one another; the area sets the scale.

    Attributes:
        strokes: smallest and largest number of strokes, each with a uniform start.
        vertices: smallest and largest number of points of a stroke, at least 2.
        angle: largest turn of a walk at a vertex, in degrees.
        length: smallest and largest distance between two vertices.
        thickness: smallest and largest thickness of a stroke.
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
        moves = rng.uniform(*self.length, size=(steps, 1)) * np.column_stack([np.cos(heading), np.sin(heading)])
        return np.vstack([np.zeros((1, 2)), np.cumsum(moves, axis=0)])


@dataclass(frozen=True)
class _Outline(FreeForm):
    """The area inside a closed outline around the form's position."""

    @abstractmethod
    def _outline(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw the angle and the distance from the position of each corner, in order, at most half a turn apart."""

    def _form(
        self,
        rng: np.random.Generator,
        start: NDArray[np.int64],  # noqa: ARG002 - the outline does not depend on its position
        frame: NDArray[np.int64],  # noqa: ARG002
    ) -> Callable[[float], list[Piece]]:
        angle, radius = self._outline(rng)
        corners = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
        return lambda scale: [Piece((scale * corners).round(2), 0.0)]


@dataclass(frozen=True)
class BlobMask(_Outline):
    """A smooth blob: random radii, with a periodic cubic spline of their logarithm between them, so they stay positive.

    Attributes:
        knots: smallest and largest number of radii, evenly spaced.
        radius: smallest and largest radius, relative to one another; the area sets the scale.

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
    """A polygon, convex or not, that turns while it moves.

    Attributes:
        corners: smallest and largest number of corners, at least 3.
        radius: smallest and largest distance of a corner from the position, relative; the area sets the scale.
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
        # Shifts of up to 0.2 steps leave a triangle's corners at most 168 degrees apart: the position is inside.
        step = np.arange(corners) + rng.uniform(-0.2, 0.2, size=corners)
        return 2 * np.pi * (step / corners + rng.random()), rng.uniform(*self.radius, size=corners)
