import itertools

import pytest
import torch

from outpaint_lightning.nets.generators.windows import fill_windows


def clip(frames):
    return [(torch.full((1, 2, 2), float(t)), torch.ones(1, 2, 2)) for t in range(frames)]


@pytest.mark.parametrize("length", [1, 2, 5, 6])
@pytest.mark.parametrize("frames", [1, 2, 5, 6, 7, 13])
def test_every_frame_comes_once_and_in_order(frames, length):
    """Catches a frame that is dropped or doubled at a window's edge, and blends of frames that do not match."""
    seen = []

    def fill(image, mask):
        assert image.shape == (1, length, 1, 2, 2)
        assert mask.shape == image.shape
        seen.append(image[0, :, 0, 0, 0].tolist())
        return image

    filled = [frame[0, 0, 0].item() for frame in fill_windows(fill, iter(clip(frames)), length)]
    assert filled == pytest.approx([*range(frames)])
    assert all(abs(b - a) <= 1 for window in seen for a, b in itertools.pairwise(window))


def test_windows_overlap_by_half_and_blend_linearly():
    """Windows say 0, 1, 2, ...: where two of 4 frames meet, a third and two thirds of the step."""
    number = iter(range(9))
    filled = fill_windows(lambda image, mask: torch.full_like(image, next(number)), clip(6), 4)  # noqa: ARG005
    assert [frame.mean().item() for frame in filled] == pytest.approx([0, 0, 1 / 3, 2 / 3, 1, 1])


def test_the_tail_is_reflected():
    seen = []
    [*fill_windows(lambda image, mask: seen.append(image[0, :, 0, 0, 0].tolist()) or image, clip(3), 6)]  # noqa: ARG005
    assert seen == [[0, 1, 2, 1, 0, 1]]


def test_nothing_gives_nothing():
    assert [*fill_windows(lambda image, mask: image, [], 4)] == []  # noqa: ARG005
