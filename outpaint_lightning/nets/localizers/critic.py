"""A generator's critic as a localizer, and a localizer as a critic."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from outpaint_lightning.checkpoints.parts import load_part
from outpaint_lightning.nets.discriminators import Critic
from outpaint_lightning.types import InputError


class CriticLocalizer(nn.Module):
    """Class scores per pixel of the first frame of a window: forged where a critic gives low scores.

    A critic separates generated from real pixels, as a localizer does. But it was trained against one generator, and a
    good generator leaves it little to detect. So compare its results with the floors, and with the same net trained on
    labels.

    Args:
        critic: a critic with `head` `mask`: a `PatchDiscriminator` or a `LocalizerCritic`. With `dim` 2 it gets only
            the first frame, with 3 the whole window.
        weights: checkpoint or run folder of a task with critics, such as `SpatiotemporalInpaintingTask`; null starts
            from random weights.
        part: name of the critic in that checkpoint: `frame` or `sequence`; for `ContextualOutpaintingTask` `context`,
            which was trained to score each pixel, or `patch`.

    Raises:
        InputError: the critic has another head, or the weights cannot be read.

    Example:
        >>> from outpaint_lightning.nets import PatchDiscriminator
        >>> net = CriticLocalizer(PatchDiscriminator(2, width=4, layers=1, head="mask"))
        >>> (logits,) = net(torch.rand(1, 2, 3, 24, 32))
        >>> logits.shape
        torch.Size([1, 2, 24, 32])
    """

    def __init__(
        self,
        critic: Critic,
        weights: str | None = None,
        part: Literal["frame", "sequence", "context", "patch"] = "frame",
    ) -> None:
        super().__init__()
        if critic.head != "mask":
            raise InputError(f"CriticLocalizer: critic has the head {critic.head!r}; expected mask")
        self.critic = critic
        if weights is not None:
            load_part(critic, weights, f"critics.{part}.", f"critic {part!r}")

    def forward(self, image: Tensor, last_only: bool = False) -> list[Tensor]:  # noqa: ARG002 (there is one update)
        """Score a window.

        Args:
            image: `B T 3 H W` RGB in [0, 1].
            last_only: has no effect.

        Returns:
            One tensor of logits `B 2 H W`: a sequence of one update. The logit of forged relative to authentic is minus
            the critic's score.
        """
        scores: Tensor = self.critic(image[:, :1] if self.critic.dim == 2 else image)[:, 0]
        return [torch.cat([scores, torch.zeros_like(scores)], 1)]


class LocalizerCritic(Critic):
    """A localizer that a generator is trained against: the score of a pixel is the logit of authentic minus forged.

    As the context-aware critic of `ContextualOutpaintingTask`, the localizer learns to find what the generator paints,
    and the generator learns to hide it. `CriticLocalizer` reads the trained localizer from the checkpoint.

    Args:
        net: a localizer, as `LocalizationTask` takes it.
        weights: checkpoint or run folder of a `LocalizationTask` with initial weights; null keeps those of `net`.
        frames: number of frames in the windows of `net`. Each frame is judged by itself, repeated to such a window.

    Raises:
        InputError: `frames` is below 1, or the weights cannot be read.

    Example:
        >>> from outpaint_lightning.nets import UNet
        >>> critic = LocalizerCritic(UNet(width=8, depth=1, frames=1))
        >>> critic(torch.rand(2, 3, 3, 24, 32)).shape
        torch.Size([2, 3, 1, 24, 32])
    """

    dim = 2
    head = "mask"

    def __init__(self, net: nn.Module, weights: str | None = None, frames: int = 1) -> None:
        super().__init__()
        if frames < 1:
            raise InputError(f"LocalizerCritic: frames is {frames}: expected at least 1")
        self.net, self.frames = net, frames
        if weights is not None:
            load_part(net, weights, "net.", "net")

    def forward(self, clips: Tensor) -> Tensor:
        """Score each pixel of clips `B T 3 H W` in [0, 1]; returns `B T 1 H W`."""
        windows = clips.flatten(0, 1)[:, None].expand(-1, self.frames, -1, -1, -1)
        logits: Tensor = self.net(windows, last_only=True)[-1]
        return (logits[:, :1] - logits[:, 1:]).view(*clips.shape[:2], 1, *clips.shape[-2:])
