import numpy as np

from outpaint_lightning.pictures import draw_boxes, draw_region, enlarged, picture_file
from outpaint_lightning.pictures.boxes import TRUTH
from outpaint_lightning.pictures.marks import CONTOUR


def test_boxes_are_drawn_inside_themselves():
    """Half-open: xmax and ymax are the first pixels outside. The found box covers the true one."""
    frame = np.zeros((40, 60, 3), np.uint8)
    picture = draw_boxes(frame, (10, 5, 30, 25), (10, 5, 50, 35))
    found, true = ((picture == colour).all(2) for colour in (CONTOUR, TRUTH))
    expected = np.zeros((40, 60), bool)
    expected[5:25, 10:30] = True
    expected[6:24, 11:29] = False
    assert np.array_equal(found, expected)
    assert true[34, 49]
    assert not true[5, 20]
    assert not true[:, 50:].any()
    assert not frame.any()
    assert np.array_equal(draw_boxes(frame, None), frame)


def test_a_region_is_its_box_and_its_mask():
    """A mask of another size on a frame that is not square."""
    frame = np.zeros((40, 80, 3), np.uint8)
    mask = np.zeros((4, 4), bool)
    mask[2:, 2:] = True
    picture = draw_region(frame, 0.5, [40, 20, 80, 40], mask)
    assert picture[39, 79].tolist() == [*CONTOUR]
    assert picture[20, 40].tolist() == [*CONTOUR]
    assert picture[30, 60].tolist() == [102, 16, 16]  # 0.4 of the tint
    assert not picture[20:, :39].any()
    grown = enlarged(mask, 40, 80)
    assert (grown.shape, int(grown.sum())) == ((40, 80), 20 * 40)


def test_pictures_of_a_clip_lie_in_its_folder():
    assert picture_file("photo", 0, 1) == "photo.png"
    assert picture_file("walk", 7, 20) == "walk/00007.png"
