"""Features of frames and clips, from whose distributions Fréchet distances are computed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import get_model

from outpaint_lightning.nets.layers.conv import CONVOLUTIONS
from outpaint_lightning.types import InputError

LAYERS = 3


class SeededFeatures(nn.Module):
    """A small net with random weights that depend only on a seed: no download, and the same on every machine.

    Random features respond to blur and noise, and to little else. Their distances can be compared between runs, but not
    with numbers in papers.

    Args:
        dim: 2 for frames, 3 for clips.
        channels: number of channels of a frame.
        num_features: number of features F.
        seed: seed of the weights.

    Raises:
        InputError: the dimension is neither 2 nor 3.

    Example:
        >>> SeededFeatures(3)(torch.zeros(2, 4, 3, 32, 32)).shape
        torch.Size([2, 16])
    """

    def __init__(self, dim: int, channels: int = 3, num_features: int = 16, seed: int = 0) -> None:
        super().__init__()
        if dim not in CONVOLUTIONS:
            raise InputError(f"SeededFeatures: dim is {dim}: expected 2 or 3")
        self.dim, self.num_features = dim, num_features
        generator = torch.Generator().manual_seed(seed)
        widths = [channels, *[num_features] * LAYERS]
        shapes = [(outputs, inputs, *[3] * dim) for inputs, outputs in pairwise(widths)]
        self.weights = nn.ParameterList(
            torch.randn(shape, generator=generator) * (2 / torch.tensor(shape[1:]).prod()) ** 0.5 for shape in shapes
        )

    def forward(self, clips: Tensor) -> Tensor:
        """Return features `N F` of clips `N T C H W` in [0, 1]; with `dim` 2, T is 1."""
        convolve: Callable[..., Tensor] = F.conv2d if self.dim == 2 else F.conv3d
        features = clips[:, 0] if self.dim == 2 else clips.transpose(1, 2)
        features, stride = features * 2 - 1, (2, 2) if self.dim == 2 else (1, 2, 2)
        for weight in self.weights:
            features = F.leaky_relu(convolve(features, weight, stride=stride, padding=1), 0.2)
        return features.flatten(2).mean(2)


class TorchvisionFeatures(nn.Module):
    """The features before the last layer of a torchvision net, with weights from a local file.

    `inception_v3` for frames (2048 features) gives a Fréchet distance that is similar to the usual FID but not equal to
    it, because the FID has other weights. `r3d_18` for clips (512 features) replaces I3D, which torchvision does not
    have. Report such distances under the name of the net.

    Args:
        model: `inception_v3` or `r3d_18`.
        weights: file with the model's `state_dict`; null uses random weights, for tests.

    Raises:
        InputError: the file does not exist, or holds other weights.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, model: Literal["inception_v3", "r3d_18"], weights: str | None = None) -> None:
        super().__init__()
        self.model = model
        self.dim, self.num_features, self.side, mean, deviation = _NETS[model]
        options = {"aux_logits": True, "init_weights": False} if model == "inception_v3" else {}
        self.net = get_model(model, weights=None, **options)
        if weights is not None:
            if not Path(weights).is_file():
                raise InputError(f"{weights}: no such file; expected the weights of {model}")
            try:
                self.net.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
            except Exception as error:  # torch raises half a dozen types for a broken file
                raise InputError(f"{weights}: no weights of {model} ({str(error).splitlines()[0]})") from error
        self.net.fc = nn.Identity()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1), persistent=False)

    def forward(self, clips: Tensor) -> Tensor:
        """Return features `N F` of clips `N T 3 H W` in [0, 1]. Frames are resized to the training size of the net."""
        frames = F.interpolate(clips.flatten(0, 1), [self.side] * 2, mode="bilinear", antialias=True)
        scaled = ((frames - self.mean) / self.deviation).view(*clips.shape[:2], *frames.shape[1:])
        features: Tensor = self.net(scaled[:, 0] if self.dim == 2 else scaled.transpose(1, 2))
        return features


_NETS = {
    "inception_v3": (2, 2048, 299, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "r3d_18": (3, 512, 112, (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)),
}
"""Dimension, number of features, side of the frames in pixels, and mean and deviation of the training colours."""
