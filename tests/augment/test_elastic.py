import warnings

import cv2
import numpy as np
import pytest
import SimpleITK as sitk
import torch
import torchio

from outpaint_lightning.augment import DeviceAugmentation, RandomElasticDeformation, TorchioElastic
from outpaint_lightning.augment.elastic import displacement_field, warp
from outpaint_lightning.types import InputError

SIZES = [(64, 80), (57, 101), (240, 135), (256, 448)]


def batch(height, width, batch_size=1):
    """Noise as sharp as noise is; masks of smooth outlines, other ones in each frame."""
    rng = np.random.default_rng(height)
    image = rng.random((batch_size, 2, 3, height, width), np.float32)
    blobs = rng.standard_normal((batch_size * 2, height, width), np.float32)
    mask = np.stack([cv2.GaussianBlur(blob, (0, 0), 6) > 0 for blob in blobs])
    mask = mask.reshape(batch_size, 2, 1, height, width).astype(np.float32)
    return {"image": torch.from_numpy(image), "mask": torch.from_numpy(mask)}


def as_volume(control_points):
    """TorchIO's `nx ny nz 3` of our `ny nx 2`: the same in every plane, nothing along the third axis."""
    flat = torch.cat([control_points, torch.zeros_like(control_points[..., :1])], -1).transpose(0, 1)
    return flat[:, :, None].repeat(1, 1, 4, 1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("locked", [0, 2])
@pytest.mark.parametrize(("points", "reach"), [(9, (20, 20)), ((7, 6), (6, 11))])
@pytest.mark.filterwarnings("ignore:.*fold:RuntimeWarning")  # small frames, so that it is fast
def test_equals_torchio(size, locked, points, reach):
    torch.manual_seed(size[0] + locked)
    ours = RandomElasticDeformation(points, reach, locked, p=1)
    drawn = ours.sample(1)
    volume = as_volume(drawn[0])
    field = displacement_field(drawn, *size)
    torch.testing.assert_close(field[0], torchio_field(volume, size), atol=1e-4, rtol=0)
    original = batch(*size)
    expected = TorchioElastic(9, reach, locked).apply_to(original, volume[None])
    out = ours.apply_to(original, drawn)
    torch.testing.assert_close(out["image"], expected["image"], atol=1e-4, rtol=0)
    assert torch.equal(out["mask"], expected["mask"])
    assert not torch.equal(out["mask"], original["mask"])


def torchio_field(control_points, size):
    """The dense displacement `2 H W` in pixels, as SimpleITK interpolates it."""
    image = sitk.Image(size[1], size[0], 1, sitk.sitkFloat32)
    transform = torchio.ElasticDeformation(control_points.numpy(), (1, 1, 0)).get_bspline_transform(image)
    field = sitk.TransformToDisplacementField(transform, sitk.sitkVectorFloat64, image.GetSize())
    return torch.from_numpy(sitk.GetArrayFromImage(field)[0, :, :, :2]).permute(2, 0, 1).float()


@pytest.mark.filterwarnings("ignore:.*fold:RuntimeWarning")
def test_what_torchio_draws_is_a_weighted_mean_of_three_planes():
    """Ties the layouts of both together: TorchIO draws, we repeat it."""
    torch.manual_seed(0)
    original = batch(64, 80, 2)
    theirs = TorchioElastic(p=1)
    drawn = theirs.sample(2)
    assert drawn.shape == (2, 9, 9, 9, 3)
    flat = (drawn[:, :, :, 3] + 4 * drawn[:, :, :, 4] + drawn[:, :, :, 5]) / 6
    expected = theirs.apply_to(original, drawn)
    out = RandomElasticDeformation().apply_to(original, flat[..., :2].transpose(1, 2))
    torch.testing.assert_close(out["image"], expected["image"], atol=1e-4, rtol=0)
    assert torch.equal(out["mask"], expected["mask"])
    free = flat[:, 2:-2, 2:-2, :2] / 20
    # Uniform in [-1, 1] has deviation 3^-1/2; 100 of them, weighted (1 4 1) / 6: 18^1/2 / 6 = 0.707 of it.
    assert free.std().item() == pytest.approx(0.707 / 3**0.5, rel=0.28)  # four standard deviations


def test_splines_reproduce_constants_and_ramps():
    constant = torch.tensor([3.0, -2.0]).expand(1, 5, 7, 2)
    field = displacement_field(constant, 30, 40)
    torch.testing.assert_close(field, torch.tensor([3.0, -2.0])[None, :, None, None].expand(1, 2, 30, 40))
    # Coefficients j - 1 give the coordinate itself: the domain starts 0.625 pixels before the first centre.
    ramp = torch.zeros(1, 5, 7, 2)
    ramp[..., 0] = torch.arange(7) - 1
    field = displacement_field(ramp, 30, 40)
    expected = (torch.arange(40) + 0.625) * 4 / 40.25
    torch.testing.assert_close(field[0, 0], expected.expand(30, 40))
    assert not field[0, 1].any()


def test_the_middle_of_one_patch():
    points = torch.zeros(1, 4, 4, 2)
    points[0, 1, 2, 1] = 48 * 48  # y of the control point right of and above the middle
    field = displacement_field(points, 5, 5)
    assert field[0, 1, 2, 2].item() == pytest.approx(23 * 23)
    assert not field[0, 0].any()


def test_warp_pulls_repeats_the_edge_for_half_a_pixel_and_then_fills_with_the_channels_minimum():
    frames = torch.tensor([4.0, 5.0, 7.0, 3.0])[None, None, None].repeat(1, 2, 3, 1)
    frames[:, 1] += 10
    field = torch.zeros(1, 2, 3, 4)

    def row(dx, mode="bilinear"):
        field[:, 0] = dx
        return warp(frames, field, mode)[0, :, 1].tolist()

    assert row(1.0) == [[5, 7, 3, 3], [15, 17, 13, 13]]
    assert row(0.25)[0] == pytest.approx([4.25, 5.5, 6, 3])
    assert row(-0.375)[0] == pytest.approx([4, 4.625, 6.25, 4.5])
    assert row(-0.75)[1] == pytest.approx([13, 14.25, 15.5, 16])
    assert row(0.625, "nearest")[0] == [5, 7, 3, 3]
    field[:, 0], field[:, 1] = 0, 1.0
    frames[0, 0, 2] = 9
    assert warp(frames, field, "bilinear")[0, 0].tolist() == [[4, 5, 7, 3], [9, 9, 9, 9], [3, 3, 3, 3]]


def test_one_transform_for_all_frames_and_masks_and_none_for_the_others():
    torch.manual_seed(0)
    original = batch(256, 256, 6)
    original["image"] = original["mask"].expand(6, 2, 3, 256, 256).contiguous()
    drawn = RandomElasticDeformation(p=0.5).sample(6)
    moved = drawn.flatten(1).any(1)
    assert 0 < moved.sum() < 6
    out = RandomElasticDeformation().apply_to({**original, "box": torch.zeros(6, 4)}, drawn)
    # A bilinear value above one half is the nearest pixel's, but at corners of an outline: 0.1 % of all pixels.
    assert ((out["image"][:, :, :1] > 0.5) != (out["mask"] > 0.5)).float().mean() < 0.005
    for name in ("image", "mask"):
        assert torch.equal(out[name][~moved], original[name][~moved])
        assert (out[name] != original[name]).flatten(1).any(1)[moved].all()
    assert set(out["mask"].unique().tolist()) == {0.0, 1.0}
    assert not out["box"].eq(0).all(1).any()


@pytest.mark.parametrize("locked", [0, 1, 2])
def test_draws(locked):
    torch.manual_seed(0)
    drawn = RandomElasticDeformation((8, 11), (3, 5), locked, p=1).sample(200)
    assert drawn.shape == (200, 8, 11, 2)
    still = ~drawn.flatten(3).any(3).any(0)
    expected = torch.ones(8, 11, dtype=torch.bool)
    expected[locked : 8 - locked, locked : 11 - locked] = False
    assert torch.equal(still, expected)
    for axis, reach in ((0, 5), (1, 3)):
        assert 0.99 * reach < drawn[..., axis].max() <= reach
        assert -reach <= drawn[..., axis].min() < -0.99 * reach


def test_two_locked_borders_nearly_hold_the_edge():
    torch.manual_seed(0)
    locked = displacement_field(RandomElasticDeformation(p=1).sample(64), 256, 448).abs()
    # Only the third ring acts at the edge, by (1 + 3 t + 3 t^2 - 3 t^3) / 6 where t = 0.625 * 6 / 256.25.
    assert 3 < locked[:, 1, 0].max() < 20 * 0.1741
    free = displacement_field(RandomElasticDeformation(locked_borders=0, p=1).sample(64), 256, 448).abs()
    assert free[:, 1, 0].max() > 12


def test_depends_on_seed_step_and_rank():
    original = batch(256, 256, 2)
    elastic = RandomElasticDeformation(p=1)
    first = DeviceAugmentation([elastic])(original, 3, 0)["image"]
    assert torch.equal(first, DeviceAugmentation([elastic])(original, 3, 0)["image"])
    assert not torch.equal(first, DeviceAugmentation([elastic])(original, 3, 1)["image"])
    assert not torch.equal(first[0], first[1])


def test_folding_is_warned_of_once_and_only_beyond_half_the_distance():
    elastic = RandomElasticDeformation(p=1)
    with pytest.warns(RuntimeWarning, match=r"\(20.0, 20.0\) pixels .* \(37.4, 42.7\), in frames of 224x256: they may"):
        elastic(batch(224, 256))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        elastic(batch(224, 256))
        elastic(batch(240, 256))  # 240.25 / 6 / 2 = 20.02


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_control_points": 3, "locked_borders": 0}, "num_control_points is 3: .*at least 4"),
        ({"num_control_points": (9, 4)}, "at least 5 with locked_borders 2"),
        ({"num_control_points": (9, 9, 9)}, "one number or"),
        ({"max_displacement": (20,)}, r"max_displacement is \(20,\)"),
        ({"max_displacement": (20, -1)}, "max_displacement"),
        ({"locked_borders": 3}, "locked_borders is 3"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        RandomElasticDeformation(**options)


def test_torchio_refuses_its_own_options_as_ours_does():
    with pytest.raises(InputError, match="TorchioElastic: "):
        TorchioElastic(3)


@pytest.mark.parametrize("augmentation", [RandomElasticDeformation(), TorchioElastic()])
def test_flow_is_refused(augmentation):
    with pytest.raises(InputError, match="flow_forward, which cannot follow"):
        augmentation({**batch(64, 64), "flow_forward": torch.zeros(1, 2, 2, 64, 64)})
