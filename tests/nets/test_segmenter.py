import pytest
import torch

from outpaint_lightning.nets import Segmenter
from outpaint_lightning.types import InputError


@pytest.mark.parametrize("size", [(16, 20), (17, 23), (5, 3)])
def test_any_size(size):
    assert Segmenter(4, 4, 2)(torch.rand(2, 3, *size)).shape == (2, 4, *size)


def test_it_learns_the_colours_of_classes():
    """40 steps; one class everywhere is right on a third of the pixels."""
    torch.manual_seed(0)
    net, layout = Segmenter(3, 4, 1), torch.randint(3, (4, 4, 4)).repeat_interleave(4, 1).repeat_interleave(4, 2)
    image = torch.eye(3)[layout].permute(0, 3, 1, 2) * 0.5 + 0.2 * torch.rand(4, 3, 16, 16)
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(40):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(image), layout).backward()
        optimizer.step()
    assert (net(image).argmax(1) == layout).float().mean() > 0.9


def test_bad_options_are_named():
    with pytest.raises(InputError, match="Segmenter: classes is 1"):
        Segmenter(1)
