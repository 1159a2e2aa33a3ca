from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from outpaint_lightning.forge.fills import patches
from outpaint_lightning.forge.fills.copies import mirror
from outpaint_lightning.forge.fills.diffusion import Harmonic
from outpaint_lightning.forge.fills.patches import PatchMatch
from outpaint_lightning.forge.parts import Footage

Clips = Callable[..., np.ndarray]


def _psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = np.square(one.astype(float) - other).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def _box(frames: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros((frames, height, width), bool)
    mask[:, height // 4 : 3 * height // 4, width // 3 : 3 * width // 4] = True
    return mask


@pytest.mark.parametrize("pattern", ["stripes", "diagonal", "checker"])
@pytest.mark.parametrize("place", ["box", "border"])
def test_a_texture_of_period_8_is_completed(pattern: str, place: str):
    row, column = np.indices((72, 88))
    level = {
        "stripes": column % 8 < 4,
        "diagonal": (row + column) % 8 < 4,
        "checker": (row % 8 < 4) ^ (column % 8 < 4),
    }[pattern]
    frames = np.where(level[None, ..., None], (220, 180, 40), (20, 60, 90)).astype(np.uint8)
    mask = _box(1, 72, 88)
    if place == "border":
        mask[:] = True
        mask[:, 13:, :70] = False
    blank = np.where(mask[..., None], 0, frames).astype(np.uint8)
    filled = PatchMatch().apply(Footage(blank), mask, {"seed": 3})
    assert _psnr(filled[mask], frames[mask]) > 30  # of 100 pixels one is wrong by half the contrast at the most
    assert _psnr(Harmonic().apply(Footage(blank), mask, {})[mask], frames[mask]) < 15


def test_the_seed_decides(texture: Clips):
    frames, mask = texture(48, 56)[None], _box(1, 48, 56)
    first, again, other = (PatchMatch().apply(Footage(frames), mask, {"seed": seed}) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    drawn = PatchMatch().sample(np.random.default_rng(0)), PatchMatch().sample(np.random.default_rng(1))
    assert drawn[0] != drawn[1]


def test_a_cut_starts_anew_and_a_shot_does_not_flicker(panning: Clips):
    count, height, width = 4, 64, 80
    frames = panning(count, height, width, (1, 0))
    mask = _box(count, height, width)
    alone = np.concatenate([PatchMatch().apply(Footage(frame[None]), mask[:1], {"seed": 5}) for frame in frames])
    together = PatchMatch().apply(Footage(frames), mask, {"seed": 5})
    np.testing.assert_array_equal(together[0], alone[0])

    def flicker(clip: np.ndarray) -> float:
        return float(np.abs(np.diff(clip.astype(int), axis=0))[mask[1:]].mean())

    assert flicker(together) < 0.8 * flicker(alone)
    cut = np.concatenate([frames[:2], 255 - frames[2:3]])
    np.testing.assert_array_equal(
        PatchMatch().apply(Footage(cut), mask[:3], {"seed": 5})[2],
        PatchMatch().apply(Footage(cut[2:]), mask[:1], {"seed": 5})[0],
    )


def test_without_a_known_patch_it_is_mirror(texture: Clips):
    frames = texture(40, 50)[None]
    mask = np.ones((1, 40, 50), bool)
    mask[:, 20:22] = False
    np.testing.assert_array_equal(PatchMatch().apply(Footage(frames), mask, {"seed": 0}), mirror(frames, mask))


def test_sources_are_known_with_all_of_the_patch():
    hole = np.random.default_rng(2).random((12, 17)) < 0.05
    sources = patches._sources(hole, 5)
    assert sources.shape == (8, 13)
    for row, column in np.ndindex(sources.shape):
        assert sources[row, column] == (not hole[row : row + 5, column : column + 5].any())


def test_depth_is_exact():
    """A root of a whole number in double precision. OpenCV's is not, and changes with the number of threads."""
    hole = np.random.default_rng(0).random((120, 150)) < 0.999
    depth = patches._depth(hole).astype(np.float64)
    np.testing.assert_array_equal(depth, np.sqrt(np.rint(np.square(depth))))
    np.testing.assert_array_equal(depth > 0, hole)


def test_half_the_size_by_hand():
    """Known halves are means of known pixels only; catches hidden pixels that seep in, and odd sizes that are cut."""
    image = np.arange(15, dtype=np.uint8).reshape(3, 5)[..., None].repeat(3, axis=2) * 4
    hole = np.zeros((3, 5), bool)
    hole[1, 2] = True
    half, inside = patches._halve(image, hole)
    np.testing.assert_array_equal(inside, [[False, True, False], [False, False, False]])
    np.testing.assert_array_equal(half[..., 0], [[12, 20, 26], [42, 50, 56]])


def test_every_pixel_lies_in_a_patch_that_finds_what_is_like_it(texture: Clips):
    """The search finds a copy planted at a place that no neighbour knows of: random search reaches the whole frame."""
    image = texture(60, 70)
    image[35:56, 45:66] = image[2:23, 2:23]
    hole = np.zeros((60, 70), bool)
    hole[8:17, 8:17] = True
    search = patches._Search(image, hole, 7, np.random.default_rng(0))
    search.start_anywhere()
    for _ in range(20):
        search.match()
    np.testing.assert_array_equal(search.found, search.at + np.array([33, 43]))
    np.testing.assert_array_equal(search.distance, 0)
    before = image.copy()
    image[hole] = 0
    search.vote()
    np.testing.assert_array_equal(image, before)
