"""Panoramas with a hidden middle, and pairs of photos."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from outpaint_lightning.data.blending.sources import PARTS, PhotoSource
from outpaint_lightning.types import WindowMeta

CENTRE = 0.5, 0.5


class BlendingSample(TypedDict):
    """One sample, before batching; T is 1, and W is three times H."""

    image: Tensor
    """float32 `1 3 H W` in [0, 1]: a panorama of one photo, 0 where the mask is 1."""
    mask: Tensor
    """float32 `1 1 H W`, 1 in the middle third."""
    clean: Tensor
    """float32 `1 3 H W`: the panorama."""
    pair: Tensor
    """float32 `1 3 H W`: this photo's left third, zeros, and the right third of a similar photo."""
    other: Tensor
    """float32 `1 3 H W`: a panorama of another photo."""
    meta: WindowMeta


class BlendingDataset(Dataset[BlendingSample]):
    """One sample for each photo.

    Args:
        source: source of photos.
        partners: indices of k similar photos for each photo, `N k`.
        stream: seeds of crops and pairs.
        training: whether crops are at random positions and pairs change from epoch to epoch. Otherwise, crops are at
            the centre and each photo always has the same partner.
    """

    def __init__(self, source: PhotoSource, partners: Tensor, stream: tuple[int, ...], training: bool) -> None:
        self.source, self.partners, self.stream, self.training = source, partners, stream, training

    def __len__(self) -> int:
        return len(self.source)

    def partner(self, epoch: int, index: int) -> int:
        """Return the index of a photo's partner."""
        known = self.partners[index]
        rng = np.random.default_rng((*self.stream, 0, epoch if self.training else 0, index))
        return int(known[rng.integers(len(known))])

    def panorama(self, epoch: int, index: int) -> Tensor:
        """Return a panorama `1 3 H W` of a photo; in training, its position depends on the epoch."""
        rng = np.random.default_rng((*self.stream, 1, epoch, index))
        y, x = rng.random(2).tolist() if self.training else CENTRE
        return self.source.crop(index, (y, x))[None]

    def __getitem__(self, key: int | tuple[int, int]) -> BlendingSample:
        """Return sample `index`, or sample `index` of `epoch` for a key `(epoch, index)`."""
        epoch, index = key if isinstance(key, tuple) else (0, key)
        clean = self.panorama(epoch, index)
        partner, other = self.partner(epoch, index), self._other(epoch, index)
        size = self.source.size
        mask = torch.zeros(1, 1, size, PARTS * size)
        mask[..., size : 2 * size] = 1
        pair = torch.cat([clean[..., :size], 0 * clean[..., size : 2 * size],
                          self.panorama(epoch, partner)[..., 2 * size :]], 3)  # fmt: skip
        video = self.source.videos[index]
        meta = WindowMeta(
            clip=video["clip"], frames=[0], source=video["source"], scene=video["scene"], camera=video["camera"],
            forger=video["forger"], partner=self.source.videos[partner]["clip"],
        )  # fmt: skip
        return BlendingSample(
            image=torch.where(mask > 0.5, 0, clean), mask=mask, clean=clean, pair=pair,
            other=self.panorama(epoch, other), meta=meta,
        )  # fmt: skip

    def _other(self, epoch: int, index: int) -> int:
        """Return the index of another photo, or of this one if there is only one."""
        rng = np.random.default_rng((*self.stream, 2, epoch, index))
        return int(index + 1 + rng.integers(max(1, len(self) - 1))) % len(self)
