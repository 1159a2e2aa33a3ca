import math

import pytest
import torch
import torch.nn.functional as F

from outpaint_lightning.losses import (
    alike_layouts,
    class_histogram,
    info_nce,
    layout_cross_entropy,
    normal_divergence,
)
from outpaint_lightning.types import InputError


def vectors(count, size=6, seed=0):
    torch.manual_seed(seed)
    return F.normalize(torch.randn(count, size, dtype=torch.float64), dim=1)


def apart(count):
    return torch.zeros(count, count, dtype=torch.bool)


def test_info_nce_is_the_formula():
    """Against the quotient of exponentials, for each anchor. Catches a temperature that multiplies."""
    anchors, layouts, owners = vectors(5), vectors(3, seed=1), torch.tensor([0, 1, 2, 2, 0])
    expected = []
    for anchor, owner in zip(anchors, owners, strict=True):
        weights = [math.exp(float(anchor @ layout) / 0.07) for layout in layouts]
        expected.append(-math.log(weights[owner] / sum(weights)))
    loss = info_nce(anchors, layouts, owners, apart(3), 0.07)
    assert loss.item() == pytest.approx(sum(expected) / 5, rel=1e-4)


def test_the_order_of_negatives_does_not_matter():
    anchors, layouts, owners = vectors(4), vectors(4, seed=1), torch.arange(4)
    order = torch.tensor([2, 0, 3, 1])
    place = order.argsort()
    same = info_nce(anchors, layouts[order], place[owners], apart(4))
    torch.testing.assert_close(info_nce(anchors, layouts, owners, apart(4)), same)


def test_false_negatives_do_not_count():
    """Photo 1 has the layout of photo 0, which is left with the negative of photo 2; dropping none costs more."""
    layouts = vectors(3)
    layouts[1] = layouts[0]
    alike = apart(3)
    alike[0, 1] = alike[1, 0] = True
    owners, anchors = torch.tensor([0]), layouts[:1]
    expected = info_nce(anchors, layouts[[0, 2]], owners, apart(2), 1.0)
    torch.testing.assert_close(info_nce(anchors, layouts, owners, alike, 1.0), expected)
    assert info_nce(anchors, layouts, owners, apart(3), 1.0) > expected + 0.2
    full = torch.ones(3, 3, dtype=torch.bool)  # its own layout always counts
    assert info_nce(anchors, layouts, owners, full, 1.0).item() == 0


def test_one_photo_has_no_negatives():
    """The loss would be 0 and without a gradient, silently."""
    with pytest.raises(InputError, match=r"a batch of 1 photo has no negatives; expected data\.batch_size 2 or more"):
        info_nce(vectors(1), vectors(1), torch.tensor([0]), apart(1))


def test_gradients_bring_an_anchor_to_its_own():
    anchors = vectors(3).requires_grad_()
    layouts = vectors(3, seed=1)
    assert torch.autograd.gradcheck(
        lambda a: info_nce(a.float(), layouts, torch.arange(3), apart(3), 0.5).double(), anchors, atol=1e-2, eps=1e-2
    )


def test_alike_layouts_by_hand():
    """Histograms (3, 1), (4, 0) and (0, 4): cosines 3 / sqrt(10) = 0.949, 0.316 and 0. Unknown pixels do not count."""
    layout = torch.tensor([[[0, 0, 0, 1, 255]], [[0, 0, 0, 0, 255]], [[1, 1, 1, 1, 255]]])
    assert class_histogram(layout, 2).tolist() == [[3, 1], [4, 0], [0, 4]]
    found = alike_layouts(layout, 2, 0.9)
    assert found.tolist() == [[True, True, False], [True, True, False], [False, False, True]]
    assert not alike_layouts(layout, 2, 0.95)[0, 1]
    assert not alike_layouts(torch.full((2, 1, 3), 255), 2).any()  # of two without a known class nothing is said


def test_divergence_by_hand():
    """Of N(1, 1) in 2 dimensions: 1 / 2 each. Of N(0, e): (e - 2) / 2. A mean over dimensions would halve the first."""
    assert normal_divergence(torch.zeros(3, 2), torch.zeros(3, 2)).item() == 0
    assert normal_divergence(torch.ones(3, 2), torch.zeros(3, 2)).item() == pytest.approx(1.0)
    assert normal_divergence(torch.zeros(1, 1), torch.ones(1, 1)).item() == pytest.approx((math.e - 2) / 2)


def test_cross_entropy_counts_known_background_only():
    """Of four pixels one is foreground and one has no class; of the others one is right with 3/4, one with 1/4."""
    logits = torch.tensor([math.log(3.0), 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 4).clone().requires_grad_()
    layout, mask = torch.tensor([[[0, 1, 255, 0]]]), torch.tensor([1.0, 1.0, 1.0, 0.0]).view(1, 1, 1, 4)
    loss = layout_cross_entropy(logits, layout, mask)
    assert loss.item() == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)
    loss.backward()
    assert (logits.grad[..., 2:] == 0).all()
    assert layout_cross_entropy(logits, layout, torch.zeros_like(mask)).item() == 0
