from __future__ import annotations

import numpy as np
import pytest

from outpaint_lightning.forge.masks import BandMask, BorderMask, BoxMask, rectangles
from outpaint_lightning.forge.parts import Footage


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


@pytest.mark.parametrize("shape", [(1, 64, 64), (9, 256, 448)])
def test_only_a_border_of_more_than_60_percent_is_narrowed_and_all_its_sides_alike(
    shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
):
    footage = Footage.blank(*shape)
    sampler = BorderMask(sides=(4, 4))
    narrowed = 0
    for seed in range(60):
        params = sampler.sample(np.random.default_rng(seed), footage)
        with monkeypatch.context() as patch:
            patch.setattr(rectangles, "AREA", (0.0, 1.0))
            drawn = sampler.sample(np.random.default_rng(seed), footage)
        if sampler.render(drawn, footage).mean() <= 0.6:
            assert params == drawn
            continue
        narrowed += 1
        assert 0.55 < sampler.render(params, footage).mean() <= 0.6  # 4 sides of 64, each a pixel wider: 3.8 % more
        before, after = (np.array([*each["start"], *each["stop"]]) for each in (drawn, params))
        factor = (after / before)[before > 0]
        assert np.ptp(factor) < 2 / before[before > 0].min()  # each was rounded twice
    assert narrowed > 5


def test_a_band_has_known_columns_on_both_sides_and_no_place_of_its_own():
    """Blending pictures in thirds would put it into the middle third always."""
    footage = Footage.blank(2, 30, 200)
    drawn = [BandMask().sample(np.random.default_rng(seed), footage) for seed in range(200)]
    masks = [BandMask().render(params, footage) for params in drawn]
    for mask, params in zip(masks, drawn, strict=True):
        assert (mask == mask[:1, :1]).all()
        assert np.flatnonzero(mask[0, 0]).tolist() == list(range(params["start"], params["stop"]))
        assert not mask[..., :20].any()
        assert not mask[..., -20:].any()
    widths, starts = (np.array(found) for found in ([m[0, 0].sum() for m in masks], [p["start"] for p in drawn]))
    assert (widths.min(), widths.max()) >= (30, 60)
    assert widths.max() - widths.min() > 50
    assert np.ptp(starts) > 100
    assert (200 - starts - widths).min() >= 20


def test_a_band_fits_the_smallest_frame():
    footage = Footage.blank(1, 8, 8)
    for seed in range(20):
        mask = BandMask(width=(0.6, 0.6), margin=0.2).render(
            BandMask(width=(0.6, 0.6), margin=0.2).sample(np.random.default_rng(seed), footage), footage
        )
        assert 0 < mask[0, 0].sum() < 8
        assert not mask[..., [0, -1]].any()
