import pytest
import torch

from outpaint_lightning.geometry import in_tiles, pad, padding_to, tile_starts, unpad


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


@pytest.mark.parametrize(
    ("size", "tile", "expected"),
    [(100, 128, [0]), (128, 128, [0]), (129, 128, [0, 1]), (224, 128, [0, 96]), (225, 128, [0, 48, 97])],
)
def test_tiles_cover_the_frame_and_end_where_it_ends(size, tile, expected):
    assert tile_starts(size, tile) == expected


@pytest.mark.parametrize("size", [(40, 70), (32, 32), (20, 33), (7, 9)])
def test_tiles_put_every_answer_in_its_place(size):
    """A judge that answers with the pixel itself: blended tiles must be the frame, also where tiles overlap."""
    image = torch.rand(2, 3, *size)
    shapes = []

    def judge(tiles):
        shapes.append(tiles.shape[-2:])
        return tiles

    torch.testing.assert_close(in_tiles(judge, image, (32, 32)), image)
    assert set(shapes) == {(min(32, size[0]), min(32, size[1]))}


def test_the_middle_of_a_tile_weighs_most():
    """Each tile answers with the mean of what it sees; half way between two tiles' middles the answer is half way."""
    image = torch.zeros(1, 1, 32, 56)
    image[..., 28:] = 1

    def judge(tiles):
        return tiles.mean((-2, -1), keepdim=True).expand_as(tiles)

    blended = in_tiles(judge, image, (32, 32))[0, 0, 16]
    left, right = 4 / 32, 28 / 32  # tiles start at 0 and 24
    assert blended[:24].tolist() == pytest.approx([left] * 24)
    assert blended[32:].tolist() == pytest.approx([right] * 24)
    assert (blended[24:32].diff() > 0).all()
    assert blended[27:29].mean().item() == pytest.approx(0.5, abs=1e-6)
