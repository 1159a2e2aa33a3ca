"""Clean windows, and occlusions that hide parts of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from outpaint_lightning.data.painting.sources import PaintingSource
from outpaint_lightning.forge.masks import MaskSampler
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.types import Batch, InputError, WindowMeta

DRAWS = 64  # number of masks; a voxel that all of them hide counts as always hidden


class PaintingWindow(TypedDict):
    """One sample, before batching."""

    image: Tensor
    """float32 `T C H W` in [0, 1], 0 where the mask is 1."""
    mask: Tensor
    """float32 `T 1 H W`."""
    clean: Tensor
    """float32 `T C H W`."""
    again: NotRequired[Tensor]
    """float32 `T 1 H W`; only in training."""
    other: NotRequired[Tensor]
    """float32 `T C H W`; only in training."""
    meta: WindowMeta


class PaintingDataset(Dataset[PaintingWindow]):
    """Windows with one occlusion each. The kinds of occlusion alternate from clip to clip.

    The mask of a window is the same in every epoch. With new masks in every epoch, the net would see the whole clip
    over time. The second mask (`again`), for critics that see only occluded clips, is drawn from the same process again
    in every epoch.

    Args:
        source: source of clean windows.
        occlusions: the kinds of occlusion.
        stream: seeds of the masks.
        training: whether to return `again`, and `other`, the clean frames of another window.

    Raises:
        InputError: a kind of occlusion needs more than the shape of the window.
    """

    def __init__(
        self, source: PaintingSource, occlusions: Sequence[MaskSampler], stream: tuple[int, ...], training: bool
    ) -> None:
        for sampler in occlusions:
            if sampler.needs:
                raise InputError(f"data.occlusions has {sampler.title()!r}, which needs {', '.join(sampler.needs)}")
        self.source, self.occlusions, self.stream, self.training = source, occlusions, stream, training
        for position, video in enumerate(source.videos):
            video["forger"] = self.kind(position).title()

    def __len__(self) -> int:
        return len(self.source)

    def kind(self, clip: int) -> MaskSampler:
        """Return the occlusion of a clip."""
        return self.occlusions[clip % len(self.occlusions)]

    def mask(self, index: int) -> Tensor:
        """Return the mask of a window, float32 `T 1 H W`; it is the same every time."""
        return self._drawn(index, (0, index))

    def again(self, epoch: int, index: int) -> Tensor:
        """Return another mask of the same process, which differs from epoch to epoch."""
        return self._drawn(index, (1, epoch, index))

    def _drawn(self, index: int, lot: tuple[int, ...]) -> Tensor:
        sampler = self.kind(self.source.windows[index][0])
        mask = _draw(sampler, (*self.stream, *lot), self.source.window(index).shape)
        return torch.from_numpy(mask.astype(np.float32))[:, None]

    def __getitem__(self, key: int | tuple[int, int]) -> PaintingWindow:
        """Return window `index`, or window `index` of `epoch` for a key `(epoch, index)`."""
        epoch, index = key if isinstance(key, tuple) else (0, key)
        clean, mask = self.source.window(index), self.mask(index)
        meta = self.source.meta(index, self.kind(self.source.windows[index][0]).title())
        window = PaintingWindow(image=torch.where(mask > 0.5, 0, clean), mask=mask, clean=clean, meta=meta)
        if self.training:
            window["again"] = self.again(epoch, index)
            window["other"] = self.source.window(self._partner(epoch, index))
        return window

    def _partner(self, epoch: int, index: int) -> int:
        """Return the index of another window, or of this one if there is only one."""
        rng = np.random.default_rng((*self.stream, 2, epoch, index))
        return int(index + 1 + rng.integers(max(1, len(self) - 1))) % len(self)

    def require_sight(self) -> None:
        """Raise InputError if a kind of occlusion always hides the same voxels, because no net can learn them."""
        for number, sampler in enumerate(self.occlusions[: len(self)]):
            shape = self.source.window(0).shape
            hidden = np.ones((shape[0], *shape[2:]), np.bool_)
            for draw in range(DRAWS):
                hidden &= _draw(sampler, (*self.stream, 3, number, draw), shape)
            if hidden.any():
                frame, row, column = np.argwhere(hidden)[0]
                raise InputError(
                    f"data.occlusions: {sampler.title()!r} hid row {row}, column {column} of frame {frame} in all "
                    f"of {DRAWS} draws; expected a process under which every pixel is seen sometimes"
                )


def _draw(sampler: MaskSampler, lot: tuple[int, ...], shape: Sequence[int]) -> NDArray[np.bool_]:
    """Draw a mask `T H W` for a clip of shape `T C H W`."""
    footage = Footage.blank(shape[0], shape[2], shape[3])
    return sampler.render(sampler.sample(np.random.default_rng(lot), footage), footage)


def collate(windows: Sequence[PaintingWindow]) -> Batch:
    """Stack windows into a batch. All windows of a source have one size."""
    columns: dict[str, Any] = {key: [window.get(key) for window in windows] for key in windows[0]}
    return cast("Batch", {key: values if key == "meta" else torch.stack(values) for key, values in columns.items()})
