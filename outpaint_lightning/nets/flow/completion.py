"""The output of every net that completes optical flow."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class FlowCompletion(NamedTuple):
    """Completed flow: the start of the net and its result after each update.

    Known vectors stay bit-identical. Fields that a net does not compute are None.
    """

    forward: list[Tensor]
    """Flows `B T 2 H W`, frame t to t+1, in pixels: the start, then one entry per update; the last is the result."""
    backward: list[Tensor]
    """Flows `B T 2 H W`, frame t to t-1, in pixels."""
    confidence: list[Tensor] | None = None
    """`B T C H W` in [0, 1]: one entry per flow, or a single entry for the last flow. C is 1 for both directions
    together, or 2. Without `scale`, only the order of the values has a meaning."""
    decoded: Tensor | None = None
    """`B T 4 H W`: the features of the start, decoded to forward and backward flow at all pixels, in pixels."""
    edges: Tensor | None = None
    """`B T 2 H W`: logits of an edge of the forward and of the backward flow; see `nets.flow.edges`."""
    scale: Tensor | None = None
    """`B T 2 H W`: the error that the net expects of its last flow, in pixels; `confidence` is `1 / (1 + scale)`."""
