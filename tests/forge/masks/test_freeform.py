from __future__ import annotations

import numpy as np
import pytest

from outpaint_lightning.forge.masks import BlobMask, BrushMask, PolygonMask
from outpaint_lightning.forge.masks.freeform import FreeForm, Piece
from outpaint_lightning.forge.parts import Footage, Parameters

KINDS = [BrushMask, BlobMask, PolygonMask]


def _params(points: list[list[float]], thickness: float = 0, **place: object) -> Parameters:
    return {"pieces": [{"points": points, "thickness": thickness}], "stop": place["start"], "turn": 0.0, **place}


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask)
    return int(columns.min()), int(columns.max()), int(rows.min()), int(rows.max())


def test_polygon_by_hand():
    """Catches x and y swapped, corners that are not relative to the place, and a drift that is not straight."""
    rectangle = [[-3, -1], [4, -1], [4, 2], [-3, 2]]
    mask = PolygonMask().render(_params(rectangle, start=[5, 4], stop=[9, 2]), Footage.blank(3, 10, 14))
    for hole, (x, y) in zip(mask, [(5, 4), (7, 3), (9, 2)], strict=True):
        expected = np.zeros((10, 14), bool)
        expected[y - 1 : y + 3, x - 3 : x + 5] = True
        np.testing.assert_array_equal(hole, expected)


def test_polygon_turns_from_x_towards_y_about_its_place():
    needle = [[0, -1], [8, 0], [0, 1]]
    mask = PolygonMask().render(_params(needle, start=[10, 10], turn=180.0), Footage.blank(3, 21, 21))
    assert [_box(hole) for hole in mask] == [(10, 18, 9, 11), (9, 11, 10, 18), (2, 10, 9, 11)]


def test_corners_are_at_the_nearest_pixel():
    mask = PolygonMask().render(
        _params([[-4, -4], [4.4, -4], [4.4, 4], [-4, 4]], start=[9, 9]), Footage.blank(1, 19, 19)
    )
    wider = PolygonMask().render(
        _params([[-4, -4], [4.6, -4], [4.6, 4], [-4, 4]], start=[9, 9]), Footage.blank(1, 19, 19)
    )
    assert (_box(mask[0]), _box(wider[0])) == ((5, 13, 5, 13), (5, 14, 5, 13))


def test_the_place_bounces_between_the_first_and_the_last_pixel():
    mask = PolygonMask().render(_params([[0, 0]] * 3, start=[8, 1], stop=[16, -7]), Footage.blank(5, 12, 10))
    assert [_box(hole)[::2] for hole in mask] == [(8, 1), (8, 1), (6, 3), (4, 5), (2, 7)]  # 8 10 12 14 16, 1 -1 -3 ...


@pytest.mark.parametrize("kind", KINDS)
def test_the_place_is_covered_wherever_the_form_goes(kind: type[FreeForm]):
    """What never lets a form leave the frame."""
    sampler = kind(drift=1.0, max_drift=1.5, max_turn=180.0)
    for seed in range(20):
        params = sampler.sample(np.random.default_rng(seed), Footage.blank(5, 30, 40))
        mask = sampler.render(params, Footage.blank(5, 30, 40))
        for hole, place in zip(mask, np.linspace(params["start"], params["stop"], 5), strict=True):
            x, y = (
                next(abs(turn - value) for turn in (0, 2 * last, -2 * last) if 0 <= abs(turn - value) <= last)
                for value, last in zip(np.rint(place).astype(int), (39, 29), strict=True)
            )
            assert hole[y, x]


def test_the_place_is_uniform():
    drawn = [PolygonMask().sample(np.random.default_rng(seed), Footage.blank(1, 16, 24)) for seed in range(150)]
    place = np.array([params["start"] for params in drawn])
    assert (place.min(axis=0) == 0).all()
    assert (place.max(axis=0) == (23, 15)).all()
    assert (np.abs(place.mean(axis=0) / (23, 15) - 0.5) < 4 / np.sqrt(12 * 150)).all()


@pytest.mark.parametrize("frames", [1, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_the_area_that_shows_is_the_one_drawn(kind: type[FreeForm], frames: int):
    """Catches an area of the form before it is cut by the edge, and one of the first frame only."""
    sampler = kind(area=(0.1, 0.1), drift=1.0)
    for seed in range(15):
        footage = Footage.blank(frames, 90, 120)
        mask = sampler.render(sampler.sample(np.random.default_rng(seed), footage), footage)
        assert 0.095 <= mask.mean() <= 0.1  # a stroke of 10 pixels grows by whole ones


@pytest.mark.parametrize("kind", KINDS)
def test_no_place_and_turn_covers_more_than_a_piece_says(kind: type[FreeForm]):
    """What never lets a form cover the whole frame."""
    sampler = kind()
    for seed in range(10):
        footage = Footage.blank(1, 24, 24)
        params = sampler.sample(np.random.default_rng(seed), footage)
        most = sum(Piece(np.array(piece["points"]), piece["thickness"]).most_pixels for piece in params["pieces"])
        roomy = Footage.blank(4, 200, 200)
        mask = sampler.render({**params, "start": [100, 100], "stop": [100, 100], "turn": 135.0}, roomy)
        assert mask.sum(axis=(1, 2)).max() < most


def test_the_pixels_a_piece_covers_at_most_by_hand():
    square, stroke = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]]), np.array([[0.0, 0], [6, 8]])
    assert Piece(square, 0.0).most_pixels == pytest.approx(100 + 40 * 2 + np.pi)
    assert Piece(stroke, 5.0).most_pixels == pytest.approx(10 * 7 + np.pi * 3.5**2)


def test_blob_is_smooth():
    """Catches corners, where the outline closes included, and a spline that swings out far or through the place."""
    counts = set()
    for seed in range(40):
        params = BlobMask().sample(np.random.default_rng(seed), Footage.blank(1, 256, 448))
        points = np.array(params["pieces"][0]["points"])
        edges = np.roll(points, -1, axis=0) - points
        heading = np.arctan2(edges[:, 1], edges[:, 0])
        turns = (np.roll(heading, -1) - heading + np.pi) % (2 * np.pi) - np.pi
        assert turns.sum() == pytest.approx(2 * np.pi)  # once around
        assert np.abs(turns).max() < np.deg2rad(30)  # a polygon of 8 corners turns by 45 degrees at each on average
        area = 0.5 * abs(np.sum(points[:, 0] * np.roll(points[:, 1], -1) - points[:, 1] * np.roll(points[:, 0], -1)))
        assert np.linalg.norm(edges, axis=1).sum() ** 2 / area < 30  # 4 pi of a disc, 20.8 of a triangle
        counts.add(len(points))
    assert counts == {96}


def test_blob_goes_through_its_radii():
    """A blob of equal radii is a disc."""
    params = BlobMask(radius=(1.0, 1.0)).sample(np.random.default_rng(0), Footage.blank(1, 200, 200))
    radius = np.linalg.norm(params["pieces"][0]["points"], axis=1)
    np.testing.assert_allclose(radius, radius[0], atol=0.01)  # rounded to 0.01 in x and in y


def test_polygon_has_3_to_8_corners_around_its_place():
    counts = set()
    for seed in range(60):
        params = PolygonMask().sample(np.random.default_rng(seed), Footage.blank(1, 64, 64))
        points = np.array(params["pieces"][0]["points"])
        angle = np.arctan2(points[:, 1], points[:, 0])
        gaps = (np.roll(angle, -1) - angle) % (2 * np.pi)
        assert gaps.sum() == pytest.approx(2 * np.pi)
        assert gaps.max() < np.pi
        radius = np.linalg.norm(points, axis=1)
        assert radius.max() <= 2.02 * radius.min() + 0.02
        counts.add(len(points))
    assert counts == set(range(3, 9))


def test_brush_thickness_and_round_ends_by_hand():
    mask = BrushMask().render(_params([[-6, 0], [6, 0]], 5.0, start=[15, 10]), Footage.blank(1, 21, 31))[0]
    np.testing.assert_array_equal(np.nonzero(mask[:, 15])[0], [8, 9, 10, 11, 12])
    np.testing.assert_array_equal(np.nonzero(mask[10])[0], np.arange(15 - 6 - 2, 15 + 6 + 3))
    np.testing.assert_array_equal(mask, mask[::-1])
    assert not mask[8, 7]
    thin = BrushMask().render(_params([[-6, 0], [6, 0], [6, 5]], 1.0, start=[15, 10]), Footage.blank(1, 21, 31))[0]
    assert thin.sum() == 13 + 5


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 200])
def test_brush_is_as_thick_in_every_direction(angle: float):
    """OpenCV's own thick lines are a third thicker along a diagonal."""
    heading = np.deg2rad(angle)
    stroke = [[0.0, 0.0], [float(60 * np.cos(heading)), float(60 * np.sin(heading))]]
    area = BrushMask().render(_params(stroke, 9.0, start=[80, 80]), Footage.blank(1, 160, 160)).sum()
    assert area == pytest.approx(60 * 9 + np.pi * 4.5**2, rel=1 / 9)  # one pixel


def test_brush_strokes_have_their_numbers_and_stay_inside_at_first():
    strokes, vertices = set(), set()
    for seed in range(120):
        params = BrushMask().sample(np.random.default_rng(seed), Footage.blank(3, 40, 60))
        strokes.add(len(params["pieces"]))
        assert params["pieces"][0]["points"][0] == [0, 0]
        for piece in params["pieces"]:
            points = np.array(piece["points"]) + params["start"]
            assert points.min() >= 0
            assert (points <= [59, 39]).all()
            assert piece["thickness"] >= 1
            vertices.add(len(points))
    assert strokes == {1, 2, 3, 4}
    assert vertices == set(range(4, 13))


def test_brush_lengths_thickness_and_angles_keep_their_proportions():
    sampler = BrushMask(
        strokes=(1, 1), vertices=(3, 3), angle=60, length=(2, 2), thickness=(0.5, 0.5), area=(0.03, 0.03)
    )
    turns = []
    for seed in range(60):
        params = sampler.sample(np.random.default_rng(seed), Footage.blank(1, 300, 300))
        points = np.array(params["pieces"][0]["points"])
        first, second = np.diff(points, axis=0)
        inside = points + params["start"]
        if inside.min() < 1 or inside.max() > 298 or np.ptp(np.linalg.norm([first, second], axis=1)) > 0.05:
            continue  # it bounced
        assert np.linalg.norm(first) / params["pieces"][0]["thickness"] == pytest.approx(4, rel=0.01)
        turns.append(np.rad2deg(np.arctan2(np.linalg.det([first, second]), first @ second)))
    assert len(turns) > 20
    assert np.abs(turns).max() <= 60.1
    assert min(turns) < -20
    assert max(turns) > 20
