"""Motion between the frames of a clip, from known pixels only: motion of the camera, and of every pixel."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.motion.consistency import agrees
from outpaint_lightning.motion.pyramid import push_pull

WINDOW = 21  # pixels per side of the tracked patch
_PATCH = np.ones((WINDOW, WINDOW), np.uint8)
FEWEST_POINTS = 12  # three times the minimum for a homography
AS_WELL = 1.1, 0.02  # factor and pixels; errors within these count as equal, because 8 parameters fit some noise
INFLUENCE = 16  # pixels; nearer to a hole, flow depends on its cover: DIS compares 8 x 8 pixels at half size
SMALLEST_FLOW = 32  # pixels per side; below 16, OpenCV's DIS reads memory outside its buffers


def camera_positions(
    frames: NDArray[np.uint8], known: NDArray[np.bool_]
) -> tuple[list[NDArray[np.float64]], list[int]]:
    """Register every frame of a clip to an earlier frame.

    Args:
        frames: `T H W 3`.
        known: `T H W`; motion is estimated from points whose surrounding patch is known.

    Returns:
        For each frame the homography (3 x 3, pixels) that maps it to its shot's first frame, and the number of its
        shot. If the motion cannot be found, a new shot begins; frames of different shots have no common plane.
    """
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    inside = [cv2.erode(mask.astype(np.uint8), _PATCH) for mask in known]
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
    """Return the homography from `first` to `second` (grey `H W`), or None if too few points agree on one."""
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
    # If a step of whole pixels explains the points equally well, it is used: a still camera stays exactly still.
    first_points, second_points = (points[good][agree.ravel() > 0].astype(np.float64) for points in (start, end))
    step = np.rint(np.median(second_points - first_points, axis=0))
    whole = np.array([[1, 0, step[0]], [0, 1, step[1]], [0, 0, 1]])
    factor, slack = AS_WELL
    if _error(whole, first_points, second_points) < factor * _error(homography, first_points, second_points) + slack:
        return whole
    return _scaled(homography)


def _error(motion: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the root mean square distance, in pixels, between moved points `N 2` and the points found."""
    difference = cv2.perspectiveTransform(first[:, None], motion)[:, 0] - second
    return float(np.sqrt((difference**2).sum(axis=1).mean()))


def dense_motion(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    first_known: NDArray[np.bool_],
    second_known: NDArray[np.bool_],
    camera: NDArray[np.float64],
) -> tuple[tuple[NDArray[np.float32], NDArray[np.bool_]], tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Return the optical flow between two frames (DIS, Kroeger et al. 2016), completed where the frames do not show it.

    Flow is used where it starts and ends in known pixels and returns to its start; its weight falls towards a hole.
    Elsewhere its difference to the camera's motion is spread smoothly from there, by push-pull.

    Args:
        first: frame `H W 3`; its hole holds values made from known pixels.
        second: the other frame.
        first_known: `H W`.
        second_known: `H W`.
        camera: homography (3 x 3, pixels) from the first frame to the second.

    Returns:
        For the direction from first to second, then for the reverse: flow `H W 2` in pixels, x first, and `H W`, True
        where it ends inside the frame and the other flow leads back. In a hole this compares the two spread flows:
        it is False where they disagree, but it cannot confirm that both are right.
    """
    pair = _agreeing(first, second, first_known, second_known, camera)
    forward, backward = _dis(*pair), _dis(*pair[::-1])
    near = [np.minimum(_depth(known) / INFLUENCE, 1) ** 2 for known in (first_known, second_known)]
    forward, backward = (
        _completed(flow, start * _at(end, flow) * _comes_back(flow, other), motion)
        for flow, other, start, end, motion in (
            (forward, backward, *near, camera),
            (backward, forward, *near[::-1], np.linalg.inv(camera)),
        )
    )
    return (forward, _comes_back(forward, backward)), (backward, _comes_back(backward, forward))


def _agreeing(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    first_known: NDArray[np.bool_],
    second_known: NDArray[np.bool_],
    camera: NDArray[np.float64],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the frames in grey; the covers of their holes move with the camera, or they would bend the flow around."""
    first, second = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second))
    size = first.shape[::-1]
    inverse = np.linalg.inv(camera)
    seen = cv2.warpPerspective(second_known.astype(np.float32), inverse, size) > 0.999
    first = np.where(seen & ~first_known, cv2.warpPerspective(second, inverse, size), first)
    moved = cv2.warpPerspective(first, camera, size, second.copy(), borderMode=cv2.BORDER_TRANSPARENT)
    return first, np.where(second_known, second, moved)


def estimate_flow(
    frames: NDArray[np.uint8], known: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the DIS optical flow from each frame of a clip to the next, and from the next back; nothing is completed.

    Args:
        frames: `T H W 3`, at least two.
        known: `T H W`. Unknown pixels are first covered by values that move with the camera. A cover that moves
            differently would bend the flow around it, on coarse scales over tens of pixels. The flow of unknown pixels
            has no meaning. None: all pixels are known.

    Returns:
        Two arrays `T-1 H W 2` in pixels, x first: from frame t to t + 1, and from frame t + 1 to t.
    """
    if known is None or known.all():
        pairs = list(itertools.pairwise(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames))
    else:
        covered = [_covered(frame, seen) for frame, seen in zip(frames, known, strict=True)]
        pairs = [
            _agreeing(*pair, *seen, _camera(*pair, *seen))
            for pair, seen in zip(itertools.pairwise(covered), itertools.pairwise(known), strict=True)
        ]
    forward, backward = ([_dis(*pair[::order]) for pair in pairs] for order in (1, -1))
    return np.stack(forward), np.stack(backward)


def _covered(frame: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a frame `H W 3` with a smooth surface in its unknown pixels; black if no pixel is known."""
    if not known.any():
        return np.zeros_like(frame)
    weight = known.astype(np.float32)
    return np.where(known[..., None], frame, np.rint(push_pull(frame * weight[..., None], weight)).astype(np.uint8))


def _camera(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    first_known: NDArray[np.bool_],
    second_known: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the homography from one frame to another; the identity if the motion cannot be found."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)]
    inside = [cv2.erode(known.astype(np.uint8), _PATCH) for known in (first_known, second_known)]
    step = _homography(*grey, *inside)
    return np.eye(3) if step is None else step


def _dis(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = first.shape
    below, beside = max(0, SMALLEST_FLOW - height), max(0, SMALLEST_FLOW - width)
    first, second = (cv2.copyMakeBorder(grey, 0, below, 0, beside, cv2.BORDER_REPLICATE) for grey in (first, second))
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow: NDArray[np.float32] = estimator.calc(first, second, None)
    return flow[:height, :width]


def _depth(known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance of every pixel to the hole, in pixels; infinite without a hole."""
    if known.all():
        return np.full(known.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5))


def _coordinates(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return x and y of every pixel: `H W 2`."""
    return np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0])), axis=-1).astype(np.float32)


def _at(values: NDArray[np.float32], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `values` at the ends of the flow, 0 outside the frame."""
    found: NDArray[np.float32] = cv2.remap(values, _coordinates(flow.shape) + flow, None, cv2.INTER_LINEAR)
    return found


def _comes_back(flow: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where `flow` ends inside the frame and `other` leads back from there."""
    height, width = flow.shape[:2]
    target = _coordinates(flow.shape) + flow
    back = cv2.remap(other, target, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    close: NDArray[np.bool_] = agrees(_squared(flow + back), _squared(flow) + _squared(back))
    inside: NDArray[np.bool_] = cv2.inRange(target, (0, 0), (width - 1, height - 1)) > 0
    return close & inside


def _squared(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    length: NDArray[np.float32] = flow[..., 0] ** 2 + flow[..., 1] ** 2
    return length


def _completed(
    flow: NDArray[np.float32], weight: NDArray[np.float32], camera: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return `flow` where its `weight` (`H W`, 0 to 1) is high, completed with what is spread from there."""
    points = _coordinates(flow.shape)
    still = np.asarray(cv2.perspectiveTransform(points, camera), np.float32) - points
    return still + push_pull((flow - still) * weight[..., None], weight)
