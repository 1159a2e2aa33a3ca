"""Adversarial losses of a generator and its critics, given the critics' scores.

A score is a number; higher means more real. Real and fake scores may have any shape, and a loss is the mean over them.
Each loss consists of two formulas, one for the critic and one for the generator.

| loss | critic | generator |
|---|---|---|
| `Bce` | softplus(-real) + softplus(fake) | softplus(-fake), the non-saturating form of Goodfellow et al. (2014) |
| `Hinge` | relu(1 - real) + relu(1 + fake) | -fake (Miyato et al., arXiv:1802.05957) |
| `LeastSquares` | (real - 1)^2 + fake^2 | (fake - 1)^2 (Mao et al., arXiv:1611.04076) |
| `Wasserstein` | fake - real, with a gradient penalty | -fake (Arjovsky et al., arXiv:1701.07875) |
| `RelativisticLeastSquares` | (r - m(f) - 1)^2 + (f - m(r) + 1)^2 | the same, r and f exchanged (arXiv:1807.00734) |

In the last row, r and f are real and fake scores and m is the mean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.processes.reduce import mean_over_processes


class AdversarialLoss(nn.Module, ABC):
    """The losses of critic and generator. See the module's table.

    Example:
        >>> import torch
        >>> loss = Hinge()
        >>> loss.critic(torch.tensor([0.5]), torch.tensor([-2.0])).item(), loss.generator(torch.tensor([-2.0])).item()
        (0.5, 2.0)
    """

    relative = False
    """Whether the generator's loss also needs the scores of real samples."""

    @abstractmethod
    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the critic's loss, a scalar, from its scores of real and of fake samples."""

    @abstractmethod
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return the generator's loss, a scalar, from the critic's scores of its samples."""


class Bce(AdversarialLoss):
    """Binary cross-entropy on logits."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """See `AdversarialLoss`."""
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:  # noqa: ARG002 (a relative loss needs it)
        """See `AdversarialLoss`."""
        return F.softplus(-fake).mean()


class Hinge(AdversarialLoss):
    """Hinge loss: the critic's loss is 0 for real scores above 1 and fake scores below -1."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """See `AdversarialLoss`."""
        return (1 - real).relu().mean() + (1 + fake).relu().mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """See `AdversarialLoss`."""
        return -fake.mean()


class LeastSquares(AdversarialLoss):
    """Squared error of the scores; the target is 1 for real and 0 for fake."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """See `AdversarialLoss`."""
        return (real - 1).square().mean() + fake.square().mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """See `AdversarialLoss`."""
        return (fake - 1).square().mean()


class Wasserstein(AdversarialLoss):
    """The difference of the mean scores. The critic needs a bound on its gradient, such as `gradient_penalty`."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """See `AdversarialLoss`."""
        return fake.mean() - real.mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """See `AdversarialLoss`."""
        return -fake.mean()


class RelativisticLeastSquares(AdversarialLoss):
    """Squared error of the difference between each score and the mean score of the other kind.

    Args:
        wrib_code: use only `(fake - m(real))^2` as the generator's loss, as the public code of wide-range image
            blending does. Then fake scores should equal real scores instead of exceeding them.

    Example:
        >>> import torch
        >>> loss = RelativisticLeastSquares()
        >>> loss.critic(torch.tensor([1.0]), torch.tensor([0.0])).item()  # real exceeds fake by 1
        0.0
        >>> loss.generator(torch.tensor([0.0]), torch.tensor([1.0])).item()
        8.0
    """

    relative = True

    def __init__(self, wrib_code: bool = False) -> None:
        super().__init__()
        self.wrib_code = wrib_code

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """See `AdversarialLoss`."""
        return (real - fake.mean() - 1).square().mean() + (fake - real.mean() + 1).square().mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See `AdversarialLoss`; `real` is required."""
        assert real is not None
        return (fake - real.mean()).square().mean() if self.wrib_code else self.critic(fake, real)


def r1_penalty(real: Tensor, scores: Tensor) -> Tensor:
    """Half the squared norm of the gradient of the scores at real samples, mean over samples.

    `(1/2) E |grad_x D(x)|^2`, Mescheder et al., *Which Training Methods for GANs do actually Converge?* (ICML 2018,
    arXiv:1801.04406), equation 9 without its weight. The scores of a sample are summed.

    Args:
        real: `B ...`, requires a gradient.
        scores: `B ...`, the critic's scores of `real`.

    Returns:
        A scalar with a gradient.
    """
    return _squared_slopes(real, scores).mean() / 2


def gradient_penalty(score: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """WGAN-GP: squared difference between 1 and the critic's gradient norm, between real and fake samples.

    `E (|grad D(e x + (1 - e) G)| - 1)^2`, Gulrajani et al. (NeurIPS 2017, arXiv:1704.00028), equation 3 without its
    weight; mean over samples. Each sample has its own `e`. One `e` for the whole batch would test only one point of
    every line.

    Args:
        score: the critic.
        real: `B ...`.
        fake: `B ...`.
        mix: `B`, e in [0, 1]: 1 takes the real sample.

    Returns:
        A scalar with a gradient.
    """
    share = mix.view(-1, *[1] * (real.ndim - 1))
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    return (_squared_slopes(between, score(between)).sqrt() - 1).square().mean()


def _squared_slopes(samples: Tensor, scores: Tensor) -> Tensor:
    """Return the squared norm `B` of the gradient of each sample's summed scores."""
    (slope,) = torch.autograd.grad(scores.sum(), samples, create_graph=True)
    return slope.square().flatten(1).sum(1)


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of a critic's features, mean over layers. Real features are targets without gradient.

    Wang et al. (pix2pixHD, CVPR 2018, arXiv:1711.11585), equation 4.

    Args:
        real: features of each layer, of any shape.
        fake: features of the same shapes.
    """
    return torch.stack([F.l1_loss(made, true.detach()) for true, made in zip(real, fake, strict=True)]).mean()


def masked_l1(made: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference where a mask is 1; 0 if the mask is empty.

    Args:
        made: `B T C H W`.
        true: `B T C H W`; not read where the mask is 0, so it may be NaN there.
        mask: `B T 1 H W`.
    """
    inside = (mask > 0.5).expand_as(made)
    difference = torch.where(inside, made - torch.where(inside, true, 0), 0).abs()
    return mean_over_processes(difference.sum(), inside.sum())
