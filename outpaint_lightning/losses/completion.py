"""Losses of nets that complete flow in one pass: of vectors, of cycles, of edges, and of the error they expect.

Flow is in pixels, `u` (x) first; masks as in `losses.flow`. Source: Chatillon et al., *Towards video inpainting*
(2020), section 2. A mean over nothing is 0, never NaN.
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
LEAST_SCALE = 1e-3  # pixels: an error that is expected to be smaller costs no less

Region = Literal["hole", "frame"]
Gate = Literal["none", "visible", "shorter"]


def forward_backward(forward: Tensor, backward: Tensor, counted: Tensor) -> Tensor:
    """Mean length of the cycles to a neighbouring frame and back, in both directions.

    With f the forward and b the backward flow: `|f_t(x) + b_{t+1}(x + f_t(x))|` and `|b_t(x) + f_{t-1}(x + b_t(x))|`.
    Vectors that leave the frame are left out; the paper's code repeats the frame's border there.

    Where x is occluded in the neighbouring frame the cycle of the true flow is long. Of an object that covers a resting
    background, the flow with the shortest cycle falls linearly from the object's speed to 0 across what it covers
    (section 2.2.4, figure 3). So leave occluded pixels out by `counted`.

    Args:
        forward: `B T 2 H W`.
        backward: `B T 2 H W`.
        counted: `B T 2 H W`, 1 where a vector counts: channel 0 is the forward flow's, channel 1 the backward flow's.

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
        # The slope of a norm is 0 at 0 in torch.
        length = torch.linalg.vector_norm(round_trip(there_flat, back_flat), dim=1, keepdim=True)
        total, count = total + torch.where(inside, length, 0).sum(), count + inside.sum()
    return mean_over_processes(total, count)


def hardest(error: Tensor, where: Tensor, share: float = HARDEST) -> Tensor:
    """Mean of the largest errors: of the `share` of the places in `where` that err most, over the whole batch.

    Source: the hard flow example mining of Xu et al. (CVPR 2019, arXiv:1905.02884), section 3.2.

    Args:
        error: `...`, not negative.
        where: bool, of the same shape.
        share: in (0, 1].

    Returns:
        A scalar.
    """
    errors = error[where]
    kept = errors.topk(math.ceil(len(errors) * share)).values
    return mean_over_processes(kept.sum(), error.new_tensor(len(kept)))


def balanced_edges(logits: Tensor, edges: Tensor, where: Tensor) -> Tensor:
    """Binary cross-entropy of edges, in which edges and all other pixels weigh the same, however rare edges are.

    On logits: RFC and LAFC take the sigmoid twice.

    Args:
        logits: `...`.
        edges: bool, of the same shape.
        where: bool, of the same shape: what counts.

    Returns:
        A scalar; that of one class alone where only that one is there.
    """
    costs = F.binary_cross_entropy_with_logits(logits, edges.to(logits.dtype), reduction="none")
    means, there = [], []
    for each in (where & edges, where & ~edges):
        means.append(mean_over_processes(torch.where(each, costs, 0).sum(), each.sum()))
        there.append(each.any().to(costs.dtype))
    return torch.stack(means).sum() / torch.stack(there).sum().clamp(min=1)


def edge_contrast(edges: Tensor, steps: Tensor, scale: float) -> Tensor:
    """Ask for edges where flow jumps and for jumps where edges are, without any true edge.

    With e the edge in [0, 1], n the length of the flow's step in pixels and N the scale::

        L(e, n) = (1 - e) (1 - exp(-n / N)) + e exp(-n / N)

    It is affine in e: the best e is 0 below n = N ln 2 and 1 above. No edges and no motion cost nothing, so it needs
    another loss beside it. Its slope in n, `(1 - 2 e) exp(-n / N) / N`, makes steps steeper where e > 1/2.

    Source: the report, section 2.6 and figure 14, where it was never tried.

    Args:
        edges: `...` in [0, 1].
        steps: of the same shape, in pixels, not negative.
        scale: N, in pixels.

    Returns:
        The loss of every place, of the same shape.
    """
    flat = torch.exp(-steps / scale)
    return (1 - edges) * (1 - flat) + edges * flat


def laplace(error: Tensor, scale: Tensor, where: Tensor) -> Tensor:
    """Negative log-likelihood of errors whose scale a net says, without its constant: mean of `e / b + log b`.

    It is least where b is the mean error of all places that look alike. Source: Ilg et al. (ECCV 2018,
    arXiv:1802.07095), equation 4.

    Args:
        error: `...`, lengths in pixels; give them without gradient, or large errors are excused.
        scale: b, of the same shape, in pixels.
        where: bool, of the same shape.
    """
    scale = scale.clamp(min=LEAST_SCALE)
    costs = error / scale + scale.log()
    return mean_over_processes(torch.where(where, costs, 0).sum(), where.sum())


class CompletionCriterion(nn.Module):
    """Judge the last flow of a completion, its edges and the error that it expects.

    - L, `l1`: mean absolute difference of components.
    - C, `forward_backward`: the cycles to the next frame and back; see `gate`.
    - S, `lateral`: `losses.lateral_dependency`, edges as steep as the true ones.
    - H, `hard`: `hardest` of L, in the hole.
    - E, `edges`: `balanced_edges`, against `nets.flow.edges.jump_edges` of the true flow, in the hole.
    - U, `contrast`: `edge_contrast` of the edges and the steps of the flow, in the hole.
    - R, `rating`: `laplace` of the expected error, in the hole; its gradient does not reach the flow.

    A term of weight 0 is not computed.

    Args:
        l1: weight of L.
        forward_backward: weight of C.
        lateral: weight of S.
        hard: weight of H.
        edges: weight of E; the net has to say edges.
        contrast: weight of U; the net has to say edges.
        rating: weight of R; the net has to say a scale.
        region: L, C and S are means over the `hole`, or over the whole `frame`, where a large hole weighs more.
        gate: of C: `none`, the report's, which blurs across occlusions; `visible` counts vectors whose pixel is seen in
            the other frame, as the true flow has it; `shorter` takes the shorter of the two cycles of a pixel.
        contrast_scale: N of U, in pixels.

    Raises:
        InputError: a weight is negative, all are 0, or an option is not as described.
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
            completion: what the net says.
            batch: `flow_forward`, `flow_backward`, `hidden`, `valid` and, for the gate `visible`, `occluded`.
            step: number of training steps done; makes no difference.

        Returns:
            `loss`, and `loss/<term>` for each term of a weight, before the weight and without gradient.

        Raises:
            InputError: the net does not say what a term needs.
        """
        judged = _Judged(self, completion, batch)
        terms = {name: judged.term(name) for name in self.weights}
        loss = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        return {"loss": loss, **{f"loss/{name}": term.detach() for name, term in terms.items()}}


class _Judged:
    """A completion beside the truth, both `B T direction 2 H W`, with masks `B T direction 1 H W`."""

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
