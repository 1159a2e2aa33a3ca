from __future__ import annotations

import itertools

import numpy as np
import pytest

from outpaint_lightning.forge.masks import BarMask, CloudMask, MaskSampler, RainMask, RemovePixelsMask
from outpaint_lightning.forge.masks.occlusions import cloud_field
from outpaint_lightning.forge.parts import Footage


@pytest.mark.parametrize(
    "sampler", [RainMask(), BarMask(), CloudMask(), RemovePixelsMask()], ids=lambda sampler: sampler.name
)
def test_a_frame_does_not_depend_on_the_length_of_the_clip(sampler: MaskSampler):
    params = sampler.sample(np.random.default_rng(1), Footage.blank(5, 33, 47))
    long = sampler.render(params, Footage.blank(120, 33, 47))
    for frames in (1, 4, 7):
        np.testing.assert_array_equal(sampler.render(params, Footage.blank(frames, 33, 47)), long[:frames])
    assert any((long[0] != later).any() for later in long[1:])


def test_rain_by_hand():
    """A streak of 3 pixels falls 2 a frame; at the bottom it comes in at the top, round(0.618 x 10) = 6 aside."""
    params = {"streaks": [[2, 1]], "thickness": 1, "length": 3, "speed": 2}
    mask = RainMask().render(params, Footage.blank(5, 8, 10))
    falls = [
        [(1, 2), (2, 2), (3, 2)],
        [(3, 2), (4, 2), (5, 2)],
        [(5, 2), (6, 2), (7, 2)],
        [(7, 2), (0, 8), (1, 8)],
        [(1, 8), (2, 8), (3, 8)],
    ]
    assert [sorted(zip(*np.nonzero(hole), strict=True)) for hole in mask] == [sorted(pixels) for pixels in falls]


def test_rain_is_thick_to_the_right_and_goes_around():
    mask = RainMask().render(
        {"streaks": [[8, 0], [1, 5]], "thickness": 3, "length": 2, "speed": 1}, Footage.blank(1, 8, 10)
    )
    expected = np.zeros((1, 8, 10), bool)
    expected[0, :2, [8, 9, 0]] = True
    expected[0, 5:7, 1:4] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    ("shape", "count", "thickness", "lengths", "speed"),
    [
        ((1, 64, 64), 30, 1, (6, 12), 4),
        ((1, 256, 384), 45, 4, (24, 48), 16),
        ((1, 384, 256), 45, 4, (24, 48), 16),
        ((1, 8, 8), 30, 1, (1, 1), 1),
    ],
)
def test_rain_has_the_sizes_of_the_paper_and_grows_with_the_frame(
    shape: tuple[int, int, int], count: int, thickness: int, lengths: tuple[int, int], speed: int
):
    drawn = [RainMask().sample(np.random.default_rng(seed), Footage.blank(*shape)) for seed in range(60)]
    for params in drawn:
        assert (len(params["streaks"]), params["thickness"], params["speed"]) == (count, thickness, speed)
    length = [params["length"] for params in drawn]
    assert lengths[0] <= min(length) <= lengths[0] * 1.2
    assert lengths[1] / 1.2 <= max(length) <= lengths[1]
    places = np.concatenate([params["streaks"] for params in drawn]) / (shape[2], shape[1])
    assert places.max() < 1
    middle = (np.array(shape[:0:-1]) - 1) / 2 / np.array(shape[:0:-1])
    assert (np.abs(places.mean(axis=0) - middle) < 4 / np.sqrt(12 * len(places))).all()


def test_rain_that_would_drown_the_frame_is_thinned():
    params = RainMask(count=1000, length=(64.0, 64.0)).sample(np.random.default_rng(0), Footage.blank(1, 64, 64))
    assert len(params["streaks"]) == 38  # 0.6 x 64 x 64 / 64


@pytest.mark.parametrize("level", [False, True])
def test_bar_by_hand(level: bool):
    """2 wide, from 8, 1.5 a frame on 10 pixels: 8, 9.5 (which rounds to 10 and so to 0), 11, 12.5 (to 12)."""
    params = {"level": level, "start": 8, "width": 2, "step": 1.5}
    mask = BarMask().render(params, Footage.blank(4, 10, 7) if level else Footage.blank(4, 7, 10))
    for hole, pixels in zip(mask, [[8, 9], [0, 1], [1, 2], [2, 3]], strict=True):
        expected = np.zeros((7, 10), bool)
        expected[:, pixels] = True
        np.testing.assert_array_equal(hole.T if level else hole, expected)


def test_bar_wraps_and_moves_back():
    mask = BarMask().render({"level": False, "start": 1, "width": 3, "step": -2.0}, Footage.blank(2, 4, 10))
    np.testing.assert_array_equal(np.nonzero(mask[1, 0])[0], [0, 1, 9])


def test_bar_has_the_sizes_of_the_paper_in_every_direction():
    drawn = [BarMask().sample(np.random.default_rng(seed), Footage.blank(9, 100, 400)) for seed in range(100)]
    for params in drawn:
        extent = 100 if params["level"] else 400
        assert params["width"] == extent / 10
        assert abs(params["step"]) == extent / 20
        assert 0 <= params["start"] < extent
    kinds = [(params["level"], params["step"] > 0) for params in drawn]
    assert all(kinds.count(kind) > 8 for kind in [(False, False), (False, True), (True, False), (True, True)])
    upright = BarMask(level=0.0)
    assert not any(upright.sample(np.random.default_rng(s), Footage.blank(9, 64, 64))["level"] for s in range(20))


@pytest.mark.parametrize("coverage", [0.02, 0.33, 0.6])
def test_clouds_cover_what_is_asked_in_every_frame(coverage: float):
    params = {"seed": 5, "coverage": coverage, "wind": [1.7, -0.6]}
    mask = CloudMask().render(params, Footage.blank(6, 61, 83))
    np.testing.assert_array_equal(mask.sum(axis=(1, 2)), round(coverage * 61 * 83))


def test_clouds_are_the_highest_of_the_field_and_drift_with_the_wind():
    params = {"seed": 7, "coverage": 0.25, "wind": [2.0, -0.4]}
    mask = CloudMask().render(params, Footage.blank(4, 40, 56))
    field = cloud_field(7, 40, 56)
    np.testing.assert_array_equal(mask[0], field > np.quantile(field, 0.75))
    for hole, (x, y) in zip(mask, [(0, 0), (2, 0), (4, -1), (6, -1)], strict=True):  # -0.4, -0.8, -1.2
        np.testing.assert_array_equal(hole, np.roll(mask[0], (y, x), axis=(0, 1)))


@pytest.mark.parametrize(("shape", "speed"), [((5, 64, 64), (0.5, 2.0)), ((5, 256, 448), (2.0, 8.0))])
def test_wind_blows_in_every_direction_and_grows_with_the_frame(
    shape: tuple[int, int, int], speed: tuple[float, float]
):
    drawn = [CloudMask().sample(np.random.default_rng(seed), Footage.blank(*shape)) for seed in range(80)]
    wind = np.array([params["wind"] for params in drawn])
    strength = np.linalg.norm(wind, axis=1)
    assert speed[0] - 0.001 <= strength.min() < 1.2 * speed[0]
    assert speed[1] + 0.001 >= strength.max() > speed[1] / 1.2
    assert set(map(tuple, np.sign(wind))) == {(1, 1), (1, -1), (-1, 1), (-1, -1)}
    assert len({params["seed"] for params in drawn}) == 80


def test_power_of_the_clouds_falls_as_k_to_the_minus_3_alike_in_all_directions():
    """Catches k^-3 as amplitude (-6), white noise (0), and waves counted in cycles a frame that is not square."""
    height, width, seeds = 128, 256, 8
    power = np.mean([np.abs(np.fft.fft2(cloud_field(seed, height, width))) ** 2 for seed in range(seeds)], axis=0)
    ky, kx = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    k = np.hypot(kx, ky)
    edges = np.geomspace(0.02, 0.5, 13)
    bins = [(k >= low) & (k < high) for low, high in itertools.pairwise(edges)]
    slope, _ = np.polyfit([np.log(k[ring]).mean() for ring in bins], [np.log(power[ring].mean()) for ring in bins], 1)
    assert slope == pytest.approx(-3, abs=0.3)  # the issue's
    scaled = power * k**3  # the same everywhere
    ring = (k > 0.05) & (k < 0.25)
    along_x, along_y = (scaled[ring & (a > 2 * b)].mean() for a, b in ((abs(kx), abs(ky)), (abs(ky), abs(kx))))
    waves = seeds * (ring & (abs(kx) > 2 * abs(ky))).sum() / 2  # of a real field two by two
    assert along_x / along_y == pytest.approx(1, abs=4 * np.sqrt(2 / waves))


def test_the_field_is_periodic_and_its_own_for_every_seed():
    field = cloud_field(3, 96, 80)
    inside = np.abs(np.diff(field, axis=1)).mean()
    assert np.abs(field[:, 0] - field[:, -1]).mean() < 1.3 * inside
    assert np.abs(field[0] - field[-1]).mean() < 1.3 * np.abs(np.diff(field, axis=0)).mean()
    assert field.mean() == pytest.approx(0, abs=1e-9 * field.std())
    assert not np.array_equal(field, cloud_field(4, 96, 80))


def test_pixels_are_removed_anew_in_every_frame():
    """Half of the pixels in each: of 400, two independent frames share 100 +- 5, one mask for all frames 200."""
    mask = RemovePixelsMask().render({"seed": 1, "share": 0.5}, Footage.blank(2, 20, 20))
    assert mask.sum((1, 2)).tolist() == [200, 200]
    assert 75 <= (mask[0] & mask[1]).sum() <= 125  # five deviations
