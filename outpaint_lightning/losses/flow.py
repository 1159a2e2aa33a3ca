"""Losses of a flow refiner: on completed vectors, on their differences, and on cycles between frames.

Flow is in pixels, `u` (x) first. Masks have one channel, bool or {0, 1}: `hidden` is 1 where a vector is to be
completed, `valid` is 1 where the true vector is known. A mean over an empty set is 0, never NaN.

Source: *Towards video inpainting: joint inpainting of motion and dynamic shapes with deep learning techniques*
(Chatillon, Ballester, Haro, Arias, Raad 2020), section 3.4 with equations 3 and 4, "the paper" below. Where the paper
has a misprint, the docstring gives the printed form and the form used here.
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
    """Mean absolute difference of the components of hidden vectors whose true value is known.

    The paper prints the masks of this loss and of `known_l1` in the wrong order. The confidence is not used as a
    weight: a net whose loss is weighted by its confidence learns a confidence of 0 (the paper's figure 20).

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
    """Mean absolute difference of the components of known vectors: the error of encoding and decoding.

    Arguments and result are as in `hole_l1`.
    """
    return _mean((flow - true).abs(), (hidden < 0.5) & (valid > 0.5))


def total_variation(flow: Tensor, region: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference of neighbours along x, plus that along y.

    Args:
        flow: `... 2 H W`, or the difference of two flows.
        region: `... 1 H W`; a pair of neighbours counts if at least one of them is in it.
        valid: `... 1 H W`; a pair of neighbours counts only if both of them are in it.

    Returns:
        A scalar, in pixels.
    """
    return sum(
        (_mean((b - a).abs(), pairs) for (a, b), pairs in zip(_neighbours(flow), _pairs(region, valid), strict=True)),
        flow.new_zeros(()),
    )


def lateral_dependency(flow: Tensor, true: Tensor, region: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference between the step lengths of the flow and of the true flow, along x and y.

    With D the difference of neighbours: `mean | |D flow| - |D true| |`. It asks for edges as steep as the true ones,
    but not for the true vectors. Source: InterpoNet (Zweig, Wolf, CVPR 2017), equation 4.

    Args:
        flow: `... 2 H W`.
        true: `... 2 H W`.
        region: `... 1 H W`, as in `total_variation`.
        valid: `... 1 H W`, as in `total_variation`.

    Returns:
        A scalar, in pixels.
    """
    steps = zip(_neighbours(flow), _neighbours(true), _pairs(region, valid), strict=True)
    # In torch, the gradient of a norm at 0 is 0, so flat regions need no epsilon.
    return sum(
        (_mean((_length(b - a) - _length(d - c)).abs(), pairs) for (a, b), (c, d), pairs in steps), flow.new_zeros(())
    )


def min_forward_backward(forward: Tensor, backward: Tensor, region: Tensor) -> Tensor:
    """Mean over pixels of the shorter of two cycles: to the next frame and back, or to the previous frame and back.

    With f the forward and b the backward flow of frame t, at pixel x::

        min( |f_t(x) + b_{t+1}(x + f_t(x))|, |b_t(x) + f_{t-1}(x + b_t(x))| )

    A pixel that is occluded in one neighbouring frame is mostly visible in the other. So with exact flows the minimum
    is near 0, even where one of the cycles is long. The paper prints minus signs, which give twice the flow if the
    flows are exact, and f_{t+1} in the second cycle.

    Args:
        forward: `B T 2 H W`. Frames without both neighbours do not count, so T <= 2 gives 0.
        backward: `B T 2 H W`.
        region: `B T 1 H W`, pixels that count. A pixel whose vectors leave the frame in both directions does not count.

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
    """The weight of each update of a refiner at a training step; the weights sum to 1."""

    @abstractmethod
    def forward(self, updates: int, step: int) -> Tensor:
        """Return the weights, float64 `updates`, from the first update to the last."""


class MovingWeights(UpdateWeights):
    """A Gaussian over the updates that moves from the first update to later ones as training proceeds.

    Source: the paper's equation 3. With t = 0, 1, ... the update, s the step and s0 = `every`::

        c exp( -((t + 1) - s / s0)^2 / (2 width^2) )

    The paper prints c as a sum, but means its inverse. It also prints a width of 500, which is in training steps (0.5
    of s0 = 1000): as printed, the weights would be equal in the first five digits. Its code has `every: 250`, `width:
    0.7071`. Here the weights are computed as a softmax, because all exponentials underflow when s is far beyond the
    last update.

    Args:
        every: number of training steps by which the Gaussian moves to the next update.
        width: standard deviation of the Gaussian, in updates.

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
    """Update t = 0, 1, ... has weight (t + 1)^2 divided by the sum of all.

    Source: the paper's equation 4, which prints the sum as a factor.

    Example:
        >>> SquaredWeights()(3, step=0).mul(14).tolist()  # 1, 4 and 9, divided by their sum
        [1.0, 4.0, 9.0]
    """

    def forward(self, updates: int, step: int) -> Tensor:  # noqa: ARG002 (the same at every step)
        """Return the weights."""
        squares = torch.arange(1, updates + 1, dtype=torch.float64) ** 2
        return squares / squares.sum()


class ExponentialWeights(UpdateWeights):
    """Each update has `gamma` times the weight of the next one, as in RAFT (arXiv:2003.12039, equation 7), with sum 1.

    Args:
        gamma: 1 gives all updates the same weight; a small value trains only the last update.

    Raises:
        InputError: gamma is outside (0, 1].

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
    """The loss of every update of a flow refiner.

    With s the training step, w the weights of `schedule` and the terms below for each update t::

        decoder D + fill F
            + (1 - exp(-s / ramp)) sum_t w_t (l1 L_t + total_variation V_t + forward_backward C_t + lateral S_t)

    - D: `known_l1` of the decoder's output for the encoded flow before any update.
    - F: `hole_l1` of the fill before any update; for a fill that learns.
    - L: `hole_l1` of both directions. V: `total_variation`. C: `min_forward_backward`. S: `lateral_dependency`.

    A term with weight 0 is not computed.

    Args:
        schedule: gives the weights of the updates; null for `SquaredWeights`, as in the paper.
        l1: weight of L.
        total_variation: weight of V.
        forward_backward: weight of C.
        lateral: weight of S.
        decoder: weight of D.
        fill: weight of F.
        ramp: number of training steps after which the factor of the sum reaches 63 %; null sets the factor to 1.
        variation_of: whether V is computed on the `flow`, as in the paper's code, or on its `difference` from the true
            flow, as the paper prints.
        region: whether V, C and S are means over the whole `frame`, as in the paper, or over the hidden vectors
            (`hole`). With `hole`, a hole of 7 % has 14 times the weight, and all holes have the same weight, whatever
            their size.

    Raises:
        InputError: a weight is negative, all are 0, or the ramp is not positive.

    Example:
        >>> from outpaint_lightning.nets import FlowCompletion
        >>> true, ones = torch.zeros(1, 1, 2, 4, 4), torch.ones(1, 1, 2, 4, 4)
        >>> batch = {"flow_forward": true, "flow_backward": true, "hidden": ones, "valid": ones}
        >>> flows = [true + 4, true + 2]  # the fill and one update
        >>> RefinementCriterion()(FlowCompletion(flows, flows), batch, step=0)["loss"].item()
        2.0
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
            completion: the output of the net: the fill first, then one pair of flows for each update.
            batch: `flow_forward`, `flow_backward`, `hidden` and `valid`.
            step: number of finished training steps.

        Returns:
            `loss`, and `loss/<term>` for each term with a weight: its value at the last update, before weight and ramp
            and without gradient.

        Raises:
            InputError: the weight of `decoder` is above 0 and the net does not return decoded flow.
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
    """Return the mean of `values` `... C H W` over the pixels of a bool mask `... 1 H W`; 0 if the mask is empty."""
    return mean_over_processes(torch.where(where, values, 0).sum(), where.sum() * values.shape[-3])


def _neighbours(values: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield both members of all pairs of neighbours: pairs along x, then pairs along y."""
    yield values[..., :, :-1], values[..., :, 1:]
    yield values[..., :-1, :], values[..., 1:, :]


def _pairs(region: Tensor, valid: Tensor) -> Iterator[Tensor]:
    """Yield which pairs count: those with a member in `region` and both members in `valid`."""
    for (a, b), (known_a, known_b) in zip(_neighbours(region > 0.5), _neighbours(valid > 0.5), strict=True):
        yield (a | b) & known_a & known_b
