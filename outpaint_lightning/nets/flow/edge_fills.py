"""Fills that are smooth on each side of motion edges and discontinuous across them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from outpaint_lightning.nets.flow.completion import FlowCompletion
from outpaint_lightning.nets.flow.fills import Fill, HarmonicFill, NearestFill
from outpaint_lightning.nets.flow.solvers import Links, cut_links, harmonic, links_of, unreached
from outpaint_lightning.types import InputError


class EdgeCutFill(Fill):
    """A harmonic fill that does not smooth across the edges of a guide.

    The guide is another fill or net that completes the same flow. Where its result jumps between two neighbouring
    pixels, or where it predicts edges, the link between them is cut (see `nets.flow.edges`). Then Laplace's equation is
    solved over the remaining links. With the true edges, this is the upper bound `harmonic_with_edges`; with the edges
    of `NearestFill` it needs no training.

    Source: the edge guided completion of Gao et al., *Flow-edge Guided Video Completion* (ECCV 2020), section 3.2.

    Args:
        guide: a fill, or a net that returns a `FlowCompletion`; None for `NearestFill()`.
        jump: the guide's flow has an edge where neighbours differ by more than this, in pixels (Euclidean norm).
        threshold: if a net predicts edges, a pixel is an edge if its probability is above this value.

    Raises:
        InputError: `jump` or `threshold` is out of range.

    Example:
        >>> import torch
        >>> flow = torch.tensor([1.0, 1, 1, 1, 5, 5, 5, 5]).expand(1, 1, 2, 8, 8)  # two halves
        >>> hidden = torch.zeros(1, 1, 2, 8, 8)
        >>> hidden[..., 2:6, 2:6] = 1
        >>> forward, backward = EdgeCutFill()(flow, flow, hidden)
        >>> forward[0, 0, 0, 4].round(decimals=2).tolist()
        [1.0, 1.0, 1.0, 1.0, 5.0, 5.0, 5.0, 5.0]
    """

    def __init__(self, guide: nn.Module | None = None, jump: float = 0.5, threshold: float = 0.5) -> None:
        super().__init__()
        if not jump > 0:
            raise InputError(f"EdgeCutFill: jump is {jump}: expected a positive number of pixels")
        if not 0 < threshold < 1:
            raise InputError(f"EdgeCutFill: threshold is {threshold}: expected a probability between 0 and 1")
        self.guide = NearestFill() if guide is None else guide
        self.jump, self.threshold = jump, threshold

    def fill_window(
        self, forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Get edges from the guide, and fill between them."""
        guided = self.guide(forward, backward, torch.cat([forward_hole, backward_hole], 2).to(forward.dtype))
        if isinstance(guided, FlowCompletion) and guided.edges is not None:
            edges = guided.edges.sigmoid() > self.threshold
            links = [cut_links(edges[:, :, channel].flatten(0, 1)[:, None]) for channel in range(2)]
        else:
            flows = (guided.forward[-1], guided.backward[-1]) if isinstance(guided, FlowCompletion) else guided
            links = [links_of(flow.flatten(0, 1), self.jump) for flow in flows]
        return _fill_between(forward, backward, forward_hole, backward_hole, links)


def harmonic_with_edges(
    flow_forward: Tensor, flow_backward: Tensor, hidden: Tensor, guide: Tensor, jump: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Fill harmonically on both sides of given edges. With the true edges, this bounds completion by edges.

    Args:
        flow_forward: `B T 2 H W` in pixels.
        flow_backward: `B T 2 H W` in pixels.
        hidden: `B T 2 H W`, 1 = to be filled.
        guide: `B T C H W`. An edge runs between two neighbours where the guide differs by more than `jump` (Euclidean
            norm). Use labels of objects, or the true flows in pixels (`torch.cat([flow_forward, flow_backward], 2)`).
        jump: see `guide`.

    Returns:
        The forward and the backward flow, `B T 2 H W`.

    Raises:
        InputError: the guide and the flow differ in frame size or number of frames.
    """
    _require_size("guide", guide, flow_forward)
    return _between(flow_forward, flow_backward, hidden, [links_of(guide.flatten(0, 1), jump)] * 2)


def harmonic_between(
    flow_forward: Tensor, flow_backward: Tensor, hidden: Tensor, edges: Tensor
) -> tuple[Tensor, Tensor]:
    """Fill harmonically on both sides of edges that are given as pixels; see `nets.flow.edges`.

    Args:
        flow_forward: `B T 2 H W` in pixels.
        flow_backward: `B T 2 H W` in pixels.
        hidden: `B T 2 H W`, 1 = to be filled.
        edges: bool `B T 2 H W`, for the forward and the backward flow.

    Returns:
        The forward and the backward flow, `B T 2 H W`.

    Raises:
        InputError: the edges and the flow differ in frame size or number of frames.
    """
    _require_size("edges", edges, flow_forward)
    links = [cut_links(edges[:, :, channel].flatten(0, 1)[:, None]) for channel in range(2)]
    return _between(flow_forward, flow_backward, hidden, links)


def _require_size(name: str, given: Tensor, flow: Tensor) -> None:
    own, other = (f"{each.shape[-1]}x{each.shape[-2]}, {each.shape[1]} frames" for each in (given, flow))
    if own != other:
        raise InputError(f"{name} of {own}; expected {other}, as the flow")


def _between(forward: Tensor, backward: Tensor, hidden: Tensor, links: list[Links]) -> tuple[Tensor, Tensor]:
    first, second = _LinkedFill(links)(forward, backward, hidden)
    return first, second


class _LinkedFill(Fill):
    """A harmonic fill along given links of the forward and of the backward flow."""

    def __init__(self, links: list[Links]) -> None:
        super().__init__()
        self.links = links

    def fill_window(
        self, forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `_fill_between`."""
        return _fill_between(forward, backward, forward_hole, backward_hole, self.links)


def _fill_between(
    forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor, links: list[Links]
) -> tuple[Tensor, Tensor]:
    """Fill the pixels that known vectors reach along links; fill the rest, which edges cut off, like `HarmonicFill`."""
    flows, left = [], []
    for flow, hole, tied in zip((forward, backward), (forward_hole, backward_hole), links, strict=True):
        cut_off = unreached(hole.flatten(0, 1), tied)
        reached = hole.flatten(0, 1) & ~cut_off
        flows.append(harmonic(flow.flatten(0, 1), reached, links=tied).view_as(flow))
        left.append(cut_off.view_as(hole))
    first, second = HarmonicFill()(*flows, torch.cat(left, 2))
    return first, second
