"""What a generator and its critics are charged, given the critics' scores.

A score is a number, higher for what looks more real; real and fake scores have any shape, and a loss is a mean over
places. Each loss is a pair: what the critic pays, and what the generator pays.

| loss | critic | generator |
|---|---|---|
| `Bce` | softplus(-real) + softplus(fake) | softplus(-fake), the non-saturating form of Goodfellow et al. (2014) |
| `Hinge` | relu(1 - real) + relu(1 + fake) | -fake (Miyato et al., arXiv:1802.05957) |
| `LeastSquares` | (real - 1)^2 + fake^2 | (fake - 1)^2 (Mao et al., arXiv:1611.04076) |
| `Wasserstein` | fake - real, beside a gradient penalty | -fake (Arjovsky et al., arXiv:1701.07875) |
| `RelativisticLeastSquares` | (r - m(f) - 1)^2 + (f - m(r) + 1)^2 | the same, r and f exchanged (arXiv:1807.00734) |
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.processes.reduce import mean_over_processes


class AdversarialLoss(nn.Module, ABC):
    """What critic and generator pay. See the module's table.

    Example:
        >>> import torch
        >>> loss = Hinge()
        >>> loss.critic(torch.tensor([0.5]), torch.tensor([-2.0])).item(), loss.generator(torch.tensor([-2.0])).item()
        (0.5, 2.0)
    """

    relative = False
    """Whether the generator's loss needs the scores of real samples, too."""

    @abstractmethod
    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the critic pays for the scores it gave to real and to fake samples, a scalar."""

    @abstractmethod
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return what the generator pays for the scores of its samples, a scalar."""


class Bce(AdversarialLoss):
    """Binary cross-entropy on logits."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """See `AdversarialLoss`."""
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:  # noqa: ARG002 (a relative loss needs it)
        """See `AdversarialLoss`."""
        return F.softplus(-fake).mean()


class Hinge(AdversarialLoss):
    """Hinge: the critic stops caring about what it tells apart by more than 1."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """See `AdversarialLoss`."""
        return (1 - real).relu().mean() + (1 + fake).relu().mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """See `AdversarialLoss`."""
        return -fake.mean()


class LeastSquares(AdversarialLoss):
    """Least squares: real is 1, fake is 0."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """See `AdversarialLoss`."""
        return (real - 1).square().mean() + fake.square().mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """See `AdversarialLoss`."""
        return (fake - 1).square().mean()


class Wasserstein(AdversarialLoss):
    """The difference of the mean scores; the critic needs a bound on its slope, such as `gradient_penalty`."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """See `AdversarialLoss`."""
        return fake.mean() - real.mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """See `AdversarialLoss`."""
        return -fake.mean()


class RelativisticLeastSquares(AdversarialLoss):
    """Least squares of each score against the mean score of the other kind.

    Args:
        wrib_code: let the generator pay `(fake - m(real))^2` alone, as the public code of wide-range image blending
            does: its scores are to reach those of real samples, not to surpass them.
    """

    relative = True

    def __init__(self, wrib_code: bool = False) -> None:
        super().__init__()
        self.wrib_code = wrib_code

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """See `AdversarialLoss`."""
        return (real - fake.mean() - 1).square().mean() + (fake - real.mean() + 1).square().mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See `AdversarialLoss`; needs the real scores."""
        assert real is not None
        return (fake - real.mean()).square().mean() if self.wrib_code else self.critic(fake, real)


def r1_penalty(real: Tensor, scores: Tensor) -> Tensor:
    """Squared length of the scores' gradient at real samples, mean over samples, halved.

    `(1/2) E |grad_x D(x)|^2`, Mescheder et al., *Which Training Methods for GANs do actually Converge?* (ICML 2018,
    arXiv:1801.04406), equation 9 without its weight. The scores of a sample are summed.

    Args:
        real: `B ...`, requires a gradient.
        scores: `B ...` of them.

    Returns:
        A scalar with a graph.
    """
    return _squared_slopes(real, scores).mean() / 2


def gradient_penalty(score: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """WGAN-GP: how far the slope of the critic is from 1 between a real and a fake sample, squared, mean over samples.

    `E (|grad D(e x + (1 - e) G)| - 1)^2`, Gulrajani et al. (NeurIPS 2017, arXiv:1704.00028), equation 3 without its
    weight. `e` is drawn once for each sample; one for the whole batch would test only one point of every line.

    Args:
        score: the critic.
        real: `B ...`.
        fake: `B ...`.
        mix: `B`, e in [0, 1]: 1 takes the real sample.

    Returns:
        A scalar with a graph.
    """
    share = mix.view(-1, *[1] * (real.ndim - 1))
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    return (_squared_slopes(between, score(between)).sqrt() - 1).square().mean()


def _squared_slopes(samples: Tensor, scores: Tensor) -> Tensor:
    """Return the squared length `B` of the gradient of each sample's summed scores."""
    (slope,) = torch.autograd.grad(scores.sum(), samples, create_graph=True)
    return slope.square().flatten(1).sum(1)


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of a critic's features, mean over layers; real features are targets, without gradient.

    Wang et al. (pix2pixHD, CVPR 2018, arXiv:1711.11585), equation 4.

    Args:
        real: of each layer, any shape.
        fake: the same shapes.
    """
    return torch.stack([F.l1_loss(made, true.detach()) for true, made in zip(real, fake, strict=True)]).mean()


def masked_l1(made: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference where a mask is 1, 0 where it never is.

    Args:
        made: `B T C H W`.
        true: `B T C H W`; not read where the mask is 0, and may be NaN there.
        mask: `B T 1 H W`.
    """
    inside = (mask > 0.5).expand_as(made)
    difference = torch.where(inside, made - torch.where(inside, true, 0), 0).abs()
    return mean_over_processes(difference.sum(), inside.sum())
