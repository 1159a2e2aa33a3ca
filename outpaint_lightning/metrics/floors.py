"""Floors: the scores of predictors that never look at the frame.

Outpainted regions lie at the frame's edge and cover much of it, so an F1 alone means little: if a share p of the pixels
is forged, marking every pixel already scores F1 = 2p / (1 + p).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FLOORS = ("all_forged", "mean_mask", "border")


class MaskPrior(nn.Module):
    """The information in the training masks alone: their mean, and the threshold at which it fits them best.

    The mean is stored on a grid of `GRID` by `GRID` cells over the frame, in buffers, so that a checkpoint contains the
    floors of its training data.

    Example:
        >>> import torch
        >>> prior, masks = MaskPrior(), torch.zeros(2, 64, 64)
        >>> masks[:, :, :32] = 1  # the left half in both training masks
        >>> prior.fit(masks)
        >>> dict(zip(FLOORS, prior.masks(4, 4).flatten(1).sum(1).tolist()))  # pixels that each floor marks, of 16
        {'all_forged': 16, 'mean_mask': 8, 'border': 12}
    """

    GRID = 64
    mean: Tensor
    threshold: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(self.GRID, self.GRID))
        self.register_buffer("threshold", torch.tensor(0.5))

    def fit(self, masks: Tensor) -> None:
        """Learn from forged training masks `N GRID GRID` with values in [0, 1] (the forged share of each cell).

        The threshold has the highest mean F1 over these masks, among 19 from 0.05 to 0.95.
        """
        mean = masks.float().mean(0)
        thresholds = torch.linspace(0.05, 0.95, 19, device=masks.device)
        guesses = (mean >= thresholds[:, None, None]).flatten(1).float()
        overlap = guesses @ masks.flatten(1).float().T
        f1 = 2 * overlap / (guesses.sum(1, keepdim=True) + masks.flatten(1).float().sum(1))
        self.mean.copy_(mean)
        self.threshold.copy_(thresholds[f1.nan_to_num().mean(1).argmax()])

    def masks(self, height: int, width: int) -> Tensor:
        """Return the prediction of each of `FLOORS` for every frame of this size: bool `3 H W`.

        `all_forged` marks every pixel; `mean_mask` marks where the mean training mask reaches its threshold; `border`
        marks a centred border with the mean training mask's area, equally wide relative to both sides.
        """
        everything = torch.ones(height, width, dtype=torch.bool, device=self.mean.device)
        mean = F.interpolate(self.mean[None, None], (height, width), mode="bilinear")[0, 0] >= self.threshold
        share = (1 - (1 - self.mean.mean()).sqrt()) / 2  # a border of this share per side has the mean's area
        inner = torch.zeros_like(everything)
        top, left = round(share.item() * height), round(share.item() * width)
        inner[top : height - top, left : width - left] = True
        return torch.stack([everything, mean, ~inner])
