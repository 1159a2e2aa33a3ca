from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from outpaint_lightning.forge.fills import Fill, Reflect
from outpaint_lightning.forge.fills.temporal import Median, Mosaic, Propagation
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.motion.classical import _comes_back, camera_positions, dense_motion

Clips = Callable[..., np.ndarray]
STEADY = {"sigma": 0.01, "shifts": [[0.0, 0.0]]}  # a kernel of one pixel
STEPS = [(6, 0), (-5, 0), (0, 4), (3, -2)]
FILLS = [Mosaic(), Median(), Propagation()]


def _pan_behind_a_border(
    panning: Clips, step: tuple[int, int], fill: Fill
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a panning clip, what `fill` makes of it behind a border, and which of those pixels some frame saw."""
    count, height, width, side = 7, 96, 128, 16
    frames = panning(count, height, width, step)
    mask = np.ones(frames.shape[:3], bool)
    mask[:, side:-side, side:-side] = False
    blank = np.where(mask[..., None], 0, frames).astype(np.uint8)
    filled = fill.apply(Footage(blank), mask, fill.sample(np.random.default_rng(0)))
    seen = np.zeros_like(mask)
    row, column = np.indices((height, width))
    for now in range(count):
        for other in range(count):
            y, x = row + (now - other) * step[1], column + (now - other) * step[0]
            seen[now] |= (y >= side) & (y < height - side) & (x >= side) & (x < width - side)
    assert (seen & mask).mean() > 0.05
    return frames, filled, seen & mask


def _pixel(frames: np.ndarray) -> float:
    """Return by how much a frame changes, in levels, when it moves by a pixel."""
    return float(np.abs(np.diff(frames.astype(int), axis=2)).mean())


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fill", [Mosaic(), Median()])
def test_camera_fills_bring_back_what_a_neighbour_saw(fill: Fill, step: tuple[int, int], panning: Clips):
    """Catches a homography of the wrong direction or order, x and y swapped, and interpolation off by half a pixel."""
    frames, filled, seen = _pan_behind_a_border(panning, step, fill)
    np.testing.assert_array_equal(filled[seen], frames[seen])


@pytest.mark.parametrize("step", STEPS)
def test_propagation_brings_back_what_a_neighbour_saw(step: tuple[int, int], panning: Clips):
    """Catches flow of the wrong sign, x and y swapped, and chains composed in the wrong order."""
    frames, filled, seen = _pan_behind_a_border(panning, step, Propagation())
    error = np.abs(filled[seen].astype(int) - frames[seen]).mean()
    assert error < 0.1 * _pixel(frames)  # DIS finds whole pixels to a few hundredths; chains are up to 6 long


def _source(fill: Fill, texture: Clips, reach: int = 15) -> np.ndarray:
    """Return from which frame each pixel comes: a box moves on over a still scene, two levels brighter each frame."""
    frames = np.stack([texture(96, 128) // 2 + 2 * level for level in range(6)]).astype(np.uint8)
    mask = np.zeros(frames.shape[:3], bool)
    for index in range(len(frames)):
        mask[index, 40:60, 20 + 10 * index : 40 + 10 * index] = True
    filled = fill.apply(Footage(frames), mask, {"reach": reach, "unseen": STEADY})
    return (filled.astype(int) - frames[0]).mean(axis=-1) / 2


def test_mosaic_takes_the_nearest_frame_in_time(texture: Clips):
    source = _source(Mosaic(), texture)
    assert (source[0, 40:60, 20:30] == 1).all()  # uncovered one frame later
    assert (source[0, 40:60, 30:40] == 2).all()
    assert (source[3, 40:60, 50:60] == 4).all()  # covered in frame 2
    assert (source[3, 40:60, 60:70] == 2).all()  # covered in frame 4
    assert (_source(Mosaic(), texture, reach=1)[0, 40:60, 30:40] != 2).any()


def test_propagation_takes_the_shorter_chain(texture: Clips):
    source = _source(Propagation(), texture)  # to a few hundredths of a pixel, so the median tells
    assert abs(np.median(source[0, 40:60, 20:30]) - 1) < 0.2
    assert abs(np.median(source[0, 40:60, 30:40]) - 2) < 0.2
    assert abs(np.median(source[3, 40:60, 50:60]) - 4) < 0.2
    assert abs(np.median(source[3, 40:60, 60:70]) - 2) < 0.2


@pytest.mark.parametrize("fill", FILLS)
def test_one_frame_is_reflect(fill: Fill, texture: Clips):
    frames = texture(51, 77)[None]
    mask = np.zeros((1, 51, 77), bool)
    mask[:, :, :12] = mask[:, :9] = True
    filled = fill.apply(Footage(frames), mask, {"reach": 15, "unseen": STEADY})
    np.testing.assert_array_equal(filled, Reflect().apply(Footage(frames), mask, STEADY))


@pytest.mark.parametrize("fill", FILLS)
def test_nothing_crosses_a_cut(fill: Fill, panning: Clips):
    frames = np.concatenate([panning(3, 64, 80, (3, 0)) // 3, 170 + panning(3, 64, 80, (3, 0), seed=9) // 3])
    mask = np.zeros(frames.shape[:3], bool)
    mask[:, :, 60:] = True
    filled = fill.apply(Footage(frames), mask, fill.sample(np.random.default_rng(0)))
    assert filled[:3].max() <= 85
    assert filled[3:].min() >= 170


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (4, 9, 75), (4, 61, 83)])
@pytest.mark.parametrize("flat", [True, False])
def test_only_the_hole_changes_and_what_it_hides_has_no_influence(
    fill: Fill, shape: tuple[int, int, int], flat: bool, panning: Clips
):
    """On tiny and flat frames too, and where a hole touches the edge or is missing from a frame."""
    frames = np.full((*shape, 3), 77, np.uint8) if flat else panning(*shape, step=(2, 1))
    mask = np.zeros(shape, bool)
    mask[:, 2:5, 3:] = True
    mask[2:3] = False
    rng = np.random.default_rng(0)
    params = fill.sample(rng)
    before = frames.copy()
    filled = fill.apply(Footage(frames), mask, params)
    np.testing.assert_array_equal(frames, before)
    np.testing.assert_array_equal(filled[~mask], frames[~mask])
    if flat:
        assert (filled == 77).all()
    other = frames.copy()
    other[mask] = rng.integers(0, 256, other[mask].shape)
    np.testing.assert_array_equal(fill.apply(Footage(other), mask, params), filled)


def test_median_by_hand(texture: Clips):
    """Catches a mean, the hidden frame counted, a middle one beside the middle, and `reach` ignored."""
    frames = np.stack([texture(64, 80)] * 6)
    patch = np.s_[20:30, 40:50]
    for frame, level in zip(frames, [0, 10, 200, 60, 21, 255], strict=True):
        frame[patch] = level
    mask = np.zeros(frames.shape[:3], bool)
    mask[(0, *patch)] = mask[(5, *patch)] = True
    filled = Median().apply(Footage(frames), mask, {"reach": 15, "unseen": STEADY})
    assert (filled[0][patch] == 41).all()  # of 10, 21, 60 and 200: 40.5, halves up
    assert (filled[5][patch] == 41).all()
    filled = Median().apply(Footage(frames), mask, {"reach": 3, "unseen": STEADY})
    assert (filled[0][patch] == 60).all()  # of 10, 60 and 200
    assert (filled[5][patch] == 60).all()  # of 21, 60 and 200


def test_median_removes_a_flash(texture: Clips):
    still = texture(96, 128)
    frames = np.stack([still] * 5)
    box = np.s_[30:50, 60:90]
    frames[1][box] = 255
    mask = np.zeros(frames.shape[:3], bool)
    mask[(2, *box)] = True
    params = {"reach": 15, "unseen": STEADY}
    np.testing.assert_array_equal(Median().apply(Footage(frames), mask, params)[2], still)
    assert (Mosaic().apply(Footage(frames), mask, params)[2][box] == 255).all()


def test_propagation_follows_what_moves_by_itself(texture: Clips):
    """A thing that crosses a still scene 4 pixels a frame, half of it hidden in one frame. Catches camera motion."""
    scene, thing = texture(96, 160), texture(48, 48, seed=3)
    frames = np.stack([scene] * 5)
    for index, frame in enumerate(frames):
        frame[24:72, 40 + 4 * index : 88 + 4 * index] = thing
    mask = np.zeros(frames.shape[:3], bool)
    mask[2, 40:56, 60:84] = True  # the thing lies at 48..95
    error = {
        fill.name: np.abs(
            fill.apply(Footage(frames), mask, fill.sample(np.random.default_rng(0)))[mask].astype(int) - frames[mask]
        ).mean()
        for fill in (Propagation(), Mosaic())
    }
    assert error["propagation"] < _pixel(frames) < error["mosaic"]


def test_dense_motion_beyond_the_edge_is_the_cameras(texture: Clips):
    """Catches flow continued as a constant: at a corner the zoom moves it 2 pixels more than at the known region."""
    first = texture(120, 160)
    zoom = np.vstack([cv2.getRotationMatrix2D((80, 60), 3, 1.05), [0, 0, 1]])
    second = cv2.warpPerspective(first, zoom, (160, 120), borderMode=cv2.BORDER_REFLECT_101)
    known = np.zeros((120, 160), bool)
    known[24:-24, 24:-24] = True
    pair = (np.where(known[..., None], frame, 128).astype(np.uint8) for frame in (first, second))
    (there, _), (back, leads) = dense_motion(*pair, known, known, zoom)
    place = np.stack(np.meshgrid(np.arange(160.0), np.arange(120.0)), axis=-1)
    for flow, motion in ((there, zoom), (back, np.linalg.inv(zoom))):
        error = np.linalg.norm(place + flow - cv2.perspectiveTransform(place, motion), axis=-1)
        assert error.max() < 0.5  # DIS at an edge
    x, y = np.moveaxis(cv2.perspectiveTransform(place, np.linalg.inv(zoom)), -1, 0)
    depth = np.minimum(np.minimum(x, 159 - x), np.minimum(y, 119 - y))  # inside the frame, or outside when negative
    assert leads[depth > 0.5].all()
    assert not leads[depth < -0.5].any()


@pytest.mark.parametrize(
    ("back", "close"),
    [
        ((-4.0, 0.0), True),
        ((-4.9, 0.0), True),  # 0.9 ** 2 = 0.81 < 0.01 * (4 ** 2 + 4.9 ** 2) + 0.5 = 0.9001
        ((-5.0, 0.0), False),  # 1 > 0.91
        ((4.0, 0.0), False),
        ((0.0, -4.0), False),
    ],
)
def test_flow_comes_back_by_hand(back: tuple[float, float], close: bool):
    flow, other = (np.full((6, 10, 2), step, np.float32) for step in ((4.0, 0.0), back))
    expected = np.full((6, 10), close)
    expected[:, 6:] = False  # led out of the frame
    np.testing.assert_array_equal(_comes_back(flow, other), expected)


def test_flow_comes_back_compares_where_it_ends():
    flow = np.zeros((6, 10, 2), np.float32)
    flow[:, 2] = 3, 0
    other = -np.roll(flow, 3, axis=1)  # column 5 leads back to column 2
    expected = np.ones((6, 10), bool)
    expected[:, 5] = False  # stays, but what lies there came from column 2
    np.testing.assert_array_equal(_comes_back(flow, other), expected)


@pytest.mark.parametrize("shape", [(8, 64), (9, 9), (12, 100)])
def test_dense_motion_of_small_frames(shape: tuple[int, int], panning: Clips):
    """OpenCV's DIS crashes on them."""
    known = np.ones(shape, bool)
    (there, leads), _ = dense_motion(*panning(2, *shape, (1, 0)), known, known, np.eye(3))
    assert there.shape == (*shape, 2)
    np.testing.assert_allclose(np.median(there[:, 2:], axis=(0, 1)), [-1, 0], atol=0.2)
    assert not leads[:, 0].any()  # the column that leaves the frame


def test_camera_positions_map_into_the_first_frame_and_stop_at_a_cut(panning: Clips):
    frames = np.concatenate([panning(3, 96, 128, (4, -3)), panning(2, 96, 128, (0, 0), seed=9)])
    positions, shots = camera_positions(frames, np.ones(frames.shape[:3], bool))
    assert shots == [0, 0, 0, 1, 1]
    for index, position in enumerate(positions[:3]):
        np.testing.assert_allclose(position, [[1, 0, 4 * index], [0, 1, -3 * index], [0, 0, 1]], atol=1e-9)
    np.testing.assert_allclose(positions[3:], np.stack([np.eye(3)] * 2), atol=1e-9)


def test_camera_positions_find_a_turn_and_a_zoom(texture: Clips):
    first = texture(120, 160)
    turn = np.vstack([cv2.getRotationMatrix2D((80, 60), 2, 1.03), [0, 0, 1]])
    second = cv2.warpPerspective(first, turn, (160, 120), borderMode=cv2.BORDER_REFLECT_101)
    positions, _ = camera_positions(np.stack([first, second]), np.ones((2, 120, 160), bool))
    corners = np.array([[[0.0, 0]], [[159, 0]], [[159, 119]], [[0, 119]]])
    there_and_back = cv2.perspectiveTransform(cv2.perspectiveTransform(corners, turn), positions[1])
    assert np.abs(there_and_back - corners).max() < 0.3  # LK finds a point to about 0.05 px, corners extrapolate
