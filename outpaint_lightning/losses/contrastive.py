"""The losses of a layout generator: a contrastive loss, and the terms of a conditional VAE."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from outpaint_lightning.processes.reduce import mean_over_processes
from outpaint_lightning.types import UNKNOWN, InputError


def info_nce(anchors: Tensor, layouts: Tensor, owners: Tensor, alike: Tensor, temperature: float = 0.07) -> Tensor:
    """Return the contrastive loss of foregrounds against layouts, averaged over anchors.

    `-log(exp(a.p / t) / (exp(a.p / t) + sum exp(a.n / t)))` (van den Oord et al., arXiv:1807.03748, equation 4): a
    cross-entropy over the layouts of the batch. Layouts that are alike the anchor's own are no negatives.

    Args:
        anchors: `A E`, unit vectors.
        layouts: `B E`, unit vectors.
        owners: long `A`: index of each anchor's own layout.
        alike: bool `B B`: pairs that are too similar to be negatives of each other. The diagonal is ignored.
        temperature: t.

    Raises:
        InputError: the batch has a single layout. It has no negatives, so the loss would be 0 without a gradient.

    Example:
        >>> one, two = torch.eye(2)
        >>> apart = torch.zeros(2, 2, dtype=torch.bool)
        >>> loss = info_nce(torch.stack([one, two]), torch.stack([two, one]), torch.tensor([0, 1]), apart, 1.0)
        >>> round(loss.item(), 4)  # log(1 + e)
        1.3133
    """
    if len(layouts) < 2:
        raise InputError(
            "info_nce: a batch of 1 photo has no negatives; expected data.batch_size 2 or more, or model.contrast 0"
        )
    scores = anchors.float() @ layouts.float().T / temperature
    others = alike & ~torch.eye(len(layouts), dtype=torch.bool, device=alike.device)
    return F.cross_entropy(scores.masked_fill(others[owners], float("-inf")), owners)


def alike_layouts(layout: Tensor, classes: int, threshold: float = 0.9) -> Tensor:
    """Return the pairs of layouts whose class histograms have a cosine above a threshold.

    Args:
        layout: long `B H W`, `UNKNOWN` where it is not known.
        classes: C.
        threshold: of the cosine; with 1 no two layouts are alike.

    Returns:
        bool `B B`.
    """
    unit = F.normalize(class_histogram(layout, classes), dim=1)
    return unit @ unit.T > threshold


def class_histogram(layout: Tensor, classes: int) -> Tensor:
    """Return the number of pixels of each class in layouts `B H W`: `B C`, float32."""
    numbers = torch.where(layout == UNKNOWN, classes, layout).flatten(1)
    counts = torch.zeros(len(layout), classes + 1, device=layout.device)
    return counts.scatter_add_(1, numbers, torch.ones_like(numbers, dtype=counts.dtype))[:, :classes]


def normal_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the KL divergence of normal distributions from the standard one, averaged over samples, in nats.

    `-1/2 sum(1 + log s^2 - mu^2 - s^2)`, Kingma and Welling (ICLR 2014, arXiv:1312.6114), appendix B.

    Args:
        mean: `N Z`.
        log_variance: `N Z`.
    """
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()


def layout_cross_entropy(logits: Tensor, layout: Tensor, mask: Tensor) -> Tensor:
    """Return the cross-entropy of layouts, averaged over background pixels whose class is known.

    Args:
        logits: `N C H W`.
        layout: long `N H W`, `UNKNOWN` where it is not known.
        mask: `N 1 H W`, 1 on the background.
    """
    counted = (layout != UNKNOWN) & (mask[:, 0] > 0.5)
    target = torch.where(counted, layout, UNKNOWN)
    total = F.cross_entropy(logits.float(), target, ignore_index=UNKNOWN, reduction="sum")
    return mean_over_processes(total, counted.sum())
