"""The adversarial loss of a critic that scores each pixel: the context-aware discriminator.

The critic D learns to find the hole m (1 = made) of a composite I_hat, and to find nothing in a photo I. The generator
pays where its pixels are found. With E the error of a score against its target:

    critic      mean E(D(I_hat), m) + mean E(D(I), 0)
    generator   mean over the hole of E(D(I_hat), 0)

Source: Li et al., *Contextual Outpainting With Object-Level Contrastive Learning* (CVPR 2022), which does not define
E. AOT-GAN (arXiv:2104.01431) has a similar loss, whose public code has two faults: the targets of critic and generator
contradict each other, and the weighting by the hole multiplies a loss that is already a mean, so it has no effect.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.processes.reduce import mean_over_processes


class ContextAwareLoss(nn.Module, ABC):
    """The losses of both sides. A higher score means more real, as for every critic of this package.

    Example:
        >>> import torch
        >>> loss, sure = ContextAwareBce(), torch.full((1, 1, 2, 2), 20.0)
        >>> hole = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).view(1, 1, 2, 2)
        >>> loss.critic(sure, sure * (1 - 2 * hole), hole).item() < 1e-6  # it finds all of the hole and nothing else
        True
        >>> round(loss.generator(-sure, hole).item())  # and the generator pays for being found
        20
    """

    @abstractmethod
    def error(self, scores: Tensor, real: Tensor) -> Tensor:
        """Return the error of each score, for targets `real` of 1 (real) and 0 (made); the scores' shape."""

    def critic(self, real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
        """Return the critic's loss, a scalar.

        Args:
            real: scores of photos, `... H W`.
            fake: scores of composites, the same shape.
            mask: the same shape, 1 where the composites were made.
        """
        ones = real.new_ones(real.shape)
        return self.error(fake, 1 - mask).mean() + self.error(real, ones).mean()

    def generator(self, fake: Tensor, mask: Tensor) -> Tensor:
        """Return the generator's loss, a scalar: a mean over the hole, since it made nothing elsewhere."""
        error = self.error(fake, fake.new_ones(fake.shape)) * mask
        return mean_over_processes(error.sum(), mask.sum())


class ContextAwareBce(ContextAwareLoss):
    """Binary cross-entropy on logits."""

    def error(self, scores: Tensor, real: Tensor) -> Tensor:
        """See `ContextAwareLoss`."""
        return F.binary_cross_entropy_with_logits(scores, real.to(scores.dtype), reduction="none")


class ContextAwareSquares(ContextAwareLoss):
    """Squared error of the score."""

    def error(self, scores: Tensor, real: Tensor) -> Tensor:
        """See `ContextAwareLoss`."""
        return (scores - real).square()
