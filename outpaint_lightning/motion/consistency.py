"""The forward-backward test of optical flow, for arrays and tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray
    from torch import Tensor

    Values = TypeVar("Values", NDArray[Any], Tensor)

SLOPE = 0.01  # factor of the squared lengths
SLACK = 0.5  # square pixels; tolerance for a flow of zeros


def agrees(gap: Values, lengths: Values) -> Values:
    """Return where a flow and the opposite flow agree.

    With f the flow at a pixel x, and b the opposite flow, read at the point x + f(x) where f ends::

        |f + b|^2 < 0.01 (|f|^2 + |b|^2) + 0.5

    Where this fails, one of the two flows is wrong, or the pixel is hidden in the other frame. NaN never agrees.

    Source: Sundaram, Brox, Keutzer (ECCV 2010), equation 5.

    Example:
        >>> import numpy as np
        >>> gap, lengths = np.array([0.4, 0.6, 0.6]), np.array([0.0, 0.0, 20.0])
        >>> agrees(gap, lengths).tolist()
        [True, False, True]

    Args:
        gap: `|f + b|^2`, square pixels, of any shape.
        lengths: `|f|^2 + |b|^2`, the same shape.

    Returns:
        bool, of the same shape.
    """
    return gap < SLOPE * lengths + SLACK
