"""Heads of `RaftLocalizer`: how class scores are read from what RAFT's recurrent updates leave.

A head is called with RAFT, the updates to judge and the pair of frames `B 2 3 H W` in [0, 1], and returns the logits
`B 2 H W` of each update. Its `judges_state` tells whether they are made of RAFT's state itself: then RAFT's convex
upsampling is needed, and the state learns from being judged.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.optical_flow.raft import RAFT, upsample_flow

from outpaint_lightning.nets.layers.residual_filters import SrmFilters

STRIDE = 8  # RAFT works on cells of 8 x 8 pixels
CHANNELS = 32  # of the features at full resolution
GROUP = 8  # channels normalised together


class Update(NamedTuple):
    """What a recurrent update leaves, and the next one starts from."""

    state: Tensor
    """`B 2 H/8 W/8`: where the next update looks the correlation up, in cells, x first."""
    hidden: Tensor
    """`B C H/8 W/8`, the recurrent unit's."""


class FlowScores(nn.Module):
    """The state's two channels are the class scores, brought to full resolution by RAFT's convex upsampling.

    Source: Darra and Vicentini (2023). The parameters are RAFT's own; there are none here.

    Args:
        hidden: channels of the hidden state; makes no difference.
    """

    judges_state: ClassVar[bool] = True

    def __init__(self, hidden: int) -> None:  # noqa: ARG002 (heads are built alike)
        super().__init__()

    def forward(self, raft: RAFT, updates: list[Update], image: Tensor) -> list[Tensor]:  # noqa: ARG002 (unseen)
        """Return the logits of each update: 8 times the state, as for flow."""
        return [upsample_flow(update.state, raft.mask_predictor(update.hidden)) for update in updates]


class FeatureScores(nn.Module):
    """Class scores from the hidden state, fused with what high-pass filters see of both frames at full resolution.

    The state stays a displacement, free to follow the scene. With S the stem, computed once a pair, and h the hidden
    state after an update, the logits are `conv3x3(relu(S + upsample(conv1x1(h))))`.

    Args:
        hidden: channels of the hidden state.
    """

    judges_state: ClassVar[bool] = False

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.high_pass = SrmFilters()
        self.stem = nn.Sequential(_layer(2 * 9, CHANNELS), _layer(CHANNELS, CHANNELS))
        self.project = nn.Conv2d(hidden, CHANNELS, 1)
        self.scores = nn.Conv2d(CHANNELS, 2, 3, padding=1)

    def forward(self, raft: RAFT, updates: list[Update], image: Tensor) -> list[Tensor]:  # noqa: ARG002 (unused)
        """Return the logits of each update."""
        with torch.autocast(image.device.type, enabled=False):  # bf16 would round the traces of a forgery away
            residual = self.high_pass(image.flatten(0, 1).float())
        seen = self.stem(residual.reshape(len(image), -1, *residual.shape[2:]))
        logits = []
        for update in updates:
            # The 1x1 convolution comes first: it commutes with the upsampling, and is 64 times cheaper on cells.
            hidden = F.interpolate(self.project(update.hidden), scale_factor=STRIDE, mode="bilinear")
            logits.append(self.scores(F.relu(seen + hidden)))
        return logits


HEADS: dict[str, type[FlowScores | FeatureScores]] = {"flow": FlowScores, "features": FeatureScores}


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.GroupNorm(outputs // GROUP, outputs), nn.ReLU()
    )
