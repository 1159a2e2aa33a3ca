"""What every net that completes optical flow returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class FlowCompletion(NamedTuple):
    """Completed flow: where the net started, and what it made of that, once or several times.

    Known vectors are as given, bit by bit. What a net does not say is None.
    """

    forward: list[Tensor]
    """Flows `B T 2 H W`, frame t to t+1, in pixels: the start, then one entry for each update; the last one counts."""
    backward: list[Tensor]
    """Flows `B T 2 H W`, frame t to t-1."""
    confidence: list[Tensor] | None = None
    """`B T C H W` in [0, 1], an entry for each flow; C is 1 for both directions, or 2. Only their order matters, unless
    `scale` is given, too."""
    decoded: Tensor | None = None
    """`B T 4 H W`: the features of the start, forward and backward, decoded again, everywhere, in pixels."""
    edges: Tensor | None = None
    """`B T 2 H W`: logits of an edge of the forward and the backward flow; see `nets.flow.edges`."""
    scale: Tensor | None = None
    """`B T 2 H W`: the error that the net expects of its last flow, in pixels; `confidence` is `1 / (1 + scale)`."""
