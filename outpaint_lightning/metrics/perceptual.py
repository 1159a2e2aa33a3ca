"""LPIPS, if the weights of its backbone are already on the disk."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
from torchvision.models import AlexNet_Weights


def lpips() -> nn.Module | None:
    """Return torchmetrics' metric (AlexNet; images in [0, 1]), or None without its weights. Nothing is downloaded.

    Zhang et al., *The Unreasonable Effectiveness of Deep Features as a Perceptual Metric* (CVPR 2018,
    arXiv:1801.03924). The backbone's weights are in torch's hub folder once any program has loaded them.
    """
    name = Path(AlexNet_Weights.IMAGENET1K_V1.url).name
    if not (Path(torch.hub.get_dir()) / "checkpoints" / name).is_file():
        return None
    return LearnedPerceptualImagePatchSimilarity("alex", normalize=True)
