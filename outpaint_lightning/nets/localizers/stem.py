"""What the first layers of localizers share: the frames of a window as channels, and normalised convolutions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.nets.layers.residual_filters import GREY_LEVELS

ENERGY_FLOOR = 0.05  # square grey levels, below the noise of rounding to 8 bits (1/12)


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
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def log_energies(maps: Tensor, levels: int) -> list[Tensor]:
    """Return how strong maps are around each place, at strides 2, 4, 8, ...: the statistics of many a detector.

    At each stride it is the logarithm of the mean square over a cell, and that less its mean over the frame: a forged
    region is smoother, noisier or less steady than the rest. A convolution with a ReLU would have to learn it.

    Args:
        maps: `B C H W` in grey levels, with a mean near 0; H and W are multiples of `2^levels`.
        levels: number of strides.

    Returns:
        `B 2C h w` at each stride, fine to coarse.
    """
    energy = maps.square()
    found = []
    for _ in range(levels):
        energy = F.avg_pool2d(energy, 2)
        logarithm = (energy + ENERGY_FLOOR).log()
        found.append(torch.cat([logarithm, logarithm - logarithm.mean((2, 3), keepdim=True)], 1))
    return found


def gradients(frames: Tensor) -> Tensor:
    """Return how the brightness changes from a pixel to the next, along x and along y, in grey levels.

    Args:
        frames: `N 3 H W` in [0, 1].

    Returns:
        `N 2 H W`; 0 in the last column and in the last row.
    """
    grey = frames.mean(1, keepdim=True) * GREY_LEVELS
    across, down = grey.diff(dim=3), grey.diff(dim=2)
    return torch.cat([F.pad(across, (0, 1)), F.pad(down, (0, 0, 0, 1))], 1)


def differences(frames: Tensor, batch: int) -> Tensor:
    """Return how the brightness of each further frame of a window differs from the first, in grey levels.

    Args:
        frames: `B*T 3 H W` in [0, 1].
        batch: B.

    Returns:
        `B T-1 H W`.
    """
    grey = frames.mean(1).reshape(batch, -1, *frames.shape[-2:]) * GREY_LEVELS
    return grey[:, 1:] - grey[:, :1]
