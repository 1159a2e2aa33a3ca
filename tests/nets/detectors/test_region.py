import pytest
import torch
from torch import nn

from outpaint_lightning.losses import GIoU, RegionCriterion
from outpaint_lightning.nets import BACKBONES, RegionDetector
from outpaint_lightning.nets.detectors.region import DECODER_CHANNELS, MaskDecoder, decode_boxes
from outpaint_lightning.types import InputError


@pytest.fixture(scope="module", params=list(BACKBONES))
def net(request):
    torch.manual_seed(0)
    return RegionDetector(request.param, segmentation=True)


@pytest.fixture
def resnet():
    torch.manual_seed(0)
    return RegionDetector("resnet18", segmentation=True)


def valid(box: torch.Tensor, height: int, width: int) -> bool:
    xmin, ymin, xmax, ymax = box.unbind(1)
    inside = (xmin >= 0) & (ymin >= 0) & (xmax <= width) & (ymax <= height)
    return bool((inside & (xmin < xmax) & (ymin < ymax)).all())


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (65, 127), (101, 97)])
def test_any_size_gets_an_answer(net, size):
    """In training too. A mask has the image's own size, whatever the strides make of it."""
    for mode in (net.train(), net.eval()):
        output = mode(torch.rand(2, 1, 3, *size))
        assert output.logit.shape == (2,)
        assert output.mask.shape == (2, 1, *size)
        assert output.logit.isfinite().all()
        assert output.mask.isfinite().all()
        assert valid(output.box, *size)
        assert output.box.shape == (2, 4)


@torch.no_grad()
def test_the_first_frame_is_judged(resnet):
    """Catches frames folded into the batch."""
    image = torch.rand(2, 3, 3, 64, 64)
    for ours, alone in zip(resnet.eval()(image), resnet(image[:, :1]), strict=True):
        torch.testing.assert_close(ours, alone)


@torch.no_grad()
def test_each_image_is_judged_alone(resnet):
    image = torch.rand(2, 1, 3, 64, 64)
    for ours, alone in zip(resnet.eval()(image)[:3], resnet(image[1:])[:3], strict=True):
        torch.testing.assert_close(ours[1:], alone, rtol=1e-4, atol=1e-4)  # another batch, another order of sums


def test_without_segmentation_there_is_no_mask():
    net = RegionDetector("resnet18")
    assert net(torch.rand(2, 1, 3, 64, 64)).mask is None
    assert not [name for name, _ in net.named_parameters() if "decoder" in name]


def test_hand_computed_box():
    """In an image 41 high and 101 wide: side 1 + 100/2 and 1 + 40/4, a fifth and the whole of the room left."""
    numbers = torch.logit(torch.tensor([[0.2, 1 - 1e-12, 0.5, 0.25]], dtype=torch.float64))
    box = decode_boxes(numbers, 41, 101)
    torch.testing.assert_close(box, torch.tensor([[10, 30, 61, 41]]).double(), rtol=0, atol=1e-9)


def test_every_box_can_be_said():
    """Catches a parametrization that cannot reach some place: the numbers of random boxes lead back to them."""
    torch.manual_seed(0)
    side = 1 + torch.rand(100, 2, dtype=torch.float64) * torch.tensor([58, 38])
    room = torch.tensor([60, 40]) - side
    corner = room * torch.rand(100, 2)
    numbers = torch.cat([torch.logit(corner / room), torch.logit((side - 1) / torch.tensor([59, 39]))], 1)
    torch.testing.assert_close(decode_boxes(numbers, 40, 60), torch.cat([corner, corner + side], 1))


@pytest.mark.parametrize("size", [(64, 64), (97, 4999), (333, 517)])
def test_a_box_is_always_inside(size):
    """Whatever the numbers, in float32: none inverted, empty or beyond the edge by a rounding; slopes finite."""
    torch.manual_seed(0)
    extremes = torch.tensor([0.0, 1e-3, 5, 15, 18, 1e4])
    values = torch.cat([extremes, -extremes, torch.randn(2) * 10])
    numbers = torch.cat([torch.cartesian_prod(*[values] * 4), torch.randn(10_000, 4) * 8]).requires_grad_()
    box = decode_boxes(numbers, *size)
    assert valid(box, *size)
    (gradient,) = torch.autograd.grad(box.sum(), numbers)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("segmentation", [False, True])
@pytest.mark.parametrize("backbone", ["alexnet", "resnet18"])
def test_every_parameter_learns(backbone, segmentation):
    """Catches a detached branch, and parameters that processes training together would wait for in vain."""
    torch.manual_seed(0)
    net = RegionDetector(backbone, segmentation=segmentation)
    mask = torch.zeros(4, 1, 64, 64)
    mask[:2, :, 8:40, 16:32] = 1
    box = torch.tensor([[16.0, 8, 32, 40]] * 2 + [[0.0, 0, 0, 0]] * 2)
    RegionCriterion(GIoU())(net(torch.rand(4, 1, 3, 64, 64)), torch.tensor([1, 1, 0, 0]), box, mask)["loss"].backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_a_batch_without_regions_reaches_every_parameter():
    """With zeros, where only boxes count: None would stop processes that train together."""
    net = RegionDetector("resnet18")
    output = net(torch.rand(2, 1, 3, 64, 64))
    none = torch.zeros(2, dtype=torch.long)
    loss = RegionCriterion(GIoU(), alpha=0)(output, none, torch.zeros(2, 4), torch.zeros(2, 1, 64, 64))["loss"]
    loss.backward()
    assert all(p.grad is not None and p.grad.eq(0).all() for p in net.parameters())


@torch.no_grad()
def test_scores_lie_over_their_pixels(resnet):
    """Changing one place changes the mask there most. Catches a transposed or shifted path."""
    image = torch.full((1, 1, 3, 128, 192), 0.5)
    spot = image.clone()
    spot[..., 24:40, 136:152] += 0.4 * torch.rand(16, 16)
    change = (resnet.eval()(spot).mask - resnet(image).mask).abs()[0, 0]
    row, column = divmod(change.argmax().item(), 192)
    assert 16 <= row < 48
    assert 128 <= column < 160


@torch.no_grad()
def test_every_map_counts_where_it_lies():
    """All weights 1, the smoothing done: a cell of 4, 2 and 1 pixels in the last corner adds up where they overlap."""
    decoder = MaskDecoder([1, 2, 3])
    for parameter in decoder.parameters():
        nn.init.constant_(parameter, parameter.dim() > 1)
    decoder.smooth = nn.Identity()
    maps = [torch.zeros(1, count, 12 // stride, 8 // stride) for count, stride in ((1, 1), (2, 2), (3, 4))]
    for features in maps:
        features[..., -1, -1] = 1
    expected = torch.zeros(12, 8)
    for count, stride in ((1, 1), (2, 2), (3, 4)):
        expected[-stride:, -stride:] += count
    torch.testing.assert_close(decoder(maps, (12, 8))[0, 0], expected * DECODER_CHANNELS)


@torch.no_grad()
def test_boxes_are_float32_under_autocast(resnet):
    """In bf16 a coordinate near 1000 would be a multiple of 4 pixels."""
    with torch.autocast("cpu", torch.bfloat16):
        output = resnet.eval()(torch.rand(1, 1, 3, 64, 1024))
    assert output.logit.dtype == output.box.dtype == torch.float32
    assert not torch.equal(output.box, output.box.bfloat16().float())


def test_small_images_are_named():
    with pytest.raises(InputError, match=r"RegionDetector: image is 63x80: expected 64 pixels a side.*data\.size"):
        RegionDetector("resnet18")(torch.rand(1, 1, 3, 63, 80))


def test_dropout_of_the_source_stays():
    """AlexNet's trunk has its dropout: two answers in training differ, two in evaluation do not."""
    torch.manual_seed(0)
    net = RegionDetector("alexnet")
    assert sum(isinstance(part, nn.Dropout) for part in net.modules()) == 2
    image = torch.rand(1, 1, 3, 64, 64)
    assert not torch.equal(net(image).box, net(image).box)
    net.eval()
    assert torch.equal(net(image).box, net(image).box)
