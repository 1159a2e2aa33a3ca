"""Attention that copies patches of known features into the missing part."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.types import InputError

FLOOR = 1e-4
"""Added to each squared component of a key before its norm is computed, so that a zero key has a positive norm."""


class ContextualAttention(nn.Module):
    """Replaces each patch of features by a weighted mean of similar known patches.

    Scores are dot products of 3 x 3 patches, taken from the maps at every second pixel. Keys are divided by their norm,
    queries are not. Scores of neighbouring patches, along rows and columns in both maps, are added to each score, so
    that neighbouring patches are copied from neighbouring patches. A softmax over all keys gives the weights of the
    values. These are 4 x 4 patches with stride 2, which overlap and are averaged.

    Source: Yu et al., *Generative Image Inpainting with Contextual Attention* (CVPR 2018, arXiv:1801.07892), in the
    form used by wide-range image blending (CVPR 2021). Differences: one matrix product for the whole batch; each tile
    is cut into patches separately, so that no patch lies across two tiles; scores do not wrap around at the ends of a
    row; values at a border repeat the last pixel, and the average counts only the patches that exist.

    Args:
        scale: factor of the scores before the softmax.

    Example:
        >>> tile = torch.full((2, 4, 8, 8), 0.5)
        >>> bool(torch.allclose(ContextualAttention()(tile, [tile, tile], [tile, tile]), tile))
        True
    """

    def __init__(self, scale: float = 10.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, query: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor]) -> Tensor:
        """Return features `N C H W` composed of patches of `values`.

        Args:
            query: `N K H W`; height and width are even, also those of keys and values.
            keys: tiles `N K H' W'` of equal size.
            values: tiles `N C H' W'`.

        Raises:
            InputError: a height or a width is odd.
        """
        height, width = query.shape[-2:]
        if any(side % 2 for tile in (query, *keys) for side in tile.shape[-2:]):
            raise InputError(f"ContextualAttention: features of {height}x{width} pixels; expected even numbers")
        known = torch.cat([_match_patches(key) for key in keys], 2)
        known = known / (known.square() + FLOOR).sum(1, keepdim=True).sqrt()
        scores = known.mT @ _match_patches(query)  # N known missing
        rows, columns = keys[0].shape[-2] // 2, keys[0].shape[-1] // 2
        scores = _with_neighbours(scores.view(len(query), len(keys), rows, columns, height // 2, width // 2))
        weights = (self.scale * scores.flatten(1, 3).flatten(2)).softmax(1)
        pasted = torch.cat([_copy_patches(value) for value in values], 2) @ weights
        ones = torch.ones_like(pasted[:1, :16])
        return _laid(pasted, height, width) / _laid(ones, height, width)


def _match_patches(features: Tensor) -> Tensor:
    """Return 3 x 3 patches of the map at every second pixel, `N 9K P`."""
    return F.unfold(features[..., ::2, ::2], 3, padding=1)


def _copy_patches(features: Tensor) -> Tensor:
    """Return 4 x 4 patches with stride 2, `N 16C P`."""
    return F.unfold(F.pad(features, (1, 1, 1, 1), mode="replicate"), 4, stride=2)


def _laid(patches: Tensor, height: int, width: int) -> Tensor:
    """Return the sum of 4 x 4 patches that overlap by half."""
    return F.fold(patches, (height, width), 4, padding=1, stride=2)


def _with_neighbours(scores: Tensor) -> Tensor:
    """Add to each score those of the neighbours in the same direction in both maps: along rows, then along columns.

    Args:
        scores: `N tiles rows columns rows columns`, of known and of missing patches.
    """
    for known, missing in ((3, 5), (2, 4)):
        sizes = scores.shape[known] - 1, scores.shape[missing] - 1
        total = scores.clone()
        ends = [scores.narrow(known, at, sizes[0]).narrow(missing, at, sizes[1]) for at in (0, 1)]
        for at, end in zip((1, 0), ends, strict=True):
            total.narrow(known, at, sizes[0]).narrow(missing, at, sizes[1]).add_(end)
        scores = total
    return scores
