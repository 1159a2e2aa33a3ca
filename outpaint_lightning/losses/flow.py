"""Losses of a flow refiner: of the vectors it completes, of their differences, and of the cycles they close.

Flow is in pixels, `u` (x) first. Masks lie beside it with one channel, bool or {0, 1}: `hidden` is 1 where a vector is
to be completed, `valid` where the true one is known. A mean over nothing is 0, never NaN.

Source: *Towards video inpainting: joint inpainting of motion and dynamic shapes with deep learning techniques*
(Chatillon, Ballester, Haro, Arias, Raad 2020), section 3.4 with equations 3 and 4. Where that is misprinted, the
docstring says what is printed and what is built.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from outpaint_lightning.geometry import float32_or_better, round_trip, stays_inside
from outpaint_lightning.processes.reduce import mean_over_processes
from outpaint_lightning.types import Batch, InputError

if TYPE_CHECKING:
    from outpaint_lightning.nets.flow.completion import FlowCompletion


def hole_l1(flow: Tensor, true: Tensor, hidden: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference of the components of hidden vectors whose true one is known.

    The source prints the masks of this and of `known_l1` the wrong way round. Confidence does not weigh it: a net that
    is charged by its confidence learns to have none (the source's figure 20).

    Args:
        flow: `... 2 H W`.
        true: `... 2 H W`.
        hidden: `... 1 H W`.
        valid: `... 1 H W`.

    Returns:
        A scalar, in pixels.
    """
    return _mean((flow - true).abs(), (hidden > 0.5) & (valid > 0.5))


def known_l1(flow: Tensor, true: Tensor, hidden: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference of the components of vectors that are not hidden: what encoding and decoding cost.

    Args and returns as `hole_l1`.
    """
    return _mean((flow - true).abs(), (hidden < 0.5) & (valid > 0.5))


def total_variation(flow: Tensor, region: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference of neighbours along x, plus that along y.

    Args:
        flow: `... 2 H W`, or the difference of two flows.
        region: `... 1 H W`; a pair of neighbours counts where either of them is in it,
        valid: `... 1 H W`, and both of them are in here.

    Returns:
        A scalar, in pixels.
    """
    return sum(
        (_mean((b - a).abs(), pairs) for (a, b), pairs in zip(_neighbours(flow), _pairs(region, valid), strict=True)),
        flow.new_zeros(()),
    )


def lateral_dependency(flow: Tensor, true: Tensor, region: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference between the lengths of flow's and true flow's steps from pixel to pixel, along x and y.

    With D the difference of neighbours: `mean | |D flow| - |D true| |`; it asks for edges as steep as the true ones
    without asking for their vectors. Source: InterpoNet (Zweig, Wolf, CVPR 2017), equation 4.

    Args:
        flow: `... 2 H W`.
        true: `... 2 H W`.
        region: `... 1 H W`, as in `total_variation`.
        valid: `... 1 H W`, as in `total_variation`.

    Returns:
        A scalar, in pixels.
    """
    steps = zip(_neighbours(flow), _neighbours(true), _pairs(region, valid), strict=True)
    # The slope of a norm is 0 at 0 in torch, so that flat regions need no epsilon.
    return sum(
        (_mean((_length(b - a) - _length(d - c)).abs(), pairs) for (a, b), (c, d), pairs in steps), flow.new_zeros(())
    )


def min_forward_backward(forward: Tensor, backward: Tensor, region: Tensor) -> Tensor:
    """Mean over pixels of the shorter of two cycles: to the next frame and back, or to the one before and back.

    With f the forward and b the backward flow of frame t, at pixel x::

        min( |f_t(x) + b_{t+1}(x + f_t(x))|, |b_t(x) + f_{t-1}(x + b_t(x))| )

    What is occluded in one neighbour is mostly seen in the other, so that on exact flows this is near 0 where either
    cycle alone is long. The source prints minus signs, which give twice the flow where flows are exact, and f_{t+1} in
    the second cycle.

    Args:
        forward: `B T 2 H W`. Frames without both neighbours are left out, so T = 2 and less give 0.
        backward: `B T 2 H W`.
        region: `B T 1 H W`, the pixels that count; those that leave the frame on both sides do not.

    Returns:
        A scalar, in pixels.
    """
    if forward.shape[1] < 3:
        return forward.new_zeros(())
    cycles = []
    for there, back in ((forward[:, 1:-1], backward[:, 2:]), (backward[:, 1:-1], forward[:, :-2])):
        there_flat, back_flat = there.flatten(0, 1), back.flatten(0, 1)
        cycle = _length(round_trip(there_flat, back_flat))
        cycles.append(torch.where(stays_inside(there_flat), cycle, torch.inf))
    shorter = torch.minimum(*cycles)
    return _mean(shorter, (region[:, 1:-1].flatten(0, 1) > 0.5) & shorter.isfinite())


class UpdateWeights(nn.Module, ABC):
    """How much each update of a refiner weighs at a training step; the weights sum to 1."""

    @abstractmethod
    def forward(self, updates: int, step: int) -> Tensor:
        """Return the weights, float64 `updates`, the first update's first."""


class MovingWeights(UpdateWeights):
    """First the first update, later the later ones: a bell over the updates that moves on as training goes.

    The source's equation 3. With t = 0, 1, ... the update, s the step and s0 = `every`::

        c exp( -((t + 1) - s / s0)^2 / (2 width^2) )

    Printed are a sum for c, where its inverse is meant, and a width of 500, which is in training steps (0.5 of
    s0 = 1000): as printed, the weights would be equal to the fifth digit. Its code has `every: 250`, `width: 0.7071`.
    Computed as a softmax, since all exponentials underflow once s is far beyond the last update's turn.

    Args:
        every: training steps from one update's turn to the next one's.
        width: of the bell, in updates.

    Raises:
        InputError: one of them is not positive.

    Example:
        >>> MovingWeights(every=1000)(5, step=3000).argmax().item()  # the third update, after three times 1000 steps
        2
    """

    def __init__(self, every: float = 1000.0, width: float = 0.5) -> None:
        super().__init__()
        if not (every > 0 and width > 0):
            raise InputError(f"MovingWeights: every is {every}, width {width}: expected positive numbers")
        self.every, self.width = every, width

    def forward(self, updates: int, step: int) -> Tensor:
        """Return the weights."""
        turn = torch.arange(1, updates + 1, dtype=torch.float64)
        return (-(((turn - step / self.every) / self.width) ** 2) / 2).softmax(0)


class SquaredWeights(UpdateWeights):
    """Update t = 0, 1, ... weighs (t + 1)^2 by the sum of all: equation 4, which prints that as a factor.

    Example:
        >>> SquaredWeights()(3, step=0).mul(14).tolist()  # 1, 4 and 9 of their sum
        [1.0, 4.0, 9.0]
    """

    def forward(self, updates: int, step: int) -> Tensor:  # noqa: ARG002 (the same at every step)
        """Return the weights."""
        squares = torch.arange(1, updates + 1, dtype=torch.float64) ** 2
        return squares / squares.sum()


class ExponentialWeights(UpdateWeights):
    """Each update weighs `gamma` times the one after it, as in RAFT (equation 7 of arXiv:2003.12039), but sums to 1.

    Args:
        gamma: 1 weighs all updates alike, a small one trains the last alone.

    Raises:
        InputError: gamma outside (0, 1].

    Example:
        >>> weights = ExponentialWeights(gamma=0.5)(3, step=0)
        >>> (weights / weights[-1]).tolist()
        [0.25, 0.5, 1.0]
    """

    def __init__(self, gamma: float = 0.8) -> None:
        super().__init__()
        if not 0 < gamma <= 1:
            raise InputError(f"ExponentialWeights: gamma is {gamma}: expected a number in (0, 1]")
        self.gamma = gamma

    def forward(self, updates: int, step: int) -> Tensor:  # noqa: ARG002 (the same at every step)
        """Return the weights."""
        powers = self.gamma ** torch.arange(updates - 1, -1, -1, dtype=torch.float64)
        return powers / powers.sum()


class RefinementCriterion(nn.Module):
    """Judge every update of a flow refiner.

    With s the training step, w the weights of `schedule` and, of each update, the terms below::

        decoder D + fill F
            + (1 - exp(-s / ramp)) sum_t w_t (l1 L_t + total_variation V_t + forward_backward C_t + lateral S_t)

    - D: `known_l1` of what the decoder makes of the encoded flow before any update.
    - F: `hole_l1` of the fill, to which no update was made; for a fill that learns.
    - L: `hole_l1` of both directions. V: `total_variation`. C: `min_forward_backward`. S: `lateral_dependency`.

    A term of weight 0 is not computed.

    Args:
        schedule: of the updates' weights; null takes `SquaredWeights`, the source's.
        l1: weight of L.
        total_variation: weight of V.
        forward_backward: weight of C.
        lateral: weight of S.
        decoder: weight of D.
        fill: weight of F.
        ramp: training steps after which what judges the updates has come up to 63 %; null has it from the start.
        variation_of: V is of the `flow` itself, as in the source's code, or of its `difference` from the true flow, as
            printed.
        region: V, C and S are means over the whole `frame`, as in the source, or over what is hidden (`hole`): a hole
            of 7 % then weighs 14 times as much, and a larger one no more than a small one.

    Raises:
        InputError: a weight is negative, all are 0, or the ramp is not positive.
    """

    def __init__(
        self,
        schedule: UpdateWeights | None = None,
        l1: float = 1.0,
        total_variation: float = 0.0,
        forward_backward: float = 0.0,
        lateral: float = 0.0,
        decoder: float = 0.0,
        fill: float = 0.0,
        ramp: float | None = None,
        variation_of: Literal["flow", "difference"] = "flow",
        region: Literal["frame", "hole"] = "hole",
    ) -> None:
        super().__init__()
        weights = {
            "l1": l1,
            "total_variation": total_variation,
            "forward_backward": forward_backward,
            "lateral": lateral,
            "decoder": decoder,
            "fill": fill,
        }
        for name, weight in weights.items():
            if not weight >= 0:
                raise InputError(f"RefinementCriterion: {name} is {weight}: expected 0 or more")
        if not any(weights.values()):
            raise InputError(f"RefinementCriterion: {', '.join(weights)} are all 0: expected one above it")
        if ramp is not None and not ramp > 0:
            raise InputError(f"RefinementCriterion: ramp is {ramp}: expected a positive number of steps, or null")
        self.schedule = SquaredWeights() if schedule is None else schedule
        self.decoder, self.fill = weights.pop("decoder"), weights.pop("fill")
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.ramp, self.variation_of, self.region = ramp, variation_of, region

    def forward(self, completion: FlowCompletion, batch: Batch, step: int) -> dict[str, Tensor]:
        """Return the loss of a batch, in float32 also under autocast.

        Args:
            completion: what the net says; its first flows are the fill, one more pair follows for each update.
            batch: `flow_forward`, `flow_backward`, `hidden` and `valid`.
            step: number of training steps done.

        Returns:
            `loss`; and `loss/<term>` for each term of a weight, the last update's, before weight and ramp and without
            gradient.
        """
        # B T direction 2 H W, with masks B T direction 1 H W
        true = torch.stack([batch["flow_forward"], batch["flow_backward"]], 2)
        hidden, valid = batch["hidden"][:, :, :, None], batch["valid"][:, :, :, None]
        region = hidden if self.region == "hole" else torch.ones_like(hidden)

        def variation(flow: Tensor) -> Tensor:
            if self.variation_of == "flow":
                return total_variation(flow, region, torch.ones_like(valid))
            return total_variation(flow - true, region, valid)

        judges: dict[str, Callable[[Tensor], Tensor]] = {
            "l1": lambda flow: hole_l1(flow, true, hidden, valid),
            "total_variation": variation,
            "forward_backward": lambda flow: min_forward_backward(flow[:, :, 0], flow[:, :, 1], region.amax(2)),
            "lateral": lambda flow: lateral_dependency(flow, true, region, valid),
        }
        loss, terms = true.new_zeros(()), dict[str, Tensor]()
        fill, *updates = (
            float32_or_better(torch.stack(pair, 2))
            for pair in zip(completion.forward, completion.backward, strict=True)
        )
        rise = 1.0 if self.ramp is None else -torch.expm1(torch.tensor(-step / self.ramp)).item()
        for share, flow in zip(self.schedule(len(updates), step).tolist(), updates, strict=True):
            terms = {name: judges[name](flow) for name in self.weights}
            loss = loss + rise * share * sum(self.weights[name] * term for name, term in terms.items())
        if self.fill:
            terms["fill"] = hole_l1(fill, true, hidden, valid)
            loss = loss + self.fill * terms["fill"]
        if self.decoder:
            if completion.decoded is None:
                raise InputError("RefinementCriterion: decoder is above 0: the net decodes nothing; expected 0 for it")
            decoded = float32_or_better(completion.decoded).reshape(true.shape)
            terms["decoder"] = known_l1(decoded, true, hidden, valid)
            loss = loss + self.decoder * terms["decoder"]
        return {"loss": loss, **{f"loss/{name}": term.detach() for name, term in terms.items()}}


def _length(vectors: Tensor) -> Tensor:
    """Return the lengths `... 1 H W` of vectors `... 2 H W`."""
    length: Tensor = torch.linalg.vector_norm(vectors, dim=-3, keepdim=True)
    return length


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """Return the mean of `values` `... C H W` over the pixels of a bool mask `... 1 H W`; 0 where it has none."""
    return mean_over_processes(torch.where(where, values, 0).sum(), where.sum() * values.shape[-3])


def _neighbours(values: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the two sides of all pairs of neighbours: those along x, then those along y."""
    yield values[..., :, :-1], values[..., :, 1:]
    yield values[..., :-1, :], values[..., 1:, :]


def _pairs(region: Tensor, valid: Tensor) -> Iterator[Tensor]:
    """Yield which pairs count: those with a side in `region` and both in `valid`."""
    for (a, b), (known_a, known_b) in zip(_neighbours(region > 0.5), _neighbours(valid > 0.5), strict=True):
        yield (a | b) & known_a & known_b
