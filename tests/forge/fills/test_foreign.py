from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from outpaint_lightning.forge.fills import Fill, mirror
from outpaint_lightning.forge.fills.foreign import CopyMove, Splice
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.types import InputError

Clips = Callable[..., np.ndarray]


@pytest.mark.parametrize("fill", [CopyMove(), Splice()])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (4, 41, 67)])
def test_only_the_hole_changes_and_what_it_hides_has_no_influence(
    fill: Fill, shape: tuple[int, int, int], texture: Clips
):
    frames = np.stack([texture(*shape[1:], seed) for seed in range(shape[0])])
    donor = texture(30, 40, 9)[None]
    mask = np.zeros(shape, bool)
    mask[:, 2:5, 3:] = True
    mask[2:3] = False
    rng = np.random.default_rng(0)
    params = fill.sample(rng)
    before = frames.copy()
    filled = fill.apply(Footage(frames, donor=donor), mask, params)
    np.testing.assert_array_equal(frames, before)
    np.testing.assert_array_equal(filled[~mask], frames[~mask])
    other = frames.copy()
    other[mask] = rng.integers(0, 256, other[mask].shape)
    np.testing.assert_array_equal(fill.apply(Footage(other, donor=donor), mask, params), filled)


def test_copy_move_takes_the_shift_that_is_known_for_most_pixels():
    """A hole at the edge. Catches the wrong sign, x and y swapped, the first shift kept, and the last of equals."""
    frames = np.random.default_rng(0).integers(0, 256, (2, 20, 40, 3), dtype=np.uint8)
    mask = np.zeros((2, 20, 40), bool)
    mask[:, 8:12, :6] = True
    shifts = [
        [0.1, 0.0],  # 4 right: a third of it known
        [-0.25, 0.1],  # out of the frame
        [0.25, -0.1],  # 10 right and 2 up: all of it
        [0.5, 0.25],  # all of it as well, but later
    ]
    filled = CopyMove().apply(Footage(frames), mask, {"shifts": shifts})
    np.testing.assert_array_equal(filled[:, 8:12, :6], frames[:, 6:10, 10:16])


def test_copy_move_mirrors_what_the_shift_does_not_reach():
    frames = np.random.default_rng(0).integers(0, 256, (1, 20, 40, 3), dtype=np.uint8)
    mask = np.zeros((1, 20, 40), bool)
    mask[:, :, :6] = True
    filled = CopyMove().apply(Footage(frames), mask, {"shifts": [[0.1, -0.25]]})  # 4 right, 5 up
    np.testing.assert_array_equal(filled[0, 5:, 2:6], frames[0, :-5, 6:10])
    rest = mask.copy()
    rest[0, 5:, 2:6] = False
    np.testing.assert_array_equal(filled[rest], mirror(frames, mask)[rest])


def test_copy_move_draws_shifts_of_the_lengths_asked_for():
    params = CopyMove(shift=(0.2, 0.3)).sample(np.random.default_rng(0))
    shifts = np.array(params["shifts"])
    assert shifts.shape == (32, 2)
    assert (np.abs(shifts) >= 0.2).all()
    assert (np.abs(shifts) <= 0.3).all()
    assert len(np.unique(np.sign(shifts), axis=0)) == 4
    with pytest.raises(InputError, match="copy-move: shift"):
        CopyMove.build(
            {"class_path": "outpaint_lightning.forge.fills.foreign.CopyMove", "init_args": {"shift": [0, 2]}}
        )


def _levels(count: int, height: int, width: int) -> np.ndarray:
    return np.stack([np.full((height, width, 3), 10 * index + 10, np.uint8) for index in range(count)])


@pytest.mark.parametrize(
    ("count", "start", "expected"),
    [
        (4, 0.5, [2, 3, 2, 1, 0, 1, 2, 3, 2]),  # the last and the first frame are not shown twice
        (4, 0.99, [3, 2, 1, 0, 1, 2, 3, 2, 1]),
        (2, 0.0, [0, 1, 0, 1, 0, 1, 0, 1, 0]),
        (1, 0.7, [0] * 9),
    ],
)
def test_splice_runs_to_the_end_of_the_donor_and_back(count: int, start: float, expected: list[int]):
    mask = np.ones((9, 12, 16), bool)
    mask[:, :2] = False
    footage = Footage(np.zeros((9, 12, 16, 3), np.uint8), donor=_levels(count, 12, 16))
    filled = Splice().apply(footage, mask, {"start": start, "place": [0.0, 0.0]})
    np.testing.assert_array_equal(
        filled[:, 2:, :, 0], 10 + 10 * np.array(expected)[:, None, None].repeat(10, 1).repeat(16, 2)
    )


@pytest.mark.parametrize(
    ("donor", "place", "top", "left"),
    [
        ((24, 64), [0.0, 0.9], 0, 0),  # halved to 12 x 32: 16 columns too many
        ((24, 64), [0.5, 0.9], 0, 8),  # 0.5 of 17 places
        ((24, 64), [0.99, 0.0], 0, 16),
        ((40, 32), [0.9, 0.5], 4, 0),  # halved to 20 x 16: 8 rows too many
    ],
)
def test_splice_covers_the_frame_in_proportion(donor: tuple[int, int], place: list[float], top: int, left: int):
    """Catches a donor squeezed to the frame, x and y swapped, and a place that is never the last."""
    image = np.random.default_rng(0).integers(0, 256, (*donor, 3), dtype=np.uint8)
    halved = image.reshape(donor[0] // 2, 2, donor[1] // 2, 2, 3).mean(axis=(1, 3))  # INTER_AREA by 2
    mask = np.ones((1, 12, 16), bool)
    mask[:, :2] = False
    footage = Footage(np.zeros((1, 12, 16, 3), np.uint8), donor=image[None])
    filled = Splice().apply(footage, mask, {"start": 0.0, "place": place})[0].astype(float)
    assert np.abs(filled[2:] - halved[top + 2 : top + 12, left : left + 16]).max() <= 0.5  # rounding


def test_splice_enlarges_a_small_donor(texture: Clips):
    small = texture(16, 24)
    mask = np.ones((1, 48, 72), bool)
    mask[:, :1] = False
    footage = Footage(np.zeros((1, 48, 72, 3), np.uint8), donor=small[None])
    filled = Splice().apply(footage, mask, Splice().sample(np.random.default_rng(0)))
    expected = cv2.resize(small, (72, 48), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(filled[0, 1:], expected[1:])


def test_splice_needs_a_donor():
    assert Splice.needs == {"donor"}
    with pytest.raises(InputError, match="another source"):
        Splice().apply(Footage.blank(1, 8, 8), np.eye(8, dtype=bool)[None], {"start": 0.0, "place": [0.0, 0.0]})
