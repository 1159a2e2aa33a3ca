import pytest
import torch
from torch import nn

from outpaint_lightning.losses import SequenceCrossEntropy
from outpaint_lightning.nets import CriticLocalizer, LocalizerCritic, PatchDiscriminator, SpatiotemporalGenerator
from outpaint_lightning.tasks import SpatiotemporalInpaintingTask
from outpaint_lightning.types import InputError


def critic(dim=2, **options):
    return PatchDiscriminator(dim, **{"width": 4, "layers": 1, "head": "mask", **options})


def test_low_scores_are_forged():
    """A critic of 2 everywhere: forged with 1 / (1 + e^2). Catches the polarity, and the two classes exchanged."""
    net = CriticLocalizer(critic())
    net.critic.body = nn.Sequential(nn.Conv2d(3, 1, 1))
    nn.init.zeros_(net.critic.body[0].weight)
    nn.init.constant_(net.critic.body[0].bias, 2.0)
    (logits,) = net(torch.rand(1, 2, 3, 8, 8))
    torch.testing.assert_close(logits.softmax(1)[:, 1], torch.full((1, 8, 8), 1 / (1 + torch.tensor(2.0).exp())))


@pytest.mark.parametrize(("dim", "differences"), [(2, False), (3, False), (3, True)])
def test_it_judges_the_first_frame(dim, differences):
    """Later frames count only for a critic of clips."""
    torch.manual_seed(0)
    net = CriticLocalizer(critic(dim, differences=differences)).eval()
    image = torch.rand(1, 3, 3, 13, 18)
    later, first = image.clone(), image.clone()
    later[:, 1], first[:, 0] = 0, 0
    assert net(image)[0].shape == (1, 2, 13, 18)
    assert torch.equal(net(image)[0], net(later)[0]) == (dim == 2)
    assert not torch.equal(net(image)[0], net(first)[0])


def test_it_learns_from_labels():
    """Noise against smooth frames, 40 steps; marking everything would be right on a quarter of the pixels."""
    torch.manual_seed(0)
    net, image = CriticLocalizer(critic(width=8)), torch.full((4, 1, 3, 32, 32), 0.5)
    mask = torch.zeros(4, 1, 32, 32)
    for sample, (top, left) in enumerate([(0, 0), (0, 16), (16, 0), (16, 16)]):
        mask[sample, :, top : top + 16, left : left + 16] = 1
    image = torch.where(mask[:, None] > 0, torch.rand_like(image), image)
    optimizer, criterion = torch.optim.Adam(net.parameters(), 0.02), SequenceCrossEntropy()
    for _ in range(40):
        optimizer.zero_grad()
        criterion(net(image), mask)["loss"].backward()
        optimizer.step()
    found = net.eval()(image)[0].argmax(1, keepdim=True)
    f1 = 2 * (found * mask).sum() / (found + mask).sum()
    assert f1 > 0.8  # marking everything has 0.4


def test_weights_are_those_of_the_task(tmp_path):
    torch.manual_seed(0)
    own = {"frame_critic": critic(), "sequence_critic": critic(3, width=8)}
    task = SpatiotemporalInpaintingTask(SpatiotemporalGenerator(width=4, widest=4, norm="group"), **own)
    path = str(tmp_path / "sti.ckpt")
    torch.save({"state_dict": task.state_dict()}, path)
    for part, dim, width in (("frame", 2, 4), ("sequence", 3, 8)):
        net = CriticLocalizer(critic(dim, width=width), path, part)
        for name, value in own[f"{part}_critic"].state_dict().items():
            assert torch.equal(net.critic.state_dict()[name], value)
    with pytest.raises(InputError, match="its critic 'sequence' has other layers"):
        CriticLocalizer(critic(3, width=4), path, "sequence")
    with pytest.raises(InputError, match="holds no critic 'pixel'"):
        CriticLocalizer(critic(), path, "pixel")
    with pytest.raises(InputError, match="critic has the head 'patch'"):
        CriticLocalizer(critic(head="patch"))


class Bright(nn.Module):
    """A localizer that finds bright pixels of the first frame; it keeps the shape of its windows."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(3.0))

    def forward(self, image, last_only=False):  # noqa: ARG002 (the contract of a localizer)
        self.shape, first = image.shape, image[:, 0].mean(1, keepdim=True)
        return [torch.cat([torch.zeros_like(first), self.gain * (first - 0.5)], 1)]


def test_a_localizer_is_a_critic():
    """What it finds has a low score; each frame is judged by itself. Catches the sign, and frames in another order."""
    clips = torch.rand(2, 3, 3, 4, 6)
    made = LocalizerCritic(Bright(), frames=2)
    scores = made(clips)
    assert made.net.shape == (6, 2, 3, 4, 6)
    torch.testing.assert_close(scores, 3 * (0.5 - clips.mean(2, keepdim=True)))
    with pytest.raises(InputError, match="LocalizerCritic: frames is 0: expected at least 1"):
        LocalizerCritic(Bright(), frames=0)


def test_a_localizer_comes_back_from_its_time_as_a_critic(tmp_path):
    """From the training of a localizer into that of a generator and out again: the same probabilities."""
    path = tmp_path / "localizer.ckpt"
    torch.save({"state_dict": {"net.gain": torch.tensor(7.0)}}, path)
    critic = LocalizerCritic(Bright(), str(path))
    assert critic.net.gain == 7
    trained = {f"critics.context.{name}": value + 1 for name, value in critic.state_dict().items()}
    torch.save({"state_dict": trained}, tmp_path / "cto.ckpt")
    net, image = CriticLocalizer(critic, str(tmp_path / "cto.ckpt"), "context"), torch.rand(1, 2, 3, 4, 6)
    assert critic.net.gain == 8
    torch.testing.assert_close(net(image)[0].softmax(1), critic.net(image)[0].softmax(1))
    with pytest.raises(InputError, match=r"cto.ckpt: holds no net"):
        LocalizerCritic(Bright(), str(tmp_path / "cto.ckpt"))
