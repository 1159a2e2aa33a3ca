"""2D and 3D convolutions, and residual blocks of them, for generators and critics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from outpaint_lightning.types import InputError

CONVOLUTIONS: dict[int, type[nn.Conv2d | nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
NORMS: dict[tuple[int, str], Callable[[int], nn.Module]] = {
    (2, "batch"): nn.BatchNorm2d,
    (3, "batch"): nn.BatchNorm3d,
    (2, "group"): lambda channels: nn.GroupNorm(groups_of(channels), channels),
    (3, "group"): lambda channels: nn.GroupNorm(groups_of(channels), channels),
}
Norm = Literal["batch", "group"]
FEW = 20480  # the largest N C T H with which PyTorch chooses the slow code for a 3D convolution of one clip on a CPU


def groups_of(channels: int) -> int:
    """Return the largest of 8, 4, 2 and 1 that divides the number of channels."""
    return next(groups for groups in (8, 4, 2, 1) if channels % groups == 0)


class ConvNd(nn.Module):
    """A convolution that keeps the size of its input. Its largest singular value is held at 1.

    Spectral norm (Miyato et al., ICLR 2018, arXiv:1802.05957) divides the weight, as a matrix `outputs x rest`, by an
    estimate of its largest singular value. Each training step improves the estimate by one power iteration.

    Args:
        dim: 2 for `N C H W`, 3 for `N C T H W`.
        inputs: number of input channels.
        outputs: number of output channels.
        size: kernel size along each axis, odd.
        stride: stride along each axis, or one number for all axes.
        bias: whether to add a bias.
        spectral: whether to divide the weight by its largest singular value.

    Raises:
        InputError: the dimension is neither 2 nor 3, or the kernel size is even.

    Example:
        >>> import torch
        >>> ConvNd(3, 1, 4, stride=(1, 2, 2))(torch.zeros(2, 1, 5, 8, 8)).shape
        torch.Size([2, 4, 5, 4, 4])
    """

    def __init__(
        self,
        dim: int,
        inputs: int,
        outputs: int,
        size: int = 3,
        stride: int | Sequence[int] = 1,
        bias: bool = True,
        spectral: bool = True,
    ) -> None:
        super().__init__()
        if dim not in CONVOLUTIONS:
            raise InputError(f"ConvNd: dim is {dim}: expected 2 or 3")
        if size % 2 == 0:
            raise InputError(f"ConvNd: size is {size}: expected an odd number")
        steps = (stride,) * dim if isinstance(stride, int) else tuple(stride)
        conv = CONVOLUTIONS[dim](inputs, outputs, size, steps, size // 2, bias=bias)  # type: ignore[arg-type]
        if dim == 3:
            conv.to(memory_format=torch.channels_last_3d)  # a tenth more steps a second on a CPU
        self.conv = spectral_norm(conv) if spectral else conv

    def forward(self, features: Tensor) -> Tensor:
        """Return features `N outputs ...`. Each axis is divided by its stride, rounded up."""
        if _slow_alone(features):
            doubled: Tensor = self.conv(features.expand(2, -1, -1, -1, -1))
            return doubled[:1]
        convolved: Tensor = self.conv(features)
        return convolved


def _slow_alone(features: Tensor) -> bool:
    """Return whether these are the features of one clip that take longer than two copies of it, up to ten times."""
    alone = features.ndim == 5 and len(features) == 1 and features.device.type == "cpu"
    return alone and not torch.compiler.is_compiling() and features[..., 0].numel() <= FEW


class ResBlock(nn.Module):
    """Two times norm, ReLU and convolution, with a shortcut: the pre-activation block of He et al. (arXiv:1603.05027).

    Args:
        dim: 2 or 3.
        inputs: number of input channels.
        outputs: number of output channels. If it differs from `inputs`, the shortcut is a convolution of size 1.
        norm: `batch` or `group`. `group` uses no batch statistics.

    Example:
        >>> import torch
        >>> ResBlock(3, 4, 8, "group")(torch.zeros(1, 4, 2, 6, 6)).shape
        torch.Size([1, 8, 2, 6, 6])
    """

    def __init__(self, dim: int, inputs: int, outputs: int, norm: Norm = "batch") -> None:
        super().__init__()
        make_norm = NORMS[dim, norm]
        self.body = nn.Sequential(
            make_norm(inputs),
            nn.ReLU(),
            ConvNd(dim, inputs, outputs, bias=False),
            make_norm(outputs),
            nn.ReLU(),
            ConvNd(dim, outputs, outputs, bias=False),
        )
        self.shortcut = nn.Identity() if inputs == outputs else ConvNd(dim, inputs, outputs, size=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return features `N outputs ...` of the same size as the input."""
        summed: Tensor = self.shortcut(features) + self.body(features)
        return summed
