"""Outputs of a localizer other than class scores, for criteria that compare two views of a window."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class Analysis(NamedTuple):
    """The outputs of a net for a window: class scores and features."""

    logits: list[Tensor]
    """`B 2 H W` of each update."""
    features: Tensor
    """`B C h w`: the features from which the scores are computed."""
    quality: Tensor | None = None
    """`B`: the predicted PSNR of the window's codec in dB; None if the net does not predict it."""


class AnalysingNet(Protocol):
    """A localizer whose features can be compared between two views of a window."""

    def analyse(self, image: Tensor) -> Analysis:
        """Analyse windows `B T 3 H W` in [0, 1]; `forward` returns only the logits."""
