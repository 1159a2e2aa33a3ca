"""RAFT's recurrent block, with the parts that are constant over the updates computed once.

The context is an input of every update and never changes, so its part of each convolution is computed before the first
update. The two gates have the same input, so one convolution computes both. The parameters are torchvision's own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.optical_flow.raft import ConvGRU, RecurrentBlock


class Recurrence:
    """A recurrent block for one context: `recurrence(hidden, motion)` equals `block(hidden, cat(context, motion))`.

    Values and gradients are equal up to rounding.

    Args:
        block: RAFT's recurrent block.
        context: `B C H W`, the same for all updates.
    """

    def __init__(self, block: RecurrentBlock, context: Tensor) -> None:
        units = (block.convgru1, block.convgru2)
        self._units = [_Unit(unit, context) for unit in units if isinstance(unit, nn.Module)]  # small RAFT has one

    def __call__(self, hidden: Tensor, motion: Tensor) -> Tensor:
        """Return the next hidden state `B C H W`, given the last one and the motion features."""
        for unit in self._units:
            hidden = unit(hidden, motion)
        return hidden


class _Unit:
    """One gated recurrent unit: gates z and r, candidate q, and `h + z (q - h)`."""

    def __init__(self, unit: ConvGRU, context: Tensor) -> None:
        layers = (unit.convz, unit.convr, unit.convq)
        weight = torch.cat([layer.weight for layer in layers])
        bias = torch.cat([layer.bias for layer in layers])
        channels, self._padding = unit.convz.out_channels, unit.convz.padding
        own, shared, motion = weight.split_with_sizes(
            [channels, context.shape[1], weight.shape[1] - channels - context.shape[1]], dim=1
        )
        sizes = [2 * channels, channels]
        constant = F.conv2d(context, shared, bias, padding=self._padding)
        self._gates, self._candidate = constant.split_with_sizes(sizes, dim=1)
        self._to_gates, self._to_candidate = torch.cat([own, motion], dim=1).split_with_sizes(sizes)

    def __call__(self, hidden: Tensor, motion: Tensor) -> Tensor:
        gates = F.conv2d(torch.cat([hidden, motion], dim=1), self._to_gates, padding=self._padding) + self._gates
        update, reset = gates.sigmoid().chunk(2, dim=1)
        seen = torch.cat([reset * hidden, motion], dim=1)
        candidate = (F.conv2d(seen, self._to_candidate, padding=self._padding) + self._candidate).tanh()
        return hidden + update * (candidate - hidden)
