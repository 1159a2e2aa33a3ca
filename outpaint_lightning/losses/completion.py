"""Losses of nets that complete flow in one pass: on vectors, cycles, edges and the expected error.

Flow is in pixels, `u` (x) first. Masks are as in `losses.flow`. Source: Chatillon et al., *Towards video inpainting*
(2020), section 2, "the paper" below. A mean over an empty set is 0, never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.geometry import float32_or_better, round_trip, stays_inside
from outpaint_lightning.losses.flow import hole_l1, lateral_dependency, min_forward_backward
from outpaint_lightning.nets.flow.edges import jump_edges
from outpaint_lightning.processes.reduce import mean_over_processes
from outpaint_lightning.types import Batch, InputError

if TYPE_CHECKING:
    from outpaint_lightning.nets.flow.completion import FlowCompletion

HARDEST = 0.5  # share of the hole's vectors that hard-example mining keeps
LEAST_SCALE = 1e-3  # pixels; smaller expected errors count as this value

Region = Literal["hole", "frame"]
Gate = Literal["none", "visible", "shorter"]


def forward_backward(forward: Tensor, backward: Tensor, counted: Tensor) -> Tensor:
    """Mean length of the cycles to a neighbouring frame and back, in both directions.

    With f the forward and b the backward flow: `|f_t(x) + b_{t+1}(x + f_t(x))|` and `|b_t(x) + f_{t-1}(x + b_t(x))|`.
    Vectors that leave the frame are not counted; the paper's code repeats the frame's border there.

    Where x is occluded in the neighbouring frame, the cycle of the true flow is long. For an object that covers a
    static background, the flow with the shortest cycle decreases linearly from the object's speed to 0 over the covered
    pixels (section 2.2.4, figure 3). So exclude occluded pixels by `counted`.

    Args:
        forward: `B T 2 H W`.
        backward: `B T 2 H W`.
        counted: `B T 2 H W`, 1 where a vector counts; channel 0 for the forward flow, channel 1 for the backward flow.

    Returns:
        A scalar, in pixels.
    """
    total, count = forward.new_zeros(()), forward.new_zeros(())
    ways = (
        (forward[:, :-1], backward[:, 1:], counted[:, :-1, :1]),
        (backward[:, 1:], forward[:, :-1], counted[:, 1:, 1:]),
    )
    for there, back, where in ways:
        there_flat, back_flat = there.flatten(0, 1), back.flatten(0, 1)
        inside = (where.flatten(0, 1) > 0.5) & stays_inside(there_flat)
        # In torch, the gradient of a norm at 0 is 0.
        length = torch.linalg.vector_norm(round_trip(there_flat, back_flat), dim=1, keepdim=True)
        total, count = total + torch.where(inside, length, 0).sum(), count + inside.sum()
    return mean_over_processes(total, count)


def hardest(error: Tensor, where: Tensor, share: float = HARDEST) -> Tensor:
    """Mean of the largest errors: the largest `share` of all errors in `where`, over the whole batch.

    Source: the hard flow example mining of Xu et al. (CVPR 2019, arXiv:1905.02884), section 3.2.

    Args:
        error: any shape, 0 or more.
        where: bool, of the same shape.
        share: in (0, 1].

    Returns:
        A scalar.
    """
    errors = error[where]
    kept = errors.topk(math.ceil(len(errors) * share)).values
    return mean_over_processes(kept.sum(), error.new_tensor(len(kept)))


def balanced_edges(logits: Tensor, edges: Tensor, where: Tensor) -> Tensor:
    """Binary cross-entropy of edges in which edge pixels and other pixels have the same total weight.

    The input are logits. The public code of RFC and LAFC applies the sigmoid twice.

    Args:
        logits: any shape.
        edges: bool, of the same shape.
        where: bool, of the same shape: positions that count.

    Returns:
        A scalar. If only one of the two classes occurs, the mean over that class.
    """
    costs = F.binary_cross_entropy_with_logits(logits, edges.to(logits.dtype), reduction="none")
    means, there = [], []
    for each in (where & edges, where & ~edges):
        means.append(mean_over_processes(torch.where(each, costs, 0).sum(), each.sum()))
        there.append(each.any().to(costs.dtype))
    return torch.stack(means).sum() / torch.stack(there).sum().clamp(min=1)


def edge_contrast(edges: Tensor, steps: Tensor, scale: float) -> Tensor:
    """A loss that aligns edges with jumps of the flow, without true edges.

    With e the edge in [0, 1], n the length of the flow's step in pixels and N the scale::

        L(e, n) = (1 - e) (1 - exp(-n / N)) + e exp(-n / N)

    L is affine in e: the best e is 0 below n = N ln 2 and 1 above. No edges and no motion give a loss of 0, so it needs
    another loss beside it. Its derivative in n, `(1 - 2 e) exp(-n / N) / N`, makes steps steeper where e > 1/2.

    Source: the paper, section 2.6 and figure 14, where it was never tried.

    Args:
        edges: any shape, in [0, 1].
        steps: of the same shape, in pixels, 0 or more.
        scale: N, in pixels.

    Returns:
        The loss at every position, of the same shape.
    """
    flat = torch.exp(-steps / scale)
    return (1 - edges) * (1 - flat) + edges * flat


def laplace(error: Tensor, scale: Tensor, where: Tensor) -> Tensor:
    """Negative log-likelihood of errors under a predicted scale, without its constant: mean of `e / b + log b`.

    It is minimal if b is the mean error of all positions that look alike to the net. Source: Ilg et al. (ECCV 2018,
    arXiv:1802.07095), equation 4.

    Args:
        error: any shape, lengths in pixels. Pass them without gradient; otherwise, a large b would reduce the gradient
            of large errors.
        scale: b, of the same shape, in pixels.
        where: bool, of the same shape: positions that count.
    """
    scale = scale.clamp(min=LEAST_SCALE)
    costs = error / scale + scale.log()
    return mean_over_processes(torch.where(where, costs, 0).sum(), where.sum())


class CompletionCriterion(nn.Module):
    """The loss of the last flow of a completion, of its edges and of its expected error.

    - L, `l1`: mean absolute difference of components.
    - C, `forward_backward`: the cycles to a neighbouring frame and back; see `gate`.
    - S, `lateral`: `losses.lateral_dependency`, which asks for edges as steep as the true ones.
    - H, `hard`: `hardest` of L, in the hole.
    - E, `edges`: `balanced_edges` against `nets.flow.edges.jump_edges` of the true flow, in the hole.
    - U, `contrast`: `edge_contrast` of the edges and the steps of the flow, in the hole.
    - R, `rating`: `laplace` of the expected error, in the hole; its gradient does not reach the flow.

    A term with weight 0 is not computed.

    Args:
        l1: weight of L.
        forward_backward: weight of C.
        lateral: weight of S.
        hard: weight of H.
        edges: weight of E; needs a net that predicts edges.
        contrast: weight of U; needs a net that predicts edges.
        rating: weight of R; needs a net that predicts a scale.
        region: whether L, C and S are means over the `hole` or over the whole `frame`. Over the frame, a larger hole
            has more weight.
        gate: which cycles C counts. `none`: all, as in the paper, which blurs across occlusions. `visible`: those of
            pixels that the other frame shows, according to the true flow. `shorter`: for each pixel the shorter of its
            two cycles.
        contrast_scale: N of U, in pixels.

    Raises:
        InputError: a weight is negative, all are 0, or an option is out of range.

    Example:
        >>> from outpaint_lightning.nets import FlowCompletion
        >>> true, ones = torch.zeros(1, 1, 2, 4, 4), torch.ones(1, 1, 2, 4, 4)
        >>> batch = {"flow_forward": true, "flow_backward": true, "hidden": ones, "valid": ones}
        >>> CompletionCriterion()(FlowCompletion([true + 2], [true - 2]), batch, step=0)["loss"].item()
        2.0
    """

    def __init__(
        self,
        l1: float = 1.0,
        forward_backward: float = 0.0,
        lateral: float = 0.0,
        hard: float = 0.0,
        edges: float = 0.0,
        contrast: float = 0.0,
        rating: float = 0.0,
        region: Region = "hole",
        gate: Gate = "visible",
        contrast_scale: float = 0.5,
    ) -> None:
        super().__init__()
        weights = {
            "l1": l1,
            "forward_backward": forward_backward,
            "lateral": lateral,
            "hard": hard,
            "edges": edges,
            "contrast": contrast,
            "rating": rating,
        }
        for name, weight in weights.items():
            if not weight >= 0:
                raise InputError(f"CompletionCriterion: {name} is {weight}: expected 0 or more")
        if not any(weights.values()):
            raise InputError(f"CompletionCriterion: {', '.join(weights)} are all 0: expected one above it")
        if region not in ("hole", "frame"):
            raise InputError(f"CompletionCriterion: region is {region!r}: expected hole or frame")
        if gate not in ("none", "visible", "shorter"):
            raise InputError(f"CompletionCriterion: gate is {gate!r}: expected none, visible or shorter")
        if not contrast_scale > 0:
            raise InputError(f"CompletionCriterion: contrast_scale is {contrast_scale}: expected a positive number")
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.region, self.gate, self.contrast_scale = region, gate, contrast_scale

    def forward(self, completion: FlowCompletion, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the loss of a batch.

        Args:
            completion: the output of the net.
            batch: `flow_forward`, `flow_backward`, `hidden`, `valid` and, for the gate `visible`, `occluded`.
            step: number of finished training steps; not used.

        Returns:
            `loss`, and `loss/<term>` for each term with a weight, before weighting and without gradient.

        Raises:
            InputError: the net does not predict what a term needs.
        """
        judged = _Judged(self, completion, batch)
        terms = {name: judged.term(name) for name in self.weights}
        loss = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        return {"loss": loss, **{f"loss/{name}": term.detach() for name, term in terms.items()}}


class _Judged:
    """A completion and the truth, both `B T direction 2 H W`, with masks `B T direction 1 H W`."""

    def __init__(self, criterion: CompletionCriterion, completion: FlowCompletion, batch: Batch) -> None:
        self.criterion, self.completion, self.batch = criterion, completion, batch
        last = completion.forward[-1], completion.backward[-1]
        self.flow = float32_or_better(torch.stack(last, 2))
        self.true = torch.stack([batch["flow_forward"], batch["flow_backward"]], 2)
        self.hidden, self.valid = batch["hidden"][:, :, :, None], batch["valid"][:, :, :, None]
        self.region = self.hidden if criterion.region == "hole" else torch.ones_like(self.hidden)
        self.hole = (self.hidden > 0.5) & (self.valid > 0.5)

    def term(self, name: str) -> Tensor:
        """Return a term of the criterion."""
        return self._TERMS[name](self)

    def _l1(self) -> Tensor:
        return hole_l1(self.flow, self.true, self.region, self.valid)

    def _forward_backward(self) -> Tensor:
        forward, backward = self.flow.unbind(2)
        region = self.region[:, :, :, 0]
        if self.criterion.gate == "shorter":
            return min_forward_backward(forward, backward, region.amax(2, keepdim=True))
        seen = 1 - self.batch["occluded"] if self.criterion.gate == "visible" else torch.ones_like(region)
        return forward_backward(forward, backward, region * seen)

    def _lateral(self) -> Tensor:
        return lateral_dependency(self.flow, self.true, self.region, self.valid)

    def _hard(self) -> Tensor:
        return hardest((self.flow - self.true).abs(), self.hole.expand_as(self.flow))

    def _edges(self) -> Tensor:
        true = jump_edges(self.true.flatten(0, 2), self.valid.flatten(0, 2) > 0.5)
        return balanced_edges(self._said("edges")[:, :, :, None], true.view_as(self.hole), self.hole)

    def _contrast(self) -> Tensor:
        pairs = self.flow.flatten(0, 2)
        lengths = [
            F.pad(torch.linalg.vector_norm(pairs.diff(dim=side), dim=1, keepdim=True), padding)
            for side, padding in ((3, (0, 1)), (2, (0, 0, 0, 1)))
        ]
        steps = torch.maximum(*lengths).view_as(self.hidden)
        costs = edge_contrast(self._said("edges").sigmoid()[:, :, :, None], steps, self.criterion.contrast_scale)
        return mean_over_processes(torch.where(self.hole, costs, 0).sum(), self.hole.sum())

    def _rating(self) -> Tensor:
        error = torch.linalg.vector_norm((self.flow - self.true).detach(), dim=3, keepdim=True)
        return laplace(error, self._said("scale")[:, :, :, None], self.hole)

    def _said(self, name: str) -> Tensor:
        said: Tensor | None = getattr(self.completion, name)
        if said is None:
            term = "rating" if name == "scale" else name
            raise InputError(f"CompletionCriterion: {term} is above 0: the net says no {name}; expected one that does")
        return float32_or_better(said)

    _TERMS: ClassVar[dict[str, Callable[[_Judged], Tensor]]] = {
        "l1": _l1,
        "forward_backward": _forward_backward,
        "lateral": _lateral,
        "hard": _hard,
        "edges": _edges,
        "contrast": _contrast,
        "rating": _rating,
    }
