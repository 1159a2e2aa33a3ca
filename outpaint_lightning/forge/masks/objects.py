"""Masks of objects that the user provides."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.masks.base import MaskSampler
from outpaint_lightning.forge.parts import Footage, Parameters
from outpaint_lightning.types import InputError


@dataclass(frozen=True)
class ObjectMask(MaskSampler):
    """An object: its own mask in every frame, dilated as object removal methods do before filling.

    The given masks decide the object's size and whether it is missing in a frame; the limits of `AREA` do not apply.

    Attributes:
        radius: smallest and largest radius of the ellipse that dilates the masks, in pixels.
    """

    name = "object"
    needs = frozenset({"objects"})

    radius: tuple[int, int] = (4, 8)

    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw `radius`; it is reduced, down to 0, if it would cover a whole frame.

        Raises:
            InputError: there are no objects, they are empty in every frame, or one covers its whole frame.
        """
        if not _objects(footage).any():
            raise InputError("object: the object masks are empty in every frame; expected an object in one or more")
        for radius in range(int(rng.integers(*self.radius, endpoint=True)), -1, -1):
            params = {"radius": radius}
            if not self.render(params, footage).all(axis=(1, 2)).any():
                return params
        raise InputError("object: an object mask covers its whole frame; expected some of the frame around the object")

    def render(self, params: Parameters, footage: Footage) -> NDArray[np.bool_]:
        """Return the masks `frames height width`."""
        side = 2 * params["radius"] + 1
        ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        return np.stack([cv2.dilate(mask.astype(np.uint8), ellipse) for mask in _objects(footage)]).astype(np.bool_)


@dataclass(frozen=True)
class BackgroundMask(MaskSampler):
    """All but an object: the object stays authentic, and the whole scene around it is made.

    The object is eroded a little, as its mask may hold a rim of the true scene. The bounds of `AREA` do not hold.

    Attributes:
        radius: Smallest and largest radius of the ellipse that the object masks are eroded by, in pixels.
    """

    name = "background"
    needs = frozenset({"objects"})

    radius: tuple[int, int] = (0, 2)

    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw `radius`; smaller than drawn, down to 0, where it would leave nothing of the object in a frame.

        Raises:
            InputError: There are no objects, they are empty in a frame, or one is the whole frame.
        """
        for radius in range(int(rng.integers(*self.radius, endpoint=True)), -1, -1):
            params = {"radius": radius}
            mask = self.render(params, footage)
            if mask.any(axis=(1, 2)).all() and not mask.all(axis=(1, 2)).any():
                return params
        raise InputError("background: an object mask is empty or the whole frame; expected an object in each frame")

    def render(self, params: Parameters, footage: Footage) -> NDArray[np.bool_]:
        """Return the masks `frames height width`."""
        side = 2 * params["radius"] + 1
        ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        kept = [cv2.erode(mask.astype(np.uint8), ellipse, borderValue=1) for mask in _objects(footage)]
        return np.asarray(np.stack(kept) == 0)


def _objects(footage: Footage) -> NDArray[np.bool_]:
    if footage.objects is None:
        raise InputError("object: the clip has no object masks; expected a mask for every frame")
    return footage.objects
