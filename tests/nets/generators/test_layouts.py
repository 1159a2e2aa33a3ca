import pytest
import torch

from outpaint_lightning.nets import LayoutGenerator
from outpaint_lightning.nets.generators.layouts import one_hot
from outpaint_lightning.types import InputError

CLASSES = 3


def net(**options):
    torch.manual_seed(0)
    return LayoutGenerator(CLASSES, **{"width": 4, "downs": 2, "widest": 2, "latent": 4, "embedding": 6, **options})


def photos(height=12, width=16, batch=2):
    torch.manual_seed(1)
    mask = torch.ones(batch, 1, height, width)
    mask[:, :, 4:8, 4:9] = 0
    layout = torch.randint(CLASSES, (batch, height, width))
    layout[mask[:, 0] == 0] = 255
    return torch.rand(batch, 3, height, width), mask, layout


def test_the_hidden_background_is_not_read():
    """NaN there: a product with the mask instead of a choice would spread it."""
    image, mask, _ = photos()
    made, latent = net().eval(), torch.zeros(2, 4)
    hidden = torch.where(mask > 0, torch.nan, image)
    assert torch.equal(made(image, mask, latent), made(hidden, mask, latent))
    other = torch.where(mask > 0, image, 1 - image)
    assert not torch.equal(made(image, mask, latent), made(other, mask, latent))


@pytest.mark.parametrize("size", [(12, 16), (13, 18), (5, 7), (40, 9)])
def test_any_size(size):
    """No layer is welded to a size: padded to the stride and cut again."""
    image, mask, layout = photos(*size)
    made = net()
    found = made.reason(image, mask, layout, 1 - mask, torch.zeros(2, 4))
    assert found.logits.shape == (2, CLASSES, *size)
    assert made.sample(image, mask, 3).shape == (2, 3, *size)


def test_samples_differ_and_follow_the_seed():
    """By the latent alone. All equal would be a net that does not look at it."""
    image, mask, _ = photos()
    made = net().eval()
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(made.sample(image, mask, 4))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert (drawn[0][:, 0] != drawn[0][:, 1]).any()


def test_every_parameter_is_used():
    """A parameter without a gradient is dead weight, and an error under DDP."""
    image, mask, layout = photos()
    made = net()
    found = made.reason(image, mask, layout, 1 - mask, torch.ones(2, 4))
    sum(part.square().sum() + part.sum() for part in found).backward()
    assert [name for name, parameter in made.named_parameters() if parameter.grad is None] == []


def test_embeddings_are_unit_vectors_of_parts():
    """Things by themselves: what lies in one part changes its own vector and, through convolutions, little else."""
    image, mask, layout = photos()
    places = torch.zeros(2, 2, 12, 16)
    places[:, 0, 4:8, 4:6], places[:, 1, 4:8, 6:9] = 1, 1
    found = net().eval().reason(image, mask, layout, places, torch.zeros(2, 4))
    assert found.things.shape == (2, 2, 6)
    torch.testing.assert_close(found.things.norm(dim=2), torch.ones(2, 2))
    torch.testing.assert_close(found.layouts.norm(dim=1), torch.ones(2))
    assert not torch.allclose(found.things[:, 0], found.things[:, 1])


def test_one_hot_has_no_class_where_there_is_none():
    """A layout that is drawn has classes behind the foreground, one of a photo has none: both look the same."""
    _, mask, layout = photos()
    full = layout.clone()
    full[layout == 255] = 1
    assert torch.equal(one_hot(layout, CLASSES, mask), one_hot(full, CLASSES, mask))
    coded = one_hot(layout, CLASSES, mask)
    assert torch.equal(coded.sum(1, keepdim=True), mask)
    assert torch.equal(coded.argmax(1)[mask[:, 0] > 0], layout[mask[:, 0] > 0])


@pytest.mark.parametrize(("name", "value"), [("latent", 0), ("embedding", 1)])
def test_bad_options_are_named(name, value):
    with pytest.raises(InputError, match=f"LayoutGenerator: {name} is {value}"):
        net(**{name: value})
    with pytest.raises(InputError, match="LayoutGenerator: classes is 1"):
        LayoutGenerator(1)
