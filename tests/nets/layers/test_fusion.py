import torch
from torch import nn

from outpaint_lightning.nets.layers.fusion import fused


def with_statistics(net: nn.Module) -> nn.Module:
    """The net with statistics and weights of normalisation that are not those of the start."""
    torch.manual_seed(0)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.uniform_(-1, 1)
            layer.running_var.uniform_(0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.uniform_(layer.bias, -1, 1)
    return net.eval()


def count(net: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())


class Branched(nn.Module):
    """Registered in another order than they run, and one normalisation without a convolution before it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_a, self.norm_b, self.alone = nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.BatchNorm2d(3)
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        image = self.alone(image)
        return self.norm_a(self.b(image)) - self.norm_b(self.a(image)).relu()


def test_the_same_answers():
    """Catches pairs by order of registration, and a folding that forgets the bias."""
    net = with_statistics(Branched())
    image = torch.rand(2, 3, 16, 16)
    quick = fused(net, image)
    torch.testing.assert_close(quick(image), net(image), rtol=1e-4, atol=1e-5)
    assert (count(net), count(quick)) == (3, 1)  # the net itself is left as it was


def test_a_localizer():
    from outpaint_lightning.nets import EncoderUNet, SrmFilters

    net = with_statistics(EncoderUNet(stem=8, residual=SrmFilters(luma=True), encoder_scale=0.5))
    window = torch.rand(1, 2, 3, 64, 96)
    quick = fused(net, window)
    torch.testing.assert_close(
        quick(window)[0], net(window)[0], rtol=1e-3, atol=1e-3 * net(window)[0].abs().max().item()
    )
    assert count(net) > 30
    assert count(quick) == 0
