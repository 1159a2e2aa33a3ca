"""What lies between two photos, predicted from both sides: bidirectional content transfer."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.types import InputError

Kind = Literal["full", "row_shared"]


class Triple(NamedTuple):
    """Features of the left photo, of what lies between and of the right photo, seen in one direction."""

    left: Tensor
    middle: Tensor
    right: Tensor


class ContentTransfer(nn.Module):
    """Two LSTMs that walk from one photo through what is missing to the other, in both directions.

    A map is cut into upright slices. From left to right, the encoder reads the right photo's slices; the decoder starts
    from its state, reads the left photo's, and goes on from its own last output: the slices of the middle, then the
    right photo's once more, which the true ones can judge. From right to left the same nets see the mirrored maps, so
    that mirroring the input mirrors the result. A convolution of 1 x 1 makes one middle of the two.

    Source: Lu, Liao, Chiu, *Bridging the Visual Gap: Wide-Range Image Blending* (CVPR 2021). Ours: `row_shared`.

    Args:
        channels: of the maps.
        side: height and width of a photo's map, in its pixels.
        split: slices of a photo.
        kind: `full` takes a whole slice as one vector, as the paper does: with 512 channels of 4 x 4 that is 134
            million weights, for one height alone. `row_shared` takes each row of a slice, with the same weights for
            all rows: 8.4 million, for any height.
        layers: of both LSTMs.

    Raises:
        InputError: the slices do not divide a photo's map, or there is no such kind.

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
        """Predict what lies between.

        Args:
            left: `N C h w`, w = `side`; h is that as well for `full`.
            right: the same.
            steps: slices of the middle; as many as a photo has by default.

        Returns:
            The middle `N C h steps*w/split`, what was seen from left to right, and from right to left; each holds the
            photo that it started from as it was given, and the other one as it was predicted.
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
        """Return the middle and the far photo as they look from the near one, `N C h w`."""
        _, state = self.encoder(self._sequence(far))
        read, state = self.decoder(self._sequence(near), state)
        made = [read[:, -1:]]
        for _ in range(steps + self.split - 1):
            following, state = self.decoder(made[-1], state)
            made.append(following)
        return self._map(torch.cat(made, 1), near.shape[2])

    def _sequence(self, features: Tensor) -> Tensor:
        """Return slices as vectors: `N split size`, or `N*h split size` for rows."""
        batch, channels, height, _ = features.shape
        groups = height // self.rows
        cut = features.view(batch, channels, groups, self.rows, self.split, self.width)
        return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch * groups, self.split, -1)

    def _map(self, sequence: Tensor, height: int) -> Tensor:
        """Return vectors as a map, the reverse of `_sequence` for any number of slices."""
        groups = height // self.rows
        cut = sequence.view(-1, groups, sequence.shape[1], self.channels, self.rows, self.width)
        return cut.permute(0, 3, 1, 4, 2, 5).reshape(len(cut), self.channels, height, -1)
