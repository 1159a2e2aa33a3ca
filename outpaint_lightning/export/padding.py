"""Convolutions whose padding is a number, in place of those that compute it from the size of what they see."""

from __future__ import annotations

import copy

from torch import nn

from outpaint_lightning.nets import Encoder


def with_fixed_padding(net: nn.Module) -> nn.Module:
    """Return a net that answers the same, with no convolution that pads as TensorFlow does ("same").

    Those of timm compute their padding anew from each size, which no exporter follows where the size is free. At sizes
    that are multiples of the layer's stride the padding is `(kernel - 1) * dilation + 1 - stride`. All sizes are, in a
    localizer that pads frames to its own stride.

    Args:
        net: itself where it holds no encoder of timm.
    """
    if not any(isinstance(part, Encoder) for part in net.modules()):
        return net
    from timm.layers import Conv2dSame

    copied = copy.deepcopy(net)
    for name, layer in [*copied.named_modules()]:
        if isinstance(layer, Conv2dSame):
            copied.set_submodule(name, nn.Sequential(_padding(layer), _plain(layer)))
    return copied


def _padding(layer: nn.Conv2d) -> nn.ZeroPad2d:
    sides = zip(layer.kernel_size, layer.stride, layer.dilation, strict=True)
    rows, columns = (max(0, (kernel - 1) * dilation + 1 - stride) for kernel, stride, dilation in sides)
    return nn.ZeroPad2d((columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


def _plain(layer: nn.Conv2d) -> nn.Conv2d:
    plain = nn.Conv2d(
        layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, 0, layer.dilation, layer.groups,
        bias=layer.bias is not None,
    )  # fmt: skip
    plain.weight, plain.bias = layer.weight, layer.bias
    return plain
