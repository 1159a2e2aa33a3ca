"""Where holes in flow lie."""

import numpy as np
import pytest

from outpaint_lightning.data.holes import (
    HOLES,
    SETUPS,
    RectangleMask,
    check_setup,
    hole_mask,
    hole_sampler,
    motion_gradient,
    rank_centre,
    sample_hole,
)
from outpaint_lightning.forge.masks import BoxMask, MaskSampler
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.types import InputError

FRAMES, H, W = 6, 48, 64
BLANK = Footage.blank(FRAMES, H, W)


def test_the_mean_rank_of_a_centre_is_a_tenth():
    """Spec F15. The rank is exponential with a mean of a tenth: P(top tenth) = 1 - 1/e. Over 20,000 draws the standard
    error of the mean is 0.0007 and that of the share 0.0034. Catches the scale read as a rate, which is always first.
    """
    rng = np.random.default_rng(0)
    gradient = rng.permutation(400).reshape(20, 20).astype(np.float32)
    places = np.array([rank_centre(gradient, rng) for _ in range(20_000)])
    rank = (399 - gradient[places[:, 1], places[:, 0]]) / 400
    assert rank.mean() == pytest.approx(0.1 - 0.5 / 400, abs=0.003)  # the floor takes half a place
    assert (rank < 0.1).mean() == pytest.approx(1 - np.exp(-1), abs=0.014)


def test_places_where_nothing_differs_are_all_alike():
    """Catches a stable sort, which would put every hole of a panning scene into the upper rows."""
    rng = np.random.default_rng(0)
    places = np.array([rank_centre(np.zeros((10, 30), np.float32), rng) for _ in range(3000)])
    assert places.mean(axis=0) == pytest.approx([14.5, 4.5], abs=0.6)
    assert places.max(axis=0).tolist() == [29, 9]


def test_the_motion_gradient_by_hand():
    """u = 3 x, v = 4 y: sqrt(9 + 16) inside; no difference beyond the last column and row."""
    y, x = np.indices((5, 7), np.float32)
    gradient = motion_gradient(np.stack([3 * x, 4 * y]))
    assert gradient.shape == (5, 7)
    np.testing.assert_allclose(gradient[:-1, :-1], 5)
    np.testing.assert_allclose(gradient[-1, :-1], 3)
    np.testing.assert_allclose(gradient[:-1, -1], 4)


def test_rectangles_lie_within_the_margin_and_are_the_same_in_every_frame():
    """On 240 x 424: a box of 120 x 212 at most, 10 px from every edge, 7 % of the frame on average."""
    footage, rng, areas = Footage.blank(2, 240, 424), np.random.default_rng(0), []
    sampler = RectangleMask()
    gradient = rng.random((240, 424), dtype=np.float32)
    for gradients in (None, gradient):
        for _ in range(200):
            mask = sampler.render(sample_hole(sampler, rng, footage, gradients), footage)
            assert np.array_equal(mask[0], mask[1])
            rows, columns = np.flatnonzero(mask[0].any(1)), np.flatnonzero(mask[0].any(0))
            assert mask[0].sum() == len(rows) * len(columns)  # one full rectangle
            assert len(rows) <= 120
            assert len(columns) <= 212
            assert rows[0] >= 9  # a pixel of rounding
            assert columns[0] >= 9
            assert rows[-1] < 231
            assert columns[-1] < 415
            areas.append(mask[0].mean())
    assert np.mean(areas) == pytest.approx(0.25 * (1 - 0.47) ** 2, rel=0.1)


@pytest.mark.parametrize("name", ["rectangle", "polygon"])
def test_holes_go_where_motion_changes(name):
    """One place changes more than all others, and nothing else does: ranks put most centres into its quarter."""
    gradient = np.zeros((H, W), np.float32)
    gradient[18:26, 28:36] = 1  # 64 of 3072 places; of those where a rectangle may be, a larger share
    near, anywhere = [], []
    for seed in range(150):
        for found, at in ((near, gradient), (anywhere, None)):
            params = sample_hole(HOLES[name], np.random.default_rng(seed), BLANK, at)
            found.append(np.all(np.abs(np.array(params["start"]) - (31.5, 21.5)) <= 4))
    assert np.mean(near) > 3 * np.mean(anywhere)


@pytest.mark.parametrize("name", ["rectangle", "strokes", "polygon"])
def test_families_cover_seven_percent_or_so(name):
    rng = np.random.default_rng(0)
    masks = [HOLES[name].render(sample_hole(HOLES[name], rng, BLANK), BLANK) for _ in range(60)]
    assert np.mean(masks) == pytest.approx(0.07, abs=0.015)
    moves = np.mean([not np.array_equal(mask[0], mask[-1]) for mask in masks])
    assert moves == pytest.approx(0.5 if name == "polygon" else 0, abs=0.2)


def test_a_hole_is_sampled_apart_from_being_rendered():
    params = sample_hole(HOLES["rectangle"], np.random.default_rng(0), BLANK)
    drawn = HOLES["rectangle"].render({**params, "start": [30, 20], "begin": [-4, -3], "end": [5, 6]}, BLANK)
    expected = np.zeros((FRAMES, H, W), bool)
    expected[:, 17:26, 26:35] = True
    assert np.array_equal(drawn, expected)


def test_setups_say_which_frames_have_the_hole():
    params = sample_hole(HOLES["rectangle"], np.random.default_rng(0), BLANK)
    shown = {
        setup: np.flatnonzero(hole_mask(HOLES["rectangle"], params, BLANK, setup).any((1, 2))).tolist()
        for setup in SETUPS
    }
    assert shown == {"mid2": [2, 3], "all": [0, 1, 2, 3, 4, 5], "sandwich": [1, 2, 3, 4]}
    assert np.arange(5)[SETUPS["mid2"](5)].tolist() == [1, 2]


def test_families_are_found_by_name_and_masks_of_the_forger_too():
    assert hole_sampler("rectangle") is HOLES["rectangle"]
    assert hole_sampler("box") == BoxMask()
    assert hole_sampler({"class_path": "box", "init_args": {"drift": 0.0}}) == BoxMask(drift=0.0)
    path = "outpaint_lightning.data.holes.RectangleMask"
    assert hole_sampler({"class_path": path, "init_args": {"box": 0.4}}) == RectangleMask(box=0.4)
    assert "rectangle" not in MaskSampler.known()  # what forge offers does not depend on what is imported


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hole_sampler("rectangel"), "did you mean 'rectangle'"),
        (lambda: check_setup("middle", "source", 6), r"data\.setup is 'middle'.*mid2"),
        (lambda: check_setup("all", "strikt", 6), "did you mean 'strict'"),
        (lambda: check_setup("sandwich", "strict", 2), r"data\.frames is 2.*at least 3"),
    ],
)
def test_bad_options_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
