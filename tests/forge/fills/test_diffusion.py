from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from skimage.restoration import inpaint_biharmonic

from outpaint_lightning.forge.fills import diffusion, mirror
from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.fills.diffusion import (
    Biharmonic,
    Harmonic,
    NavierStokes,
    Telea,
    diffuse,
    diffusion_solver,
)
from outpaint_lightning.forge.parts import Footage

Clips = Callable[..., np.ndarray]


@pytest.mark.parametrize(("fill", "algorithm"), [(Telea(), cv2.INPAINT_TELEA), (NavierStokes(), cv2.INPAINT_NS)])
def test_opencv_with_the_radius_given(fill: Fill, algorithm: int, texture: Clips):
    frame = texture(40, 50)
    mask = np.zeros((40, 50), bool)
    mask[:, 35:] = True
    results = [fill.apply(Footage(frame[None]), mask[None], {"radius": radius})[0] for radius in (3, 7)]
    for result, radius in zip(results, (3, 7), strict=True):
        covered = mirror(frame[None], mask[None])[0]
        expected = cv2.inpaint(covered, mask.astype(np.uint8), radius, algorithm)
        np.testing.assert_array_equal(result[mask], expected[mask])
    assert not np.array_equal(*results)


def _row(values: list[float | None]) -> tuple[np.ndarray, np.ndarray]:
    """One row of pixels as an image `1 W 1` and its hole, where the value is None."""
    image = np.array([[np.nan if value is None else value for value in values]], np.float32)
    return image[..., None], np.isnan(image)


def test_harmonic_by_hand():
    """A line between known values; level up to the frame's edge, where values of zero outside would pull it down."""
    image, hole = _row([None, 10, None, None, 40, None, None])
    np.testing.assert_allclose(diffuse(image, hole)[0, :, 0], [10, 10, 20, 30, 40, 40, 40], rtol=1e-6)


def test_biharmonic_by_hand():
    """Fourth differences of zero: the cubic through two known pixels on each side."""
    image, hole = _row([0, 1, 8, None, None, None, 216, 343, 512])
    np.testing.assert_allclose(diffuse(image, hole, order=2)[0, :, 0], np.arange(9.0) ** 3, rtol=1e-6)


def test_biharmonic_at_the_frames_edge_by_hand():
    """One unknown pixel x at the end of 0 6 x. It enters the second differences at 6 and, mirrored, at x itself:
    (0 - 12 + x)^2 + (6 - x)^2 is least at x = 9; a straight line would be 12, a membrane 6."""
    image, hole = _row([0, 6, None])
    np.testing.assert_allclose(diffuse(image, hole, order=2)[0, :, 0], [0, 6, 9], rtol=1e-6)


@pytest.mark.parametrize("shape", [(31, 41), (8, 8)])
def test_harmonic_is_the_mean_of_its_neighbours(shape: tuple[int, int], texture: Clips):
    """Catches rows taken for columns, neighbours across the ends of rows and a wrong count of them at the edge."""
    image = texture(*shape).astype(np.float32)
    hole = np.random.default_rng(3).random(shape) < 0.7
    filled = diffuse(image, hole)
    around = np.pad(filled.astype(np.float64), ((1, 1), (1, 1), (0, 0)), mode="edge")
    mean = (around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]) / 4
    np.testing.assert_allclose(filled[hole], mean[hole], atol=6e-5)  # levels below 256 in float32 are good to 1.5e-5
    np.testing.assert_array_equal(filled[~hole], image[~hole])


def test_biharmonic_goes_on_with_a_bowl_where_a_membrane_is_flat():
    row, column = np.indices((25, 31), dtype=np.float32)
    bowl = ((row - 11) ** 2 + 2 * (column - 17) ** 2 + row * column)[..., None]
    hole = np.zeros((25, 31), bool)
    hole[6:18, 9:23] = True
    np.testing.assert_allclose(
        diffuse(bowl, hole, order=2), bowl, atol=1e-2
    )  # float32 of 1000 to 1e-4, well conditioned
    assert np.abs(diffuse(bowl, hole) - bowl).max() > 20


def test_biharmonic_is_scikit_images(texture: Clips):
    """Two pixels or more from the frame's edge both solve the same 13-point equations; scikit-image clips them."""
    image = texture(33, 47).astype(np.float32) / 255
    hole = np.zeros((33, 47), bool)
    hole[8:17, 20:31] = True
    hole[14:24, 12:22] = True
    expected = inpaint_biharmonic(image, hole, channel_axis=-1)
    ours = np.clip(diffuse(image, hole, order=2), image[~hole].min(axis=0), image[~hole].max(axis=0))
    np.testing.assert_allclose(ours, expected, atol=1e-5)  # float32 is good to 6e-8; the matrix' condition is near 100


@pytest.mark.parametrize("order", [1, 2])
def test_a_solver_serves_many_images_and_never_sees_what_is_hidden(order: int):
    rng = np.random.default_rng(0)
    hole = rng.random((13, 9)) < 0.5
    solve = diffusion_solver(hole, order)
    for channels in (1, 3, 5):
        image = rng.random((13, 9, channels), np.float32)
        before = image.copy()
        filled = solve(image)
        assert filled.dtype == np.float32
        np.testing.assert_array_equal(image, before)
        np.testing.assert_array_equal(filled, diffuse(np.where(hole[..., None], np.nan, image), hole, order))
        np.testing.assert_array_equal(solve(image + 0.0), filled)


def test_nothing_to_solve_and_nothing_to_solve_from():
    image = np.ones((4, 5, 3), np.float32)
    filled = diffuse(image, np.zeros((4, 5), bool))
    np.testing.assert_array_equal(filled, image)
    assert not np.shares_memory(filled, image)
    with pytest.raises(ValueError, match="no known pixel"):
        diffuse(image, np.ones((4, 5), bool))


@pytest.mark.parametrize(("fill", "order"), [(Harmonic(), 1), (Biharmonic(), 2)])
def test_the_fill_is_rounded_and_factorised_once_while_the_hole_stays(
    fill: Fill, order: int, texture: Clips, monkeypatch: pytest.MonkeyPatch
):
    frames = np.stack([texture(30, 40, seed) for seed in range(4)])
    mask = np.zeros((4, 30, 40), bool)
    mask[:3, 5:20, 8:30] = True
    mask[3, :, 30:] = True
    holes = []
    monkeypatch.setattr(
        diffusion, "diffusion_solver", lambda hole, order: holes.append(hole) or diffusion_solver(hole, order)
    )
    filled = fill.apply(Footage(frames), mask, {})
    assert len(holes) == 2
    for result, frame, hole in zip(filled, frames, mask, strict=True):
        solution = diffuse(frame.astype(np.float32), hole, order)
        np.testing.assert_array_equal(result, np.clip(np.rint(solution), 0, 255))


def test_a_plate_saturates_where_it_overshoots():
    """Catches uint8 that wraps: between slopes that rise to 250 the plate rises to about 430."""
    row = np.array([10, 130, 250, 0, 0, 0, 250, 130, 10], np.uint8)
    frames = np.broadcast_to(row[None, None, :, None], (1, 9, 9, 3))
    mask = np.zeros((1, 9, 9), bool)
    mask[..., 3:6] = True
    assert (Biharmonic().apply(Footage(frames), mask, {})[mask] == 255).all()
