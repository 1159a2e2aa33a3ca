from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from outpaint_lightning.forge import seams
from outpaint_lightning.forge.seams import ColourSeam, FeatherSeam, HardSeam, NoiseSeam, PoissonSeam, Seam

NAMES = ("hard", "feather", "poisson", "colour", "noise")


def _hole() -> np.ndarray:
    mask = np.zeros((2, 31, 45), bool)
    mask[0, 4:20, :30] = True
    mask[1, :, 40:] = True
    return mask


@pytest.mark.parametrize(
    ("seam", "params"),
    [(HardSeam(), {}), (FeatherSeam(), {"width": 1}), (FeatherSeam(), {"width": 16})],
)
def test_everything_in_the_mask_and_nothing_else_changes(seam: Seam, params: dict[str, int]):
    mask = _hole()
    original = np.zeros((*mask.shape, 3), np.uint8)
    result = seam.composite(original, np.full_like(original, 255), mask, params)
    np.testing.assert_array_equal((result > 0).all(axis=3), mask)
    np.testing.assert_array_equal((result > 0).any(axis=3), mask)
    assert not original.any()


def test_hard_is_the_fill():
    mask = _hole()
    original, filled = np.random.default_rng(0).integers(0, 256, (2, *mask.shape, 3), dtype=np.uint8)
    result = HardSeam().composite(original, filled, mask, {})
    np.testing.assert_array_equal(result[mask], filled[mask])
    np.testing.assert_array_equal(result[~mask], original[~mask])


def test_feather_fades_in_from_the_edge_by_hand():
    mask = np.zeros((1, 5, 9), bool)
    mask[..., :6] = True
    original = np.full((1, 5, 9, 3), 200, np.uint8)
    filled = np.full_like(original, 100)
    result = FeatherSeam().composite(original, filled, mask, {"width": 3})[0, 2, :, 0]
    np.testing.assert_array_equal(result, [100, 100, 100, 125, 150, 175, 200, 200, 200])  # weights 1 1 1 3/4 1/2 1/4


def test_feather_widths_cover_their_range():
    widths = {FeatherSeam().sample(np.random.default_rng(seed))["width"] for seed in range(300)}
    assert widths == set(range(1, 17))


def _masks() -> dict[str, np.ndarray]:
    masks = {shape: np.zeros((1, *shape), bool) for shape in [(8, 8), (31, 45), (9, 33)]}
    masks[8, 8][:, 2:5, 3:6] = True
    masks[31, 45][:, 5:, :] = True  # a border of four fifths of the frame
    masks[9, 33][:, 4, ::3] = True  # scattered pixels, two of them at the frame's edge
    moving = np.zeros((4, 21, 24), bool)  # the third frame has no hole
    moving[0, :, 20:] = moving[1, 2:9, 3:] = moving[3, 20, 23] = True
    inverse = np.ones((1, 16, 17), bool)
    inverse[0, 7, 8] = False  # a single known pixel
    return {"8x8": masks[8, 8], "border": masks[31, 45], "dots": masks[9, 33], "moving": moving, "all but one": inverse}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("what", "mask"), _masks().items())
def test_any_pixel_of_the_mask_may_change_and_no_other(name: str, what: str, mask: np.ndarray):  # noqa: ARG001 - the id
    seam, changed = Seam.named(name)(), np.zeros_like(mask)
    for seed in range(25):
        rng = np.random.default_rng(seed)
        original, filled = rng.integers(0, 256, (2, *mask.shape, 3), dtype=np.uint8)
        before = original.copy(), filled.copy(), mask.copy()
        params = seam.sample(rng)
        result = seam.composite(original, filled, mask, params)
        assert result.dtype == np.uint8
        assert not np.shares_memory(result, original)
        np.testing.assert_array_equal(result, seam.composite(original, filled, mask, json.loads(json.dumps(params))))
        changed |= (result != original).any(axis=3)
        for array, copy in zip((original, filled, mask), before, strict=True):
            np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(changed, mask)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, 255])
def test_flat_footage_and_flat_fill_stay_flat(name: str, value: int):
    mask = np.zeros((2, 12, 15), bool)
    mask[0, 3:9, 4:] = True
    original, filled = np.full((*mask.shape, 3), value, np.uint8), np.full((*mask.shape, 3), 90, np.uint8)
    seam = Seam.named(name)()
    result = seam.composite(original, filled, mask, seam.sample(np.random.default_rng(0)))
    np.testing.assert_array_equal(result[~mask], original[~mask])
    low, high = sorted((value, 90))
    assert low <= result.min() <= result.max() <= high


@pytest.mark.parametrize("name", ["hard", "poisson", "colour"])
def test_what_the_mask_hides_has_no_part_in_it(name: str):
    mask = _masks()["moving"]
    rng = np.random.default_rng(0)
    original, filled, other = rng.integers(0, 256, (3, *mask.shape, 3), dtype=np.uint8)
    seam = Seam.named(name)()
    params = seam.sample(rng)
    hidden = np.where(mask[..., None], other, original)
    stray = np.where(mask[..., None], filled, other)  # nor has the fill outside of the mask
    expected = seam.composite(original, filled, mask, params)
    np.testing.assert_array_equal(seam.composite(hidden, filled, mask, params), expected)
    np.testing.assert_array_equal(seam.composite(original, stray, mask, params), expected)


def _row(*values: int) -> np.ndarray:
    """Return a clip of one frame whose nine rows have these values in all channels."""
    return np.broadcast_to(np.array(values, np.uint8)[:, None], (1, 9, len(values), 3))


def test_poisson_by_hand():
    mask = _row(0, 0, 1, 1, 1, 1, 0, 0)[..., 0] > 0
    original = _row(0, 100, 7, 7, 7, 7, 160, 0)
    # Steps of 100 and 150 to the fill beside them: the membrane 110 120 130 140 is added to it.
    result = PoissonSeam().composite(original, _row(9, 9, 0, 10, 0, 10, 9, 9), mask, {})
    np.testing.assert_array_equal(result, _row(0, 100, 110, 130, 130, 150, 160, 0))
    # A hole at the frame's edge has one step only; a membrane that ended at 0 there would slope.
    mask = _row(1, 1, 1, 0, 0)[..., 0] > 0
    result = PoissonSeam().composite(_row(1, 1, 1, 80, 0), _row(30, 10, 20, 9, 9), mask, {})
    np.testing.assert_array_equal(result, _row(90, 70, 80, 80, 0))
    # Beyond the range of a pixel it is clipped and does not wrap.
    result = PoissonSeam().composite(_row(1, 1, 1, 250, 0), _row(30, 0, 0, 9, 9), mask, {})
    np.testing.assert_array_equal(result, _row(255, 250, 250, 250, 0))


def test_poisson_makes_a_single_pixel_the_mean_of_its_known_neighbours():
    rng = np.random.default_rng(0)
    original, filled = rng.integers(0, 256, (2, 1, 8, 8, 3), dtype=np.uint8)
    mask = np.zeros((1, 8, 8), bool)
    mask[0, 4, 4] = mask[0, 0, 7] = True
    result = PoissonSeam().composite(original, filled, mask, {})[0].astype(float)
    known = original[0].astype(float)
    inner = (known[3, 4] + known[5, 4] + known[4, 3] + known[4, 5]) / 4
    np.testing.assert_allclose(result[4, 4], inner, atol=0.5)
    np.testing.assert_allclose(result[0, 7], (known[1, 7] + known[0, 6]) / 2, atol=0.5)  # in the corner there are two


def test_poisson_factorises_a_mask_that_stays_once(monkeypatch):
    calls = []
    solver = seams.diffusion_solver
    monkeypatch.setattr(seams, "diffusion_solver", lambda hole: calls.append(hole) or solver(hole))
    mask = np.zeros((6, 12, 12), bool)
    mask[:5, 3:8, 3:8] = mask[5, 4:8, 3:8] = True
    frames = np.zeros((6, 12, 12, 3), np.uint8)
    PoissonSeam().composite(frames, frames, mask, {})
    assert len(calls) == 2


def test_colour_by_hand():
    # Bands of two columns: outside 90 and 110 (mean 100, deviation 10), inside 40 and 60 (mean 50, deviation 10).
    mask = _row(0, 0, 0, 1, 1, 1, 1)[..., 0] > 0
    original = _row(0, 90, 110, 1, 1, 1, 1)
    params = {"width": 2, "most": 2.0}
    result = ColourSeam().composite(original, _row(9, 9, 9, 40, 60, 0, 255), mask, params)
    np.testing.assert_array_equal(result, _row(0, 90, 110, 90, 110, 50, 255))
    # Deviation 1 inside would have to be tenfold; it is doubled.
    result = ColourSeam().composite(original, _row(9, 9, 9, 49, 51, 50, 60), mask, params)
    np.testing.assert_array_equal(result, _row(0, 90, 110, 98, 102, 100, 120))


def test_colour_is_graded_by_channel():
    mask = _row(0, 0, 1, 1)[..., 0] > 0
    original = np.full((1, 9, 4, 3), [10, 100, 200], np.uint8)
    result = ColourSeam().composite(original, np.full_like(original, 50), mask, {"width": 1, "most": 2.0})
    np.testing.assert_array_equal(result, original)


def test_colour_is_graded_alike_in_all_frames():
    mask = np.repeat(_row(0, 0, 1, 1)[..., 0] > 0, 2, axis=0)
    original = np.repeat(_row(100, 100, 0, 0), 2, axis=0)
    filled = np.concatenate([_row(9, 9, 40, 40), _row(9, 9, 60, 60)])
    # Mean 50, deviation 10 against 100 and 0: the contrast is halved. Frame by frame both would be 100.
    result = ColourSeam().composite(original, filled, mask, {"width": 2, "most": 2.0})
    np.testing.assert_array_equal(result[:, 0, 2, 0], [95, 105])


def _noisy(kind: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return clean and noisy frames `2 H W 3` of a smooth scene, noise of deviation 4 or so, and a mask."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:120, :160]
    clean = np.stack([90 + 0.4 * row, 60 + 0.5 * column, 180 - 0.3 * row], axis=-1)[None].repeat(2, axis=0)
    noise = rng.normal(0, 4, clean.shape)
    if kind == "grey":
        noise[:] = noise[..., :1]
    if kind == "streaky":  # each pixel shares half of its noise with the next one in its row
        noise = noise + np.roll(noise, 1, axis=2)
    mask = np.zeros(clean.shape[:3], bool)
    mask[:, 20:90, 40:120] = True
    return np.rint(clean).astype(np.uint8), np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8), mask


def _fine(frames: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return the variances of a clip's channels behind a Laplacian, in the middle of a region."""
    laplacian = np.stack([cv2.Laplacian(frame.astype(np.float32), -1) for frame in frames])
    within = np.stack([cv2.erode(region.astype(np.uint8), np.ones((11, 11))) > 0 for region in where])
    return laplacian[within].var(axis=0)


@pytest.mark.parametrize("kind", ["white", "grey", "streaky"])
def test_noise_in_a_smooth_fill_becomes_that_of_the_footage(kind: str):
    clean, noisy, mask = _noisy(kind)
    result = NoiseSeam().composite(noisy, clean, mask, {"width": 1, "seed": 5})
    np.testing.assert_allclose(_fine(result, mask), _fine(noisy, ~mask), rtol=0.15)
    added, real = (frames.astype(float)[:, 24:86, 44:116] - clean[:, 24:86, 44:116] for frames in (result, noisy))
    assert abs(np.corrcoef(added[0].ravel(), real[0].ravel())[0, 1]) < 0.05  # not what the mask hides

    def correlations(noise: np.ndarray) -> list[float]:
        pairs = [
            (noise[..., 0], noise[..., 1]),  # channels
            (noise[:, :, 1:], noise[:, :, :-1]),  # neighbours in a row
            (noise[:, 1:], noise[:, :-1]),  # neighbours in a column
            (noise[0], noise[1]),  # frames: fresh in each
        ]
        return [float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in pairs]

    np.testing.assert_allclose(correlations(added), correlations(real), atol=0.1)
    expected = {"white": [0, 0, 0, 0], "grey": [1, 0, 0, 0], "streaky": [0, 0.5, 0, 0]}[kind]
    np.testing.assert_allclose(correlations(added), expected, atol=0.1)


def test_noise_adds_only_what_is_missing():
    _, noisy, mask = _noisy("white")
    _, other, _ = _noisy("white", seed=1)
    result = NoiseSeam().composite(noisy, other, mask, {"width": 1, "seed": 5})
    np.testing.assert_allclose(_fine(result, mask), _fine(noisy, ~mask), rtol=0.1)
    half = np.rint(other * 0.5 + _noisy("white")[0] * 0.5).astype(np.uint8)  # a quarter of the variance
    result = NoiseSeam().composite(noisy, half, mask, {"width": 1, "seed": 5})
    np.testing.assert_allclose(_fine(result, mask), _fine(noisy, ~mask), rtol=0.15)


def test_noise_of_a_still_is_fresh_in_each_frame():
    clean, noisy, mask = _noisy("white")
    noisy[1] = noisy[0]
    result = NoiseSeam().composite(noisy, clean, mask, {"width": 1, "seed": 5})
    first, second = result[:, 24:86, 44:116].astype(float) - clean[:, 24:86, 44:116]
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1


def test_noise_comes_from_its_seed_and_is_feathered():
    clean, noisy, mask = _noisy("white")
    results = [NoiseSeam().composite(noisy, clean, mask, {"width": 1, "seed": seed}) for seed in (5, 5, 6)]
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2])[mask].mean() > 0.5
    original = np.where(mask[..., None], np.uint8(0), noisy)
    wide = NoiseSeam().composite(original, np.full_like(noisy, 200), mask, {"width": 3, "seed": 5})
    edge = wide[:, 55, 40:45].mean(axis=(0, 2))
    np.testing.assert_allclose(edge, [50, 100, 150, 200, 200], atol=8)  # weights 1/4, 1/2, 3/4, 1, 1


@pytest.mark.parametrize(("seam", "option"), [(ColourSeam(), (4, 24)), (NoiseSeam(), (1, 3))])
def test_widths_cover_their_range(seam: Seam, option: tuple[int, int]):
    widths = {seam.sample(np.random.default_rng(seed))["width"] for seed in range(300)}
    assert widths == set(range(option[0], option[1] + 1))
