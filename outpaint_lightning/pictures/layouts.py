"""Layouts as pictures: a colour for each class."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

UNNAMED = (255, 255, 255)


def layout_colours(layout: NDArray[np.uint8], classes: int) -> NDArray[np.uint8]:
    """Colour a layout `H W`; what is no class is white.

    Neighbouring numbers get hues that are far from each other.

    Example:
        >>> layout_colours(np.array([[0, 255]], np.uint8), classes=3).tolist()
        [[[229, 68, 68], [255, 255, 255]]]
    """
    hues = (np.arange(classes) * 0.618034) % 1
    levels = [(0.7, 0.9), (0.45, 0.65), (0.9, 0.55)]
    colours = [colorsys.hsv_to_rgb(hue, *levels[number % 3]) for number, hue in enumerate(hues)]
    palette = np.full((256, 3), UNNAMED, np.uint8)
    palette[:classes] = (np.array(colours) * 255).astype(np.uint8)
    coloured: NDArray[np.uint8] = palette[layout]
    return coloured
