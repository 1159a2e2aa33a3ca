"""Found regions in the format of COCO's detection task (https://cocodataset.org/#format-data), for other tools."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SMALLEST = 16
"""Pixels of a region; smaller ones are specks."""
_CATEGORY = {"id": 1, "name": "forged", "supercategory": "region"}


class CocoRegions:
    """The connected regions of masks, frame by frame.

    >>> regions = CocoRegions()
    >>> mask = np.zeros((6, 8), bool)
    >>> mask[1:5, 2:7] = True
    >>> regions.add(mask, mask.astype(np.float32))
    >>> regions.plain["annotations"][0]["bbox"]  # x, y, width, height
    [2, 1, 5, 4]
    """

    def __init__(self) -> None:
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, mask: NDArray[np.bool_], probability: NDArray[np.floating]) -> None:
        """Add the regions of the next frame.

        Args:
            mask: bool `H W`.
            probability: `H W` in [0, 1]; the score of a region is its mean.
        """
        height, width = mask.shape
        number = len(self._images)
        self._images.append({"id": number, "file_name": f"{number:05d}.png", "height": height, "width": width})
        count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        for label in range(1, count):
            *box, area = (int(value) for value in boxes[label])
            if area >= SMALLEST:
                region = labels == label
                self._annotations.append(
                    {
                        "id": len(self._annotations) + 1,
                        "image_id": number,
                        "category_id": _CATEGORY["id"],
                        "bbox": box,
                        "area": area,
                        "segmentation": {"size": [height, width], "counts": run_lengths(region)},
                        "iscrowd": 0,
                        "score": round(float(probability[region].mean()), 6),
                    }
                )

    @property
    def plain(self) -> dict[str, Any]:
        """What the file holds."""
        return {"images": self._images, "annotations": self._annotations, "categories": [_CATEGORY]}


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Return the lengths of the runs of a mask, column by column, the first one of pixels outside: COCO's RLE.

    >>> run_lengths(np.array([[False, True], [True, True]]))
    [1, 3]
    """
    pixels = mask.ravel(order="F")
    turns = np.flatnonzero(np.diff(pixels)) + 1
    ends = np.concatenate([[0] if pixels[0] else [], turns, [pixels.size]]).astype(int)
    return [int(length) for length in np.diff(ends, prepend=0)]
