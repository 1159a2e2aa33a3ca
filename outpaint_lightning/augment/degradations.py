"""Degradations that Kornia lacks: downscaling and sensor noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from outpaint_lightning.augment.base import RandomAugmentation
from outpaint_lightning.types import Batch, InputError, views


class RandomDownscale(RandomAugmentation):
    """Scale the frames of a window down with antialiasing, and up to their size again, both bilinearly.

    Masks do not change, because no pixel moves.

    Args:
        scale: range of the factor by which both sides shrink, in (0, 1]; all frames of a window share one draw.
        p: probability that a window is scaled.

    Raises:
        InputError: the range is invalid, or not within (0, 1].

    Example:
        >>> import torch
        >>> batch = {"image": torch.rand(1, 2, 3, 32, 32), "mask": torch.zeros(1, 2, 1, 32, 32)}
        >>> soft = RandomDownscale(scale=(0.5, 0.5), p=1.0)(batch)["image"]
        >>> soft.shape == batch["image"].shape, bool(soft.std() < batch["image"].std())
        (True, True)
    """

    def __init__(self, scale: tuple[float, float] = (0.5, 1.0), p: float = 0.5) -> None:
        super().__init__(p)
        self.scale = _range(scale, "RandomDownscale", "scale")
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise InputError(f"RandomDownscale: scale is {scale}: expected [least, most] within (0, 1]")

    def sample(self, batch_size: int) -> Tensor:
        """Draw the factors: `B`; 0 for a window that does not change."""
        return torch.empty(batch_size).uniform_(*self.scale) * self._chosen(batch_size)

    def apply_to(self, batch: Batch, drawn: Tensor) -> Batch:
        """Scale the windows by the factors `drawn`, `B`."""
        out: Batch = {**batch}
        for view in views(batch):
            out[view] = image = batch[view].clone()
            size = image.shape[-2:]
            for index, factor in enumerate(drawn.tolist()):
                if factor:
                    small = [max(1, round(side * factor)) for side in size]
                    frames = F.interpolate(image[index], small, mode="bilinear", antialias=True)
                    image[index] = F.interpolate(frames, size, mode="bilinear")
        return out


class RandomSensorNoise(RandomAugmentation):
    """Add Gaussian noise, independent in every frame, as a camera's sensor does.

    Kornia's `RandomGaussianNoise` has only one strength, and adds the same noise to every frame of a window.

    Args:
        deviation: range of the standard deviation, for values in [0, 1]; all frames of a window share one draw.
        p: probability that a window gets noise.

    Raises:
        InputError: the range is invalid, or below 0.

    Example:
        >>> import torch
        >>> batch = {"image": torch.full((1, 2, 3, 64, 64), 0.5), "mask": torch.zeros(1, 2, 1, 64, 64)}
        >>> noisy = RandomSensorNoise(deviation=(0.1, 0.1), p=1.0)(batch)["image"]
        >>> round(noisy.std().item(), 2), torch.equal(noisy[:, 0], noisy[:, 1])  # new noise in each frame
        (0.1, False)
    """

    def __init__(self, deviation: tuple[float, float] = (0.0, 0.03), p: float = 0.5) -> None:
        super().__init__(p)
        self.deviation = _range(deviation, "RandomSensorNoise", "deviation")

    def sample(self, batch_size: int) -> Tensor:
        """Draw the standard deviations: `B`; 0 for a window that does not change."""
        return torch.empty(batch_size).uniform_(*self.deviation) * self._chosen(batch_size)

    def apply_to(self, batch: Batch, drawn: Tensor) -> Batch:
        """Add noise with the standard deviations `drawn`, `B`, and clamp to [0, 1]."""
        out: Batch = {**batch}
        which = drawn.nonzero()[:, 0]
        at, strength = which.to(batch["image"].device), drawn[which].to(batch["image"])
        noise = strength[:, None, None, None, None] * torch.randn_like(batch["image"][at])
        for view in views(batch):
            out[view] = image = batch[view].clone()
            image[at] = (image[at] + noise).clamp(0, 1)
        return out


def _range(values: Sequence[float], module: str, option: str) -> tuple[float, float]:
    if len(values) != 2 or not 0 <= values[0] <= values[1]:
        raise InputError(f"{module}: {option} is {values}: expected [least, most], at least 0")
    return float(values[0]), float(values[1])
