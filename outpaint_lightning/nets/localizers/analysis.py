"""What a localizer may tell of a window beside its class scores, for criteria that compare two views of it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class Analysis(NamedTuple):
    """What a net tells of a window beside its class scores."""

    logits: list[Tensor]
    """`B 2 H W` of each update."""
    features: Tensor
    """`B C h w`: what the scores are made of."""
    quality: Tensor | None = None
    """`B`: the predicted PSNR of the window's codec in dB; None of a net that predicts none."""


class AnalysingNet(Protocol):
    """A localizer whose features can be compared between two views of a window."""

    def analyse(self, image: Tensor) -> Analysis:
        """Analyse windows `B T 3 H W` in [0, 1]; `forward` returns the logits alone."""
