"""A net that judges in less time gives the same answers, or is left as it is."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from outpaint_lightning.localize.judging import SAME, in_order, quicken
from outpaint_lightning.localize.scoring import judged_frames
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


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_windows_that_are_judged_side_by_side_come_in_order():
    """Catches answers in the order in which they end, and threads that are not given back."""
    first = threading.Event()

    def judge(batch):
        (((number,),),) = batch
        if number == 0:
            assert first.wait(10)  # the first is ready after the second: only where both are judged at a time
        first.set()
        return torch.tensor([number]), torch.get_num_threads()

    batches = [[[[number]]] for number in range(7)]
    answers = list(in_order(task_of(Net()), judge, batches))
    assert [answer.item() for _, (answer, _) in answers] == list(range(7))
    assert [batch for batch, _ in answers] == batches
    assert {threads for _, (_, threads) in answers} == {1}
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_side_by_side_says_what_one_after_the_other_says():
    frames = [np.random.default_rng(n).integers(0, 256, (24, 40, 3), np.uint8) for n in range(6)]
    task = task_of(Net())
    beside = list(judged_frames(task, frames))
    torch.set_num_threads(1)
    alone = list(judged_frames(task, frames))
    assert all(a.frame is b.frame for a, b in zip(alone, beside, strict=True))
    for one, other in zip(alone, beside, strict=True):
        np.testing.assert_allclose(one.probability, other.probability, atol=SAME)


@pytest.mark.usefixtures("two_threads")
def test_a_net_that_carries_its_state_judges_one_after_the_other():
    net = Net()
    net.carry = True
    task = task_of(net)
    task.window = {"frames": 2, "stride": -1}
    threads = []
    list(in_order(task, lambda _: threads.append(threading.current_thread()), [[0], [1]]))
    assert threads == [threading.current_thread()] * 2
