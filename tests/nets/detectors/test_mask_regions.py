import pytest
import torch
from torch import nn

from outpaint_lightning.nets import MaskRegions, UNet
from outpaint_lightning.nets.detectors import mask_regions
from outpaint_lightning.types import InputError


class Blue(nn.Module):
    """Marks what is blue in the last frame of a window, with a logit of 6 against 1."""

    frames = 3

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(6.0))
        self.normalised = nn.BatchNorm2d(1)

    def forward(self, image):
        assert image.shape[1] == self.frames
        blue = (image[:, -1, 2:] > 0.5).float()
        return [torch.zeros_like(blue).repeat(1, 2, 1, 1), torch.cat([torch.ones_like(blue), self.gain * blue], 1)]


def image_of(box, height=64, width=96):
    image = torch.zeros(1, 1, 3, height, width)
    xmin, ymin, xmax, ymax = box
    image[..., 2, ymin:ymax, xmin:xmax] = 1
    return image


@torch.no_grad()
def test_class_and_box_follow_from_the_mask():
    """Catches the scores of the authentic class taken for the mask, the first of several updates, and frames of noise.

    The mask is 6 - 1 in the box and 0 - 1 beside it; times 2, plus 1.
    """
    net = MaskRegions(Blue(), quality=True).eval()
    net.scale.fill_(2.0)
    net.shift.fill_(1.0)
    net.last.weight.zero_()
    net.last.bias.copy_(torch.tensor([0.5, -0.25]))
    net.last.weight[0, 0] = 1.0  # the strongest cells
    box = (16, 8, 80, 40)
    output = net(image_of(box))
    inside, outside = output.mask[0, 0, 20, 30].item(), output.mask[0, 0, 60, 90].item()
    assert (inside, outside) == (11, -1)
    assert output.logit.tolist() == [11.5]
    assert output.quality.tolist() == [-0.25]
    net.shift.fill_(-3.0)  # beside the box surely authentic
    torch.testing.assert_close(net(image_of(box)).box, torch.tensor([box]).float(), rtol=0, atol=0.01)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_localizer_learns_nothing(frozen):
    """Neither its weights nor the statistics of its normalisation; the numbers on top do."""
    net = MaskRegions(Blue(), frozen=frozen, quality=True).train()
    output = net(image_of((16, 8, 80, 40)))
    (output.logit.sum() + output.box.sum() + output.mask.mean() + output.quality.sum()).backward()
    assert (net.localizer.gain.grad is None) is frozen
    assert net.localizer.normalised.training is not frozen
    for learned in (net.scale, net.shift, net.last.weight):
        assert learned.grad.abs().sum() > 0


def test_the_weights_are_those_of_the_localizer(monkeypatch):
    torch.manual_seed(0)
    trained = UNet(frames=2, depth=1, width=8)
    monkeypatch.setattr(mask_regions, "load_net", lambda name: {"localizer": trained}[name])
    net = MaskRegions(UNet(frames=2, depth=1, width=8), weights="localizer")
    for name, value in trained.state_dict().items():
        assert torch.equal(net.localizer.state_dict()[name], value)
    assert net.pretrained
    assert not MaskRegions(UNet(frames=2, depth=1, width=8)).pretrained
    with pytest.raises(InputError, match="MaskRegions: weights 'localizer' are of another net"):
        MaskRegions(UNet(frames=2, depth=2, width=8), weights="localizer")
