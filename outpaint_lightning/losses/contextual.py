"""What generator and critic are charged where the critic scores each pixel by itself.

A critic D that knows the hole m (1 = made) learns to find it, and nothing in a whole photo; the generator pays where
its pixels are found. With E the error of a score against what it should say, of photos I and of composites I_hat:

    critic      mean E(D(I_hat), m) + mean E(D(I), 0)
    generator   mean over the hole of E(D(I_hat), 0)

after Li et al., *Contextual Outpainting With Object-Level Contrastive Learning* (CVPR 2022), which does not say what E
is. Two things differ from AOT-GAN's public code (arXiv:2104.01431), whose loss is like it: there the target of the
generator is the value that the critic learns for holes in one place and for photos in another, and the weight by the
hole multiplies a loss that is a mean already, which changes nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.processes.reduce import mean_over_processes


class ContextAwareLoss(nn.Module, ABC):
    """What both sides pay. A score is higher for what looks more real, as for every critic here.

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
        """Return the error of each score, given 1 for what is real and 0 for what is made; of the scores' shape."""

    def critic(self, real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
        """Return what the critic pays, a scalar.

        Args:
            real: scores of photos, `... H W`.
            fake: scores of composites, the same shape.
            mask: of that shape, 1 where the composites were made.
        """
        ones = real.new_ones(real.shape)
        return self.error(fake, 1 - mask).mean() + self.error(real, ones).mean()

    def generator(self, fake: Tensor, mask: Tensor) -> Tensor:
        """Return what the generator pays, a scalar: a mean over the hole, as elsewhere it made nothing."""
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
