import pytest
import torch

from outpaint_lightning.geometry import (
    at_scales,
    in_tiles,
    mirror,
    pad,
    padding_to,
    resize_flow,
    round_trip,
    splat,
    stays_inside,
    tile_starts,
    unpad,
    warp,
)

SIZE = 9, 14  # not square: swapped sides show
EXACT = 1e-12  # of float64, in which a few operations on numbers below 100 err by less


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


def test_mirror_by_hand_and_unpad_gives_the_frame_back():
    """Catches edge pixels that are repeated, and swapped sides."""
    frame = torch.arange(6.0).view(1, 1, 2, 3)
    mirrored = mirror(frame, (1, 2, 0, 1))
    assert mirrored[0, 0].tolist() == [[1, 0, 1, 2, 1, 0], [4, 3, 4, 5, 4, 3], [1, 0, 1, 2, 1, 0]]
    assert torch.equal(unpad(mirrored, (1, 2, 0, 1)), frame)


def test_mirror_is_torchs_and_goes_on_where_torch_refuses():
    frame = torch.rand(2, 3, *SIZE)
    assert torch.equal(mirror(frame, (3, 4, 5, 8)), torch.nn.functional.pad(frame, (3, 4, 5, 8), mode="reflect"))
    assert mirror(torch.tensor([[[[1, 2]]]]), (3, 2, 2, 0)).tolist() == [[[[2, 1, 2, 1, 2, 1, 2]] * 3]]


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


def noise(*shape, seed=0):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def positions(height, width):
    """`x` and `y` of every pixel."""
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in (height, width)), indexing="ij")
    return x, y


def constant_flow(u, v, size=SIZE):
    return torch.tensor([u, v], dtype=torch.float64)[None, :, None, None].expand(1, 2, *size)


def affine_flow(matrix, shift):
    """The flow `1 2 H W` of `x -> matrix x + shift`, in pixels."""
    x, y = positions(*SIZE)
    (a, b), (c, d) = matrix
    return torch.stack([a * x + b * y + shift[0] - x, c * x + d * y + shift[1] - y])[None]


@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_warps_by_no_motion_change_nothing(padding):
    """Catches a grid that is half a pixel off: ten warps would move all by five pixels and blur it."""
    image = noise(2, 3, *SIZE)
    seen = image
    for _ in range(10):
        seen = warp(seen, torch.zeros(2, 2, *SIZE, dtype=torch.float64), padding)
    torch.testing.assert_close(seen, image, atol=EXACT, rtol=0)


@pytest.mark.parametrize(("u", "v"), [(3, 0), (-2, 0), (0, 1), (0, -4), (2, -3)])
def test_a_warp_by_whole_pixels_is_a_shift(u, v):
    """Catches swapped axes, the other sign, and an edge repeated where zeros were asked for, or the reverse."""
    height, width = SIZE
    image = noise(1, 2, *SIZE) + 1
    x, y = (place.long() for place in positions(*SIZE))
    expected = image[..., (y + v).clamp(0, height - 1), (x + u).clamp(0, width - 1)]
    inside = ((x + u >= 0) & (x + u < width) & (y + v >= 0) & (y + v < height)).double()
    flow = constant_flow(u, v)
    torch.testing.assert_close(warp(image, flow, "border"), expected, atol=EXACT, rtol=0)
    torch.testing.assert_close(warp(image, flow), expected * inside, atol=EXACT, rtol=0)


def test_a_slope_is_warped_exactly():
    """Bilinear sampling of `2 x - 3 y + 1` is exact between pixels, whatever the flow; each frame has its own."""
    x, y = positions(*SIZE)
    flow = torch.cat([affine_flow(((0.8, -0.1), (0.15, 0.7)), (1.3, 0.4)), constant_flow(0.25, -0.5)])
    image = (2 * x - 3 * y + 1).expand(2, 1, *SIZE)
    inside = stays_inside(flow)
    assert inside[0].all()
    assert inside[1].sum() == (SIZE[0] - 1) * (SIZE[1] - 1)
    expected = 2 * (x + flow[:, :1]) - 3 * (y + flow[:, 1:]) + 1
    torch.testing.assert_close(warp(image, flow)[inside], expected[inside], atol=10 * EXACT, rtol=0)


def test_a_warp_has_a_slope_in_image_and_flow():
    """Flows end a quarter to three quarters between pixels, away from the kinks of bilinear sampling."""
    flow = (noise(1, 2, 3, 4, seed=1) * 4 - 2).round() + 0.25 + noise(1, 2, 3, 4, seed=2) / 2
    assert torch.autograd.gradcheck(warp, (noise(1, 2, 3, 4).requires_grad_(), flow.requires_grad_()))


def test_splat_is_the_adjoint_of_warp():
    """`<warp(a), b> = <a, splat(b)>`; catches the other sign, flows that leave the frame, and values that meet."""
    flow = noise(2, 2, *SIZE, seed=1) * 12 - 6
    assert not stays_inside(flow).all()
    a, b = noise(2, 3, *SIZE, seed=2), noise(2, 3, *SIZE, seed=3)
    warped, landed = (warp(a, flow) * b).sum(), (a * splat(b, flow)).sum()
    torch.testing.assert_close(warped, landed, atol=0, rtol=EXACT)


def test_splat_by_hand():
    """1 lands a quarter to the right and half down: four shares; 10 lands on the first; 100 leaves the frame."""
    image, flow = torch.zeros(1, 1, 3, 4), torch.zeros(1, 2, 3, 4)
    image[0, 0, 0, 0], flow[0, :, 0, 0] = 1, torch.tensor([1.25, 0.5])
    image[0, 0, 2, 3], flow[0, :, 2, 3] = 10, torch.tensor([-2, -2])
    image[0, 0, 1, 0], flow[0, :, 1, 0] = 100, torch.tensor([-1, 0])
    assert splat(image, flow)[0, 0].tolist() == [[0, 10.375, 0.125, 0], [0, 0.375, 0.125, 0], [0, 0, 0, 0]]


def test_the_last_pixel_is_inside_and_what_is_beyond_is_not():
    """Catches width and height swapped, and `<` for `<=` at either end."""
    ends = {(13, 0): True, (13.01, 0): False, (0, 8): True, (0, 8.01): False, (-0.01, 0): False, (0, -0.01): False}
    for (u, v), inside in ends.items():
        answer = stays_inside(constant_flow(u, v).float())
        assert answer.shape == (1, 1, *SIZE)
        assert answer[0, 0, 0, 0].item() is inside, (u, v)
    assert stays_inside(constant_flow(-13, -8))[0, 0, -1, -1]


def test_there_and_back_by_an_exact_motion_ends_at_the_start():
    """A translation and a turn with zoom. With a minus, as the report prints it, the first would end 2 |flow| off."""
    torch.testing.assert_close(
        round_trip(constant_flow(2.5, -1), constant_flow(-2.5, 1)),
        torch.zeros(1, 2, *SIZE).double(),
        atol=EXACT,
        rtol=0,
    )
    matrix = torch.tensor([[0.9, -0.2], [0.2, 0.9]], dtype=torch.float64)
    shift = torch.tensor([1.5, -0.7], dtype=torch.float64)
    there = affine_flow(matrix.tolist(), shift.tolist())
    inverse = torch.linalg.inv(matrix)
    back = affine_flow(inverse.tolist(), (-inverse @ shift).tolist())
    inside = stays_inside(there).expand_as(there)
    assert inside.double().mean() > 0.5
    assert round_trip(there, back)[inside].abs().max() < 10 * EXACT
    assert round_trip(there, -there)[inside].abs().max() > 0.2  # what is added is read where the pixel went


def test_the_way_back_is_read_where_the_pixel_went():
    """By hand: two to the right, where the way back is the pixel's own `x`, half as much down."""
    x, _ = positions(*SIZE)
    end = round_trip(constant_flow(2, 0), torch.stack([x, x / 2])[None])[0]
    torch.testing.assert_close(end[0, :, :-2], 2 + x[:, :-2] + 2)
    torch.testing.assert_close(end[1, :, :-2], (x[:, :-2] + 2) / 2)


@pytest.mark.parametrize("size", [(4, 6), (16, 24), (4, 24), (16, 6), (8, 12), (5, 7)])
def test_a_resized_flow_is_of_the_same_motion(size):
    """Catches factors on rows of pixels instead of components (as in ProPainter), swapped factors, and none."""
    flow = resize_flow(constant_flow(4.0, 2.0, (8, 12)), size)
    expected = constant_flow(4.0 * size[1] / 12, 2.0 * size[0] / 8, size)
    torch.testing.assert_close(flow, expected, atol=EXACT, rtol=0)


@pytest.mark.parametrize("size", [(8, 12), (32, 48), (8, 48)])
def test_a_resized_flow_warps_resized_frames(size):
    """A slope that moves, drawn at both sizes; catches corners aligned where the middles of pixels should be scaled.

    Away from the edges resampling a linear field is exact. A pixel's middle `x` lies at `(x + 0.5) f - 0.5`.
    """

    def drawn(height, width, shift):
        x, y = positions(height, width)
        x, y = (x + 0.5) * 24 / width - 0.5, (y + 0.5) * 16 / height - 0.5
        return x, y, (5 * (x - shift[0]) + 7 * (y - shift[1]))[None, None]

    def flow_at(x, y):
        return torch.stack([0.1 * x - 0.05 * y - 0.8, 0.04 * x + 0.08 * y - 1.1])[None]

    x, y, _ = drawn(16, 24, (0, 0))
    resized = resize_flow(flow_at(x, y), size)
    x, y, second = drawn(*size, (0.6, 0.9))
    exact = flow_at(x, y)
    expected = 5 * (x + exact[:, 0] - 0.6) + 7 * (y + exact[:, 1] - 0.9)  # the second frame at the true target
    inside = stays_inside(resized)[0, 0]
    inside[:3], inside[-3:], inside[:, :3], inside[:, -3:] = False, False, False, False
    assert inside.sum() >= 12
    torch.testing.assert_close(warp(second, resized)[0, 0][inside], expected[0][inside], atol=100 * EXACT, rtol=0)


def test_at_scales_is_the_mean_of_each_size():
    """Answers that depend on the size alone: widths of 96 and 48 give 72. Catches sides that are swapped."""

    def judge(image):
        assert image.shape[:3] == (2, 3, 3)
        return torch.full((2, 1, *image.shape[-2:]), float(image.shape[-1]))

    answer = at_scales(judge, torch.rand(2, 3, 3, 64, 96), [1.0, 0.5])
    torch.testing.assert_close(answer, torch.full((2, 1, 64, 96), 72.0))


def test_at_scales_keeps_pixels_in_place():
    """A spot stays where it is; catches half a pixel's shift of resizing there and back."""
    image = torch.zeros(1, 1, 3, 32, 32)
    image[..., 8:12, 20:24] = 1
    answer = at_scales(lambda frames: frames[:, 0, :1], image, [0.5])[0, 0]
    rows, columns = torch.arange(32.0)[:, None] * answer, torch.arange(32.0) * answer
    assert (rows.sum() / answer.sum()).item() == pytest.approx(9.5, abs=1e-4)
    assert (columns.sum() / answer.sum()).item() == pytest.approx(21.5, abs=1e-4)
