"""Fold batch normalisation into the preceding convolutions: the same outputs in less time, for inference."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fused(net: nn.Module, example: Tensor) -> nn.Module:
    """Return a copy of a net in evaluation mode with its batch normalisations folded into convolutions.

    A normalisation is folded only if its input is directly the output of a convolution. Other parts of a normalisation
    layer (timm's layers contain the activation) are kept. If another layer also reads that output, the net's outputs
    change, so compare them.

    Args:
        net: a net with running statistics.
        example: an input. The net is called once with it, to find which layer follows which.

    Returns:
        A net with the same outputs, up to rounding. It cannot be trained further.
    """
    net = copy.deepcopy(net).eval()
    for convolution, norm in dict.fromkeys(_pairs(net, example)):  # shared layers run several times
        layer, following = net.get_submodule(convolution), net.get_submodule(norm)
        assert isinstance(layer, nn.Conv2d)
        assert isinstance(following, nn.BatchNorm2d)
        net.set_submodule(convolution, fuse_conv_bn_eval(layer, following))
        net.set_submodule(norm, _rest(following))
    return net


def _pairs(net: nn.Module, example: Tensor) -> list[tuple[str, str]]:
    """Return pairs of names: a convolution, and the normalisation that follows it."""
    outputs: dict[int, tuple[str, Tensor]] = {}  # by the id of the output; keeping the output keeps the id unique
    pairs: list[tuple[str, str]] = []
    hooks = []

    def remember(name: str) -> Any:
        return lambda _module, _given, output: outputs.update({id(output): (name, output)})

    def look_up(name: str) -> Any:
        def hook(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
            if id(given[0]) in outputs:
                pairs.append((outputs[id(given[0])][0], name))

        return hook

    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d) and not parametrize.is_parametrized(module):
            hooks.append(module.register_forward_hook(remember(name)))
        elif isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            hooks.append(module.register_forward_pre_hook(look_up(name)))
    try:
        with torch.no_grad():
            net(example)
    finally:
        for hook in hooks:
            hook.remove()
    return pairs


def _rest(norm: nn.Module) -> nn.Module:
    """Return the parts of a normalisation layer other than the normalisation."""
    parts = [getattr(norm, name) for name in ("drop", "act") if isinstance(getattr(norm, name, None), nn.Module)]
    return nn.Sequential(*parts) if parts else nn.Identity()
