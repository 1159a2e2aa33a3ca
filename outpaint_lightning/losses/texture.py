"""A loss that compares the textures of two images, independent of where their parts are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.geometry import float32_or_better

BANDWIDTH = 0.5
CLOSEST = 1e-5
"""Added to the distance of the nearest true feature, which may be 0."""
SHORTEST = 1e-3
"""Smallest divisor of a feature's norm. A shorter feature is divided by this, so that its gradient stays bounded."""


def id_mrf(made: Tensor, true: Tensor, centre_by_pixel: bool = False) -> Tensor:
    """Implicit diversified Markov random field loss: each true feature should have a painted feature nearest to it.

    With `d` half of one minus the cosine of a painted feature and a true one::

        s(true, made) = exp((1 - d / (min over true of d + 1e-5)) / 0.5)
        loss = -log mean over true of max over made of s / (sum over true of s)

    It is 0 if each true feature has a painted feature of its own, and log T if all features are equal, where T is the
    number of true features. Both are centred by the mean of the true features, and computed in float32 or float64.

    Source: Wang et al., *Image Inpainting via Generative Multi-column Convolutional Neural Networks* (NeurIPS 2018,
    arXiv:1810.08771), equations 4 to 6, with single features instead of patches of features.

    Args:
        made: `N C h w`, features of the painted image.
        true: `N C H W`, features of the true image; used without gradient.
        centre_by_pixel: subtract each true pixel's mean over its channels, as the public code of wide-range image
            blending does. Both maps must then have the same size. Otherwise, each channel's mean over all pixels and
            samples is subtracted.

    Returns:
        A scalar of at least 0, mean over samples.
    """
    with torch.autocast(made.device.type, enabled=False):
        made, true = float32_or_better(made), float32_or_better(true.detach())
        mean = true.mean(1, keepdim=True) if centre_by_pixel else true.mean((0, 2, 3), keepdim=True)
        found, wanted = (F.normalize(part - mean, dim=1, eps=SHORTEST).flatten(2) for part in (made, true))
        covered = [_covered(*pair) for pair in zip(found, wanted, strict=True)]
        return -torch.stack(covered).log().mean()


def _covered(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean share of one sample's true features `C T`, given its painted features `C M`, both of norm 1.

    A sample at a time, because on a CPU the M T distances of a whole batch take four times as long as those of its
    samples: they fit into no cache, and the system has to clear new memory for each step of the computation.
    """
    distance = (1 - found.mT @ wanted).clamp(min=0)  # made true; twice d
    nearest = distance.amin(1, keepdim=True) + 2 * CLOSEST
    return (distance / (-BANDWIDTH * nearest)).softmax(1).amax(0).mean()


class IdMrf(nn.Module):
    """`id_mrf` summed over an extractor's maps: all maps for texture, and the coarsest map once more for content.

    Args:
        features: called with images `N 3 H W` in [0, 1], returns maps, such as `VggMaps` or `SeededMaps`.
        wrib_code: centre features as the public code of wide-range image blending does, see `id_mrf`.

    Example:
        >>> from outpaint_lightning.nets import SeededMaps
        >>> image = torch.rand(1, 3, 32, 32)
        >>> round(IdMrf(SeededMaps())(image, image).item(), 3)
        0.0
    """

    def __init__(self, features: nn.Module, wrib_code: bool = False) -> None:
        super().__init__()
        self.features, self.wrib_code = features.requires_grad_(False), wrib_code

    def forward(self, made: Tensor, true: Tensor) -> Tensor:
        """Return the loss of images `N 3 H W`, a scalar."""
        with torch.no_grad():
            wanted = self.features(true)
        terms = [id_mrf(*pair, self.wrib_code) for pair in zip(self.features(made), wanted, strict=True)]
        return torch.stack([*terms, terms[-1]]).sum()
