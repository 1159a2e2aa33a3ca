import pytest
import torch

from outpaint_lightning.geometry import boxes_from_masks
from outpaint_lightning.nets.detectors.soft_box import soft_boxes


def test_a_sure_mask_has_its_smallest_box():
    """Catches x and y swapped, a last pixel counted closed, and columns read as rows: the masks are not square."""
    torch.manual_seed(0)
    masks = torch.zeros(6, 1, 12, 20)
    for mask in masks:
        mask[0, torch.randint(12, (5,)), torch.randint(20, (5,))] = 1
    torch.testing.assert_close(soft_boxes(40 * masks - 20), boxes_from_masks(masks), rtol=0, atol=1e-4)


def test_expectations_by_hand():
    """Columns of probability 1/2 and 1/4. First: 1/2 and 1/8; last: 3/8 and 1/4; any: 5/8. Catches a mean over all."""
    logits = torch.tensor([0.5, 0.25]).logit().view(1, 1, 1, 2)
    xmin, _, xmax, _ = soft_boxes(logits, sharpness=1)[0].tolist()
    assert xmin == pytest.approx((1 / 8) / (5 / 8))
    assert xmax == pytest.approx((1 * 3 / 8 + 2 * 1 / 4) / (5 / 8))


@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0, 1e30])
@pytest.mark.parametrize("sign", [-1, 1])
def test_any_logits_give_a_box_and_finite_slopes(scale, sign):
    """Also where nothing is forged, or all of it: 0 / 0 there, and the logarithm of 0."""
    torch.manual_seed(0)
    logits = (sign * torch.rand(4, 1, 9, 70) * scale).requires_grad_()
    boxes = soft_boxes(logits)
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (sides > 1 - 1e-3).all()
    assert (boxes >= 0).all()
    assert (boxes[:, 2:] <= torch.tensor([70, 9]) + 1e-3).all()
    (slopes,) = torch.autograd.grad(boxes.sum(), logits)
    assert slopes.isfinite().all()


def test_gradient():
    torch.manual_seed(0)
    assert torch.autograd.gradcheck(soft_boxes, torch.randn(2, 1, 4, 5, dtype=torch.float64).requires_grad_())


def test_columns_beside_the_region_pull_little():
    """A hundred columns at logit -2 beside a region: without sharpness they would move xmin by tens of pixels."""
    logits = torch.full((1, 1, 8, 120), -2.0)
    logits[..., 2:6, 100:110] = 3.0
    xmin = soft_boxes(logits)[0, 0].item()
    assert 95 < xmin <= 100
    assert soft_boxes(logits, sharpness=1)[0, 0].item() < 20
