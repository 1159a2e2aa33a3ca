"""The generator of wide-range image blending: its size, its shapes, and what it leaves as it is."""

import pytest
import torch

from outpaint_lightning.nets import BlendingGenerator, HarmonicFrameFill, LinearBandFill, MirrorBandFill
from outpaint_lightning.nets.generators.bands import Band, paste_sides
from outpaint_lightning.types import InputError

TINY = {
    "size": 16, "widths": (4, 4, 8), "encoder_blocks": (0, 0, 1), "decoder_blocks": (0, 1, 1), "dilations": (0, 1, 1),
    "content": 4, "split": 2, "bct": "row_shared", "normed": 2,
}  # fmt: skip


def net(**options):
    torch.manual_seed(0)
    return BlendingGenerator(**{**TINY, **options}).eval()


def test_the_published_net_has_the_published_number_of_weights():
    """258.67 million, less the 5.19 million of joins for the middle that the public code builds and never uses."""
    with torch.device("meta"):
        whole = BlendingGenerator()
    count = sum(parameter.numel() for parameter in whole.parameters())
    assert count == pytest.approx(258.67e6 - 5.19e6, rel=1e-3)
    lstms = sum(p.numel() for part in (whole.transfer.encoder, whole.transfer.decoder) for p in part.parameters())
    assert lstms == pytest.approx(134.3e6, rel=1e-3)


def test_no_parameter_is_dead():
    """DDP stops at parameters that get no gradient."""
    made = net(attention=(0, 1)).train()
    blend = made(*torch.rand(2, 1, 3, 16, 16))
    (blend.panorama.sum() + sum(part.sum() for part in (*blend.ahead, *blend.back))).backward()
    assert all(parameter.grad is not None for parameter in made.parameters())
    assert [*net().middle_joins] == ["1"]


@pytest.mark.parametrize("options", [
    {}, {"bct": "full"}, {"size": 32, "split": 4},
    {"widths": (4, 4, 4, 4), "encoder_blocks": (0, 0, 0, 1), "decoder_blocks": (0, 0, 0, 0), "dilations": (0, 0, 1, 0),
     "size": 32},
])  # fmt: skip
def test_every_size_follows_from_the_options(options):
    """The public code is welded to 256."""
    made = net(**options)
    for steps in (None, 1, 5):
        middle = made.size if steps is None else steps * made.size // made.transfer.split
        panorama = made(*torch.rand(2, 2, 3, made.size, made.size), steps).panorama
        assert panorama.shape == (2, 3, made.size, 2 * made.size + middle)


def test_one_encoder_sees_both_photos():
    made = net()
    photo = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(made(photo, photo).ahead.left, made(photo, photo).back.right)
    torch.testing.assert_close(made.contents(photo), made(photo, photo).ahead.left)


def test_photos_are_pasted_bit_by_bit_and_the_middle_meets_them():
    """What the net draws of the photos is none of their pixels: used raw, the whole panorama is forged."""
    torch.manual_seed(0)
    left, right, panorama = torch.rand(1, 3, 4, 6), torch.rand(1, 3, 4, 6), 0.2 + 0.6 * torch.rand(1, 3, 4, 20)
    pasted = paste_sides(panorama, left, right, feather=3)
    assert torch.equal(pasted[..., :6], left)
    assert torch.equal(pasted[..., -6:], right)
    lacks = left[..., -1] - panorama[..., 5]
    expected = torch.stack([panorama[..., 6 + i] + (1 - i / 4) * lacks for i in range(4)], -1)
    torch.testing.assert_close(pasted[..., 6:10], expected.clamp(0, 1))
    torch.testing.assert_close(pasted[..., 13], (panorama[..., 13] + right[..., 0] - panorama[..., 14]).clamp(0, 1))
    assert torch.equal(paste_sides(panorama, left, right, feather=0)[..., 6:14], panorama[..., 6:14])


def test_a_band_of_any_width_and_place_is_filled_and_nothing_else():
    made = net()
    image, mask = torch.rand(1, 2, 3, 20, 50), torch.zeros(1, 2, 1, 20, 50)
    mask[:, 0, ..., 5:28] = 1
    mask[:, 1, ..., 40:43] = 1
    with torch.no_grad():
        filled = made.fill(image, mask)
    known = (mask < 0.5).expand_as(image)
    assert torch.equal(filled[known], image[known])
    assert ((filled != image) == ~known)[~known].float().mean() > 0.99
    assert (filled.min(), filled.max()) >= (0, 0)
    hidden = torch.where(known, image, torch.nan)
    with torch.no_grad():
        torch.testing.assert_close(made.fill(hidden, mask), filled)


@pytest.mark.parametrize("box", [(slice(0, 8), slice(5, 9)), (slice(None), slice(0, 4)), (slice(None), slice(9, 20))])
def test_another_hole_than_a_band_is_refused(box):
    mask = torch.zeros(1, 1, 1, 10, 20)
    mask[(..., *box)] = 1
    with pytest.raises(InputError, match=r"no upright band.*mask `band`"):
        net().fill(torch.rand(1, 1, 3, 10, 20), mask)


def test_what_a_square_lacks_is_mirrored():
    frame = torch.arange(8.0).expand(1, 5, 8)
    left, right = Band(2, 4).squares(frame)
    assert left[0, 0].tolist() == [1, 1, 0, 0, 1]
    assert right[0, 0].tolist() == [4, 5, 6, 7, 7]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 20}, "size is 20: expected a multiple of 8"),
        ({"size": 8}, "size is 8"),
        ({"widths": (4, 4)}, "encoder_blocks is .*: expected 2 numbers"),
        ({"widths": (4, 4, 7)}, "widths"),
        ({"dilations": (0, 1)}, "dilations is"),
        ({"attention": (2,)}, "attention is .*levels from 0 to 1"),
        ({"encoder_blocks": (1, 0, 1)}, "encoder_blocks is .*0 at the first two"),
        ({"feather": -1}, "feather"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=f"BlendingGenerator: {message}"):
        net(**options)


def test_photos_of_another_size_are_refused():
    with pytest.raises(InputError, match="size is 16: the photos are 16x24 and 16x24"):
        net()(*torch.rand(2, 1, 3, 16, 24))
    with pytest.raises(InputError, match="size is 16: the photos are 24x16"):
        net(bct="full")(*torch.rand(2, 1, 3, 24, 16))
    assert net()(*torch.rand(2, 1, 3, 24, 16)).panorama.shape[-2:] == (24, 48)
    with pytest.raises(InputError, match="steps is 0"):
        net()(*torch.rand(2, 1, 3, 16, 16), 0)


FLOORS = [LinearBandFill(), MirrorBandFill(), HarmonicFrameFill()]


@pytest.mark.parametrize("fill", FLOORS, ids=lambda fill: type(fill).__name__)
def test_floors_keep_what_is_known_and_read_nothing_else(fill):
    torch.manual_seed(0)
    image, mask = torch.rand(2, 1, 3, 6, 12), torch.zeros(2, 1, 1, 6, 12)
    mask[..., 4:9] = 1
    filled = fill(torch.where(mask > 0.5, torch.nan, image), mask)
    known = (mask < 0.5).expand_as(image)
    assert torch.equal(filled[known], image[known])
    assert filled.isfinite().all()


def test_floors_by_hand():
    """Between 0.1 and 0.7 over two columns: thirds; the mirror shows 0.1 0.2 and 0.8 0.7, weighted 2:1 and 1:2."""
    row, mask = torch.tensor([0.2, 0.1, 9, 9, 0.7, 0.8]), torch.tensor([0.0, 0, 1, 1, 0, 0])
    image, hole = row.expand(1, 1, 1, 3, 6), mask.expand(1, 1, 1, 3, 6)
    expected = {LinearBandFill: [0.3, 0.5], MirrorBandFill: [(0.2 + 0.8) / 3, (0.2 + 1.4) / 3], HarmonicFrameFill:
                [0.3, 0.5]}  # fmt: skip
    for fill, middle in expected.items():
        torch.testing.assert_close(fill()(image, hole)[0, 0, 0, 1, 2:4], torch.tensor(middle), atol=1e-3, rtol=0)
