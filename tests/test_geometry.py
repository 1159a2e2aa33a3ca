import pytest
import torch

from outpaint_lightning.geometry import pad, padding_to, unpad


@pytest.mark.parametrize(
    ("size", "expected"),
    [((480, 854), (1, 1, 0, 0)), ((128, 136), (0, 0, 0, 0)), ((97, 131), (2, 3, 15, 16)), ((1, 8), (60, 60, 63, 64))],
)
def test_padding_by_hand(size, expected):
    """Order of `F.pad`: left, right, top, bottom. 854 -> 856, 97 -> 128 at least, 131 -> 136."""
    assert padding_to(*size, multiple=8, minimum=128) == expected


def test_pad_repeats_the_edge_and_unpad_gives_the_frame_back():
    frame = torch.arange(6.0).view(1, 1, 2, 3)
    padded = pad(frame, (1, 2, 0, 1))
    assert padded[0, 0].tolist() == [[0, 0, 1, 2, 2, 2], [3, 3, 4, 5, 5, 5], [3, 3, 4, 5, 5, 5]]
    assert torch.equal(unpad(padded, (1, 2, 0, 1)), frame)
