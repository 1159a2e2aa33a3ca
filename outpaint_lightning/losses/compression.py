"""A criterion for training under codecs. It can also require the same answer before and after the codec."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.nets.localizers.analysis import AnalysingNet, Analysis
from outpaint_lightning.processes.reduce import mean_over_processes
from outpaint_lightning.types import Batch, InputError

BEST_QUALITY = 60.0  # dB; `data.codec` clips the PSNR to it


def consistency(logits: Tensor, reference: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of the class probabilities of two views, in nats.

    The reference gets no gradient: the degraded view learns from the clean view, not the reverse.

    Source: Zheng et al., *Improving the Robustness of Deep Neural Networks via Stability Training* (CVPR 2016,
    arXiv:1604.04326), equation 6. Their reference does get a gradient.

    Args:
        logits: `B 2 H W`, from the degraded view.
        reference: `B 2 H W`, from the clean view.

    Returns:
        A scalar of at least 0, mean over pixels.
    """
    expected = reference.detach().log_softmax(1)
    terms = (expected.exp() * (expected - logits.log_softmax(1))).sum(1)
    return mean_over_processes(terms.sum(), terms.numel())


def feature_distance(features: Tensor, reference: Tensor) -> Tensor:
    """Return one minus the cosine between the features of two views, mean over positions.

    The reference gets no gradient.

    Args:
        features: `B C h w`, from the degraded view.
        reference: `B C h w`, from the clean view.

    Returns:
        A scalar in [0, 2].
    """
    terms = 1 - F.cosine_similarity(features, reference.detach(), dim=1)
    return mean_over_processes(terms.sum(), terms.numel())


class CompressionCriterion(nn.Module):
    """A criterion on degraded windows, with optional terms that compare them with their clean twins.

    The loss is the loss of `criterion`, plus these weighted terms::

        clean        the same criterion on the clean view
        consistency  difference of the logits, see `consistency`
        features     difference of the features, see `feature_distance`
        quality      absolute error of the predicted PSNR, in units of `BEST_QUALITY`

    Terms with weight 0 are not computed. The first three need `data.codec.paired: true`. They cost the time of a second
    training step, or of a second forward pass if `clean` is 0.

    Args:
        criterion: called with logits and masks, such as `SequenceCrossEntropyDice`.
        clean: weight of the criterion on the clean view.
        consistency: weight of the divergence of the logits.
        features: weight of the distance of the features.
        quality: weight of the error of the predicted quality; only for nets that predict it.

    Raises:
        InputError: a weight is negative.
    """

    def __init__(
        self,
        criterion: nn.Module,
        clean: float = 0.0,
        consistency: float = 0.0,
        features: float = 0.0,
        quality: float = 0.0,
    ) -> None:
        super().__init__()
        self.criterion = criterion
        self.clean, self.consistency, self.features, self.quality = clean, consistency, features, quality
        for name in ("clean", "consistency", "features", "quality"):
            if not getattr(self, name) >= 0:
                raise InputError(f"CompressionCriterion: {name} is {getattr(self, name)}: expected 0 or more")

    def set_forged_share(self, share: float) -> None:
        """Pass the share of forged pixels in the training masks to `criterion`."""
        setter = getattr(self.criterion, "set_forged_share", None)
        if callable(setter):
            setter(share)

    def forward(self, logits: list[Tensor], mask: Tensor) -> dict[str, Tensor]:
        """Return the terms of `criterion` alone, as used in validation."""
        terms: dict[str, Tensor] = self.criterion(logits, mask)
        return terms

    def judge(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return all terms of a training batch.

        Args:
            net: an `AnalysingNet`.
            batch: a batch with `image` and `mask`, and with `clean` and `quality` if their weights need them.

        Raises:
            InputError: the net or the batch lacks something that a weight needs.
        """
        if not hasattr(net, "analyse"):
            raise InputError(f"CompressionCriterion: {type(net).__name__} has no features to compare (`analyse`)")
        analyst = cast("AnalysingNet", net)
        mask = batch["mask"][:, 0]
        seen = analyst.analyse(batch["image"])
        terms = self.criterion(seen.logits, mask)
        extra = {"quality": (self.quality, self._quality_error(seen, batch))} if self.quality else {}
        if self.clean or self.consistency or self.features:
            extra |= self._against_clean(analyst, seen, batch, mask)
        loss = torch.stack([terms["loss"], *(weight * term for weight, term in extra.values())]).sum()
        return {**terms, "loss": loss, **{f"loss/{name}": term.detach() for name, (_, term) in extra.items()}}

    def _against_clean(
        self, net: AnalysingNet, seen: Analysis, batch: Batch, mask: Tensor
    ) -> dict[str, tuple[float, Tensor]]:
        """Return the weight and value of each term that compares a view with its clean twin."""
        if "clean" not in batch:
            raise InputError("CompressionCriterion: compares with clean windows: expected data.codec.paired: true")
        with torch.set_grad_enabled(self.clean > 0):
            clean = net.analyse(batch["clean"])
        terms: dict[str, tuple[float, Tensor]] = {}
        if self.clean:
            terms["clean"] = (self.clean, self.criterion(clean.logits, mask)["loss"])
        if self.consistency:
            terms["consistency"] = (self.consistency, consistency(seen.logits[-1], clean.logits[-1]))
        if self.features:
            terms["features"] = (self.features, feature_distance(seen.features, clean.features))
        return terms

    @staticmethod
    def _quality_error(seen: Analysis, batch: Batch) -> Tensor:
        if seen.quality is None or "quality" not in batch:
            raise InputError("CompressionCriterion: quality needs a net that predicts it, and data.codec")
        errors = (seen.quality - batch["quality"]).abs() / BEST_QUALITY
        return mean_over_processes(errors.sum(), errors.numel())
