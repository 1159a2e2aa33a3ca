"""torchvision's image classifiers as backbones: feature maps from fine to coarse."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from outpaint_lightning.nets.pretrained import file_of, read_state
from outpaint_lightning.types import InputError, did_you_mean

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # statistics of ImageNet's colours, red first


class Parts(NamedTuple):
    """The parts of a classifier without its last layer."""

    stages: list[nn.Sequential]
    """Each ends in a feature map; the first begins with a convolution."""
    trunk: nn.Sequential
    """The layers between the coarsest map and the last layer: `N C h w` to `N features`."""


def _pooled(model: Any) -> Parts:
    """AlexNet and VGG: a map after each pooling, and a trunk of two layers of 4096 units with dropout."""
    ends = [i + 1 for i, layer in enumerate(model.features) if isinstance(layer, nn.MaxPool2d)]
    stages = [model.features[start:end] for start, end in itertools.pairwise([0, *ends])]
    return Parts(stages, nn.Sequential(model.avgpool, nn.Flatten(), *model.classifier[:-1]))


def _residual(model: Any) -> Parts:
    """ResNets: maps at strides 4, 8, 16 and 32, and a trunk that is global average pooling."""
    finest = nn.Sequential(model.conv1, model.bn1, model.relu, model.maxpool, model.layer1)
    coarser = [nn.Sequential(layer) for layer in (model.layer2, model.layer3, model.layer4)]
    return Parts([finest, *coarser], nn.Sequential(model.avgpool, nn.Flatten()))


BACKBONES: dict[str, Callable[[nn.Module], Parts]] = {
    "alexnet": _pooled,
    "vgg11": _pooled,
    "resnet18": _residual,
    "resnet50": _residual,
}
"""torchvision's name of a classifier, and the function that splits it into parts."""


class Backbone(nn.Module):
    """A classifier of torchvision without its last layer.

    Args:
        name: one of `BACKBONES`.
        weights: None starts from random weights. `"imagenet"` uses torchvision's `IMAGENET1K_V1` from torch's cache, or
            downloads it; if that fails, training starts from random weights with a warning. Any other value is a file
            with a torchvision state dict of the whole classifier; its last layer may have any number of classes.
        residual: maps images `N 3 H W` in [0, 1] to `N C H W`, which the first layer gets together with the colours,
            such as `SrmFilters`. The first layer's weights for the colours are still those of `weights`. None uses only
            the colours.

    Attributes:
        channels: number of channels of each map, fine to coarse.
        features: length of the output of `trunk`.
        trunk: torchvision's layers between the coarsest map and the last layer, `N C h w` to `N features`.

    Raises:
        InputError: the backbone is unknown, or the weights cannot be read or belong to another net.
    """

    mean: Tensor
    std: Tensor
    started_pretrained: Tensor

    def __init__(self, name: str, weights: str | None = None, residual: nn.Module | None = None) -> None:
        super().__init__()
        if name not in BACKBONES:
            known = ", ".join(BACKBONES)
            raise InputError(f"Backbone: no backbone {name!r}; expected one of {known}{did_you_mean(name, BACKBONES)}")
        model = get_model(name, weights=None)
        last, layer = [(path, part) for path, part in model.named_modules() if isinstance(part, nn.Linear)][-1]
        file = None if weights is None else file_of(weights, self) or _downloaded(name)
        if file is not None:
            _load(model, name, file, replaced=f"{last}.")
        stages, trunk = BACKBONES[name](model)
        self.residual = residual
        self.first = stages[0][0] if residual is None else _widened(stages[0][0], residual)
        self.stages = nn.ModuleList([stages[0][1:], *stages[1:]])
        self.trunk = trunk
        convolutions = [[part for part in stage.modules() if isinstance(part, nn.Conv2d)] for stage in stages]
        self.channels: list[int] = [found[-1].out_channels for found in convolutions]
        self.features: int = layer.in_features
        for colours, values in (("mean", MEAN), ("std", STD)):
            self.register_buffer(colours, torch.tensor(values).view(3, 1, 1), persistent=False)
        # In the state dict, so that a checkpoint keeps the fact on a machine without these weights.
        self.register_buffer("started_pretrained", torch.tensor(file is not None))
        self.to(memory_format=torch.channels_last)  # ResNets train a tenth faster than in torch's own order

    @property
    def pretrained(self) -> bool:
        """Whether training started from given or downloaded weights."""
        return bool(self.started_pretrained)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the feature maps of `image`, `N 3 H W` RGB in [0, 1], from fine to coarse.

        The first layer runs in float32 also under autocast, because bf16 would round away forgery traces.
        """
        with torch.autocast(image.device.type, enabled=False):
            seen = (image.float() - self.mean) / self.std
            if self.residual is not None:
                seen = torch.cat([seen, self.residual(image.float())], 1)
            features: Tensor = self.first(seen.contiguous(memory_format=torch.channels_last))
        maps = []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        return maps


def _widened(first: Any, residual: nn.Module) -> nn.Conv2d:
    """Return a first layer with extra inputs for the channels of `residual`; the weights for the colours are kept."""
    with torch.no_grad():
        extra = residual(torch.zeros(1, 3, 16, 16)).shape[1]
        options = {name: getattr(first, name) for name in ("stride", "padding")}
        wider = nn.Conv2d(3 + extra, first.out_channels, first.kernel_size, bias=first.bias is not None, **options)
        wider.weight[:, :3] = first.weight
        if first.bias is not None:
            wider.bias.copy_(first.bias)  # type: ignore[union-attr]  # both have one
    return wider


def _downloaded(name: str) -> Path | None:
    """Return torchvision's ImageNet weights, downloaded if needed; None, with a warning, if that fails."""
    url = get_model_weights(name).IMAGENET1K_V1.url
    file = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
    if not file.is_file():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            # As torchvision names them, a file's name ends in the start of its hash.
            torch.hub.download_url_to_file(url, str(file), file.stem.split("-")[-1], progress=False)
        except Exception as error:  # no network, no space, a proxy's page instead of the file
            warnings.warn(
                f"{name} starts from scratch: its ImageNet weights cannot be downloaded ({error}); put {file.name} "
                f"into {file.parent} or give its path as net.weights",
                stacklevel=3,
            )
            return None
    return file


def _load(model: nn.Module, name: str, file: Path, replaced: str) -> None:
    """Load the classifier's weights except those whose names start with `replaced`; the file may lack those."""
    state = read_state(file)
    try:
        kept = {key: value for key, value in state.items() if not key.startswith(replaced)}
        missing, extra = model.load_state_dict(kept, strict=False)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: not the weights of {name} ({str(error).splitlines()[-1].strip()})") from error
    faults = [f"{key!r} is missing" for key in missing if not key.startswith(replaced)]
    faults += [f"{key!r} is extra" for key in extra]
    if faults:
        raise InputError(f"{file}: not the weights of {name} ({faults[0]})")
