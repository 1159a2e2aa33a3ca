import numpy as np
import pytest
import torch
from torchvision.utils import flow_to_image

from outpaint_lightning.pictures import flow_colours


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
