"""A generator's critic, used as a localizer."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from outpaint_lightning.checkpoints.parts import load_part
from outpaint_lightning.nets.discriminators import PatchDiscriminator
from outpaint_lightning.types import InputError


class CriticLocalizer(nn.Module):
    """Class scores per pixel of the first frame of a window: forged where a critic gives low scores.

    A critic separates generated from real pixels, as a localizer does. But it was trained against one generator, and a
    good generator leaves it little to detect. So compare its results with the floors, and with the same net trained on
    labels.

    Args:
        critic: a critic with `head` `mask`. With `dim` 2 it gets only the first frame, with 3 the whole window.
        weights: checkpoint or run folder of a task with critics, such as `SpatiotemporalInpaintingTask`; null starts
            from random weights.
        part: name of the critic in that checkpoint: `frame` or `sequence`; for `ContextualOutpaintingTask` `context`,
            which was trained to score each pixel, or `patch`.

    Raises:
        InputError: the critic has another head, or the weights cannot be read.

    Example:
        >>> net = CriticLocalizer(PatchDiscriminator(2, width=4, layers=1, head="mask"))
        >>> (logits,) = net(torch.rand(1, 2, 3, 24, 32))
        >>> logits.shape
        torch.Size([1, 2, 24, 32])
    """

    def __init__(
        self,
        critic: PatchDiscriminator,
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
