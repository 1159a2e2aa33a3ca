"""What the first layers of localizers share: the frames of a window as channels, and normalised convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def stacked(frames: Tensor, batch: int, residual: nn.Module | None) -> Tensor:
    """Return the colours in [-1, 1] and the residuals of all frames of a window as its channels.

    Args:
        frames: `B*T 3 H W` in [0, 1], the frames of a window after each other.
        batch: B.
        residual: maps `N 3 H W` to `N C H W`; None shows the colours alone.

    Returns:
        `B T*(3+C) H W`: of each frame the colours, then the residuals.
    """
    seen = frames * 2 - 1
    if residual is not None:
        seen = torch.cat([seen, residual(frames)], 1)
    return seen.reshape(batch, -1, *seen.shape[2:])


def residual_channels(residual: nn.Module | None) -> int:
    """Return how many channels a residual makes of a frame; 0 for None."""
    if residual is None:
        return 0
    with torch.no_grad():
        return int(residual(torch.zeros(1, 3, 16, 16)).shape[1])


def conv_layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Return a 3 x 3 convolution with batch normalisation and ReLU; `stride` divides both sides."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
