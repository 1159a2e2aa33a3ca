import math

import pytest
import torch
from torch import Tensor, nn

from outpaint_lightning.losses import CompressionCriterion, SequenceCrossEntropy, consistency, feature_distance
from outpaint_lightning.nets.localizers.analysis import Analysis
from outpaint_lightning.types import InputError


def logits(probability: float) -> Tensor:
    """Logits `1 2 1 1` of a forged probability."""
    return torch.tensor([[math.log(1 - probability), math.log(probability)]]).view(1, 2, 1, 1)


def test_consistency_is_the_divergence_by_hand():
    """KL(0.8 || 0.5) = 0.8 log 1.6 + 0.2 log 0.4; the other direction is 0.2231."""
    assert consistency(logits(0.5), logits(0.8)).item() == pytest.approx(0.8 * math.log(1.6) + 0.2 * math.log(0.4))
    assert consistency(logits(0.3), logits(0.3)).item() == pytest.approx(0, abs=1e-7)


def test_only_the_degraded_view_learns():
    degraded, clean = torch.randn(2, 2, 3, 3, dtype=torch.float64), torch.randn(2, 2, 3, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: consistency(x, clean), degraded.requires_grad_())
    assert torch.autograd.gradcheck(lambda x: feature_distance(x, clean), degraded)
    consistency(degraded, clean.requires_grad_()).backward()
    feature_distance(degraded, clean).backward()
    assert clean.grad is None


def test_feature_distance_by_hand():
    """Orthogonal features are 1 apart, opposite ones 2, and their length does not count."""
    features = torch.tensor([[1.0, 0], [0, 2], [-3, 0]])[:, :, None, None]
    reference = torch.tensor([[5.0, 0]])[:, :, None, None].expand(3, -1, -1, -1)
    assert feature_distance(features, reference).item() == pytest.approx((0 + 1 + 2) / 3)


class Answers(nn.Module):
    """A net whose answer is a function of the window's mean, and learned."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def analyse(self, image: Tensor) -> Analysis:
        mean = image.mean((1, 2), keepdim=True)[:, 0] * self.weight  # B 1 H W
        return Analysis([torch.cat([-mean, mean], 1)], torch.cat([mean, mean + 1], 1), 30 + mean[:, 0, 0, 0])


def batch() -> dict[str, Tensor]:
    torch.manual_seed(0)
    mask = (torch.rand(2, 1, 1, 4, 4) > 0.5).float()
    return {
        "image": torch.rand(2, 1, 3, 4, 4), "clean": torch.rand(2, 1, 3, 4, 4), "mask": mask,
        "quality": torch.tensor([40.0, 20.0]),
    }  # fmt: skip


def test_terms_add_up_with_their_weights():
    """Catches a term that is counted twice, left out, or weighted with another's weight."""
    net, data, plain = Answers(), batch(), SequenceCrossEntropy()
    weights = {"clean": 0.5, "consistency": 2.0, "features": 3.0, "quality": 4.0}
    terms = CompressionCriterion(plain, **weights).judge(net, data)
    seen, clean = net.analyse(data["image"]), net.analyse(data["clean"])
    expected = {
        "clean": plain(clean.logits, data["mask"][:, 0])["loss"],
        "consistency": consistency(seen.logits[0], clean.logits[0]),
        "features": feature_distance(seen.features, clean.features),
        "quality": ((seen.quality - data["quality"]).abs() / 60).mean(),
    }
    for name, value in expected.items():
        torch.testing.assert_close(terms[f"loss/{name}"], value.detach())
    total = plain(seen.logits, data["mask"][:, 0])["loss"] + sum(weights[name] * expected[name] for name in weights)
    torch.testing.assert_close(terms["loss"], total)


def test_without_weights_it_is_the_criterion():
    """And the clean view is not computed: a batch without it will do."""
    net, data = Answers(), batch()
    del data["clean"]
    terms = CompressionCriterion(SequenceCrossEntropy()).judge(net, data)
    torch.testing.assert_close(
        terms["loss"], SequenceCrossEntropy()(net.analyse(data["image"]).logits, data["mask"][:, 0])["loss"]
    )


def test_the_clean_view_gets_a_gradient_only_where_it_is_judged():
    net, data = Answers(), batch()
    data["image"] = data["clean"].clone()  # equal views: consistency has its minimum, 0, and no gradient
    CompressionCriterion(_Nothing(), consistency=1.0).judge(net, data)["loss"].backward()
    assert net.weight.grad.abs() < 1e-6


class _Nothing(nn.Module):
    def forward(self, logits: list[Tensor], mask: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        return {"loss": logits[-1].sum() * 0}


def test_what_is_missing_is_named():
    data = batch()
    del data["clean"]
    with pytest.raises(InputError, match=r"expected data.codec.paired: true"):
        CompressionCriterion(SequenceCrossEntropy(), consistency=1.0).judge(Answers(), data)
    del data["quality"]
    with pytest.raises(InputError, match=r"quality needs a net that predicts it, and data.codec"):
        CompressionCriterion(SequenceCrossEntropy(), quality=1.0).judge(Answers(), data)
    with pytest.raises(InputError, match="Linear has no features to compare"):
        CompressionCriterion(SequenceCrossEntropy()).judge(nn.Linear(1, 1), data)
    with pytest.raises(InputError, match=r"features is -1.0: expected 0 or more"):
        CompressionCriterion(SequenceCrossEntropy(), features=-1.0)


def test_balanced_weights_are_passed_on():
    criterion = CompressionCriterion(SequenceCrossEntropy(class_weights="balanced"))
    criterion.set_forged_share(0.25)
    torch.testing.assert_close(criterion.criterion.class_weight, torch.tensor([2 / 3, 2.0]))
