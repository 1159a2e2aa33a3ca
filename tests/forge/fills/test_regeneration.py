"""Fills that make a region anew, by the values they give."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from outpaint_lightning.forge.fills import (
    BlockAverage,
    Denoise,
    Flicker,
    LowPass,
    Recompress,
    Regenerate,
    Regeneration,
    Renoise,
    Resample,
    Splice,
    TemporalSmooth,
)
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.types import InputError

FILLS = [part() for part in Regeneration.known().values()]


def _box(frames: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros((frames, height, width), bool)
    mask[:, height // 3 : 2 * height // 3, width // 4 : width // 2] = True
    return mask


def remade(fill: Regeneration, frames: np.ndarray, params: dict[str, object]) -> np.ndarray:
    return np.stack(list(fill.regenerate(frames, params)))


def _flat(value: float, frames: int = 3, height: int = 40, width: int = 48) -> np.ndarray:
    return np.full((frames, height, width, 3), value, np.float32)


@pytest.mark.parametrize("fill", FILLS, ids=lambda fill: fill.name)
@pytest.mark.parametrize("frames", [1, 3])
def test_the_region_is_made_anew_from_its_own_content(fill, frames, panning):
    """Catches a fill that invents, one that changes nothing, and one that writes outside."""
    clip, mask = panning(frames, 60, 72, (2, 1)), _box(frames, 60, 72)
    clip = np.clip(clip + np.random.default_rng(0).normal(0, 5, clip.shape), 0, 255).astype(np.uint8)
    for seed in range(5):
        made = fill.apply(Footage(clip), mask, fill.sample(np.random.default_rng(seed)))
        np.testing.assert_array_equal(made[~mask], clip[~mask])
        changed = (made[mask] != clip[mask]).any(-1).mean()
        error = ((made[mask].astype(float) - clip[mask]) ** 2).mean()
        assert changed > 0.3
        assert error < 20**2


@pytest.mark.parametrize("fill", FILLS, ids=lambda fill: fill.name)
def test_pixels_far_from_the_region_have_no_influence(fill, panning):
    clip, mask = panning(2, 80, 96, (1, 0)), np.zeros((2, 80, 96), bool)
    mask[:, 30:40, 40:50] = True
    other = clip.copy()
    other[:, :12], other[:, :, 70:] = 255, 0
    params = fill.sample(np.random.default_rng(3))
    made = fill.apply(Footage(clip), mask, params)
    np.testing.assert_array_equal(fill.apply(Footage(other), mask, params)[mask], made[mask])


def test_another_clip_is_made_anew_where_one_is_drawn(panning):
    clip, donor, mask = panning(2, 40, 48, (1, 0)), panning(2, 40, 48, (0, 1), seed=5), _box(2, 40, 48)
    fill = LowPass(foreign=1.0)
    assert fill.needs == {"donor"}
    assert not LowPass().needs
    params = fill.sample(np.random.default_rng(0))
    everything = np.ones_like(mask)
    spliced = Splice().apply(Footage(clip, donor=donor), everything, params["donor"])
    np.testing.assert_array_equal(
        LowPass().apply(Footage(clip, donor=donor), mask, params)[mask],
        LowPass().apply(Footage(spliced), mask, {**params, "donor": None})[mask],
    )
    recipe = Recipe.of(
        masks=["box"],
        fills=[{"class_path": "low-pass", "init_args": {"foreign": 0.5}}],
        seams=["hard"],
        chains=["none"],
    )
    assert recipe.all_forgers("a", frozenset({"donor"}))
    with pytest.raises(InputError, match="a clip of another source"):
        recipe.all_forgers("a", frozenset())


def test_resampling_by_hand():
    """Columns of 0 and 200 in turn: averaged they are 100; blocks as large as the factor come back as they were."""
    stripes = _flat(0)
    stripes[:, :, ::2] = 200
    how = {"factor": 2.0, "down": "area", "up": "nearest", "sharpen": 0.0}
    np.testing.assert_array_equal(remade(Resample(), stripes, how), 100)
    blocks = np.random.default_rng(0).uniform(0, 255, (1, 20, 24, 3)).astype(np.float32)
    large = blocks.repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(remade(Resample(), large, how), large, atol=1e-3)


def test_sharpening_adds_detail_again():
    edge = _flat(50)
    edge[:, :, 24:] = 150
    how = {"factor": 2.0, "down": "area", "up": "cubic", "sharpen": 0.0}
    soft, sharp = (remade(Resample(), edge, how | {"sharpen": share}) for share in (0.0, 1.0))
    assert np.diff(sharp[0, 20, :, 0]).max() > 1.2 * np.diff(soft[0, 20, :, 0]).max()


@pytest.mark.parametrize("order", [1, 6])
def test_at_the_cutoff_half_the_power_is_left(order):
    """A cosine of the transform itself is only scaled: by 1/sqrt(2) at the cutoff, by 1/sqrt(1 + 2^2n) at twice it."""
    x = (np.arange(48) + 0.5) / 48
    for number, power in ((12, 0.5), (24, 1 / (1 + 4**order))):
        wave = np.broadcast_to(100 * np.cos(np.pi * number * x)[None, None, :, None], (1, 40, 48, 3)).astype(np.float32)
        made = remade(LowPass(), wave, {"cutoff": 12 / 96, "order": order})
        np.testing.assert_allclose(made, wave * np.sqrt(power), atol=1e-3)


def test_block_averages_by_hand():
    pixels = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1).repeat(3, 3)
    how = {"size": 2, "offset": [0, 0], "detail": 0.0, "pattern": 0.0, "seed": 0, "smooth": False}
    made = remade(BlockAverage(), pixels, how)[0, :, :, 0]
    np.testing.assert_array_equal(made, [[2.5, 2.5, 4.5, 4.5]] * 2 + [[10.5, 10.5, 12.5, 12.5]] * 2)
    moved = remade(BlockAverage(), pixels, how | {"offset": [0, 1]})[0, :, :, 0]
    np.testing.assert_array_equal(moved[0], [2, 3.5, 3.5, 5])  # blocks of columns -1 and 0, 1 and 2, 3 and 4
    half = remade(BlockAverage(), pixels, how | {"detail": 0.5})[0, :, :, 0]
    np.testing.assert_array_equal(half, (made + pixels[0, :, :, 0]) / 2)


def test_a_pattern_repeats_in_every_block_and_frame():
    how = {"size": 8, "offset": [3, 5], "detail": 1.0, "pattern": 1.5, "seed": 4, "smooth": True}
    pattern = remade(BlockAverage(), _flat(100, height=64, width=64), how) - 100
    np.testing.assert_allclose(pattern[:, 8:], pattern[:, :-8], atol=1e-4)
    np.testing.assert_allclose(pattern[:, :, 8:], pattern[:, :, :-8], atol=1e-4)
    np.testing.assert_allclose(pattern[1:], pattern[:-1], atol=1e-4)
    assert pattern.std() == pytest.approx(1.5, rel=0.2)  # of 192 numbers: 3 deviations are 15 %


@pytest.mark.parametrize("method", ["bilateral", "median", "edge-preserving"])
def test_denoising_calms_flats_and_keeps_edges(method):
    edge = _flat(60, frames=1)
    edge[:, :, 24:] = 180
    noisy = edge + np.random.default_rng(0).normal(0, 6, edge.shape).astype(np.float32)
    made = remade(Denoise(), noisy, {"method": method, "strength": 25.0})
    for flat in (np.s_[:, 5:-5, 5:20], np.s_[:, 5:-5, 28:-5]):
        assert (made - edge)[flat].std() < 0.75 * (noisy - edge)[flat].std()
    assert np.abs(made[0, :, 26] - made[0, :, 21]).mean() > 110


def test_noise_has_the_deviation_and_kind_asked_for():
    params = {"smoothing": 0.5, "deviation": 4.0, "grain": 0.0, "still": False, "grey": 0.0, "seed": 1}
    made = {
        name: remade(Renoise(), _flat(128, height=120, width=120), params | changes) - 128
        for name, changes in {
            "white": {},
            "still": {"still": True},
            "grey": {"grey": 1.0},
            "coarse": {"grain": 0.8},
        }.items()
    }
    for noise in made.values():
        assert noise.std() == pytest.approx(4, rel=0.05)
    correlation = {
        "frames": lambda noise: np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1],
        "colours": lambda noise: np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1],
        "neighbours": lambda noise: np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1],
    }
    expected = {"still": "frames", "grey": "colours", "coarse": "neighbours"}
    for (name, noise), (kind, measure) in itertools.product(made.items(), correlation.items()):
        if expected.get(name) == kind:
            assert measure(noise) > 0.4
        else:
            assert abs(measure(noise)) < 0.05


def test_the_blocks_of_the_jpeg_lie_at_the_offset():
    """Blocks of one value survive a coarse JPEG on their own grid, and on no other."""
    values = np.random.default_rng(0).integers(60, 200, (1, 6, 7, 1)).astype(np.float32).repeat(3, 3)
    blocks = values.repeat(8, 1).repeat(8, 2)
    shown = blocks[:, 3:43, 2:50]  # the grid lies 3 rows and 2 columns before the first pixel
    errors = {
        offset: np.abs(remade(Recompress(), shown, {"quality": 50, "offset": list(offset)}) - shown)[
            :, 8:-8, 8:-8
        ].max()
        for offset in ((3, 2), (2, 3), (7, 7))
    }
    assert errors[3, 2] <= 2  # a step of the DC coefficient at quality 50 is 2 levels
    assert min(errors[2, 3], errors[7, 7]) > 10
    drawn = {tuple(Recompress().draw(np.random.default_rng(seed))["offset"]) for seed in range(500)}
    assert len(drawn) == 63
    assert (0, 0) not in drawn


def test_flicker_makes_equal_frames_differ():
    made = remade(Flicker(), _flat(100, frames=40), {"level": 2.0, "blur": 0.5, "seed": 0})
    means = made.mean((1, 2))
    assert 0.3 < means.std(0).mean() < 2  # the mean of 16 cells wavers less than one
    assert np.abs(np.diff(means, axis=0)).min() > 0


def test_temporal_smoothing_averages_what_is_alike_and_leaves_what_moves():
    rng = np.random.default_rng(0)
    still = _flat(100, frames=7) + rng.normal(0, 3, (7, 40, 48, 3)).astype(np.float32)
    made = remade(TemporalSmooth(), still, {"reach": 2, "strength": 20.0})
    assert made[3].std() == pytest.approx(3 / np.sqrt(5), rel=0.1)
    passing = _flat(20, frames=3)
    passing[1, 10:30, 10:30] = 220
    made = remade(TemporalSmooth(), passing, {"reach": 1, "strength": 10.0})
    np.testing.assert_allclose(made[:, 12:28, 12:28], passing[:, 12:28, 12:28], atol=0.5)


def test_operations_follow_each_other():
    fill = Regenerate(operations=("flicker", "low-pass"), count=(2, 2))
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 30, 34, 3)).astype(np.float32)
    params = fill.draw(np.random.default_rng(2))
    first, second = params["operations"]
    assert {first["class_path"].split(".")[-1], second["class_path"].split(".")[-1]} == {"Flicker", "LowPass"}
    parts = [Regeneration.named(operation["class_path"])() for operation in (first, second)]
    between = np.rint(remade(parts[0], pixels, first["params"]).clip(0, 255)).astype(np.uint8)
    expected = remade(parts[1], between, second["params"])
    np.testing.assert_array_equal(remade(Regenerate(), pixels, params), expected)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resample", {"up": ["bicubic"]}, r"up \('bicubic',\): expected a list of some of nearest"),
        ("resample", {"factor": [0.5, 2.0]}, "factor is"),
        ("block-average", {"size": [3, 8]}, r"size \(3, 8\): expected two powers of two"),
        ("denoise", {"methods": ["nlm"]}, "methods .*bilateral"),
        ("regenerate", {"operations": ["flicker"]}, "operations .* at least 3"),
        ("regenerate", {"operations": ["flicker", "telea", "low-pass"]}, "'telea': expected one of"),
        ("low-pass", {"foreign": 2.0}, "foreign is"),
    ],
)
def test_options_that_cannot_be_used_are_named(name, options, message):
    with pytest.raises(InputError, match=f"{name}.*{message}"):
        Regeneration.build({"class_path": name, "init_args": options})


def test_flat_frames_stay_flat():
    for fill in (Resample(), LowPass(), Denoise(), TemporalSmooth()):
        for seed in range(4):
            made = remade(fill, _flat(77), fill.draw(np.random.default_rng(seed)))
            np.testing.assert_allclose(made, 77, atol=1.0 if fill.name == "denoise" else 0.01)
