"""Functions that localizers share: frames as channels, normalised convolutions, and local statistics."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.nets.layers.residual_filters import GREY_LEVELS

ENERGY_FLOOR = 0.05  # square grey levels, below the noise of rounding to 8 bits (1/12)


def stacked(frames: Tensor, batch: int, residual: nn.Module | None) -> Tensor:
    """Return the colours in [-1, 1] and the residuals of all frames of a window as its channels.

    Args:
        frames: `B*T 3 H W` in [0, 1], the frames of each window in order.
        batch: B.
        residual: maps `N 3 H W` to `N C H W`; None uses only the colours.

    Returns:
        `B T*(3+C) H W`: for each frame the colours, then the residuals.
    """
    seen = frames * 2 - 1
    if residual is not None:
        seen = torch.cat([seen, residual(frames)], 1)
    return seen.reshape(batch, -1, *seen.shape[2:])


def residual_channels(residual: nn.Module | None) -> int:
    """Return the number of channels of a residual for one frame; 0 for None."""
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
    """Return the local strength of maps at strides 2, 4, 8, ...: statistics that many forgery detectors use.

    At each stride there are two values: the logarithm of the mean square over a cell, and the same minus its mean over
    the frame. They are useful because a forged region is smoother, noisier or less steady than the rest. Convolutions
    with ReLU would have to learn them.

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
    """Return the differences of brightness to the next pixel, along x and along y, in grey levels.

    Args:
        frames: `N 3 H W` in [0, 1].

    Returns:
        `N 2 H W`; 0 in the last column and in the last row.
    """
    grey = frames.mean(1, keepdim=True) * GREY_LEVELS
    across, down = grey.diff(dim=3), grey.diff(dim=2)
    return torch.cat([F.pad(across, (0, 1)), F.pad(down, (0, 0, 0, 1))], 1)


def differences(frames: Tensor, batch: int) -> Tensor:
    """Return the difference in brightness between each later frame of a window and the first, in grey levels.

    Args:
        frames: `B*T 3 H W` in [0, 1].
        batch: B.

    Returns:
        `B T-1 H W`.
    """
    grey = frames.mean(1).reshape(batch, -1, *frames.shape[-2:]) * GREY_LEVELS
    return grey[:, 1:] - grey[:, :1]
