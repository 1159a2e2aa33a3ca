import pytest
import torch

from outpaint_lightning.nets import ContentGenerator, ContextualOutpainter, LayoutGenerator
from outpaint_lightning.types import InputError

CLASSES = 3


def content(**options):
    torch.manual_seed(0)
    return ContentGenerator(**{"classes": CLASSES, "width": 4, "downs": 2, "widest": 2, "hidden": 4, **options})


def layouts(**options):
    torch.manual_seed(1)
    return LayoutGenerator(**{"classes": CLASSES, "width": 4, "downs": 2, "widest": 2, "latent": 3, "embedding": 4,
                              **options})  # fmt: skip


def photos(height=12, width=16, batch=2):
    torch.manual_seed(2)
    mask = torch.ones(batch, 1, height, width)
    mask[:, :, 4:8, 4:9] = 0
    return torch.rand(batch, 3, height, width), mask, torch.randint(CLASSES, (batch, height, width))


@pytest.mark.parametrize("size", [(12, 16), (13, 18), (5, 7)])
def test_any_size_in_the_range(size):
    image, mask, layout = photos(*size)
    made = content()(image, mask, layout)
    assert made.shape == image.shape
    assert 0 <= made.min() <= made.max() <= 1


def test_what_may_be_read():
    """Neither the hidden background nor the layout behind the foreground; the layout elsewhere, place by place."""
    image, mask, layout = photos()
    net = content().eval()
    made = net(image, mask, layout)
    assert torch.equal(made, net(torch.where(mask > 0, torch.nan, image), mask, layout))
    behind = torch.where(mask[:, 0] > 0, layout, (layout + 1) % CLASSES)
    assert torch.equal(made, net(image, mask, behind))
    assert not torch.equal(made, net(image, mask, (layout + 1) % CLASSES))
    assert not torch.equal(made, net(torch.where(mask > 0, image, 1 - image), mask, layout))


def test_every_parameter_is_used():
    net = content()
    net(*photos()).sum().backward()
    assert [name for name, parameter in net.named_parameters() if parameter.grad is None] == []


def test_the_foreground_is_left_bit_by_bit():
    image, mask, layout = photos()
    net = ContextualOutpainter(content(), layouts())
    outside = (mask == 0).expand_as(image)
    assert torch.equal(net(image, mask, layout)[outside], image[outside])


@pytest.mark.parametrize("side", [None, 8])
def test_fill_takes_clips_of_any_size(side):
    """At the size of its training if asked to: larger photos are scaled down, and what is made up again."""
    net = ContextualOutpainter(content(), layouts(), side=side).eval()
    sizes = []
    net.content.register_forward_hook(lambda module, given, made: sizes.append(tuple(made.shape[2:])))  # noqa: ARG005
    image, mask = torch.rand(1, 2, 3, 24, 34), torch.ones(1, 2, 1, 24, 34)
    mask[..., 6:12, 10:20] = 0
    filled = net.fill(image, mask)
    assert filled.shape == image.shape
    known = (mask == 0).expand_as(image)
    assert torch.equal(filled[known], image[known])
    assert sizes == ([(8, 11)] if side else [(24, 34)])
    assert 0 <= filled.min() <= filled.max() <= 1


def test_the_first_half_does_not_train():
    """Neither its weights, nor the estimates of its spectral norms, which a forward pass in training renews."""
    net = ContextualOutpainter(content(), layouts()).train()
    before = {name: value.clone() for name, value in net.layouts.state_dict().items()}
    image, mask, _ = photos()
    layout = net.sample(image, mask, 1)[:, 0]
    net(image, mask, layout).sum().backward()
    assert net.content.training
    assert all(parameter.grad is None for parameter in net.layouts.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.layouts.state_dict().items())


def test_the_first_half_comes_from_its_own_training(tmp_path):
    source, path = layouts(), str(tmp_path / "layouts.ckpt")
    torch.save({"state_dict": {f"net.{name}": value for name, value in source.state_dict().items()}}, path)
    torch.manual_seed(5)
    own = LayoutGenerator(CLASSES, 4, 2, 2, 3, 4)
    net = ContextualOutpainter(content(), own, weights=path)
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in net.layouts.state_dict().items())
    with pytest.raises(InputError, match=r"layouts.ckpt: its layout generator has other layers"):
        ContextualOutpainter(content(), layouts(latent=5), weights=path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ContextualOutpainter(content(), layouts(classes=4)), "layouts has 4 classes: content has 3"),
        (lambda: ContextualOutpainter(content(), None, weights="x"), "weights is set and layouts is null"),
        (lambda: ContextualOutpainter(content(), side=3), "side is 3: expected at least 4"),
        (lambda: ContextualOutpainter(content()).fill(torch.rand(1, 1, 3, 8, 8), torch.ones(1, 1, 1, 8, 8)),
         "layouts is null: expected a net that draws layouts"),
        (lambda: content(classes=1), "classes is 1"),
        (lambda: content(hidden=0), "hidden is 0"),
    ],
)  # fmt: skip
def test_bad_options_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
