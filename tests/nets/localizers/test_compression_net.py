import pytest
import torch

from outpaint_lightning.nets import CompressionNet, SrmFilters
from outpaint_lightning.types import InputError


def net(**options) -> CompressionNet:
    torch.manual_seed(0)
    return CompressionNet(**{"width": 8, "depth": 3, "residual": SrmFilters(8, luma=True), **options}).eval()


def test_the_default_is_small():
    assert sum(p.numel() for p in CompressionNet(residual=SrmFilters()).parameters()) <= 2_500_000


@torch.no_grad()
@pytest.mark.parametrize("depth", [2, 4])
@pytest.mark.parametrize("size", [(97, 211), (64, 64), (1, 130)])
def test_any_size_comes_back(size, depth):
    analysis = net(depth=depth).analyse(torch.rand(2, 2, 3, *size))
    assert analysis.logits[0].shape == (2, 2, *size)
    assert analysis.quality.shape == (2,)
    assert analysis.quality.isfinite().all()
    assert (analysis.quality > 0).all()
    assert (analysis.quality < 60).all()


@torch.no_grad()
def test_quality_is_of_each_window_and_steers_the_decoder():
    """Catches statistics over the batch, and a FiLM that is not connected: it starts as the identity, then matters."""
    judged = net()
    image = torch.rand(2, 2, 3, 64, 64)
    analysis = judged.analyse(image)
    alone = judged.analyse(image[:1])
    torch.testing.assert_close(alone.quality, analysis.quality[:1])
    for film in judged.films:
        film.bias[: len(film.bias) // 2] = 1.0  # gains of 1 + 1
    torch.testing.assert_close(judged.films[-1](torch.rand(1, 64))[0, :16], torch.ones(16))
    changed = judged.analyse(image)
    assert not torch.allclose(changed.logits[0], analysis.logits[0], atol=1e-3)
    torch.testing.assert_close(changed.quality, analysis.quality)


def test_every_parameter_learns():
    """Catches a scale, a level or the quality head that leads nowhere."""
    trained = net().train()
    analysis = trained.analyse(torch.rand(2, 2, 3, 64, 64))
    (analysis.logits[0].square().mean() + analysis.quality.mean()).backward()
    assert [name for name, p in trained.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("options", [{"width": 0}, {"frames": 0}, {"depth": 1}])
def test_bad_options(options):
    with pytest.raises(InputError, match="expected at least 1, 1 and 2"):
        net(**options)
