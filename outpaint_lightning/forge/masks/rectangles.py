"""Rectangles: the border that outpainting adds, the box, and the band between two parts of a photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.masks.base import AREA, MaskSampler, largest, path
from outpaint_lightning.forge.parts import Footage, Parameters


@dataclass(frozen=True)
class BorderMask(MaskSampler):
    """A border on some sides of the frame, with a width per side: the region that outpainting adds.

    If the drawn borders cover more than 60 % of the clip, one factor narrows all of them to that share.

    Attributes:
        sides: smallest and largest number of sides with a border, 1 to 4.
        width: smallest and largest border, as a fraction of the frame's width (left, right) or height (top, bottom).
        drift: probability that the widths change over the clip.
        max_drift: largest change from the first frame to the last, in the unit of `width`.

    Example:
        >>> import numpy as np
        >>> from outpaint_lightning.forge.parts import Footage
        >>> border, footage = BorderMask(sides=(4, 4)), Footage.blank(frames=1, height=40, width=40)
        >>> mask = border.render(border.sample(np.random.default_rng(0), footage), footage)[0]
        >>> bool(mask[0].all() and mask[-1].all() and not mask[20, 20])
        True
    """

    name = "border"
    limits: ClassVar = {"sides": (1, 4), "width": (0, 0.5), "drift": (0, 1), "max_drift": (0, 0.5)}

    sides: tuple[int, int] = (1, 4)
    width: tuple[float, float] = (0.06, 0.25)
    drift: float = 0.5
    max_drift: float = 0.08

    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw `start` and `stop`: border widths left, top, right and bottom in pixels, at least 2, or 0 for none."""
        frames, height, width = footage.shape
        present = np.zeros(4, dtype=bool)
        present[rng.permutation(4)[: rng.integers(*self.sides, endpoint=True)]] = True
        start = rng.uniform(*self.width, size=4)
        change = rng.uniform(-self.max_drift, self.max_drift, size=4) * (frames > 1 and rng.random() < self.drift)
        extent = np.array([width, height, width, height])

        def pixels(fraction: NDArray[np.float64]) -> list[int]:
            # Less than half on each side leaves at least one known row and column.
            widths = np.clip(np.rint(fraction * extent), 2, (extent - 1) // 2)
            return [int(value) for value in widths * present]

        def scaled(factor: float) -> Parameters:
            return {"start": pixels(factor * start), "stop": pixels(factor * (start + change))}

        def fits(factor: float) -> bool:
            widths = scaled(factor)
            left, top, right, bottom = path(widths["start"], widths["stop"], frames).T
            known = (width - left - right) * (height - top - bottom) / (width * height)
            return bool(1 - known.mean() <= AREA[1])

        return scaled(largest(fits, 1.0))

    def render(self, params: Parameters, footage: Footage) -> NDArray[np.bool_]:
        """Return the masks `frames height width`."""
        frames, height, width = footage.shape
        mask = np.ones((frames, height, width), dtype=bool)
        for hole, (left, top, right, bottom) in zip(mask, path(params["start"], params["stop"], frames), strict=True):
            hole[top : height - bottom, left : width - right] = False
        return mask


@dataclass(frozen=True)
class BoxMask(MaskSampler):
    """One axis-aligned box at a uniform position.

    Attributes:
        area: smallest and largest area, as a fraction of the frame.
        aspect: smallest and largest width / height of the box, drawn log-uniformly.
        drift: probability that the box moves over the clip.
        max_drift: longest path from the first frame to the last, as a fraction of the frame's width and height.

    Example:
        >>> import numpy as np
        >>> from outpaint_lightning.forge.parts import Footage
        >>> box, footage = BoxMask(area=(0.25, 0.25), drift=0.0), Footage.blank(frames=3, height=40, width=40)
        >>> mask = box.render(box.sample(np.random.default_rng(0), footage), footage)
        >>> mask.shape, round(float(mask.mean()), 1)
        ((3, 40, 40), 0.2)
    """

    name = "box"
    limits: ClassVar = {"area": AREA, "aspect": (0.05, 20), "drift": (0, 1)}

    area: tuple[float, float] = (0.05, 0.3)
    aspect: tuple[float, float] = (0.5, 2.0)
    drift: float = 0.5
    max_drift: float = 0.2

    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw `size` (width and height) and the upper left corner at `start` and `stop` (x and y), in pixels."""
        frames, height, width = footage.shape
        frame = np.array([width, height])
        area = rng.uniform(*self.area) * width * height
        aspect = np.exp(rng.uniform(*np.log(self.aspect)))
        # A frame far from square cannot hold every shape: then the long side shrinks and the area is kept if possible.
        box_width = np.clip(np.sqrt(area * aspect), area / (height - 1), width - 1)
        size = np.clip(np.rint([box_width, area / box_width]), 2, frame - 1).astype(np.int64)
        room = frame - size
        start = rng.integers(0, room, endpoint=True)
        shift = (
            rng.uniform(-self.max_drift, self.max_drift, size=2) * frame * (frames > 1 and rng.random() < self.drift)
        )
        stop = np.clip(np.rint(start + shift), 0, room).astype(np.int64)
        return {"size": size.tolist(), "start": start.tolist(), "stop": stop.tolist()}

    def render(self, params: Parameters, footage: Footage) -> NDArray[np.bool_]:
        """Return the masks `frames height width`."""
        frames, height, width = footage.shape
        box_width, box_height = params["size"]
        mask = np.zeros((frames, height, width), dtype=bool)
        for hole, (x, y) in zip(mask, path(params["start"], params["stop"], frames), strict=True):
            hole[y : y + box_height, x : x + box_width] = True
        return mask


@dataclass(frozen=True)
class BandMask(MaskSampler):
    """An upright band over the whole height, with something known on both sides: what blending draws anew.

    Width and place are drawn apart, so that neither tells the other.

    Attributes:
        width: Narrowest and widest band, as a fraction of the frame's width.
        margin: What stays known on each side at least, as a fraction of the frame's width.

    Example:
        >>> import numpy as np
        >>> from outpaint_lightning.forge.parts import Footage
        >>> band, footage = BandMask(width=(0.25, 0.25)), Footage.blank(frames=1, height=10, width=40)
        >>> mask = band.render(band.sample(np.random.default_rng(0), footage), footage)
        >>> mask.shape, int(mask[0, 0].sum()), int(mask.sum())
        ((1, 10, 40), 10, 100)
    """

    name = "band"
    limits: ClassVar = {"width": AREA, "margin": (0, 0.2)}

    width: tuple[float, float] = (0.15, 0.45)
    margin: float = 0.1

    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw `start` and `stop`: the first column of the band and the first one behind it."""
        _, _, columns = footage.shape
        known = max(1, round(self.margin * columns))
        width = min(max(1, round(rng.uniform(*self.width) * columns)), columns - 2 * known)
        start = int(rng.integers(known, columns - known - width, endpoint=True))
        return {"start": start, "stop": start + width}

    def render(self, params: Parameters, footage: Footage) -> NDArray[np.bool_]:
        """Return the masks `frames height width`, the same for all frames."""
        mask = np.zeros(footage.shape, dtype=bool)
        mask[..., params["start"] : params["stop"]] = True
        return mask
