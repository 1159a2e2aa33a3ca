"""Camera motion between the frames of a clip, from known pixels only."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

WINDOW = 21  # pixels a side of the patch that is followed
FEWEST_POINTS = 12  # three times what a homography needs
AS_WELL = 1.1, 0.02  # factor and pixels; an error is as good as another up to these: 8 parameters fit some noise


def camera_positions(
    frames: NDArray[np.uint8], known: NDArray[np.bool_]
) -> tuple[list[NDArray[np.float64]], list[int]]:
    """Place every frame of a clip in the plane of an earlier one.

    Args:
        frames: `T H W 3`.
        known: `T H W`; motion is judged by points that lie in it with the patch around them.

    Returns:
        For each frame the homography (3 x 3, pixels) that maps it into its shot's first frame, and the number of its
        shot. Where the motion cannot be found a new shot begins; frames of different shots have no common plane.
    """
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    inside = [cv2.erode(mask.astype(np.uint8), np.ones((WINDOW, WINDOW), np.uint8)) for mask in known]
    positions, shots = [np.eye(3)], [0]
    for before in range(len(frames) - 1):
        step = _homography(grey[before], grey[before + 1], inside[before], inside[before + 1])
        positions.append(np.eye(3) if step is None else _scaled(positions[-1] @ np.linalg.inv(step)))
        shots.append(shots[-1] + (step is None))
    return positions, shots


def _scaled(homography: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = homography / homography[2, 2]
    return scaled


def _homography(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    first_inside: NDArray[np.uint8],
    second_inside: NDArray[np.uint8],
) -> NDArray[np.float64] | None:
    """Return the homography from `first` to `second` (grey `H W`), or None where too few points agree on one."""
    start = cv2.goodFeaturesToTrack(first, 600, 0.005, 5, mask=first_inside)
    if start is None or len(start) < FEWEST_POINTS:
        return None
    end, found, _ = cv2.calcOpticalFlowPyrLK(first, second, start, None, winSize=(WINDOW, WINDOW), maxLevel=4)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(second, first, end, None, winSize=(WINDOW, WINDOW), maxLevel=4)
    start, end, back = (points.reshape(-1, 2) for points in (start, end, back))
    height, width = first.shape
    column, row = np.clip(np.rint(end), 0, [width - 1, height - 1]).astype(np.int64).T
    good = (found.ravel() == 1) & (found_back.ravel() == 1) & (second_inside[row, column] > 0)
    good &= np.linalg.norm(back - start, axis=1) < 0.5
    if good.sum() < FEWEST_POINTS:
        return None
    homography, agree = cv2.findHomography(start[good], end[good], cv2.RANSAC, 1.0, maxIters=2000, confidence=0.999)
    if homography is None or agree.sum() < max(FEWEST_POINTS, 0.3 * good.sum()):
        return None
    corners = np.array([[[0, 0]], [[width - 1, 0]], [[width - 1, height - 1]], [[0, height - 1]]], dtype=np.float64)
    moved = cv2.perspectiveTransform(corners, homography)
    area = cv2.contourArea(moved.astype(np.float32), oriented=True) / ((width - 1) * (height - 1))
    if not (0.5 < area < 2 and cv2.isContourConvex(moved.astype(np.float32))):
        return None
    # Where a step of whole pixels explains the points as well, it is the truth: a still camera stays exactly still.
    first_place, second_place = (points[good][agree.ravel() > 0].astype(np.float64) for points in (start, end))
    step = np.rint(np.median(second_place - first_place, axis=0))
    whole = np.array([[1, 0, step[0]], [0, 1, step[1]], [0, 0, 1]])
    factor, slack = AS_WELL
    if _error(whole, first_place, second_place) < factor * _error(homography, first_place, second_place) + slack:
        return whole
    return _scaled(homography)


def _error(motion: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the root mean square distance, in pixels, of points `N 2` moved from where they were found."""
    difference = cv2.perspectiveTransform(first[:, None], motion)[:, 0] - second
    return float(np.sqrt((difference**2).sum(axis=1).mean()))
