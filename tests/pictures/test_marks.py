import numpy as np
import pytest
import torch
from torchvision.utils import flow_to_image

from outpaint_lightning.pictures import FORGED, flow_colours, overlay, strip, titled
from outpaint_lightning.pictures.marks import BAND, CONTOUR, GAP, RIM


def luminance(colour):
    """Relative luminance of sRGB, as WCAG 2.2 defines it."""
    share = np.asarray(colour) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)


def test_the_edge_shows_on_footage_of_any_colour():
    """One of its two lines has a contrast of 3 : 1 or more (WCAG 2.2, 1.4.11). Catches red on red, yellow on yellow."""
    footage = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), -1).reshape(-1, 3)
    pairs = [(luminance(footage), luminance(line)) for line in (CONTOUR, RIM)]
    ratios = [(np.maximum(a, b) + 0.05) / (np.minimum(a, b) + 0.05) for a, b in pairs]
    assert np.maximum(*ratios).min() >= 3


def test_the_edge_lies_inside_the_mask_and_runs_along_the_frame():
    """Yellow outermost, black next, tint within; two pixels each in 480 rows. Catches lines around the mask."""
    red = np.full((480, 500, 3), (255, 40, 40), np.uint8)
    mask = np.zeros((480, 500), bool)
    mask[400:, 100:200] = True
    picture = overlay(red, mask)
    assert np.array_equal(picture[~mask], red[~mask])
    row = [CONTOUR, CONTOUR, RIM, RIM, (255, 40, 40)]
    assert picture[440, 100:105].tolist() == picture[479:474:-1, 150].tolist() == [[*colour] for colour in row]
    dot = np.zeros_like(mask)
    dot[7, 9] = True
    assert overlay(red, dot)[7, 9].tolist() == [*CONTOUR]


def test_heads_stand_over_their_columns_and_the_legend_below():
    """Catches words over one column only, and pictures that lose a row to them."""
    pictures = [np.full((20, 60, 3), shade, np.uint8) for shade in (10, 20, 30)]
    whole = strip([pictures, pictures], ("a", "b", "c"), FORGED)
    assert whole.shape == (BAND + 2 * 20 + GAP + BAND, 3 * 60 + 2 * GAP, 3)
    assert np.array_equal(whole[BAND:-BAND], strip([pictures, pictures]))
    heads, legend = (whole[part].min(2) < 100 for part in (slice(BAND), slice(-BAND, None)))
    assert [bool(heads[:, at : at + 20].any()) for at in range(0, 180, 60 + GAP)] == [True] * 3
    assert not heads[:, 20:60].any()
    assert (whole[-BAND:] == CONTOUR).all(2).sum() == 4 * 11  # the edge of a sample of 12 x 12
    assert legend[:, BAND:].any()


def test_flow_colours_are_the_published_ones():
    """Against torchvision's, which truncates each colour of the wheel and of the picture: off by 2 of 255 at most."""
    flow = np.random.default_rng(0).normal(0, 5, (40, 30, 2)).astype(np.float32)
    theirs = flow_to_image(torch.from_numpy(flow).permute(2, 0, 1)).permute(1, 2, 0).numpy()
    assert np.abs(flow_colours(flow).astype(int) - theirs).max() <= 2


def test_directions_lengths_and_unknown_vectors_by_hand():
    """Right is red, down is 13.5 of the 15 steps from red to yellow; half as long is half white, longer is darker."""
    flow = np.array([[[2.0, 0], [0, 2], [1, 0], [0, 0], [4, 0], [np.nan, 1]]])
    yellow = 229  # 255 * 13.5 / 15 = 229.5, a hair less in floating point or rounded to even
    picture = flow_colours(flow, largest=2)
    assert picture.dtype == np.uint8
    assert picture[0, 0].tolist() == [255, 0, 0]
    assert picture[0, 1].tolist() in ([255, yellow, 0], [255, yellow + 1, 0])
    assert picture[0, 2:].tolist() == [[255, 128, 128], [255, 255, 255], [191, 0, 0], [0, 0, 0]]


def test_pictures_that_share_a_length_can_be_compared():
    """Catches a length that is ignored; by default each picture uses all of the colour."""
    slow, fast = np.full((2, 3, 2), [0.5, 0]), np.full((2, 3, 2), [1.0, 0])
    assert np.array_equal(flow_colours(slow), flow_colours(fast))
    assert flow_colours(slow, largest=1)[0, 0].tolist() == [255, 128, 128]
    assert (flow_colours(fast, largest=1) == flow_colours(fast)).all()


@pytest.mark.filterwarnings("error")
def test_a_still_or_unknown_picture_divides_by_nothing():
    assert (flow_colours(np.zeros((2, 3, 2))) == 255).all()
    assert (flow_colours(np.full((2, 3, 2), np.inf)) == 0).all()


def test_a_title_stands_above_its_picture():
    """Catches a title drawn over the picture."""
    picture = np.full((20, 60, 3), 30, np.uint8)
    whole = titled(picture, "filled")
    assert np.array_equal(whole[BAND:], picture)
    assert (whole[:BAND, :40] < 100).any()
