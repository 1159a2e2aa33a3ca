import functools
from fractions import Fraction

import pytest
import torch

from outpaint_lightning.nets import BinaryRule, MeanRule, PartialConv2d, PolynomialRule, PowerRule
from outpaint_lightning.nets.layers.partial_conv import cubic
from outpaint_lightning.types import InputError

RULES = [BinaryRule, MeanRule, PowerRule, functools.partial(PowerRule, power=5.0), PolynomialRule]
LEARNED = RULES[2:]


def label(rule):
    return f"{getattr(rule, 'func', rule).__name__}{getattr(rule, 'keywords', '') or ''}"


def shaken(rule, groups=1, dtype=torch.float32):
    """The rule with random weights."""
    made = rule(groups)
    for parameter in made.parameters():
        if parameter.ndim:
            torch.nn.init.normal_(parameter)
    return made.to(dtype)


def test_full_confidence_is_the_plain_convolution_everywhere():
    """At the border too, where NVIDIA's code has 1.5 and 2.25 times as much."""
    layer = PartialConv2d(6, 5, MeanRule, groups=3)
    features = torch.randn(2, 6, 8, 9)
    ones = torch.ones(2, 3, 8, 9)
    result, confidence = layer(features, ones, ones)
    torch.testing.assert_close(result, layer.convolution(features), atol=1e-5, rtol=1e-5)
    assert torch.equal(confidence, ones[:, :1])


def test_masks_of_zeros_and_ones_by_a_loop():
    """Equation 1 of Liu et al., position by position, in groups, with a frame that does not exist."""
    layer = PartialConv2d(4, 3, BinaryRule, groups=2).double()
    features = torch.randn(1, 4, 6, 7, dtype=torch.float64)
    confidence = (torch.rand(1, 2, 6, 7) < 0.2).double()
    exists = torch.ones(1, 2, 6, 7, dtype=torch.float64)
    for there in (1, 0):
        exists[:, 1] = there
        result, known = layer(features, confidence, exists)
        weight, bias = layer.convolution.weight, layer.convolution.bias
        for y in range(6):
            for x in range(7):
                total, mass, count = torch.zeros(3, dtype=torch.float64), 0, 0
                for v in range(max(y - 1, 0), min(y + 2, 6)):
                    for u in range(max(x - 1, 0), min(x + 2, 7)):
                        for channel in range(4):
                            if exists[0, channel // 2, v, u]:
                                count += 1
                                m = confidence[0, channel // 2, v, u]
                                mass += m
                                total = (
                                    total + weight[:, channel, v - y + 1, u - x + 1] * features[0, channel, v, u] * m
                                )
                expected = total * count / mass + bias if mass else torch.zeros(3, dtype=torch.float64)
                torch.testing.assert_close(result[0, :, y, x], expected)
                assert known[0, 0, y, x] == float(mass > 0)


@pytest.mark.parametrize("scale", [1, 0.1, 1e-3])
def test_the_scale_of_confidence_does_not_matter(scale):
    """Kills NVIDIA's clamp of the mass, which is off by 3.2 at 0.1, and the report's second multiplication."""
    layer = PartialConv2d(4, 3, PowerRule)
    features, confidence, ones = torch.randn(1, 4, 9, 9), torch.rand(1, 1, 9, 9) + 0.1, torch.ones(1, 1, 9, 9)
    torch.testing.assert_close(
        layer(features, confidence * scale, ones)[0], layer(features, confidence, ones)[0], atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("rule", RULES, ids=label)
@pytest.mark.parametrize("poison", [torch.nan, torch.inf, 1e30])
def test_features_without_confidence_are_never_read(rule, poison):
    layer = PartialConv2d(4, 3, rule)
    confidence = torch.rand(1, 1, 12, 12) * (torch.rand(1, 1, 12, 12) < 0.5)
    confidence[..., :5, :5] = 0
    ones = torch.ones_like(confidence)
    features = torch.randn(1, 4, 12, 12)
    poisoned = torch.where(confidence > 0, features, poison).requires_grad_()
    result, known = layer(poisoned, confidence.requires_grad_(), ones)
    torch.testing.assert_close(result, layer(features, confidence, ones)[0])
    assert (result[..., :4, :4] == 0).all()
    assert (known[..., :4, :4] == 0).all()
    (result.square().sum() + known.sum()).backward()
    for gradient in (poisoned.grad, confidence.grad, *(parameter.grad for parameter in layer.parameters())):
        assert gradient.isfinite().all()
    assert (poisoned.grad[(confidence == 0).expand_as(poisoned)] == 0).all()


def test_gradient():
    layer = PartialConv2d(2, 2, PowerRule).double()
    confidence = torch.rand(1, 1, 5, 5, dtype=torch.float64) * 0.8 + 0.1
    confidence[..., :3, :3] = 0
    features = torch.randn(1, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    known = confidence > 0
    moved = confidence[known].clone().requires_grad_()
    ones = torch.ones_like(confidence)

    def both(features, values):
        return layer(features, torch.zeros_like(confidence).masked_scatter(known, values), ones)

    assert torch.autograd.gradcheck(both, (features, moved))


@pytest.mark.parametrize("rule", RULES, ids=label)
def test_nothing_stays_nothing_and_all_stays_all(rule):
    """Exactly, 50 times over, with any weights. Kills the floor of 1e-5 that grows to 0.9 in the report's layers."""
    for groups in (1, 3):
        made = shaken(rule, groups)
        exists = torch.ones(2, groups, 9, 8)
        if groups == 3:
            exists[0, 0] = exists[1, 2] = 0  # end frames
        for value in (0.0, 1.0):
            confidence = torch.full((2, 1, 9, 8), value)
            for _ in range(50):
                confidence = made(confidence.expand(-1, groups, -1, -1) * exists, exists)
            torch.testing.assert_close(
                confidence, torch.full_like(confidence, value), atol=0 if value == 0 else 1e-5, rtol=0
            )


@pytest.mark.parametrize("rule", RULES, ids=label)
def test_support_grows_by_one_pixel(rule):
    made = shaken(rule)
    confidence = torch.zeros(1, 1, 11, 11)
    confidence[..., 5, 4] = 0.7
    expected = torch.zeros(1, 1, 11, 11, dtype=torch.bool)
    expected[..., 4:7, 3:6] = True
    assert torch.equal(made(confidence, torch.ones_like(confidence)) > 0, expected)


def test_binary_and_mean_by_hand():
    confidence = torch.tensor([[0.0, 0.0, 0.3], [0.0, 0.0, 0.0], [0.9, 0.0, 0.0]])[None, None]
    ones = torch.ones_like(confidence)
    assert BinaryRule()(confidence, ones)[0, 0].tolist() == [[0, 1, 1], [1, 1, 1], [1, 1, 0]]
    expected = torch.tensor([[0, 0.3 / 6, 0.3 / 4], [0.9 / 6, 1.2 / 9, 0.3 / 6], [0.9 / 4, 0.9 / 6, 0]])
    torch.testing.assert_close(MeanRule()(confidence, ones)[0, 0], expected)


def neighbourhoods(confidence, fill=0.0):
    padded = torch.nn.functional.pad(confidence, (1, 1, 1, 1), value=fill)
    return padded.unfold(2, 3, 1).unfold(3, 3, 1).flatten(4)


def test_power_mean_is_a_mean():
    """p = 1 is the weighted mean, p = 400 nearly the largest; every one is between the smallest and the largest."""
    confidence = torch.rand(1, 1, 10, 10)
    confidence[..., :4, :6] = 0
    ones = torch.ones_like(confidence)
    windows, there = neighbourhoods(confidence), neighbourhoods(ones)
    mean = shaken(PowerRule)
    torch.nn.init.constant_(mean.raw_power, PowerRule(power=1.0).raw_power.item())
    weight = mean.raw_weight.exp()
    torch.testing.assert_close(mean(confidence, ones), (windows * weight).sum(4) / (there * weight).sum(4))
    # of nine equal weights, the largest to the power p is 1/9 of the sum at least: a factor of 9^(-1/400) = 0.9945
    largest = windows.amax(4)
    assert ((PowerRule(power=400.0)(confidence, ones) - largest).abs() <= largest * 0.006).all()
    smallest = neighbourhoods(confidence, fill=2.0).amin(4)
    for power in (0.1, 1.0, 3.0, 50.0):
        result = PowerRule(power=power)(confidence, ones)
        assert (result <= largest + 1e-6).all()
        assert (result >= smallest - 1e-6).all()
        assert PowerRule(power=power).power.item() == pytest.approx(power, rel=1e-5)


def test_power_mean_is_finite_where_its_formula_is_not():
    """`(sum M^p)^(1/p)` underflows and has NaN gradients at 0."""
    confidence = (torch.rand(1, 1, 8, 8) * 0.01 * (torch.rand(1, 1, 8, 8) < 0.3)).requires_grad_()
    for power in (0.02, 1.0, 400.0):
        rule = PowerRule(power=power)
        result = rule(confidence, torch.ones_like(confidence))
        assert ((result > 0) == (neighbourhoods(confidence).amax(4) > 0)).all() or power == 0.02
        gradients = torch.autograd.grad(result.sum(), [confidence, rule.raw_power, rule.raw_weight])
        assert all(gradient.isfinite().all() for gradient in gradients)


def test_the_cubic_goes_through_its_nodes_exactly():
    for numerator in range(1, 8):
        a, b = Fraction(numerator, 11), Fraction(numerator + 2, 11)
        at = [cubic(Fraction(k, 3), a, b) for k in range(4)]
        assert at == [0, a, b, 1]
        identity = cubic(a, Fraction(1, 3), Fraction(2, 3))
        assert identity == a


def test_polynomial_rule():
    """Starts where it says, stays in [0, 1] for any nodes, and learns from all its parameters."""
    assert PolynomialRule(first=0.77, second=0.9).nodes.tolist() == pytest.approx([0.77, 0.9])
    confidence = torch.rand(1, 1, 10, 10)
    ones = torch.ones_like(confidence)
    same = PolynomialRule(first=1 / 3, second=2 / 3)
    torch.testing.assert_close(same(confidence, ones), MeanRule()(confidence, ones))
    rule = shaken(PolynomialRule)
    rule(confidence, ones).square().sum().backward()
    assert all((parameter.grad != 0).all() for parameter in rule.parameters())
    for _ in range(20):
        rule = shaken(PolynomialRule)
        torch.nn.init.normal_(rule.raw_nodes, std=3)
        result = rule(confidence, ones)
        assert (result >= 0).all()
        assert (result <= 1).all()


def test_bad_options_are_named():
    with pytest.raises(InputError, match=r"PowerRule: power is 0.0: expected a number above 0.01"):
        PowerRule(power=0.0)
    with pytest.raises(InputError, match=r"PolynomialRule: first is 0\.9, second 0\.5"):
        PolynomialRule(first=0.9, second=0.5)
