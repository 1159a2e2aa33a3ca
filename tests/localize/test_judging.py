"""A net that judges in less time gives the same answers, or is left as it is."""

import torch
from torch import nn

from outpaint_lightning.localize.judging import SAME, quicken
from outpaint_lightning.losses import SequenceCrossEntropy
from outpaint_lightning.tasks import LocalizationTask
from outpaint_lightning.types import InputError


class Net(nn.Module):
    """Scores of the first frame; batch normalisation has statistics and weights that are not those of the start."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.scores = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)
        self.norm.running_mean.uniform_(-1, 1)
        self.norm.running_var.uniform_(0.5, 2)
        nn.init.uniform_(self.norm.weight, 0.5, 2)

    def forward(self, image, last_only=False):  # noqa: ARG002 (there is one update)
        return [self.scores(self.norm(self.conv(image[:, 0])).relu())]


class Skipping(Net):
    """What the normalisation reads goes round it, too: folded, it would be normalised there as well."""

    def forward(self, image, last_only=False):  # noqa: ARG002 (there is one update)
        before = self.conv(image[:, 0])
        return [self.scores(self.norm(before).relu() + before)]


class Picky(Net):
    def forward(self, image, last_only=False):
        if image.shape[-1] != 40:
            raise InputError("40 columns, please")
        return super().forward(image, last_only)


def task_of(net):
    torch.manual_seed(0)
    task = LocalizationTask(net, SequenceCrossEntropy()).eval()
    task.window = {"frames": 2, "stride": 1}
    return task


def test_the_same_answers():
    torch.manual_seed(0)
    net = Net()
    window = torch.rand(2, 2, 3, 24, 40)
    expected = task_of(net)(window)
    task = quicken(task_of(net))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in task.net.modules())
    torch.testing.assert_close(task(window), expected, rtol=0, atol=SAME)
    assert isinstance(net.norm, nn.BatchNorm2d)  # the net itself is left alone


def test_a_net_of_other_answers_is_left_as_it_is():
    """Catches a folding that is not compared with what it replaces."""
    for net in (Skipping(), Picky()):
        assert quicken(task_of(net)).net is net
