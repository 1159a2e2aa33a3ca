"""Losses of nets that complete flow in one pass, by hand."""

import math

import pytest
import torch

from outpaint_lightning.losses import (
    CompletionCriterion,
    balanced_edges,
    edge_contrast,
    forward_backward,
    hardest,
    laplace,
)
from outpaint_lightning.nets import FlowCompletion
from outpaint_lightning.types import InputError


def covering():
    """An object on the left moves 4 px to the right over a resting background: flows `1 2 2 1 16`, and what is seen.

    In frame 0 it ends at x = 4, in frame 1 at x = 8: what lies between is covered.
    """
    x = torch.arange(16.0)
    forward, backward = torch.zeros(2, 1, 2, 2, 1, 16)
    forward[:, 0, 0] = torch.where(x <= 4, 4.0, 0.0)
    backward[:, 1, 0] = torch.where(x <= 8, -4.0, 0.0)
    seen = torch.ones(1, 2, 2, 1, 16)
    seen[:, 0, 0, 0, 5:9] = 0
    return forward, backward, seen


def test_cycles_are_closed_by_exact_flow_where_it_is_seen():
    """0 on visible pixels; with minus signs, as printed, twice the flow. All: two of 4 px of 32 + ... by hand."""
    forward, backward, seen = covering()
    forward_only = torch.zeros_like(seen)
    forward_only[:, 0, 0] = 1
    assert forward_backward(forward, backward, forward_only * seen) == 0
    # The four covered pixels rest, and land on the object, whose flow back is -4; 16 pixels count, none leaves.
    assert forward_backward(forward, backward, forward_only) == pytest.approx(4 * 4 / 16)
    assert forward_backward(forward, backward, torch.zeros_like(seen)) == 0


def test_cycles_interpolate_linearly_across_occlusions():
    """The demonstration of section 2.2.4: the best flow of a covered pixel is a ramp from the object's to the rest's.

    It is 4 - 4/5 (x - 4) for x = 5 .. 8; the true flow is 0. Bilinear sampling joins x = 8 and 9 by a slope.
    """
    forward, backward, _ = covering()
    speeds = torch.linspace(0, 5, 51)
    for x in range(5, 9):
        counted = torch.zeros(1, 2, 2, 1, 16)
        counted[:, 0, 0, 0, x] = 1
        costs = []
        for speed in speeds:
            tried = forward.clone()
            tried[:, 0, 0, 0, x] = speed
            costs.append(forward_backward(tried, backward, counted).item())
        assert speeds[costs.index(min(costs))].item() == pytest.approx(4 - 0.8 * (x - 4), abs=0.051)


def test_vectors_that_leave_the_frame_do_not_count():
    """The object leaves on the right. A warp that repeats the border would charge it."""
    forward, backward = torch.full((1, 2, 2, 1, 6), 9.0), torch.zeros(1, 2, 2, 1, 6)
    counted = torch.zeros(1, 2, 2, 1, 6)
    counted[:, 0, 0] = 1
    assert forward_backward(forward, backward, counted) == 0


def test_the_hardest_half():
    """Of 1, 2, 3 and 10 the mean of 10 and 3; what does not count is never hard."""
    error = torch.tensor([1.0, 10, 2, 3, 99])
    assert hardest(error, torch.tensor([True, True, True, True, False])) == 6.5
    assert hardest(error, torch.zeros(5, dtype=torch.bool)) == 0
    assert hardest(error, torch.ones(5, dtype=torch.bool), share=1.0) == 23


def test_edges_weigh_as_much_as_the_rest():
    """One edge among nine: logit 0 costs ln 2 whatever the share; -2 everywhere costs (2.127 + 0.127) / 2."""
    edges, where = torch.arange(9) == 4, torch.ones(9, dtype=torch.bool)
    assert balanced_edges(torch.zeros(9), edges, where) == pytest.approx(math.log(2))
    expected = (math.log1p(math.exp(2)) + math.log1p(math.exp(-2))) / 2
    assert balanced_edges(torch.full((9,), -2.0), edges, where) == pytest.approx(expected)
    assert balanced_edges(torch.zeros(9), edges & False, where) == pytest.approx(math.log(2))
    assert balanced_edges(torch.zeros(9), edges, where & False) == 0


def test_contrast_is_affine_and_has_a_trivial_optimum():
    """No edges and no motion cost nothing; the switch is at N ln 2; the slope sharpens where e > 1/2 only."""
    scale = 0.7
    n = torch.tensor([0.0, scale * math.log(2), 3.0])
    none, half, sure = (edge_contrast(torch.full((3,), e), n, scale) for e in (0.0, 0.5, 1.0))
    torch.testing.assert_close(half, (none + sure) / 2)
    assert none[0] == 0
    assert sure[0] == 1
    assert none[1].item() == pytest.approx(sure[1].item())
    assert none[2] > 0.9
    assert sure[2] < 0.1
    step = torch.tensor([0.2, 0.2], requires_grad=True)
    edge_contrast(torch.tensor([0.2, 0.9]), step, scale).sum().backward()
    assert step.grad[0] > 0 > step.grad[1]
    torch.testing.assert_close(step.grad[1].item(), -0.8 * math.exp(-0.2 / scale) / scale)


def test_laplace_is_least_at_the_mean_error():
    error, where = torch.tensor([1.0, 3.0, 50.0]), torch.tensor([True, True, False])
    costs = [laplace(error, torch.full((3,), scale), where).item() for scale in (1.5, 2.0, 2.5)]
    assert costs[1] == pytest.approx(1 + math.log(2))
    assert min(costs) == costs[1]


def batch(true=0.0):
    hidden = torch.zeros(1, 3, 2, 8, 8)
    hidden[..., 2:6, 2:6] = 1
    flow = torch.full((1, 3, 2, 8, 8), true)
    return {"flow_forward": flow, "flow_backward": -flow, "hidden": hidden, "valid": torch.ones_like(hidden),
            "occluded": torch.zeros_like(hidden)}  # fmt: skip


def test_the_criterion_takes_its_regions():
    """1 px wrong in the hole of 16 of 64 pixels: 1 over the hole, 0.25 over the frame. `hard` is over the hole."""
    given = batch()
    wrong = given["hidden"][:, :, :1].expand(-1, -1, 2, -1, -1)
    said = FlowCompletion([wrong], [wrong])
    for region, value in (("hole", 1.0), ("frame", 0.25)):
        terms = CompletionCriterion(l1=2.0, hard=1.0, region=region)(said, given, 0)
        assert terms["loss/l1"] == value
        assert terms["loss"] == 2 * value + 1


def test_the_gate_leaves_occluded_cycles_out():
    """Both flows of the hole say 1 px to the right: a cycle of 2 px where all is seen."""
    given = batch()
    right = torch.zeros(1, 3, 2, 8, 8)
    right[:, :, 0] = given["hidden"][:, :, 0]
    said = FlowCompletion([right], [right])
    given["occluded"] += 1
    costs = {gate: CompletionCriterion(l1=0, forward_backward=1, gate=gate)(said, given, 0)["loss"].item()
             for gate in ("none", "visible", "shorter")}  # fmt: skip
    assert costs["visible"] == 0
    assert costs["none"] == pytest.approx((12 * 2 + 4 * 1) / 16)  # a column lands beside the hole, or comes from there
    assert 0 < costs["shorter"] <= costs["none"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"l1": -1.0}, "l1 is -1"),
        ({"l1": 0.0}, "are all 0"),
        ({"region": "whole"}, "region is 'whole'"),
        ({"gate": "open"}, "gate is 'open'"),
        ({"contrast_scale": 0.0}, "contrast_scale is 0"),
    ],
)
def test_bad_options_are_named(options, said):
    with pytest.raises(InputError, match=said):
        CompletionCriterion(**options)


@pytest.mark.parametrize(("term", "missing"), [("edges", "edges"), ("contrast", "edges"), ("rating", "scale")])
def test_a_net_that_says_too_little_is_named(term, missing):
    given = batch()
    said = FlowCompletion([given["flow_forward"]], [given["flow_backward"]])
    with pytest.raises(InputError, match=f"the net says no {missing}"):
        CompletionCriterion(**{term: 1.0})(said, given, 0)
