from __future__ import annotations

import json

import numpy as np
import pytest

from outpaint_lightning.forge.masks import BorderMask, BoxMask, MaskSampler
from outpaint_lightning.forge.parts import Footage

SAMPLERS = [BorderMask(), BorderMask(width=(0.4, 0.6), max_drift=0.5), BoxMask(), BoxMask(area=(0.9, 0.99))]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (4, 9, 61), (3, 75, 8), (5, 33, 57)])
def test_never_empty_never_whole_and_replayed_from_json(sampler: MaskSampler, shape: tuple[int, int, int]):
    for seed in range(30):
        params = sampler.sample(np.random.default_rng(seed), Footage.blank(*shape))
        mask = sampler.render(params, Footage.blank(*shape))
        assert mask.shape == shape
        assert mask.dtype == bool
        assert mask.any(axis=(1, 2)).all()
        assert not mask.all(axis=(1, 2)).any()
        np.testing.assert_array_equal(sampler.render(json.loads(json.dumps(params)), Footage.blank(*shape)), mask)


def test_border_lies_left_top_right_bottom_and_drifts_linearly():
    mask = BorderMask().render({"start": [2, 1, 0, 3], "stop": [6, 1, 0, 1]}, Footage.blank(3, 8, 10))
    for hole, (left, top, bottom) in zip(mask, [(2, 1, 3), (4, 1, 2), (6, 1, 1)], strict=True):
        expected = np.ones((8, 10), bool)
        expected[top : 8 - bottom, left:] = False
        np.testing.assert_array_equal(hole, expected)


def test_box_is_x_y_with_width_first_and_drifts_linearly():
    mask = BoxMask().render({"size": [4, 2], "start": [0, 5], "stop": [6, 1]}, Footage.blank(3, 8, 10))
    for hole, (x, y) in zip(mask, [(0, 5), (3, 3), (6, 1)], strict=True):
        rows, columns = np.nonzero(hole)
        assert (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1) == (x, x + 4, y, y + 2)
        assert hole.sum() == 8


def test_border_widths_are_fractions_of_their_own_side_and_sides_vary():
    drawn = [BorderMask().sample(np.random.default_rng(seed), Footage.blank(9, 100, 400)) for seed in range(200)]
    start = np.array([params["start"] for params in drawn])
    counts = (start > 0).sum(axis=1)
    assert set(counts) == {1, 2, 3, 4}
    for widths, extent in zip(start.T, (400, 100, 400, 100), strict=True):
        assert (widths > 0).sum() > 80  # every side in about 5 of 8 clips
        assert widths[widths > 0].min() >= 0.06 * extent - 0.5
        assert widths.max() <= 0.25 * extent + 0.5
    assert max(len(set(row[row > 0])) for row in start) == 4  # unequal
    moving = np.mean([params["start"] != params["stop"] for params in drawn])
    assert 0.35 < moving < 0.65  # four standard deviations of 200 fair draws


def test_box_area_and_place_are_uniform():
    drawn = [BoxMask().sample(np.random.default_rng(seed), Footage.blank(9, 256, 448)) for seed in range(300)]
    area = np.array([params["size"][0] * params["size"][1] / (256 * 448) for params in drawn])
    assert area.min() > 0.045
    assert area.max() < 0.305
    assert abs(area.mean() - 0.175) < 4 * 0.25 / np.sqrt(12 * 300)
    place = np.array([np.array(params["start"]) / (np.array([448, 256]) - params["size"]) for params in drawn])
    assert (np.abs(place.mean(axis=0) - 0.5) < 4 / np.sqrt(12 * 300)).all()
    assert 0.38 < np.mean([params["start"] != params["stop"] for params in drawn]) < 0.62


def test_one_frame_does_not_drift():
    for sampler in (BorderMask(drift=1.0), BoxMask(drift=1.0)):
        params = sampler.sample(np.random.default_rng(0), Footage.blank(1, 64, 64))
        assert params["start"] == params["stop"]
