"""High-pass filters in front of a net. They remove the scene and leave traces of how it was recorded.

Each filter maps frames `N 3 H W` in [0, 1] to residuals `N C H W` in grey levels (steps of 1/255). Forgeries differ in
these residuals. Frames are padded with their edge pixels, so that the edge itself leaves no residual.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from outpaint_lightning.geometry import pad
from outpaint_lightning.types import InputError

GREY_LEVELS = 255
LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue; ITU-R BT.601


class SrmFilters(nn.Module):
    """Three fixed filters of the spatial rich model, on each colour channel or on the luma alone.

    A filter predicts a pixel from its neighbours; the residual is the error of the prediction. As in the spatial rich
    model, residuals are truncated, because large ones come from edges of the scene. Nothing is learned here.

    Truncation at 2 grey levels cuts 45 % of the residuals of clean footage. With `soft`, no residual is cut: a residual
    r approaches the truncation t as it grows, and different residuals stay different::

        r / (1 + |r| / t)

    Source: Fridrich and Kodovsky, *Rich Models for Steganalysis of Digital Images* (IEEE TIFS 2012): their SQUARE 3x3,
    SQUARE 5x5 and second-order filters. Zhou et al. chose these, *Learning Rich Features for Image Manipulation
    Detection* (CVPR 2018, arXiv:1805.04953), figure 3. They sum each filter over the colour channels; here the channels
    stay separate.

    Args:
        truncation: largest residual, in grey levels. The spatial rich model uses 2.
        soft: compress residuals towards the truncation instead of cutting them.
        luma: filter only the luma (BT.601): 3 residuals per frame instead of 9, in a third of the time. Video codecs
            keep only a quarter of the colour samples anyway.

    Raises:
        InputError: the truncation is not positive.

    Example:
        >>> import torch
        >>> flat = torch.full((1, 3, 16, 16), 0.5)
        >>> SrmFilters()(flat)[0, :, 8, 8].abs().max().item() < 1e-5  # a flat image has no residual
        True
    """

    kernels: Tensor

    def __init__(self, truncation: float = 2.0, soft: bool = False, luma: bool = False) -> None:
        super().__init__()
        if not truncation > 0:
            raise InputError(f"SrmFilters: truncation is {truncation}: expected a positive number of grey levels")
        self.truncation, self.soft, self.luma = truncation, soft, luma
        square3 = [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]
        square5 = [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
        second = [[1, -2, 1]]
        kernels = torch.stack([_centred(square3) / 4, _centred(square5) / 12, _centred(second) / 2])[:, None]
        self.register_buffer("kernels", kernels.repeat(1 if luma else 3, 1, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return the residuals in grey levels: `N 9 H W`, the three filters of red first, or `N 3 H W` of the luma."""
        levels = pad(self._luma(image) if self.luma else image * GREY_LEVELS, (2, 2, 2, 2))
        residual = F.conv2d(levels, self.kernels, groups=levels.shape[1])
        if self.soft:
            return residual / residual.abs().div_(self.truncation).add_(1)
        return residual.clamp(-self.truncation, self.truncation)

    @staticmethod
    def _luma(image: Tensor) -> Tensor:
        """Return the luma `N 1 H W` in grey levels, from `N 3 H W` in [0, 1]."""
        red, green, blue = image.mul(GREY_LEVELS).chunk(3, dim=1)
        return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def _centred(kernel: list[list[int]]) -> Tensor:
    """Return a kernel with odd sides as float32 `5 5`, padded with zeros."""
    vertical, horizontal = (5 - len(kernel)) // 2, (5 - len(kernel[0])) // 2
    return F.pad(torch.tensor(kernel, dtype=torch.float32), (horizontal, horizontal, vertical, vertical))


class BayarConv(nn.Module):
    """Constrained convolution: learned filters predict a pixel from its neighbours and subtract the pixel itself.

    Source: Bayar and Stamm, *Constrained Convolutional Neural Networks* (IEEE TIFS 2018), section III: the centre of a
    filter is -1, and its other weights sum to 1. They divide the weights by their sum after every training step. Here
    `PredictionError` applies the constraint in every forward pass, so the gradient belongs to the weights in use.

    Args:
        filters: number of residuals per frame, each from all colour channels; 3 in the paper.
        size: side of the filters in pixels, odd; 5 in the paper.

    Raises:
        InputError: there is less than one filter, or the size is even or below 3.

    Example:
        >>> import torch
        >>> BayarConv(filters=3)(torch.rand(1, 3, 16, 16)).shape
        torch.Size([1, 3, 16, 16])
    """

    def __init__(self, filters: int = 3, size: int = 5) -> None:
        super().__init__()
        if filters < 1:
            raise InputError(f"BayarConv: filters is {filters}: expected at least 1")
        if size < 3 or size % 2 == 0:
            raise InputError(f"BayarConv: size is {size}: expected an odd number of at least 3")
        self.filters = nn.Conv2d(3, filters, size, padding=size // 2, padding_mode="replicate", bias=False)
        parametrize.register_parametrization(self.filters, "weight", PredictionError())

    def forward(self, image: Tensor) -> Tensor:
        """Return the residuals `N filters H W`."""
        residual: Tensor = self.filters(image * GREY_LEVELS)
        return residual


class PredictionError(nn.Module):
    """Parametrization of filters `O I K K` (K odd): the centre of each is -1, and the other weights sum to 1.

    All other weights are shifted by the same amount, which gives the nearest weights that sum to 1. The paper divides
    them by their sum instead, which is unbounded where the sum passes 0.
    """

    def forward(self, weight: Tensor) -> Tensor:
        """Return the constrained filters, of the same shape."""
        around = weight.new_ones(weight.shape[2:])
        around[weight.shape[2] // 2, weight.shape[3] // 2] = 0
        excess = (weight * around).sum((2, 3), keepdim=True) - 1
        return (weight - excess / around.sum()) * around - (1 - around)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return weights for which `forward` gives the constrained filters nearest to `weight`."""
        return weight
