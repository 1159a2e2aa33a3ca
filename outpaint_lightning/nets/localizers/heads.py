"""Heads of `RaftLocalizer`: they compute class scores from the states of RAFT's recurrent updates.

A head is called with RAFT, the updates to score and the pair of frames `B 2 3 H W` in [0, 1], and returns the logits `B
2 H W` of each update. Its `judges_state` is true if the logits are RAFT's state itself: then RAFT's convex upsampling
is needed, and the loss trains the state directly.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.optical_flow.raft import RAFT, upsample_flow

from outpaint_lightning.nets.layers.residual_filters import SrmFilters

STRIDE = 8  # RAFT works on cells of 8 x 8 pixels
CHANNELS = 32  # number of features at full resolution
GROUP = 8  # number of channels that are normalised together


class Update(NamedTuple):
    """The state after a recurrent update, from which the next update starts."""

    state: Tensor
    """`B 2 H/8 W/8`: where the next update reads the correlation, in cells, x first."""
    hidden: Tensor
    """`B C H/8 W/8`, hidden state of the recurrent unit."""


class FlowScores(nn.Module):
    """The two channels of the state are the class scores; RAFT's convex upsampling enlarges them to full resolution.

    Source: Darra and Vicentini (2023). The head has no parameters of its own.

    Args:
        hidden: number of channels of the hidden state; has no effect.
    """

    judges_state: ClassVar[bool] = True

    def __init__(self, hidden: int) -> None:  # noqa: ARG002 (heads are built alike)
        super().__init__()

    def forward(self, raft: RAFT, updates: list[Update], image: Tensor) -> list[Tensor]:  # noqa: ARG002 (unseen)
        """Return the logits of each update: 8 times the state, as for flow."""
        return [upsample_flow(update.state, raft.mask_predictor(update.hidden)) for update in updates]


class FeatureScores(nn.Module):
    """Class scores from the hidden state and from high-pass residuals of both frames at full resolution.

    The state remains a displacement that can follow the scene. With S the stem, computed once per pair, and h the
    hidden state after an update, the logits are `conv3x3(relu(S + upsample(conv1x1(h))))`.

    Args:
        hidden: number of channels of the hidden state.
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
