import pytest
import torch

from outpaint_lightning.nets import BiharmonicFrameFill, MeanFill, NearestFrameFill

FILLS = [MeanFill(), NearestFrameFill(), BiharmonicFrameFill()]


@pytest.mark.parametrize("fill", FILLS, ids=lambda fill: type(fill).__name__)
def test_known_voxels_stay_and_hidden_ones_are_never_read(fill):
    torch.manual_seed(0)
    image, mask = torch.rand(2, 4, 3, 12, 14), (torch.rand(2, 4, 1, 12, 14) > 0.6).float()
    hidden = torch.where(mask > 0.5, torch.nan, image)
    filled = fill(hidden, mask)
    assert torch.equal(torch.where(mask > 0.5, 0, filled), torch.where(mask > 0.5, 0, image))
    assert filled.isfinite().all()
    torch.testing.assert_close(filled, fill(image, mask))
    assert (filled.min(), filled.max()) >= (0, 0)


def test_a_frame_that_shows_nothing_is_filled_all_the_same():
    image, mask = torch.full((1, 3, 1, 8, 8), 0.25), torch.zeros(1, 3, 1, 8, 8)
    mask[:, 1] = 1
    for fill in FILLS:
        torch.testing.assert_close(fill(image, mask), image)
    assert MeanFill()(image, torch.ones_like(mask)).unique().tolist() == [0.5]


def test_the_nearest_frame_by_hand():
    """Distances 1 and 1: the earlier. Distances 2 and 1: the later. Never seen: the clip's mean of what is known."""
    clip = torch.tensor([[1.0, 9, 3, 9, 9, 6], [9, 9, 9, 9, 9, 9], [0, 0, 0, 0, 0, 2]]) / 10
    mask = torch.tensor([[0.0, 1, 0, 1, 1, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]])
    shape = 1, 3, 6, 1, 1  # pixels as columns of one row
    filled = NearestFrameFill()(clip.view(shape).permute(0, 2, 3, 4, 1), mask.view(shape).permute(0, 2, 3, 4, 1))
    assert [round(value, 6) for value in filled[0, :, 0, 0, 0].tolist()] == [0.1, 0.1, 0.3, 0.3, 0.6, 0.6]
    torch.testing.assert_close(filled[0, :, 0, 0, 1], torch.full((6,), (0.1 + 0.3 + 0.6 + 0.2) / 9))


def test_the_surface_continues_a_ramp():
    """A mean or the nearest pixel would not."""
    ramp = torch.linspace(0, 1, 12).expand(1, 1, 1, 10, 12)
    mask = torch.zeros_like(ramp)
    mask[..., 3:7, 4:9] = 1
    torch.testing.assert_close(BiharmonicFrameFill()(ramp, mask), ramp, atol=1e-3, rtol=0)
