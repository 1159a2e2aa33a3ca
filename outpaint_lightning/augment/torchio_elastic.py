"""TorchIO's random elastic deformation, for comparison."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from outpaint_lightning.augment.base import RandomAugmentation, with_labels
from outpaint_lightning.augment.elastic import refuse_flow
from outpaint_lightning.types import Batch, InputError, views

_PIXELS = np.diag([-1.0, -1.0, 1.0, 1.0])  # TorchIO's world axes: x to the right and y down, 1 mm per pixel


class TorchioElastic(RandomAugmentation):
    """TorchIO's own `RandomElasticDeformation`: sampled by TorchIO, applied by SimpleITK, on the CPU.

    TorchIO works on volumes. A frame is a volume of one slice, in the middle of as many control points as along the
    other axes; it moves by a weighted mean of three of them, about 0.71 of the drawn displacement.

    Args:
        num_control_points: number along each of the three axes.
        max_displacement: largest displacement of a control point in pixels, `(y, x)`.
        locked_borders: number of outer rings of control points that do not move: 0, 1 or 2.
        p: probability that a sample is deformed.

    Raises:
        InputError: TorchIO does not accept an option, or the batch has flow.
    """

    def __init__(
        self,
        num_control_points: int = 9,
        max_displacement: tuple[float, float] = (20, 20),
        locked_borders: int = 2,
        p: float = 1 / 6,
    ) -> None:
        super().__init__(p)
        import torchio  # takes a second, so only if this augmentation is used

        try:
            self._random = torchio.RandomElasticDeformation(
                num_control_points, (*max_displacement[::-1], 0), locked_borders
            )
        except ValueError as error:
            raise InputError(f"TorchioElastic: {error}") from error

    def sample(self, batch_size: int) -> Tensor:
        """Draw displacements of the control points as TorchIO does: `B nx ny nz 3` in pixels; zero if unchanged."""
        options = self._random.num_control_points, self._random.max_displacement, self._random.num_locked_borders
        points = np.stack([self._random.get_params(*options) for _ in range(batch_size)])
        return torch.from_numpy(points) * self._chosen(batch_size)[:, None, None, None, None]

    def apply_to(self, batch: Batch, drawn: Tensor) -> Batch:
        """Deform the samples with a displaced control point; `drawn` is `B nx ny nz 3` in pixels."""
        refuse_flow(self, batch)
        mask = batch["mask"]
        out: Batch = {**batch, "mask": mask.clone()}
        for view in views(batch):
            out[view] = image = batch[view].clone()
            for index in drawn.flatten(1).any(1).nonzero()[:, 0].tolist():
                image[index], out["mask"][index] = self._deform(image[index], mask[index], drawn[index])
        return with_labels(out)

    def _deform(self, image: Tensor, mask: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Deform the frames `T 3 H W` and masks `T 1 H W` of a window."""
        import torchio

        subject = torchio.Subject(
            image=torchio.ScalarImage(tensor=_volume(image), affine=_PIXELS),
            mask=torchio.LabelMap(tensor=_volume(mask), affine=_PIXELS),
        )
        moved = torchio.ElasticDeformation(points.numpy(), self._random.max_displacement)(subject)
        return _frames(moved.image.data, image), _frames(moved.mask.data, mask)


def _volume(frames: Tensor) -> Tensor:
    """Return `T C H W` in TorchIO's layout `channels W H depth`, on the CPU."""
    return frames.cpu().flatten(0, 1).transpose(1, 2)[..., None]


def _frames(volume: Tensor, like: Tensor) -> Tensor:
    return volume[..., 0].transpose(1, 2).reshape(like.shape).to(like)
