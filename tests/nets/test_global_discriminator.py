import pytest
import torch

from outpaint_lightning.nets import GlobalDiscriminator
from outpaint_lightning.types import InputError


def test_the_published_critic_has_the_published_number_of_weights():
    with torch.device("meta"):
        critic = GlobalDiscriminator()
    assert sum(parameter.numel() for parameter in critic.parameters()) == pytest.approx(3.15e6, rel=2e-3)


def test_the_score_sees_the_whole_picture_and_where_things_lie():
    """A mean over patches would give the same for a picture that is shifted by whole patches."""
    torch.manual_seed(0)
    critic = GlobalDiscriminator((16, 48), width=4, layers=2)
    picture = torch.rand(1, 1, 3, 16, 48, requires_grad=True)
    (slope,) = torch.autograd.grad(critic(picture).sum(), picture)
    assert (slope != 0).float().mean() > 0.99
    assert not torch.allclose(critic(picture), critic(picture.roll(16, 4)))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"size": (18, 48)}, r"size is \[18, 48\]"), ({"layers": 0}, "layers is 0"), ({"width": 0}, "width is 0")],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=f"GlobalDiscriminator: {message}"):
        GlobalDiscriminator(**{"size": (16, 48), "width": 4, "layers": 2, **options})
    with pytest.raises(InputError, match="the frames are 16x16"):
        GlobalDiscriminator((16, 48), 4, 2)(torch.zeros(1, 1, 3, 16, 16))
