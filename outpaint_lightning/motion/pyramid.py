"""Fills unknown values with averages of the known values around them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def push_pull(values: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spread known values into unknown ones with a pyramid.

    This is the pull and push of Gortler et al. (1996, section 3.4) with the 5 x 5 kernel of Burt and Adelson (1983):
    the part that `weight` lacks comes from a coarser level.

    Args:
        values: `H W C`, already multiplied by `weight`.
        weight: `H W`, from 0 (unknown) to 1; not 0 everywhere.

    Returns:
        `H W C`.
    """
    if weight.size == 1 or weight.min() >= 1:
        return np.asarray(values / np.maximum(weight, np.finfo(np.float32).tiny)[..., None], np.float32)
    coarse = cv2.pyrDown(weight)
    gain = np.minimum(4, 1 / np.maximum(coarse, 0.25))  # a pixel represents four, and none counts more than 1
    rest = push_pull(cv2.pyrDown(values) * gain[..., None], coarse * gain)
    return values + (1 - weight[..., None]) * np.asarray(cv2.pyrUp(rest, dstsize=weight.shape[::-1]), np.float32)
