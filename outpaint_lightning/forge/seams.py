"""Seams: the transition from a forgery to the authentic pixels around it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from outpaint_lightning.forge.fills.copies import Painter, paint
from outpaint_lightning.forge.fills.diffusion import diffusion_solver
from outpaint_lightning.forge.parts import ClipFreePart, Parameters

CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
"""Sums the four neighbours of a pixel."""
SECOND_DIFFERENCES = np.outer([1, -2, 1], [1, -2, 1]).astype(np.float32)
"""Keeps noise and removes planes and straight edges (Immerkaer, Fast noise variance estimation, 1996)."""
ROUNDING = float((SECOND_DIFFERENCES**2).sum() / 12)  # variance of rounding to integers after the filter
SMOOTHING = 3.0  # standard deviation in pixels of the Gaussian; its residual counts as noise
BLOB = 17  # pixels per side over which slopes are averaged, so that calm regions are connected


class Seam(ClipFreePart, ABC):
    """Composites a fill into the original; only pixels inside the mask change."""

    @abstractmethod
    def composite(
        self, original: NDArray[np.uint8], filled: NDArray[np.uint8], mask: NDArray[np.bool_], params: Parameters
    ) -> NDArray[np.uint8]:
        """Return frames `T H W 3` equal to `original` outside `mask` (`T H W`)."""


@dataclass(frozen=True)
class HardSeam(Seam):
    """The fill unchanged, up to the edge.

    Example:
        >>> import numpy as np
        >>> original, filled = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 200, np.uint8)
        >>> mask = np.zeros((1, 4, 4), bool)
        >>> mask[..., 2:] = True
        >>> HardSeam().composite(original, filled, mask, {})[0, 0, :, 0].tolist()
        [0, 0, 200, 200]
    """

    name = "hard"

    def composite(
        self,
        original: NDArray[np.uint8],
        filled: NDArray[np.uint8],
        mask: NDArray[np.bool_],
        params: Parameters,  # noqa: ARG002 - this seam has no parameters
    ) -> NDArray[np.uint8]:
        """Return frames `T H W 3`."""
        return _hard(original, filled, mask)


@dataclass(frozen=True)
class FeatherSeam(Seam):
    """Fades the fill in from the edge: weight d / (width + 1) at d pixels from the known region, at most 1.

    Attributes:
        width: smallest and largest number of pixels that are blended.
    """

    name = "feather"
    limits: ClassVar = {"width": (1, math.inf)}

    width: tuple[int, int] = (1, 16)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `width`, in pixels."""
        return {"width": int(rng.integers(*self.width, endpoint=True))}

    def composite(
        self, original: NDArray[np.uint8], filled: NDArray[np.uint8], mask: NDArray[np.bool_], params: Parameters
    ) -> NDArray[np.uint8]:
        """Return frames `T H W 3`."""
        blended = original.copy()
        for frame, fill, hole in zip(blended, filled, mask, strict=True):
            depth = ndimage.distance_transform_edt(hole)  # OpenCV's last bit depends on the number of threads
            weight = np.minimum(depth[hole] / (params["width"] + 1), 1)[:, None]
            frame[hole] = np.rint(weight * fill[hole] + (1 - weight) * frame[hole]).astype(np.uint8)
        return blended


@dataclass(frozen=True)
class PoissonSeam(Seam):
    """Keeps the fill's gradients and matches the known pixels at the edge (Perez et al., Poisson image editing, 2003).

    The difference between each known pixel at the edge and the fill beside it is spread over the hole as a membrane,
    which is added to the fill. The hidden pixels have no influence; at the frame's edge the membrane's slope is zero.
    """

    name = "poisson"

    def composite(
        self,
        original: NDArray[np.uint8],
        filled: NDArray[np.uint8],
        mask: NDArray[np.bool_],
        params: Parameters,  # noqa: ARG002 - this seam has no parameters
    ) -> NDArray[np.uint8]:
        """Return frames `T H W 3`."""
        return paint(_hard(original, filled, mask), mask, self._painter)

    @staticmethod
    def _painter(hole: NDArray[np.bool_]) -> Painter:
        solve = diffusion_solver(hole)
        inside = np.repeat(hole[..., None], 3, axis=2).astype(np.float32)
        beside = np.maximum(cv2.filter2D(inside, -1, CROSS, borderType=cv2.BORDER_CONSTANT), 1)

        def paint_hole(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
            # The solver reads only the known pixels beside the hole; there the difference is the step.
            fill_beside = cv2.filter2D(frame * inside, -1, CROSS, borderType=cv2.BORDER_CONSTANT) / beside
            return frame[hole] + solve(frame - fill_beside)[hole]

        return paint_hole


@dataclass(frozen=True)
class ColourSeam(Seam):
    """Grades the fill: each channel gets the mean and deviation of the known pixels around the hole.

    Both are measured in bands along the edge, over all frames at once: an editor grades a clip, not single frames, and
    a grade per frame would flicker.

    Attributes:
        width: smallest and largest width of the bands, in pixels on either side of the edge.
        most: largest factor by which the contrast changes.
    """

    name = "colour"
    limits: ClassVar = {"width": (1, math.inf), "most": (1, math.inf)}

    width: tuple[int, int] = (4, 24)
    most: float = 2.0

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `width`, in pixels, and copy `most`."""
        return {"width": int(rng.integers(*self.width, endpoint=True)), "most": self.most}

    def composite(
        self, original: NDArray[np.uint8], filled: NDArray[np.uint8], mask: NDArray[np.bool_], params: Parameters
    ) -> NDArray[np.uint8]:
        """Return frames `T H W 3`."""
        result = _hard(original, filled, mask)
        if not mask.any():
            return result
        inner, outer = _bands(mask, params["width"]), _bands(~mask, params["width"])
        (inner_mean, inner_deviation), (outer_mean, outer_deviation) = _moments(result[inner]), _moments(result[outer])
        # A band of one colour, with a deviation below that of rounding, would be stretched into steps.
        gain = np.clip(outer_deviation / np.maximum(inner_deviation, 0.5), 1 / params["most"], params["most"])
        graded = (np.arange(256)[:, None] - inner_mean) * gain + outer_mean
        look_up = np.clip(np.rint(graded), 0, 255).astype(np.uint8)
        result[mask] = look_up[result[mask], np.arange(3)]
        return result


def _bands(regions: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return the pixels of each region (`T H W`) up to `width` pixels from its boundary inside the frame."""
    bands = np.zeros_like(regions)
    for band, region in zip(bands, regions, strict=True):
        if not region.all():
            depth = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
            band[:] = region & (depth <= width)
    return bands


def _moments(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of the channels of `n 3` pixels."""
    return pixels.mean(axis=0), pixels.std(axis=0)


@dataclass(frozen=True)
class NoiseSeam(Seam):
    """Adds the sensor noise that a fill lacks, then feathers its edge as `FeatherSeam`: the hardest seam to detect.

    The missing variance is that of the known pixels minus that of the fill. Each is measured after the filter
    `SECOND_DIFFERENCES` in the calmer half of its region, per frame and channel. The noise is spot noise (van Wijk,
    1991; Galerne, Gousseau and Morel, Random phase textures, 2011): the frame's own residual in known, calm pixels,
    repeated at random shifts, independent for each frame. So it has the spatial and channel correlation of the footage,
    without its pattern.

    Attributes:
        width: smallest and largest number of pixels that are blended.
    """

    name = "noise"
    limits: ClassVar = {"width": (1, math.inf)}

    width: tuple[int, int] = (1, 3)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `width`, in pixels, and the `seed` of the noise."""
        return {"width": int(rng.integers(*self.width, endpoint=True)), "seed": int(rng.integers(2**32))}

    def composite(
        self, original: NDArray[np.uint8], filled: NDArray[np.uint8], mask: NDArray[np.bool_], params: Parameters
    ) -> NDArray[np.uint8]:
        """Return frames `T H W 3`."""
        noisy = _hard(original, filled, mask)
        for index, (frame, hole) in enumerate(zip(noisy, mask, strict=True)):
            if hole.any():
                noise = _missing_noise(frame, hole, np.random.default_rng([params["seed"], index]))
                frame[hole] = np.clip(np.rint(frame[hole] + noise[hole]), 0, 255)
        return FeatherSeam().composite(original, noisy, mask, {"width": params["width"]})


def _missing_noise(frame: NDArray[np.uint8], hole: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the noise (`H W 3`, everywhere) that the fill in the hole (`H W`) of a frame (`H W 3`) lacks."""
    image = frame.astype(np.float32)
    smooth = cv2.GaussianBlur(image, (0, 0), SMOOTHING)
    slope = sum(np.abs(cv2.Sobel(smooth, cv2.CV_32F, x, y)).sum(axis=2) for x, y in ((1, 0), (0, 1)))
    slope = cv2.blur(slope, (BLOB, BLOB))
    # Neither filter may cross the edge of the hole.
    calm, calm_fill = _calm(slope, ~hole, round(4 * SMOOTHING)), _calm(slope, hole, 1)
    spot = image - smooth
    limit = 4 * np.sqrt(_variance(spot[calm]))  # larger values are edges, not noise
    weight = cv2.GaussianBlur(calm.astype(np.float32), (0, 0), SMOOTHING) * ~hole
    noise = _spot_noise(np.clip(spot, -limit, limit) * weight[..., None], rng)

    fine, fine_noise = (cv2.filter2D(signal, -1, SECOND_DIFFERENCES) for signal in (image, noise))
    lacking = _variance(fine[_calm(slope, ~hole, 1)]) - _variance(fine[calm_fill]) - ROUNDING
    gain = np.sqrt(np.maximum(lacking, 0) / np.maximum(fine_noise.var(axis=(0, 1)), 1e-6))
    return np.asarray(noise * gain, np.float32)


def _calm(slope: NDArray[np.float32], region: NDArray[np.bool_], margin: int) -> NDArray[np.bool_]:
    """Return the half of a region (`H W`) with the smallest slope, `margin` pixels inside it if it is wide enough."""
    within = cv2.erode(region.astype(np.uint8), np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)) > 0
    within = within if within.any() else region
    return within & (slope <= np.median(slope[within]))


def _spot_noise(spot: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return normal noise (`H W 3`) with the autocorrelation of `spot` (`H W 3`), up to a factor."""
    height, width = spot.shape[:2]
    size = fft.next_fast_len(height, real=True), fft.next_fast_len(width, real=True)
    white = rng.standard_normal(size, dtype=np.float32)
    spectrum = fft.rfft2(spot, size, axes=(0, 1)) * fft.rfft2(white)[..., None]
    return np.asarray(fft.irfft2(spectrum, size, axes=(0, 1))[:height, :width], np.float32)


def _variance(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the channels' variances of `n 3` values with mean zero, from the mean magnitude: robust to outliers."""
    variance: NDArray[np.float64] = np.abs(values).mean(axis=0, dtype=np.float64) ** 2 * (np.pi / 2)
    return variance


def _hard(original: NDArray[np.uint8], filled: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a new array with the fill in the hole and the original around it."""
    return np.where(mask[..., None], filled, original)
