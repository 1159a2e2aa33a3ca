import pytest
import torch
from torch import nn

from outpaint_lightning.nets import SeededFeatures, TorchvisionFeatures
from outpaint_lightning.nets import features as features_module
from outpaint_lightning.types import InputError


@pytest.mark.parametrize("dim", [2, 3])
def test_features_depend_on_the_seed_alone(dim):
    clips = torch.rand(2, 1 if dim == 2 else 4, 3, 16, 16)
    torch.manual_seed(1)
    first = SeededFeatures(dim)(clips)
    torch.manual_seed(2)
    assert first.shape == (2, 16)
    assert torch.equal(SeededFeatures(dim)(clips), first)
    assert not torch.equal(SeededFeatures(dim, seed=1)(clips), first)


class Tiny(nn.Module):
    """Stands in for a net of torchvision: a volume to 512 features, and a last layer."""

    def __init__(self):
        super().__init__()
        self.body, self.fc = nn.Conv3d(3, 512, 1), nn.Linear(512, 4)

    def forward(self, clips):
        return self.fc(self.body(clips).mean((2, 3, 4)))


def test_weights_come_from_a_file(tmp_path, monkeypatch):
    """Without the last layer; channels before time; in the colours and at the size that the net was trained with."""
    torch.manual_seed(0)
    made = []
    monkeypatch.setattr(features_module, "get_model", lambda name, **options: made.append((name, options)) or Tiny())
    net = Tiny()
    torch.save(net.state_dict(), tmp_path / "r3d.pt")
    features = TorchvisionFeatures("r3d_18", str(tmp_path / "r3d.pt")).eval()
    assert made == [("r3d_18", {"weights": None})]  # nothing is downloaded
    clip = torch.rand(1, 3, 3, 1, 1).expand(-1, -1, -1, 56, 56)
    mean, deviation = torch.tensor([0.43216, 0.394666, 0.37645]), torch.tensor([0.22803, 0.22145, 0.216989])
    scaled = ((clip - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)).transpose(1, 2)
    torch.testing.assert_close(net.fc(features(clip)), net(scaled))
    with pytest.raises(InputError, match=r"none\.pt: no such file"):
        TorchvisionFeatures("r3d_18", str(tmp_path / "none.pt"))
    (tmp_path / "bad.pt").write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"bad\.pt: no weights of r3d_18"):
        TorchvisionFeatures("r3d_18", str(tmp_path / "bad.pt"))


def test_bad_options_are_named():
    with pytest.raises(InputError, match="SeededFeatures: dim is 1"):
        SeededFeatures(1)
