import numpy as np
import pytest

from outpaint_lightning.pictures import heat_map, tinted
from outpaint_lightning.pictures.heat import colours

SIZE = (90, 160)
PROBABILITY = np.zeros(SIZE, np.float32)
PROBABILITY[20:50, 40:100] = 0.9
PROBABILITY[60:70, 100:140] = 0.3
FOOTAGE = {
    "red": (230, 20, 20),
    "dark": (4, 4, 6),
    "light": (250, 250, 250),
    "green": (30, 140, 40),
    "blue": (40, 80, 200),
}


def flat(name):
    return np.full((*SIZE, 3), FOOTAGE[name], np.uint8)


@pytest.mark.parametrize("footage", FOOTAGE)
@pytest.mark.parametrize("draw", [heat_map, tinted])
def test_what_is_found_stands_out_on_any_footage(footage, draw):
    """By 60 of 441 levels between the colours inside and outside; a red tint on red footage fails."""
    picture = draw(flat(footage), PROBABILITY, 0.5).astype(float)
    assert np.linalg.norm(picture[35, 70] - picture[10, 70]) > 60


def test_the_tint_is_stronger_where_the_net_is_surer():
    frame = flat("dark")
    weak, strong = (tinted(frame, np.where(PROBABILITY > 0.5, p, 0), 0.5)[35, 70].astype(int) for p in (0.6, 0.95))
    assert np.abs(strong - frame[0, 0]).sum() > 1.5 * np.abs(weak - frame[0, 0]).sum()


def test_outside_tint_and_scale_the_frame_is_its_own():
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    kept = frame.copy()
    picture = tinted(frame, PROBABILITY, 0.5, scale=False)
    outside = PROBABILITY < 0.5
    assert np.array_equal(picture[outside], frame[outside])
    assert np.array_equal(frame, kept)
    assert picture[20, 70].tolist() == [255, 255, 255]  # the outline, inside the region


def test_the_threshold_is_printed():
    """Pictures of two thresholds differ in the corner alone, once no pixel lies between them."""
    one, other = (heat_map(flat("green"), PROBABILITY, threshold) for threshold in (0.5, 0.8))
    rows, columns = np.nonzero((one != other).any(-1))
    assert len(rows)
    assert rows.min() > 45
    assert columns.max() < 120


def test_small_pictures_have_no_scale():
    frame = np.zeros((16, 16, 3), np.uint8)
    probability = np.zeros((16, 16), np.float32)
    assert np.array_equal(heat_map(frame, probability, 0.5), heat_map(frame, probability, 0.5, scale=False))


def test_colours_rise_in_lightness():
    grey = colours(np.linspace(0, 1, 9)).astype(float) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(grey) > 0).all()
    assert colours(np.array([[0.5]])).shape == (1, 1, 3)


def test_the_scale_hides_nothing_that_is_found():
    """It moves to the next corner from the lower left one, and back to it where every corner hides the same."""
    found = np.zeros(SIZE, np.float32)
    found[-20:, :30] = 0.9
    with_scale, without = (tinted(flat("green"), found, 0.5, scale=scale) for scale in (True, False))
    rows, columns = np.nonzero((with_scale != without).any(-1))
    assert columns.min() > 30
    assert rows.min() > 45
    everywhere = np.full(SIZE, 0.9, np.float32)
    with_scale, without = (tinted(flat("green"), everywhere, 0.5, scale=scale) for scale in (True, False))
    rows, columns = np.nonzero((with_scale != without).any(-1))
    assert columns.max() < 120
    assert rows.min() > 45


def test_a_frame_in_which_nothing_is_found_stays_as_it_is():
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    assert np.array_equal(tinted(frame, np.zeros(SIZE, np.float32), 0.5, scale=False), frame)
