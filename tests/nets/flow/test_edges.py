"""Edges of flow, and fills that are cut at them."""

import pytest
import torch

from outpaint_lightning.nets import EdgeCutFill, FlowCompletion, HarmonicFill
from outpaint_lightning.nets.flow.edge_fills import harmonic_between, harmonic_with_edges
from outpaint_lightning.nets.flow.edges import canny_edges, jump_edges
from outpaint_lightning.types import InputError


def halves(left, right, at=9, height=12, width=20):
    """Two halves of constant flow, `1 2 H W`; the right one begins in column `at`."""
    flow = torch.tensor(left).view(1, 2, 1, 1).expand(1, 2, height, width).clone()
    flow[..., at:] = torch.tensor(right).view(2, 1, 1)
    return flow


def columns(edges):
    return edges[0, 0].any(0).nonzero()[:, 0].tolist()


def test_an_edge_is_the_pixel_before_the_jump():
    """The left of the two, and the upper. None beside a vector that is not known, none below the jump."""
    flow = halves([0.0, 0.0], [0.3, 0.4])  # a jump of 0.5 exactly is none
    assert not jump_edges(flow).any()
    flow = halves([0.0, 0.0], [0.0, -0.6])
    assert columns(jump_edges(flow)) == [8]
    assert columns(jump_edges(flow.transpose(2, 3)).transpose(2, 3)) == [8]
    valid = torch.ones(1, 1, 12, 20, dtype=torch.bool)
    valid[..., 9] = False
    assert not jump_edges(flow, valid).any()


def test_canny_is_thin_and_sees_changes_of_direction():
    """A ramp of 0.3, 0.6 and 0.3 px is one edge. Of two motions of one length the length sees nothing."""
    flow = halves([0.0, 0.0], [1.2, 0.0])
    flow[:, 0, :, 8], flow[:, 0, :, 9] = 0.3, 0.9
    assert columns(canny_edges(flow)) == [8]
    turned = halves([3.0, 0.0], [0.0, 3.0])
    assert columns(canny_edges(turned)) == [8]
    assert not canny_edges(turned, "magnitude")[..., 2:-2, 4:-4].any()
    for mode in ("colour", "grey"):
        assert canny_edges(turned, mode).any()


def test_weak_edges_stay_only_where_they_go_on_from_strong_ones():
    """0.3 px in the upper half, 0.8 px in the lower: all of it; 0.3 px alone: none. Kills one threshold for all."""
    flow = halves([0.0, 0.0], [0.3, 0.0])
    assert not canny_edges(flow).any()
    flow[:, 0, 6:, 9:] = 0.8
    found = canny_edges(flow)[0, 0, :, 8]
    assert [*found[:5], *found[6:]] == [True] * 11  # between them the step along the right half is stronger


def test_pixels_cut_on_both_sides_of_an_edge():
    """Two halves, exact with the edge as a pixel, though it touches nothing but its own half; each flow has its own."""
    flow = halves([1.0, 0.0], [5.0, -1.0])[None]
    hidden = torch.zeros(1, 1, 2, 12, 20)
    hidden[..., 3:9, 5:15] = 1
    edges = jump_edges(flow[0]).view(1, 1, 1, 12, 20).expand(1, 1, 2, 12, 20).clone()
    poisoned = torch.where(hidden[:, :, :1] > 0, torch.nan, flow)
    forward, _ = harmonic_between(poisoned, poisoned, hidden, edges)
    torch.testing.assert_close(forward, flow)
    edges[:, :, 0] = False
    forward, backward = harmonic_between(poisoned, poisoned, hidden, edges)
    assert (forward - flow).abs().max() > 1
    torch.testing.assert_close(backward, flow)


class Says(torch.nn.Module):
    """A net that says these edges, and no flow worth a look."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, forward, backward, hidden):  # noqa: ARG002
        return FlowCompletion([forward], [backward], edges=self.logits)


def test_a_guide_is_a_fill_or_a_net_that_says_edges():
    """A net may know the edge. The nearest fill guesses one: sharp, wherever it is."""
    flow = halves([1.0, 0.0], [5.0, -1.0], at=7)[None]
    hidden = torch.zeros(1, 1, 2, 12, 20)
    hidden[..., 3:9, 5:15] = 1
    known = 8 * jump_edges(flow[0]).view(1, 1, 1, 12, 20).expand(1, 1, 2, 12, 20).float() - 4
    told, _ = EdgeCutFill(Says(known))(flow, flow, hidden)
    torch.testing.assert_close(told, flow)
    guessed, _ = EdgeCutFill()(flow, flow, hidden)
    assert {*guessed[0, 0, 0].round(decimals=4).unique().tolist()} == {1.0, 5.0}
    smooth, _ = HarmonicFill()(flow, flow, hidden)
    assert ((smooth > 1.5) & (smooth < 4.5))[0, 0, 0].any()


def test_bad_edges_are_named():
    flow, hidden = torch.zeros(1, 2, 2, 8, 9), torch.zeros(1, 2, 2, 8, 9)
    with pytest.raises(InputError, match="edges of 7x8, 2 frames; expected 9x8, 2 frames, as the flow"):
        harmonic_between(flow, flow, hidden, torch.zeros(1, 2, 2, 8, 7, dtype=torch.bool))
    with pytest.raises(InputError, match="guide of 9x8, 3 frames"):
        harmonic_with_edges(flow, flow, hidden, torch.zeros(1, 3, 1, 8, 9))
    for options in ({"jump": 0.0}, {"threshold": 1.0}):
        with pytest.raises(InputError, match=f"EdgeCutFill: {next(iter(options))} is"):
            EdgeCutFill(**options)
