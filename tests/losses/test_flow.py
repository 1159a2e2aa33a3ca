import math
from typing import NamedTuple

import pytest
import torch

from outpaint_lightning.geometry import round_trip, stays_inside
from outpaint_lightning.losses import (
    ExponentialWeights,
    MovingWeights,
    RefinementCriterion,
    SquaredWeights,
    hole_l1,
    known_l1,
    lateral_dependency,
    min_forward_backward,
    total_variation,
)
from outpaint_lightning.types import InputError


class Refined(NamedTuple):
    forward: list
    backward: list
    confidence: list
    decoded: torch.Tensor | None = None


def test_hole_and_known_each_see_their_own():
    """Catches masks the wrong way round, as the source prints them, and a mean over all pixels."""
    true = torch.zeros(1, 2, 1, 4)
    hidden = torch.tensor([1.0, 1, 0, 0]).view(1, 1, 1, 4)
    valid = torch.ones(1, 1, 1, 4)
    in_hole, outside = true.clone(), true.clone()
    in_hole[0, :, 0, 0] = torch.tensor([3.0, -1.0])
    outside[0, :, 0, 2] = torch.tensor([3.0, -1.0])
    assert hole_l1(in_hole, true, hidden, valid) == 1  # (3 + 1) / (2 vectors x 2 components)
    assert hole_l1(outside, true, hidden, valid) == 0
    assert known_l1(in_hole, true, hidden, valid) == 0
    assert known_l1(outside, true, hidden, valid) == 1


def test_what_has_no_true_vector_does_not_count():
    true, flow = torch.zeros(1, 2, 1, 3), torch.tensor([1.0, 100, 7]).view(1, 1, 1, 3).expand(1, 2, 1, 3)
    hidden, valid = torch.tensor([1.0, 1, 0]).view(1, 1, 1, 3), torch.tensor([1.0, 0, 1]).view(1, 1, 1, 3)
    assert hole_l1(flow, true, hidden, valid) == 1
    assert hole_l1(flow, true, torch.zeros(1, 1, 1, 3), valid) == 0
    assert known_l1(flow, true, torch.ones(1, 1, 1, 3), valid) == 0


def test_total_variation_by_hand():
    """u is 0 1 3 in the upper row and 0 in the lower one, v is 0: of four pairs along x two differ, by 1 and 2."""
    flow = torch.zeros(1, 2, 2, 3)
    flow[0, 0, 0] = torch.tensor([0.0, 1, 3])
    everywhere = torch.ones(1, 1, 2, 3)
    assert total_variation(flow, everywhere, everywhere) == pytest.approx(3 / 8 + 4 / 6)
    corner = torch.zeros(1, 1, 2, 3)
    corner[..., 0, 2] = 1
    assert total_variation(flow, corner, everywhere) == 2 / 2 + 3 / 2  # its pair to the left and that below
    assert total_variation(flow, corner, 1 - corner) == 0


def test_lateral_dependency_compares_lengths():
    """A step (3, 4) is as long as a true one (0, 5): no cost, though the vectors differ. A flat flow costs 5."""
    flow, true = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)
    flow[0, :, 0, 1], true[0, :, 0, 1] = torch.tensor([3.0, 4]), torch.tensor([0.0, 5])
    everywhere = torch.ones(1, 1, 1, 2)
    assert lateral_dependency(flow, true, everywhere, everywhere) == 0
    flat = torch.zeros(1, 2, 1, 2, requires_grad=True)
    cost = lateral_dependency(flat, true, everywhere, everywhere)
    cost.backward()
    assert cost == 5
    assert flat.grad.isfinite().all()


def pan(speeds, height=4, width=6):
    """A flow `1 T 2 H W` along x, one speed a frame."""
    flow = torch.zeros(1, len(speeds), 2, height, width)
    flow[:, :, 0] = torch.tensor(speeds).view(1, -1, 1, 1)
    return flow


@pytest.mark.parametrize("axis", [0, 1])
def test_exact_translation_closes_its_cycles(axis):
    """Catches the printed minus sign, which gives 4 px here."""
    forward, backward = torch.zeros(1, 4, 2, 8, 12), torch.zeros(1, 4, 2, 8, 12)
    forward[:, :, axis], backward[:, :, axis] = 2.0, -2.0
    assert min_forward_backward(forward, backward, torch.ones(1, 4, 1, 8, 12)) < 1e-6


def test_shorter_cycle_by_hand():
    """Frame 1 of three: to frame 2 and back is off by 2 px, to frame 0 and back by 1 px, and each leaves two of six
    columns. So two columns cost 2 and four cost 1. A mean, a sum or a maximum of both would not give 8/6."""
    forward, backward = pan([1.0, 2, 0]), pan([0.0, -2, 0])
    assert min_forward_backward(forward, backward, torch.ones(1, 3, 1, 4, 6)).item() == pytest.approx(8 / 6, abs=1e-5)
    left = torch.zeros(1, 3, 1, 4, 6)
    left[..., :2] = 1
    assert min_forward_backward(forward, backward, left).item() == pytest.approx(2, abs=1e-5)


def test_what_leaves_on_both_sides_does_not_count():
    """Flows of 5 px in a frame of 6: only the outer columns stay inside, on one side each."""
    everywhere = torch.ones(1, 3, 1, 4, 6)
    assert min_forward_backward(pan([0.0, 9, 0]), pan([0.0, -9, 0]), everywhere) == 0
    assert min_forward_backward(pan([0.0, 5, 0]), pan([0.0, -5, 0]), everywhere).item() == pytest.approx(5, abs=1e-5)


@pytest.mark.parametrize("frames", [1, 2])
def test_no_frame_with_both_neighbours(frames):
    flow = pan([1.0] * frames)
    assert min_forward_backward(flow, flow, torch.ones(1, frames, 1, 4, 6)) == 0


def accelerating(frames=6, size=64):
    """Exact flows of a square that accelerates downwards over a background that accelerates to the right."""
    forward, backward = torch.zeros(1, frames, 2, size, size), torch.zeros(1, frames, 2, size, size)
    for flow, sign in ((forward, 1), (backward, -1)):
        for t in range(frames):
            now, then = t * t, (t + sign) ** 2  # of the square; the background is at t (t + 1) / 2
            flow[0, t, 0] = (t + 1) if sign == 1 else -t
            flow[0, t, :, 4 + now : 20 + now, 24:40] = torch.tensor([0.0, then - now]).view(2, 1, 1)
    return forward, backward


def test_occlusion_costs_one_cycle_but_not_the_shorter_one():
    """On exact flows each cycle alone is long at more than 1 % of the pixels; the shorter one nowhere. With f_{t+1} in
    the second cycle, as printed, the occluded background would cost its acceleration."""
    forward, backward = accelerating()
    alone = round_trip(forward[0, 1:-1], backward[0, 2:]).norm(dim=1, keepdim=True)
    assert (alone[stays_inside(forward[0, 1:-1])] > 0.5).float().mean() > 0.01
    assert min_forward_backward(forward, backward, torch.ones(1, 6, 1, 64, 64)) < 1e-4


@pytest.mark.parametrize("step", [0, 1, 400, 1700, 3000, 10**6])
@pytest.mark.parametrize("schedule", [MovingWeights(), SquaredWeights(), ExponentialWeights(0.5)])
def test_weights_sum_to_one(schedule, step):
    """Catches the printed c, and exponentials that all underflow far beyond the last update's turn."""
    weights = schedule(5, step)
    assert weights.sum().item() == pytest.approx(1, abs=1e-12)
    assert weights.shape == (5,)
    assert (weights >= 0).all()


@pytest.mark.parametrize("step", [0, 900, 1400, 1600, 2600, 4000, 5200, 10**6])
def test_the_bell_moves_on(step):
    """Its top is at update s / s0, t = 0 being the first; so catches an update counted from 0 in the exponent."""
    weights = MovingWeights(every=1000)(5, step)
    assert weights.argmax() == min(max(round(step / 1000) - 1, 0), 4)


def test_the_bell_is_narrow():
    """At s = 3 s0 update 3 weighs exp(0) against exp(-2) of its neighbours and exp(-8) of theirs, not 1/5 each."""
    bell = torch.tensor([math.exp(-8), math.exp(-2), 1, math.exp(-2), math.exp(-8)], dtype=torch.float64)
    torch.testing.assert_close(MovingWeights()(5, 3000), bell / bell.sum())
    torch.testing.assert_close(  # the source's code: exp(-(s - 250 (t + 1))^2 / 250^2)
        MovingWeights(every=250, width=math.sqrt(0.5))(2, 300),
        torch.tensor([-(50**2) / 250**2, -(200**2) / 250**2], dtype=torch.float64).softmax(0),
    )


def test_squares_and_powers():
    """Equation 4 for five updates: 1 4 9 16 25 of 55."""
    torch.testing.assert_close(SquaredWeights()(5, 0) * 55, torch.tensor([1.0, 4, 9, 16, 25], dtype=torch.float64))
    torch.testing.assert_close(ExponentialWeights(0.5)(2, 0), torch.tensor([1 / 3, 2 / 3], dtype=torch.float64))


def case(updates=2, frames=4, dtype=torch.float32):
    torch.manual_seed(0)
    batch = {
        "flow_forward": torch.randn(1, frames, 2, 5, 6, dtype=dtype),
        "flow_backward": torch.randn(1, frames, 2, 5, 6, dtype=dtype),
        "hidden": (torch.rand(1, frames, 2, 5, 6) > 0.5).to(dtype),
        "valid": (torch.rand(1, frames, 2, 5, 6) > 0.2).to(dtype),
    }
    flows = [torch.randn(1, frames, 2, 5, 6, dtype=dtype) for _ in range(2 * (updates + 1))]
    return batch, Refined(flows[: updates + 1], flows[updates + 1 :], [], torch.randn(1, frames, 4, 5, 6, dtype=dtype))


def test_criterion_sums_terms_over_updates():
    """Two updates by equal weights, two terms by 2 and 0.5; the fill, first of the flows, costs nothing."""
    batch, refined = case()
    criterion = RefinementCriterion(ExponentialWeights(1.0), l1=2.0, lateral=0.5)
    terms = criterion(refined, batch, step=0)
    true = torch.stack([batch["flow_forward"], batch["flow_backward"]], 2)
    hidden, valid = batch["hidden"][:, :, :, None], batch["valid"][:, :, :, None]
    l1, lateral = [], []
    for update in (1, 2):
        flow = torch.stack([refined.forward[update], refined.backward[update]], 2)
        l1.append(hole_l1(flow, true, hidden, valid))
        lateral.append(lateral_dependency(flow, true, hidden, valid))
    torch.testing.assert_close(terms["loss"], (2 * sum(l1) + 0.5 * sum(lateral)) / 2)
    torch.testing.assert_close(terms["loss/l1"], l1[1])
    torch.testing.assert_close(terms["loss/lateral"], lateral[1])
    assert set(terms) == {"loss", "loss/l1", "loss/lateral"}  # a term of weight 0 is not there
    spoiled = Refined([refined.forward[0] + 9, *refined.forward[1:]], refined.backward, [])
    assert criterion(spoiled, batch, step=0)["loss"] == terms["loss"]


def test_each_direction_is_judged_by_its_own():
    """Catches forward and backward exchanged, in the flows or in the masks."""
    batch, refined = case(updates=1)
    batch["hidden"][:, :, 1] = 0  # nothing of backward
    criterion = RefinementCriterion()
    loss = criterion(refined, batch, 0)["loss"]
    elsewhere = Refined(refined.forward, [flow + 5 for flow in refined.backward], [])
    assert criterion(elsewhere, batch, 0)["loss"] == loss
    exact = Refined([refined.forward[0], batch["flow_forward"]], refined.backward, [])
    assert criterion(exact, batch, 0)["loss"] == 0


def test_ramp():
    """0 at the start, 1 - 1/e after its steps; the decoder is judged from the start."""
    batch, refined = case()
    flat, ramped = RefinementCriterion(), RefinementCriterion(ramp=1000.0)
    whole = flat(refined, batch, 0)["loss"].item()
    assert ramped(refined, batch, 0)["loss"] == 0
    assert ramped(refined, batch, 1000)["loss"].item() == pytest.approx(whole * (1 - math.exp(-1)), rel=1e-5)
    decoder = RefinementCriterion(l1=1.0, decoder=3.0, ramp=1000.0)(refined, batch, 0)
    true = torch.cat([batch["flow_forward"], batch["flow_backward"]], 2)
    known = ((batch["hidden"] == 0) & (batch["valid"] == 1)).repeat_interleave(2, 2)  # u, v forward; u, v backward
    expected = (refined.decoded - true).abs()[known].mean()
    torch.testing.assert_close(decoder["loss/decoder"], expected)
    torch.testing.assert_close(decoder["loss"], 3 * expected)


def test_a_fill_that_learns_is_judged_before_any_update():
    """Twice the fill's mean difference in the hole, from the first step on, and nothing of the updates: rise is 0."""
    batch, refined = case()
    terms = RefinementCriterion(fill=2.0, ramp=1000.0)(refined, batch, 0)
    true = torch.stack([batch["flow_forward"], batch["flow_backward"]], 2)
    fill = torch.stack([refined.forward[0], refined.backward[0]], 2)
    expected = hole_l1(fill, true, batch["hidden"][:, :, :, None], batch["valid"][:, :, :, None])
    torch.testing.assert_close(terms["loss/fill"], expected)
    torch.testing.assert_close(terms["loss"], 2 * expected)
    alone = RefinementCriterion(fill=2.0)(Refined(refined.forward[:1], refined.backward[:1], []), batch, 0)
    torch.testing.assert_close(alone["loss"], 2 * expected)  # a net of no steps


def test_variation_of_the_flow_or_of_its_difference():
    batch, refined = case(updates=1)
    exact = Refined([refined.forward[0], batch["flow_forward"]], [refined.backward[0], batch["flow_backward"]], [])
    options = {"l1": 0.0, "total_variation": 1.0}
    assert RefinementCriterion(**options)(exact, batch, 0)["loss"] > 0.1
    assert RefinementCriterion(**options, variation_of="difference")(exact, batch, 0)["loss"] == 0


def test_region_is_the_frame_or_the_hole():
    """A flat flow whose one hidden vector is off by 1 in u: all 2 + 2 pairs of it differ, of 50 + 48 in both frames."""
    batch = {name: torch.zeros(1, 1, 2, 5, 6) for name in ("flow_forward", "flow_backward", "hidden")}
    batch["valid"] = torch.ones(1, 1, 2, 5, 6)
    batch["hidden"][0, 0, 0, 2, 3] = 1
    flow = batch["flow_forward"].clone()
    flow[0, 0, 0, 2, 3] = 1
    refined = Refined([flow, flow], [batch["flow_backward"]] * 2, [])
    options = {"l1": 0.0, "total_variation": 1.0}
    assert RefinementCriterion(**options, region="hole")(refined, batch, 0)["loss"] == 0.5 + 0.5
    frame = RefinementCriterion(**options, region="frame")(refined, batch, 0)["loss"].item()
    assert frame == pytest.approx(2 / (2 * 2 * 25) + 2 / (2 * 2 * 24))


def test_gradient():
    batch, refined = case(updates=1, frames=3, dtype=torch.float64)
    criterion = RefinementCriterion(
        MovingWeights(), total_variation=0.3, forward_backward=0.7, lateral=0.2, decoder=0.5, ramp=1000.0
    )

    def loss(*tensors):
        flows, decoded = tensors[:-1], tensors[-1]
        return criterion(Refined(flows[:2], flows[2:], [], decoded), batch, 1500)["loss"]

    inputs = [*refined.forward, *refined.backward, refined.decoded]
    assert torch.autograd.gradcheck(loss, [x.requires_grad_() for x in inputs], atol=1e-4, fast_mode=True)


def test_flat_flows_have_finite_slopes():
    """Lengths of zero vectors, in cycles and in steps: a bare square root would give NaN."""
    batch, _ = case()
    flows = [torch.zeros(1, 4, 2, 5, 6, requires_grad=True) for _ in range(4)]
    criterion = RefinementCriterion(total_variation=1.0, forward_backward=1.0, lateral=1.0)
    criterion(Refined(flows[:2], flows[2:], []), batch, 0)["loss"].backward()
    assert flows[1].grad.isfinite().all()
    assert flows[3].grad.isfinite().all()


def test_empty_hole_costs_nothing():
    batch, refined = case()
    batch["hidden"] = torch.zeros_like(batch["hidden"])
    criterion = RefinementCriterion(total_variation=1.0, forward_backward=1.0, lateral=1.0)
    assert criterion(refined, batch, 0)["loss"] == 0


def test_float32_under_autocast():
    batch, refined = case()
    half = Refined([f.bfloat16() for f in refined.forward], [f.bfloat16() for f in refined.backward], [])
    whole = Refined([f.float() for f in half.forward], [f.float() for f in half.backward], [])
    criterion = RefinementCriterion(total_variation=1.0, forward_backward=1.0, lateral=1.0)
    with torch.autocast("cpu", torch.bfloat16):
        inside = criterion(half, batch, 0)["loss"]
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, criterion(whole, batch, 0)["loss"], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "name"), [({"l1": -1.0}, "l1"), ({"lateral": -0.1}, "lateral"), ({"ramp": 0.0}, "ramp")]
)
def test_bad_options_are_named(options, name):
    with pytest.raises(InputError, match=f"RefinementCriterion: {name} is"):
        RefinementCriterion(**options)


def test_something_must_be_judged():
    with pytest.raises(InputError, match="all 0"):
        RefinementCriterion(l1=0.0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MovingWeights(every=0), "MovingWeights: every is 0"),
        (lambda: ExponentialWeights(1.1), "ExponentialWeights: gamma is 1.1"),
    ],
)
def test_bad_schedules_are_named(build, message):
    with pytest.raises(InputError, match=message):
        build()
