from __future__ import annotations

import numpy as np
import pytest

from outpaint_lightning.forge.masks import BackgroundMask, ObjectMask
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.types import InputError


def _footage(objects: np.ndarray | None) -> Footage:
    frames = Footage.blank(*(objects.shape if objects is not None else (1, 8, 8))).frames
    return Footage(frames, objects)


def test_each_frame_dilates_its_own_object_by_an_ellipse():
    objects = np.zeros((3, 9, 11), bool)
    objects[0, 4, 5] = True
    objects[2, 0, 10] = True  # away in frame 1, in the corner in frame 2
    objects.flags.writeable = False
    mask = ObjectMask().render({"radius": 2}, _footage(objects))
    expected = np.zeros_like(objects)
    expected[0, 3:6, 3:8] = True
    expected[0, 2:7, 5] = True
    expected[2, :2, 8:] = True
    expected[2, 2, 10] = True
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(ObjectMask().render({"radius": 0}, _footage(objects)), objects)


def test_radii_cover_their_range():
    objects = np.zeros((1, 40, 40), bool)
    objects[0, 20, 20] = True
    radii = [ObjectMask().sample(np.random.default_rng(seed), _footage(objects))["radius"] for seed in range(60)]
    assert set(radii) == {4, 5, 6, 7, 8}


def test_the_radius_leaves_something_of_every_frame():
    objects = np.zeros((2, 20, 20), bool)
    objects[0, 3:5, 3:5] = True
    objects[1, :, :17] = True
    params = ObjectMask().sample(np.random.default_rng(0), _footage(objects))
    assert params == {"radius": 2}  # 3 columns are free
    objects[1] = True
    objects[1, 19, 19] = False
    assert ObjectMask().sample(np.random.default_rng(0), _footage(objects)) == {"radius": 0}


def test_objects_that_cannot_be_used_are_named():
    def refused(message: str, objects: np.ndarray | None):
        with pytest.raises(InputError, match=message):
            ObjectMask().sample(np.random.default_rng(0), _footage(objects))

    refused("empty in every frame", np.zeros((2, 8, 8), bool))
    refused("covers its whole frame", np.stack([np.zeros((8, 8), bool), np.ones((8, 8), bool)]))
    refused("no object masks", None)
    assert ObjectMask.needs == {"objects"}


def test_the_background_is_all_but_the_object_and_a_rim():
    """Catches the other polarity, an object that grows into the scene, and one worn away at the frame's edge."""
    objects = np.zeros((2, 9, 11), bool)
    objects[0, 2:7, 3:8] = True
    objects[1, :4, :5] = True
    np.testing.assert_array_equal(BackgroundMask().render({"radius": 0}, _footage(objects)), ~objects)
    kept = np.zeros_like(objects)
    kept[0, 3:6, 4:7] = True
    kept[1, :3, :4] = True
    np.testing.assert_array_equal(BackgroundMask().render({"radius": 1}, _footage(objects)), ~kept)
    radii = [BackgroundMask().sample(np.random.default_rng(seed), _footage(objects))["radius"] for seed in range(30)]
    assert set(radii) == {0, 1, 2}
    thin = np.zeros((1, 9, 9), bool)
    thin[0, 4] = True
    assert BackgroundMask(radius=(2, 2)).sample(np.random.default_rng(0), _footage(thin)) == {"radius": 0}


@pytest.mark.parametrize("objects", [np.zeros((2, 8, 8), bool), np.ones((1, 8, 8), bool)])
def test_a_background_needs_an_object_in_each_frame(objects):
    objects[:1, :, :] |= len(objects) == 2 and np.eye(8, dtype=bool)
    with pytest.raises(InputError, match="background: an object mask is empty or the whole frame"):
        BackgroundMask().sample(np.random.default_rng(0), _footage(objects))
