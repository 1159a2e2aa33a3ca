"""Self-attention over the pixels of a frame."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.nets.layers.conv import ConvNd
from outpaint_lightning.types import InputError


class SelfAttention(nn.Module):
    """Each pixel attends to all pixels of the same frame: `x + gamma attention(x)`. gamma starts at 0.

    Zhang et al., *Self-Attention Generative Adversarial Networks* (ICML 2019, arXiv:1805.08318). As there, max pooling
    halves keys and values along both axes, which divides the cost by 4. Clips are processed frame by frame: a
    permutation moves the frames into the batch axis. (The public code of spatiotemporal inpainting reshapes `B C T H W`
    without a permutation, which mixes channels with time.)

    Args:
        channels: number of input channels.
        reduction: queries and keys have `channels / reduction` channels, values `channels / 2`.

    Raises:
        InputError: there are fewer channels than `reduction`, or fewer than 2.

    Example:
        >>> import torch
        >>> features = torch.rand(2, 8, 3, 6, 6)  # a batch of clips
        >>> bool((SelfAttention(8)(features) == features).all())  # gamma is 0 before training
        True
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        if channels < max(2, reduction):
            raise InputError(f"SelfAttention: channels is {channels}: expected at least {max(2, reduction)}")
        self.query = ConvNd(2, channels, channels // reduction, size=1, bias=False)
        self.key = ConvNd(2, channels, channels // reduction, size=1, bias=False)
        self.value = ConvNd(2, channels, channels // 2, size=1, bias=False)
        self.out = ConvNd(2, channels // 2, channels, size=1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape as the input, `N C H W` or `N C T H W`."""
        if features.ndim == 4:
            return self._frames(features)
        frames = self._frames(features.transpose(1, 2).flatten(0, 1))
        return frames.view(features.shape[0], features.shape[2], *frames.shape[1:]).transpose(1, 2)

    def _frames(self, frames: Tensor) -> Tensor:
        pooled = [F.max_pool2d(part, 2, ceil_mode=True) for part in (self.key(frames), self.value(frames))]
        query, key, value = (part.flatten(2).mT for part in (self.query(frames), *pooled))  # N pixels channels
        mixed = _attend(query, key, value)
        attended = mixed.mT.reshape(len(frames), -1, *frames.shape[2:])
        result: Tensor = frames + self.gamma * self.out(attended)
        return result


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return means of the values `N K C`, weighted by softmax(query key^T), `N Q C`. Products are not scaled.

    PyTorch never stores the weights, which are `Q x K` per frame, if there is an axis for heads, all three have as many
    channels, and channels lie side by side in memory. So channels of zeros are added. They change no product.
    """
    channels = max(query.shape[-1], value.shape[-1])
    padded = [F.pad(part, (0, channels - part.shape[-1])).contiguous()[:, None] for part in (query, key, value)]
    mixed = F.scaled_dot_product_attention(padded[0], padded[1], padded[2], scale=1.0)
    return mixed[:, 0, :, : value.shape[-1]]
