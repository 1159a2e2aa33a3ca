"""Losses for a region detector: for its class, its box and its mask.

A box is `xmin ymin xmax ymax` in pixels, half-open: its area is `(xmax - xmin) (ymax - ymin)`. The criterion and the
losses follow *Classification & Localization of Inpainted Regions* (Sideras 2023), called "the paper" below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.geometry import box_iou, float32_or_better, generalized_iou
from outpaint_lightning.losses.dice import dice_loss
from outpaint_lightning.losses.sequence import cross_entropy
from outpaint_lightning.processes.reduce import mean_over_processes
from outpaint_lightning.types import InputError

if TYPE_CHECKING:
    from outpaint_lightning.nets.detectors.region import RegionOutput


class GIoU(nn.Module):
    """One minus `generalized_iou`. It lies in [0, 2] and does not depend on the scale.

    Example:
        >>> import torch
        >>> left, right = torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[2.0, 0.0, 4.0, 2.0]])
        >>> GIoU()(left, left).mean().item(), GIoU()(left, right).mean().item()  # side by side: IoU 0, nothing between
        (0.0, 1.0)
    """

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        """Return the loss `N` of boxes `N 4`."""
        return 1 - generalized_iou(predicted, true)


class SmoothL1(nn.Module):
    """Smooth L1 loss: squared for small differences, absolute for large ones; the mean over the four coordinates.

    With d the difference of a coordinate, in pixels::

        0.5 d^2 / beta    where |d| < beta
        |d| - 0.5 beta    elsewhere

    The paper prints `0.5 d^2` and `|d| - 0.5 beta^2`. These meet at beta only if beta is 1.

    Args:
        beta: difference at which the two pieces meet, in pixels.

    Raises:
        InputError: beta is not positive.

    Example:
        >>> import torch
        >>> true = torch.zeros(1, 4)
        >>> SmoothL1(beta=2.0)(true + 1, true).mean().item(), SmoothL1(beta=2.0)(true + 4, true).mean().item()
        (0.25, 3.0)
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        if not beta > 0:
            raise InputError(f"SmoothL1: beta is {beta}: expected a positive number of pixels")
        self.beta = beta

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        """Return the loss `N` of boxes `N 4`, in pixels."""
        terms: Tensor = F.smooth_l1_loss(
            float32_or_better(predicted), float32_or_better(true), reduction="none", beta=self.beta
        )
        return terms.mean(1)


class MSE(nn.Module):
    """Mean of the four squared differences, in square pixels.

    An example from the paper shows the effect of scale: boxes (10, 10, 80, 80) and (15, 15, 85, 85), and boxes
    (10, 10, 180, 180) and (15, 15, 200, 200), both have an IoU of 0.758. Their MSE is 25 and 212.5 (the paper prints
    225).

    Example:
        >>> import torch
        >>> MSE()(torch.tensor([[10.0, 10, 180, 180]]), torch.tensor([[15.0, 15, 200, 200]])).mean().item()
        212.5
    """

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        """Return the loss `N` of boxes `N 4`."""
        return (float32_or_better(predicted) - float32_or_better(true)).square().mean(1)


class MeanL1(nn.Module):
    """Mean of the four absolute differences, in pixels.

    Example:
        >>> import torch
        >>> MeanL1()(torch.tensor([[1.0, 2, 3, 6]]), torch.zeros(1, 4)).mean().item()
        3.0
    """

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        """Return the loss `N` of boxes `N 4`."""
        return (float32_or_better(predicted) - float32_or_better(true)).abs().mean(1)


class MeanL2(nn.Module):
    """Euclidean norm of the four differences, in pixels. Its gradient is 0 where the boxes are equal.

    Example:
        >>> import torch
        >>> MeanL2()(torch.tensor([[1.0, 1, 1, 1]]), torch.zeros(1, 4)).mean().item()
        2.0
    """

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        """Return the loss `N` of boxes `N 4`."""
        norm: Tensor = torch.linalg.vector_norm(float32_or_better(predicted) - float32_or_better(true), dim=1)
        return norm


class RegionCriterion(nn.Module):
    """The loss of a region detector: of its class, its box and, if the net predicts one, its mask.

    The weighted terms are::

        alpha (class + mask_weight mask + quality_weight quality) + beta box

    - class: binary cross-entropy, mean over images.
    - box: `localization`, mean over the images with a region; 0 in a batch without any. An authentic image has no box,
      so it does not count in the divisor either.
    - mask: cross-entropy, mean over all pixels, plus `dice_loss`. It has the scale of the class term, so alpha weighs
      both against the unit of `localization`.
    - quality, if the net predicts it: cross-entropy between the predicted IoU of the box and its actual IoU, mean over
      the images with a region. It has the scale of the class term, too. The box gets no gradient from it.

    The defaults of alpha and beta are the best values of the paper. GIoU never exceeds 2, so with these weights it has
    little effect until the class is learned. A `localization` in pixels has a large effect from the start.

    Args:
        localization: called with predicted and true boxes `N 4`; returns `N`. Values and gradients must be finite for
            all boxes: the boxes of authentic images are zeros.
        alpha: weight of the class and the mask.
        beta: weight of the box.
        mask_weight: weight of the mask relative to the class.
        quality_weight: weight of the predicted IoU relative to the class.

    Raises:
        InputError: a weight is negative.
    """

    def __init__(
        self,
        localization: nn.Module,
        alpha: float = 100.0,
        beta: float = 0.8,
        mask_weight: float = 1.0,
        quality_weight: float = 1.0,
    ) -> None:
        super().__init__()
        weights = {"alpha": alpha, "beta": beta, "mask_weight": mask_weight, "quality_weight": quality_weight}
        for name, weight in weights.items():
            if not weight >= 0:
                raise InputError(f"RegionCriterion: {name} is {weight}: expected 0 or more")
        self.localization = localization
        self.alpha, self.beta, self.mask_weight, self.quality_weight = weights.values()

    def forward(self, output: RegionOutput, label: Tensor, box: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return the loss of a batch. It is computed in float32, also under autocast.

        Args:
            output: output of the net.
            label: `B`, 1 = contains a forged region.
            box: `B 4` in pixels; ignored where `label` is 0.
            mask: `B 1 H W` in {0, 1}, 1 = forged; ignored if `output` has no mask.

        Returns:
            `loss`; `loss/class`, `loss/box` and, if `output` has them, `loss/mask` and `loss/quality`. The terms are
            unweighted and have no gradient.
        """
        logit = float32_or_better(output.logit)
        classes = F.binary_cross_entropy_with_logits(logit, label.to(logit.dtype), reduction="sum")
        terms = {"class": mean_over_processes(classes, len(logit))}
        distance: Tensor = self.localization(output.box, box)
        positive = label > 0
        terms["box"] = mean_over_processes(torch.where(positive, distance, 0).sum(), positive.sum())
        loss = self.alpha * terms["class"] + self.beta * terms["box"]
        if output.mask is not None:
            logits = float32_or_better(torch.cat([torch.zeros_like(output.mask), output.mask], 1))
            terms["mask"] = cross_entropy(logits, mask) + dice_loss(logits, mask)
            loss = loss + self.alpha * self.mask_weight * terms["mask"]
        if output.quality is not None:
            reached = box_iou(output.box.detach(), box)
            apart = F.binary_cross_entropy_with_logits(float32_or_better(output.quality), reached, reduction="none")
            terms["quality"] = mean_over_processes(torch.where(positive, apart, 0).sum(), positive.sum())
            loss = loss + self.alpha * self.quality_weight * terms["quality"]
        return {"loss": loss, **{f"loss/{name}": value.detach() for name, value in terms.items()}}
