import itertools

import pytest
import torch

from outpaint_lightning.nets import (
    BinaryRule,
    FlowRefiner,
    HarmonicFill,
    MeanRule,
    NearestFill,
    PolynomialRule,
    PowerRule,
    ZeroFill,
)
from outpaint_lightning.types import InputError

ARCHITECTURES = ["1", "2", "replace", "add"]


def window(batch=1, frames=4, height=26, width=38, seed=0):
    """Smooth random flows and holes of other sizes and places in each window."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(2 * batch * frames, 2, 4, 5, generator=generator) * 3
    flow = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").view(
        2, batch, frames, 2, height, width
    )
    hidden = torch.zeros(batch, frames, 2, height, width)
    for i in range(batch):
        hidden[i, :, :, 8 + i : 18 + 3 * i, 10 - 5 * i : 24] = 1
        hidden[i, 1] = 0
        hidden[i, 1, 0, :6, 30:] = 1  # the forward vectors alone, in the frame's corner
    return flow[0], flow[1], hidden


def refiner(seed=1, **options):
    """A net that was not trained, but whose decoder says something."""
    torch.manual_seed(seed)
    net = FlowRefiner(channels=8, **options)
    torch.nn.init.normal_(net.decoder.last.weight, std=0.05)
    net.update.second.convolution.reset_parameters()  # some architectures start it from zeros
    for parameter in net.update.parameters():
        if parameter.ndim == 1:  # biases, and the rules' weights
            torch.nn.init.normal_(parameter, std=0.3)
    return net.eval()


def worst(first, second):
    pairs = zip(
        [*first.forward, *first.backward, *first.confidence],
        [*second.forward, *second.backward, *second.confidence],
        strict=True,
    )
    return max((a - b).abs().max().item() for a, b in pairs)


def change(refinement):
    """How far the last update is from the fill, in pixels."""
    return (refinement.forward[-1] - refinement.forward[0]).abs().max().item()


@pytest.mark.parametrize("options", [{"residual": True}, {"residual": False}, {"levels": 3}])
def test_before_any_update_there_is_the_fill(options):
    given = window()
    for fill in (HarmonicFill(), NearestFill(), ZeroFill()):
        expected = fill(*given)
        net = refiner(fill=fill, **options)
        with torch.no_grad():
            for refinement in (net(*given), net(*given, steps=0)):
                assert torch.equal(refinement.forward[0], expected[0])
                assert torch.equal(refinement.backward[0], expected[1])
        assert len(refinement.forward) == len(refinement.backward) == len(refinement.confidence) == 1
        assert refinement.decoded.shape == (1, 4, 4, 26, 38)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_untrained_net_leaves_the_fill(architecture):
    given = window()
    refinement = FlowRefiner(channels=8, architecture=architecture)(*given)
    assert len(refinement.forward) == 6
    assert torch.equal(refinement.forward[-1], refinement.forward[0])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("options", [{}, {"residual": False, "monotone": False}, {"levels": 2}])
def test_known_vectors_stay_bit_by_bit(architecture, options):
    """After 20 steps, training or not; and confidence stays 1 there. Kills normalising the state and mask decay."""
    forward, backward, hidden = window()
    for training in (True, False):
        net = refiner(architecture=architecture, **options).train(training)
        with torch.no_grad():
            refinement = net(forward, backward, hidden, steps=20)
        for i, (given, flows) in enumerate(((forward, refinement.forward), (backward, refinement.backward))):
            known = (hidden[:, :, i : i + 1] == 0).expand_as(given)
            assert all(torch.equal(flow[known], given[known]) for flow in flows)
        sure = hidden.amax(2, keepdim=True) == 0
        assert all((confidence[sure] == 1).all() for confidence in refinement.confidence)
        assert (refinement.confidence[0][~sure] == 0).all()
        assert change(refinement) > 0.1


@pytest.mark.parametrize("levels", [1, 2])
def test_hidden_vectors_are_never_read(levels):
    forward, backward, hidden = window()
    net = refiner(levels=levels)
    poisoned = [torch.where(hidden[:, :, i : i + 1] > 0, torch.nan, flow) for i, flow in enumerate((forward, backward))]
    with torch.no_grad():
        assert worst(net(forward, backward, hidden), net(*poisoned, hidden)) == 0


def test_time_reversed_with_both_directions_swapped():
    """Kills updates that read what the same step wrote, and swapped neighbours or flows."""
    forward, backward, hidden = window()
    hidden[:, 0, :, 3:12, 20:30] = 1
    net = refiner()
    with torch.no_grad():
        expected = net(forward, backward, hidden)
        swap_flows = torch.tensor([2, 3, 0, 1])
        net.encoder.first.weight.copy_(net.encoder.first.weight[:, swap_flows].clone())
        net.decoder.last.weight.copy_(net.decoder.last.weight[swap_flows].clone())
        for values, groups in ((net.update.first.convolution.weight, 1), (net.update.gains[0], 0)):
            parts = values.split(8, groups)
            values.copy_(torch.cat(parts[::-1], groups).clone())
        weights = net.update.first.rule.raw_weight
        weights.copy_(weights.view(3, 9).flip(0).flatten().clone())
        swapped = net(backward.flip(1), forward.flip(1), hidden.flip(1).flip(2))
    for name, other in (("forward", "backward"), ("backward", "forward"), ("confidence", "confidence")):
        for result, mirror in zip(getattr(expected, name), getattr(swapped, other), strict=True):
            torch.testing.assert_close(result, mirror.flip(1), atol=1e-4, rtol=0)
    assert change(expected) > 0.1


def test_neighbours_are_brought_along_the_flow():
    """Frame 1 is hidden as a whole and its fill is exact: it is known wherever its neighbour's pixels land.

    Frames 0 and 2 are known. The flow to frame 0 leaves the frame; to frame 2 it is 3 pixels to the right, so after
    one step everything but the last 3 columns, a pixel and half the kernels is known. Kills -flow and frames swapped.
    """
    forward, backward = torch.zeros(2, 1, 3, 2, 12, 20)
    forward[:, :, 0] = 3
    backward[:, :, 0] = 100
    hidden = torch.zeros(1, 3, 2, 12, 20)
    hidden[:, 1, :, :, 1:] = 1
    refinement = FlowRefiner(fill=Given(), channels=4, rule=BinaryRule)(forward, backward, hidden, steps=1)
    sure = refinement.confidence[1][0, 1, 0]
    assert (sure[:, :19] == 1).all()  # column 16 is the last one brought, and two kernels reach 2 columns further
    assert (sure[:, 19] == 0).all()


class Given(ZeroFill):
    """Takes what comes for filled."""

    def forward(self, flow_forward, flow_backward, hidden):  # noqa: ARG002
        return flow_forward, flow_backward


def test_one_frame_alone():
    given = window(frames=4)
    net = refiner()
    with torch.no_grad():
        refinement = net(*(part[:, 2:3] for part in given))
    assert all(flow.isfinite().all() for flow in refinement.forward)
    # of a hole 10 pixels high, 3 steps reach 6 from each side: all of it
    assert (net(*(part[:, 2:3] for part in given), steps=3).confidence[-1] > 0).all()
    assert (net(*(part[:, 2:3] for part in given), steps=2).confidence[-1] == 0).any()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("rule", [BinaryRule, MeanRule, PowerRule, PolynomialRule])
def test_windows_change_nothing_but_the_cost(rule, architecture):
    given = window(batch=2)
    net = refiner(rule=rule, architecture=architecture)
    with torch.no_grad():
        cropped = net(*given)
        net.crop = False
        whole = net(*given)
    assert worst(cropped, whole) < 1e-4  # pixels; rounding grows by the slope of flow from step to step
    assert change(whole) > 0.1


def test_a_batch_is_its_samples():
    """Kills statistics over the batch. The fill's tolerance is far below what is allowed."""
    given = window(batch=2)
    net = refiner(fill=HarmonicFill(tolerance=1e-6), levels=2)
    with torch.no_grad():
        both = net(*given)
        for i in range(2):
            one = net(*(part[i : i + 1] for part in given))
            selected = type(both)(*([x[i : i + 1] for x in part] for part in both[:3]), both.decoded[i : i + 1])
            assert worst(one, selected) < 1e-3
            torch.testing.assert_close(one.decoded, selected.decoded, atol=1e-3, rtol=0)


def test_architectures_by_hand():
    """F = 4, h = 10, m2 = 0.5: at m = 0, (4 + 5)/1.5, 10, 7 and 9; at m = 1 all leave F."""
    from outpaint_lightning.nets.flow.refiner import ARCHITECTURES as table

    old, new, sure = torch.tensor(4.0), torch.tensor(10.0), torch.tensor(0.5)
    results = {name: update(old, new, sure, torch.tensor(0.0)).item() for name, update in table.items()}
    assert results == {"1": 6.0, "2": 10.0, "replace": 7.0, "add": 9.0}
    assert {update(old, new, sure, torch.tensor(1.0)).item() for update in table.values()} == {4.0}


def test_scale_of_flow():
    """A net of twice the scale sees twice the flow as the same. Kills a constant of pixels inside the net."""
    forward, backward, _ = window()
    net, twice = refiner(scale=10.0), refiner(scale=20.0)
    torch.testing.assert_close(
        net.encoder(torch.cat([forward, backward], 2)[0]), twice.encoder(2 * torch.cat([forward, backward], 2)[0])
    )


def test_confidence_never_falls_and_grows():
    given = window(height=48, width=60)
    with torch.no_grad():
        confidence = refiner()(*given, steps=8).confidence
        plain = refiner(monotone=False, rule=MeanRule)(*given, steps=8).confidence
    assert all((after >= before).all() for before, after in itertools.pairwise(confidence))
    means = [c.mean().item() for c in plain]
    assert means == sorted(means)
    assert means[-1] > means[0] + 0.01


@pytest.mark.parametrize(("detach_flow", "detach_confidence"), [(False, True), (True, False), (True, True)])
def test_gradients_reach_where_they_should(detach_flow, detach_confidence):
    """What the second step's confidence, or features, owe to the first step's flow. Every parameter learns."""
    given = window(batch=1)
    options = {"detach_flow": detach_flow, "detach_confidence": detach_confidence}
    net = refiner(**options)
    refinement = net(*given, steps=2)
    decoder = net.decoder.last.weight
    (gradient,) = torch.autograd.grad(refinement.confidence[-1].sum(), decoder, allow_unused=True, retain_graph=True)
    assert (gradient is not None and (gradient != 0).any().item()) == (not detach_confidence)
    (refinement.forward[-1].square().mean() + refinement.confidence[-1].mean()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and (p.grad != 0).any() for p in net.parameters())
    again = refiner(checkpoint_steps=True, **options)
    refinement = again(*given, steps=2)
    (refinement.forward[-1].square().mean() + refinement.confidence[-1].mean()).backward()
    for (name, p), q in zip(net.named_parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, msg=name)


def test_nothing_hidden_and_everything_hidden():
    forward, backward, hidden = window()
    net = refiner()
    with torch.no_grad():
        same = net(forward, backward, torch.zeros_like(hidden))
        assert all(torch.equal(flow, forward) for flow in same.forward)
        assert len(same.forward) == 6
        empty = net(forward, backward, torch.ones_like(hidden))
    assert all((confidence == 0).all() for confidence in empty.confidence)
    assert all(flow.isfinite().all() for flow in empty.forward)


def test_autocast_changes_nothing():
    given = window()
    net = refiner()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        inside = net(*given)
    with torch.no_grad():
        assert worst(inside, net(*given)) == 0


def test_levels_reach_further():
    """A hole of 32 pixels: 3 steps reach 6, and 3 on a quarter of the size 24. All flows are of full size."""
    forward, backward, _ = window(height=64, width=64)
    hidden = torch.zeros(1, 4, 2, 64, 64)
    hidden[..., 16:48, 16:48] = 1
    with torch.no_grad():
        one, three = (refiner(levels=levels, rule=BinaryRule)(forward, backward, hidden, steps=3) for levels in (1, 3))
    assert (one.confidence[-1] == 0).any()
    assert (three.confidence[-1] > 0).all()
    assert len(three.forward) == 1 + 3 * 3
    assert {flow.shape for flow in three.forward} == {forward.shape}


def overfit(steps, **options):
    """Train on one window of a plane that moves, zooms and holds a moving square; return errors: fill, refined."""
    torch.manual_seed(0)
    frames, height, width = 3, 24, 32
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    forward = torch.stack([0.05 * x + 1, 0.05 * y - 1]).expand(1, frames, 2, height, width).clone()
    hidden = torch.zeros_like(forward)
    for t in range(frames):
        forward[0, t, :, 8:18, 8 + 3 * t : 17 + 3 * t] = torch.tensor([3.0, 0])[:, None, None]
    backward = -forward
    hidden[..., 6:14, 12:22] = 1
    filled = HarmonicFill()(forward, backward, hidden)  # once, not in each iteration
    net = FlowRefiner(fill=Given(), channels=16, steps=4, **options)
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
    hole = hidden[:, :, :1] > 0

    def errors(refinement):
        return [((flow - forward).norm(dim=2, keepdim=True) * hole).sum() / hole.sum() for flow in refinement.forward]

    for _ in range(steps):
        refinement = net(*filled, hidden)
        pairs = zip(refinement.forward[1:], refinement.backward[1:], strict=True)
        loss = sum(((f - forward).abs() + (b - backward).abs()).mean() for f, b in pairs) * 10
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fill, *_, refined = errors(net(*filled, hidden))
    return fill.item(), refined.item()


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_learns_one_scene(architecture):
    """Half of what the harmonic fill misses; a sixth is usual, and a sixteenth after 300 iterations."""
    fill, refined = overfit(120, architecture=architecture)
    assert fill > 0.3
    assert refined < 0.5 * fill


def test_a_net_that_changes_nothing_keeps_the_edges_of_its_fill_on_every_level():
    """Kills levels that hand a coarse flow on instead of its change."""
    given = window()
    net = FlowRefiner(NearestFill(), channels=8, levels=3)  # not trained: says nothing
    with torch.no_grad():
        refinement = net(*given)
    for flow in refinement.forward:
        torch.testing.assert_close(flow, refinement.forward[0], rtol=0, atol=1e-5)


def test_updates_see_the_fill_that_they_trust():
    """Two fills differ in the middle of a hole: what is added there depends on it, if there is any trust in it."""

    class Bump(ZeroFill):
        def fill_window(self, forward, backward, forward_hole, backward_hole):  # noqa: ARG002
            bump = torch.zeros_like(forward)
            bump[..., 12:14, 12:16] = 5
            return bump, bump

    given = tuple(part[:, :1] for part in window())  # alone: no neighbour is looked up along the fill
    for trust, differs in ((0.0, False), (0.5, True)):
        added = []
        for fill in (ZeroFill(), Bump()):
            with torch.no_grad():
                refinement = refiner(fill=fill, steps=1, scale=1.0, trust=trust)(*given)
            added.append((refinement.forward[1] - refinement.forward[0])[..., 10:16, 10:18])
        assert torch.allclose(*added, atol=1e-5) is not differs


@pytest.mark.slow
def test_it_can_be_exported():
    """`torch.export` traces what follows the fill; windows and the harmonic fill depend on the holes."""
    given = window()
    net = refiner(fill=ZeroFill(), crop=False, steps=3)
    program = torch.export.export(net, given)
    with torch.no_grad():
        assert worst(program.module()(*given), net(*given)) < 1e-4


@pytest.mark.slow
def test_onnx():
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is no dependency of the package")
    given = window()
    net = refiner(fill=ZeroFill(), crop=False, steps=2)
    program = torch.onnx.export(net, given, dynamo=True)
    with torch.no_grad():
        expected = [leaf for leaf in torch.utils._pytree.tree_leaves(net(*given)) if leaf is not None]
    for result, eager in zip(program(*given), expected, strict=True):
        torch.testing.assert_close(result, eager, atol=1e-4, rtol=1e-4)


def test_yaml_chooses_rule_and_fill():
    """As LightningCLI does: a rule is given as a class whose number of groups the net fills in."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser()
    parser.add_subclass_arguments(torch.nn.Module, "net")
    package = "outpaint_lightning.nets."
    config = {
        "class_path": package + "FlowRefiner",
        "init_args": {
            "channels": 4,
            "architecture": "1",
            "fill": {"class_path": package + "HarmonicFill", "init_args": {"border": "linear"}},
            "rule": {"class_path": package + "PowerRule", "init_args": {"power": 5.0}},
        },
    }
    net = parser.instantiate(parser.parse_object({"net": config})).net
    assert net.fill.border == "linear"
    assert net.update.first.rule.groups == 3
    assert net.update.second.rule.power.item() == pytest.approx(5)


def test_bad_options_are_named():
    for options, message in (
        ({"architecture": "3"}, r"FlowRefiner: architecture is '3': expected one of 1, 2, replace, add"),
        ({"steps": -1}, r"FlowRefiner: steps is -1: expected 0 or more"),
        ({"levels": 0}, r"FlowRefiner: levels is 0: expected 1 or more"),
        ({"channels": 0}, r"FlowRefiner: channels is 0"),
        ({"scale": 0.0}, r"FlowRefiner: scale is 0\.0: expected a positive"),
        ({"trust": 1.0}, r"FlowRefiner: trust is 1\.0: expected a confidence"),
    ):
        with pytest.raises(InputError, match=message):
            FlowRefiner(**options)
