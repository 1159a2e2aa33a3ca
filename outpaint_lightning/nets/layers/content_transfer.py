"""Bidirectional content transfer: predict the features between two photos from both sides."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.types import InputError

Kind = Literal["full", "row_shared"]


class Triple(NamedTuple):
    """Features of the left photo, of the middle and of the right photo, from one direction of the transfer."""

    left: Tensor
    middle: Tensor
    right: Tensor


class ContentTransfer(nn.Module):
    """Two LSTMs that predict the features between two photos, in both directions.

    A feature map is cut into vertical slices. From left to right, the encoder LSTM reads the right photo's slices. The
    decoder LSTM starts from its state and reads the left photo's slices. Then it continues from its own last output: it
    predicts the slices of the middle and the slices of the right photo, which can be compared with the true ones. From
    right to left, the same LSTMs process the mirrored maps, so the result of mirrored inputs is mirrored. A 1 x 1
    convolution merges the two predictions of the middle.

    Source: Lu, Liao, Chiu, *Bridging the Visual Gap: Wide-Range Image Blending* (CVPR 2021). `row_shared` is our own.

    Args:
        channels: number of channels of the maps.
        side: height and width of a photo's feature map.
        split: number of slices of a photo.
        kind: `full` takes a whole slice as one vector, as the paper does. With 512 channels of 4 x 4, this needs 134
            million weights and works for one height only. `row_shared` takes each row of a slice as a vector, with the
            same weights for all rows. It needs 8.4 million weights and works for any height.
        layers: number of layers of both LSTMs.

    Raises:
        InputError: `split` does not divide `side`, or the kind is unknown.

    Example:
        >>> transfer = ContentTransfer(channels=8, side=4, split=4, kind="row_shared")
        >>> middle, ahead, back = transfer(torch.zeros(2, 8, 4, 4), torch.zeros(2, 8, 4, 4), steps=6)
        >>> middle.shape, ahead.right.shape
        (torch.Size([2, 8, 4, 6]), torch.Size([2, 8, 4, 4]))
    """

    def __init__(self, channels: int, side: int, split: int = 4, kind: Kind = "full", layers: int = 2) -> None:
        super().__init__()
        if split < 1 or side % split:
            raise InputError(f"ContentTransfer: split is {split}: expected a divisor of the map's width, {side}")
        if kind not in ("full", "row_shared"):
            raise InputError(f"ContentTransfer: kind is {kind!r}: expected full or row_shared")
        self.channels, self.side, self.split, self.kind = channels, side, split, kind
        self.width = side // split
        self.rows = side if kind == "full" else 1
        size = channels * self.rows * self.width
        self.encoder = nn.LSTM(size, size, layers, batch_first=True)
        self.decoder = nn.LSTM(size, size, layers, batch_first=True)
        self.merge = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, left: Tensor, right: Tensor, steps: int | None = None) -> tuple[Tensor, Triple, Triple]:
        """Predict the features between two photos.

        Args:
            left: `N C h w` with w = `side`; for `full`, h = `side` too.
            right: as `left`.
            steps: number of slices of the middle; by default as many as a photo has.

        Returns:
            The middle `N C h steps*w/split`, and the features from left to right and from right to left. In each
            direction, the photo at the start is given and the other photo is predicted.
        """
        count = self.split if steps is None else steps
        walked = self._walk(left, right, count)
        mirrored = self._walk(right.flip(3), left.flip(3), count).flip(3)
        photo, between = self.side, count * self.width
        middle, seen_right = torch.split(walked, [between, photo], 3)
        seen_left, middle_back = torch.split(mirrored, [photo, between], 3)
        merged = F.leaky_relu(self.merge(torch.cat([middle, middle_back], 1)), 0.2)
        return merged, Triple(left, middle, seen_right), Triple(seen_left, middle_back, right)

    def _walk(self, near: Tensor, far: Tensor, steps: int) -> Tensor:
        """Return the predicted middle and far photo, starting from the near photo: `N C h w`."""
        _, state = self.encoder(self._sequence(far))
        read, state = self.decoder(self._sequence(near), state)
        made = [read[:, -1:]]
        for _ in range(steps + self.split - 1):
            following, state = self.decoder(made[-1], state)
            made.append(following)
        return self._map(torch.cat(made, 1), near.shape[2])

    def _sequence(self, features: Tensor) -> Tensor:
        """Return slices as vectors: `N split size`, or `N*h split size` for `row_shared`."""
        batch, channels, height, _ = features.shape
        groups = height // self.rows
        cut = features.view(batch, channels, groups, self.rows, self.split, self.width)
        return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch * groups, self.split, -1)

    def _map(self, sequence: Tensor, height: int) -> Tensor:
        """Return vectors as a map: the inverse of `_sequence`, for any number of slices."""
        groups = height // self.rows
        cut = sequence.view(-1, groups, sequence.shape[1], self.channels, self.rows, self.width)
        return cut.permute(0, 3, 1, 4, 2, 5).reshape(len(cut), self.channels, height, -1)
