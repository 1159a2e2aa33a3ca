import math

import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import generalized_box_iou_loss

from outpaint_lightning.geometry import box_iou, generalized_iou
from outpaint_lightning.losses import (
    MSE,
    GIoU,
    MeanL1,
    MeanL2,
    RegionCriterion,
    SmoothL1,
    cross_entropy,
    dice_loss,
)
from outpaint_lightning.nets import RegionOutput
from outpaint_lightning.nets.detectors.region import decode_boxes
from outpaint_lightning.types import InputError

LOCALIZATIONS = {"giou": GIoU(), "smooth": SmoothL1(2.0), "mse": MSE(), "l1": MeanL1(), "l2": MeanL2()}
EACH = pytest.mark.parametrize("localization", LOCALIZATIONS.values(), ids=LOCALIZATIONS.keys())
DEGENERATE = {
    "disjoint": ([0, 0, 2, 2], [3, 4, 6, 8]),
    "touching": ([0, 0, 2, 2], [2, 0, 5, 3]),
    "touching at a corner": ([0, 0, 2, 2], [2, 2, 5, 3]),
    "equal": ([1, 2, 4, 7], [1, 2, 4, 7]),
    "nested": ([1, 1, 2, 2], [0, 0, 5, 4]),
    "sharing a side": ([0, 1, 3, 2], [0, 0, 5, 4]),
    "point in a box": ([1, 1, 1, 1], [0, 0, 5, 4]),
    "point on a side": ([0, 1, 0, 1], [0, 0, 5, 4]),
    "point far off": ([9, 9, 9, 9], [0, 0, 5, 4]),
    "line across a box": ([1, -1, 1, 6], [0, 0, 5, 4]),
    "box and no box": ([1, 1, 3, 4], [0, 0, 0, 0]),
    "two points": ([1, 1, 1, 1], [3, 4, 3, 4]),
    "the same point": ([0, 0, 0, 0], [0, 0, 0, 0]),
    "the same line": ([1, 2, 1, 9], [1, 2, 1, 9]),
    "crossing lines": ([1, 2, 1, 9], [0, 4, 3, 4]),
}
PAIRS = pytest.mark.parametrize("pair", DEGENERATE.values(), ids=DEGENERATE.keys())


def boxes(*rows: list[float], dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(rows, dtype=dtype)


def random_boxes(count: int) -> torch.Tensor:
    """Boxes in an image of 60 by 40 pixels, sides of 1 or more."""
    return decode_boxes(torch.randn(count, 4, dtype=torch.float64) * 2, 40, 60)


def batch() -> tuple[RegionOutput, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Four images of 8x6, the second and last authentic."""
    torch.manual_seed(0)
    label = torch.tensor([1, 0, 1, 0])
    mask = (torch.rand(4, 1, 8, 6) > 0.5).float() * label.view(4, 1, 1, 1)
    true = boxes([0, 1, 5, 7], [0, 0, 0, 0], [2, 2, 3, 8], [0, 0, 0, 0], dtype=torch.float32)
    output = RegionOutput(torch.randn(4), decode_boxes(torch.randn(4, 4), 8, 6), torch.randn(4, 1, 8, 6))
    return output, label, true, mask


def test_the_sources_example_of_scale():
    """Intersection over union by hand: 65^2 / (2 70^2 - 65^2), and 165^2 / (170^2 + 185^2 - 165^2).

    The hulls have 75^2 and 190^2. The source prints an MSE of 225 for the second pair; it is (25 + 25 + 400 + 400) / 4.
    """
    small, large = boxes([10, 10, 80, 80]), boxes([10, 10, 180, 180])
    near_small, near_large = boxes([15, 15, 85, 85]), boxes([15, 15, 200, 200])
    predicted, true = torch.cat([small, large]), torch.cat([near_small, near_large])
    torch.testing.assert_close(box_iou(predicted, true), torch.tensor([169 / 223, 1089 / 1436]).double())
    covered = torch.tensor([169 / 223 - 50 / 5625, 1089 / 1436 - 200 / 36100]).double()
    torch.testing.assert_close(generalized_iou(predicted, true), covered)
    torch.testing.assert_close(GIoU()(predicted, true), 1 - covered)
    assert MSE()(predicted, true).tolist() == [25.0, 212.5]


def test_only_giou_is_the_same_at_every_scale():
    """Times 3 in size: GIoU stays, lengths are times 3, squares times 9. Catches coordinates squeezed on the way."""
    torch.manual_seed(0)
    predicted, true = random_boxes(20), random_boxes(20)
    for name, factor in (("giou", 1), ("l1", 3), ("l2", 3), ("mse", 9)):
        loss = LOCALIZATIONS[name]
        torch.testing.assert_close(loss(3 * predicted, 3 * true), factor * loss(predicted, true))


def test_giou_is_torchvisions():
    torch.manual_seed(0)
    predicted, true = random_boxes(200), random_boxes(200)
    torch.testing.assert_close(GIoU()(predicted, true), generalized_box_iou_loss(predicted, true, eps=0.0))
    assert box_iou(predicted, true).eq(0).any(), "disjoint pairs belong to the comparison"


@pytest.mark.parametrize(
    ("name", "iou", "generalized"),
    [
        ("disjoint", 0, -(48 - 16) / 48),  # areas 4 and 12 in a hull of 6 x 8
        ("touching", 0, -(15 - 13) / 15),
        ("equal", 1, 1),
        ("nested", 1 / 20, 1 / 20),  # the hull is the larger box: nothing of it is uncovered
        ("point in a box", 0, 0),
        ("point far off", 0, -(81 - 20) / 81),
        ("two points", 0, -1),
        ("the same point", 0, 0),
        ("the same line", 0, 0),
    ],
)
def test_values_of_degenerate_boxes(name, iou, generalized):
    """Catches 0 / 0, and an intersection of two negative sides, which is positive for boxes apart in x and y."""
    predicted, true = (boxes(box) for box in DEGENERATE[name])
    assert box_iou(predicted, true).item() == pytest.approx(iou, abs=1e-12)
    assert generalized_iou(predicted, true).item() == pytest.approx(generalized, abs=1e-12)
    assert generalized_iou(true, predicted).item() == pytest.approx(generalized, abs=1e-12)


@PAIRS
def test_gradient_of_giou(pair):
    """At a kink the central difference is the mean of both slopes, and so must the gradient be."""
    given = tuple(boxes(box).requires_grad_() for box in pair)
    assert torch.autograd.gradcheck(box_iou, given)
    assert torch.autograd.gradcheck(generalized_iou, given)


@EACH
@PAIRS
def test_degenerate_boxes_have_bounded_slopes_in_float32(localization, pair):
    """Each side is 0 or at least 1, so no slope passes 20. torchvision's GIoU has 1e7 where both are the same line."""
    predicted = boxes(pair[0], dtype=torch.float32).requires_grad_()
    loss = localization(predicted, boxes(pair[1], dtype=torch.float32))
    assert loss.isfinite().all()
    (gradient,) = torch.autograd.grad(loss.sum(), predicted)
    assert gradient.abs().max() < 20


@pytest.mark.parametrize("side", [1e-3, 1e-10, 1e-22, 1e-30])
def test_tiny_boxes_have_finite_slopes_in_float32(side):
    """The area of a side of 1e-22 is no normal number: its inverse is infinite, and 0 times that is NaN."""
    predicted = torch.tensor([[0, 0, side, side], [0, 0, side, 3]], requires_grad=True)
    for true in (predicted.detach(), predicted.detach() * 2, torch.zeros(2, 4)):
        (gradient,) = torch.autograd.grad(GIoU()(predicted, true).sum(), predicted)
        assert gradient.isfinite().all()


def test_hand_computed_values():
    """Differences 3, -4, 0 and 12: squares 9 + 16 + 144 = 169."""
    predicted, true = boxes([13, 6, 30, 52]), boxes([10, 10, 30, 40])
    assert MSE()(predicted, true).item() == 169 / 4
    assert MeanL1()(predicted, true).item() == 19 / 4
    assert MeanL2()(predicted, true).item() == 13
    assert SmoothL1(4.0)(predicted, true).item() == pytest.approx((9 / 8 + 2 + 0 + 10) / 4, rel=1e-12)


@pytest.mark.parametrize("beta", [0.25, 1.0, 5.0])
def test_smooth_l1_meets_at_beta(beta):
    """At beta both pieces are beta / 2 and have slope 1. As printed, they are beta^2 / 2 and beta - beta^2 / 2."""
    differences = (beta - 1e-9, beta, beta + 1e-9)
    true = boxes([0, 0, 0, 0])
    for difference in differences:
        predicted = boxes([difference] * 4).requires_grad_()
        loss = SmoothL1(beta)(predicted, true)
        assert loss.item() == pytest.approx(beta / 2, abs=2e-9)
        (gradient,) = torch.autograd.grad(loss.sum(), predicted)
        torch.testing.assert_close(gradient, torch.full((1, 4), 0.25).double(), rtol=1e-7, atol=0)


@EACH
def test_one_loss_a_box(localization):
    """Catches a mean over the batch: each row's loss is that of the row alone."""
    torch.manual_seed(0)
    predicted, true = random_boxes(3), random_boxes(3)
    together = localization(predicted, true)
    assert together.shape == (3,)
    torch.testing.assert_close(together[1], localization(predicted[1:2], true[1:2])[0])
    assert localization(predicted[:0], true[:0]).shape == (0,)


@EACH
def test_equal_boxes_cost_nothing(localization):
    """And have no slope: that of a norm is 0 / 0 there."""
    predicted = random_boxes(5).requires_grad_()
    loss = localization(predicted, predicted.detach())
    torch.testing.assert_close(loss, torch.zeros(5).double(), atol=1e-12, rtol=0)
    (gradient,) = torch.autograd.grad(loss.sum(), predicted)
    torch.testing.assert_close(gradient, torch.zeros(5, 4).double(), atol=1e-12, rtol=0)


@EACH
def test_gradient_of_the_whole_loss(localization):
    """From the net's numbers to the loss, an authentic image among them."""
    torch.manual_seed(0)
    label = torch.tensor([1, 0, 1])
    true = boxes([1, 0, 5, 7], [0, 0, 0, 0], [2, 2, 3, 8])
    mask = (torch.rand(3, 1, 8, 6) > 0.5) * label.view(3, 1, 1, 1)
    given = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((3,), (3, 4), (3, 1, 8, 6))]
    criterion = RegionCriterion(localization, alpha=2.0, beta=3.0, mask_weight=0.5)

    def loss(logit: torch.Tensor, numbers: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        return criterion(RegionOutput(logit, decode_boxes(numbers, 8, 6), logits), label, true, mask)["loss"]

    assert torch.autograd.gradcheck(loss, given)


@EACH
def test_the_sum_of_its_terms(localization):
    """Catches a box term divided by all 4 images where 2 have a box, and a weight on the wrong term."""
    output, label, true, mask = batch()
    terms = RegionCriterion(localization, alpha=7.0, beta=3.0, mask_weight=0.5)(output, label, true, mask)
    of_class = F.binary_cross_entropy_with_logits(output.logit, label.float())
    of_box = localization(output.box[[0, 2]], true[[0, 2]]).sum() / 2
    two = torch.cat([torch.zeros_like(output.mask), output.mask], 1)
    of_mask = F.binary_cross_entropy_with_logits(output.mask, mask) + dice_loss(two, mask)
    torch.testing.assert_close(terms["loss/class"], of_class)
    torch.testing.assert_close(terms["loss/box"], of_box)
    torch.testing.assert_close(terms["loss/mask"], of_mask)
    torch.testing.assert_close(cross_entropy(two, mask), F.binary_cross_entropy_with_logits(output.mask, mask))
    torch.testing.assert_close(terms["loss"], 7 * of_class + 3 * of_box + 7 * 0.5 * of_mask)


def test_without_a_mask():
    output, label, true, mask = batch()
    terms = RegionCriterion(MSE())(output._replace(mask=None), label, true, mask)
    assert terms.keys() == {"loss", "loss/class", "loss/box"}
    torch.testing.assert_close(terms["loss"], 100 * terms["loss/class"] + 0.8 * terms["loss/box"])


@EACH
def test_only_images_with_a_region_have_a_box(localization):
    """What is said of an authentic image's box changes nothing, and learns nothing."""
    output, label, true, mask = batch()
    criterion = RegionCriterion(localization)
    moved = output.box.clone()
    moved[1] = torch.tensor([3.0, 3.0, 6.0, 8.0])
    moved.requires_grad_()
    loss = criterion(output._replace(box=moved), label, true, mask)["loss"]
    assert loss.item() == criterion(output, label, true, mask)["loss"].item()
    (gradient,) = torch.autograd.grad(loss, moved)
    assert gradient[[1, 3]].eq(0).all()
    assert gradient[[0, 2]].abs().sum(1).gt(0).all()


@EACH
def test_a_batch_without_regions(localization):
    """The box term is 0 and keeps its graph: its parameters get zeros, which processes that train together need."""
    output, _, true, mask = batch()
    box = output.box.requires_grad_()
    none = torch.zeros(4, dtype=torch.long)
    terms = RegionCriterion(localization)(output, none, torch.zeros_like(true), torch.zeros_like(mask))
    assert terms["loss/box"].item() == 0
    assert terms["loss"].isfinite()
    (gradient,) = torch.autograd.grad(terms["loss"], box)
    assert gradient.eq(0).all()


def test_a_masks_term_counts_every_image():
    """An authentic image's mask is known to be empty: saying forged there costs."""
    output, label, true, mask = batch()
    worse = output.mask.clone()
    worse[1] += 3
    criterion = RegionCriterion(GIoU())
    assert (
        criterion(output._replace(mask=worse), label, true, mask)["loss/mask"]
        > criterion(output, label, true, mask)["loss/mask"] + 0.1
    )


def test_only_the_loss_has_a_gradient():
    """Catches a graph kept in what is only logged."""
    output, label, true, mask = batch()
    output = RegionOutput(output.logit.requires_grad_(), output.box.requires_grad_(), output.mask.requires_grad_())
    terms = RegionCriterion(GIoU())(output, label, true, mask)
    assert [name for name, value in terms.items() if value.requires_grad] == ["loss"]


@EACH
def test_float32_under_autocast(localization):
    """What a bf16 net says is judged in float32: equal to judging it outside, bit by bit."""
    output, label, true, mask = batch()
    rounded = RegionOutput(*(value.bfloat16() for value in output._replace(quality=torch.randn(4))))
    criterion = RegionCriterion(localization)
    with torch.autocast("cpu", torch.bfloat16):
        inside = criterion(rounded, label, true, mask)
    outside = criterion(RegionOutput(*(value.float() for value in rounded)), label, true, mask)
    for name, value in inside.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, outside[name], rtol=0, atol=0)


@pytest.mark.parametrize("option", ["alpha", "beta", "mask_weight", "quality_weight"])
@pytest.mark.parametrize("weight", [-1.0, math.nan])
def test_bad_weights_are_named(option, weight):
    with pytest.raises(InputError, match=f"RegionCriterion: {option} is"):
        RegionCriterion(GIoU(), **{option: weight})


@pytest.mark.parametrize("beta", [0.0, -1.0, math.nan])
def test_bad_beta_is_named(beta):
    with pytest.raises(InputError, match=r"SmoothL1: beta is"):
        SmoothL1(beta)


def test_the_predicted_iou_by_hand():
    """Cross-entropy with the IoU of the box that is given, over images with a region; the box learns nothing from it.

    Boxes 4 x 4 moved by 2: IoU 8 / 24. Catches a mean over authentic images, and a target of 1.
    """
    true = boxes([0, 0, 4, 4], [0, 0, 0, 0], dtype=torch.float32)
    found = (true + torch.tensor([2.0, 0, 2, 0])).requires_grad_()
    quality = torch.tensor([0.5, 3.0])
    output = RegionOutput(torch.zeros(2), found, None, quality)
    terms = RegionCriterion(GIoU(), alpha=2, beta=0, quality_weight=3)(
        output, torch.tensor([1, 0]), true, torch.zeros(2)
    )
    p = 1 / (1 + math.exp(-0.5))
    expected = -(math.log(p) / 3 + 2 * math.log(1 - p) / 3)
    assert terms["loss/quality"].item() == pytest.approx(expected)
    assert terms["loss"].item() == pytest.approx(2 * math.log(2) + 2 * 3 * expected, rel=1e-5)
    (slopes,) = torch.autograd.grad(terms["loss"], found)
    assert not slopes.any()
