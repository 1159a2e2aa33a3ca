"""What holds for every mask sampler."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from outpaint_lightning.forge.masks import (
    BandMask,
    BarMask,
    BlobMask,
    BorderMask,
    BoxMask,
    BrushMask,
    CloudMask,
    MaskSampler,
    ObjectMask,
    PolygonMask,
    RainMask,
    RemovePixelsMask,
)
from outpaint_lightning.forge.masks.base import AREA, largest
from outpaint_lightning.forge.parts import Footage

Shape = tuple[int, int, int]
DEFAULTS = [
    BandMask(),
    BorderMask(),
    BoxMask(),
    BrushMask(),
    BlobMask(),
    PolygonMask(),
    ObjectMask(),
    RainMask(),
    BarMask(),
    CloudMask(),
    RemovePixelsMask(),
]
WILD = {"area": (0.5, 0.6), "drift": 1.0, "max_drift": 1.0, "max_turn": 180.0}
EXTREMES = [
    BandMask(width=(0.6, 0.6), margin=0.2),
    BorderMask(width=(0.4, 0.6), max_drift=0.5),
    BoxMask(area=(0.9, 0.99)),
    BrushMask(**WILD, strokes=(1, 9), thickness=(0.1, 3.0)),
    BlobMask(**WILD),
    PolygonMask(**WILD),
    PolygonMask(area=(0.0, 0.01), drift=1.0),
    ObjectMask(radius=(30, 40)),
    RainMask(count=500, length=(64.0, 64.0)),
    RainMask(thickness=64.0),
    BarMask(width=1.0),
    BarMask(width=0.0, speed=1.0),
    RemovePixelsMask(share=(0.0, 0.0)),
    RemovePixelsMask(share=(1.0, 1.0)),
    CloudMask(coverage=(0.0, 0.0)),
    CloudMask(coverage=(1.0, 1.0), wind=(100.0, 100.0)),
]


def _footage(shape: Shape) -> Footage:
    """A clip without content; its object is a disc of an eighth of the short side, each frame at another place."""
    _, height, width = shape
    objects = np.zeros(shape, np.uint8)
    for index, mask in enumerate(objects):
        cv2.circle(mask, (width // 2 + index, height // 2), min(height, width) // 8, 1, cv2.FILLED)
    return Footage(Footage.blank(*shape).frames, objects.astype(bool))


def _masks(sampler: MaskSampler, shape: Shape, seeds: int) -> np.ndarray:
    footage = _footage(shape)
    return np.stack(
        [sampler.render(sampler.sample(np.random.default_rng(seed), footage), footage) for seed in range(seeds)]
    )


@pytest.mark.parametrize("shape", [(1, 8, 8), (4, 9, 61), (3, 75, 8), (5, 33, 57)])
@pytest.mark.parametrize("sampler", [*DEFAULTS, *EXTREMES], ids=str)
def test_never_empty_never_whole(sampler: MaskSampler, shape: Shape):
    masks = _masks(sampler, shape, 8)
    assert masks.shape == (8, *shape)
    assert masks.dtype == bool
    assert masks.any(axis=(2, 3)).all()
    assert not masks.all(axis=(2, 3)).any()


@pytest.mark.parametrize("shape", [(1, 64, 64), (11, 67, 110)])
@pytest.mark.parametrize("sampler", DEFAULTS, ids=lambda sampler: sampler.name)
def test_area_lies_within_its_bounds(sampler: MaskSampler, shape: Shape):
    area = _masks(sampler, shape, 50).mean(axis=(1, 2, 3))
    assert area.min() >= AREA[0]
    assert area.max() <= AREA[1]


@pytest.mark.parametrize("sampler", DEFAULTS, ids=lambda sampler: sampler.name)
def test_a_record_renders_the_same_masks_and_chance_comes_from_the_generator(sampler: MaskSampler):
    footage = _footage((3, 41, 53))
    params = sampler.sample(np.random.default_rng(4), footage)
    mask = sampler.render(params, footage)
    assert json.loads(json.dumps(params)) == params
    np.testing.assert_array_equal(type(sampler)().render(json.loads(json.dumps(params)), footage), mask)
    assert sampler.sample(np.random.default_rng(4), footage) == params
    assert any(sampler.sample(np.random.default_rng(seed), footage) != params for seed in range(5, 9))


@pytest.mark.parametrize("sampler", DEFAULTS, ids=lambda sampler: sampler.name)
def test_every_sampler_is_found_by_its_name(sampler: MaskSampler):
    assert MaskSampler.build(sampler.name) == sampler
    assert MaskSampler.named(sampler.class_path) is type(sampler)


@pytest.mark.parametrize("kind", [BorderMask, BoxMask, BrushMask, BlobMask, PolygonMask])
def test_only_a_clip_drifts_and_with_the_probability_given(kind: type[MaskSampler]):
    def moving(drift: float, frames: int) -> list[bool]:
        sampler = kind(drift=drift)
        drawn = [sampler.sample(np.random.default_rng(seed), Footage.blank(frames, 100, 120)) for seed in range(20)]
        return [params["start"] != params["stop"] or params.get("turn", 0) != 0 for params in drawn]

    assert not any(moving(1.0, frames=1))
    assert not any(moving(0.0, frames=9))
    assert sum(moving(1.0, frames=9)) >= 18  # a way of less than half a pixel is none
    assert 4 <= sum(moving(0.5, frames=9)) <= 16  # 0.3 % of 20 fair draws lie outside


def test_largest_is_the_scale_that_just_fits():
    assert largest(lambda scale: scale <= 0.3, 1.0) == pytest.approx(0.3 - 2**-15, abs=2**-15)
    assert largest(lambda scale: scale <= 5, 100.0) == pytest.approx(5 - 100 * 2**-15, abs=100 * 2**-15)
    assert largest(lambda scale: scale <= 5, 1.0) == 1
    assert largest(lambda scale: scale < 0, 1.0) == 0
