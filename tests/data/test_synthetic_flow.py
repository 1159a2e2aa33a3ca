"""Exact flow of synthetic scenes, against their own pictures and against arithmetic."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from outpaint_lightning.data.synthetic import (
    Layer,
    Motion,
    Scene,
    Texture,
    render,
    sample_flow_scene,
    scene_flow,
    scene_objects,
)
from outpaint_lightning.geometry import round_trip, warp

H, W, T = 48, 64, 4


class Smooth(Texture):
    """Waves of two directions, so long that bilinear and bicubic samples agree to a fifth of a grey level or so."""

    def __init__(self, phase: float = 0.0) -> None:
        self.phase = phase

    def draw(self, height: int, width: int) -> np.ndarray:
        y, x = np.indices((height, width))
        waves = [np.sin(x / 9 + self.phase), np.cos(y / 8 - self.phase), np.sin((x + y) / 11 + self.phase)]
        return (0.5 + 0.3 * np.stack(waves, -1)).astype(np.float32)


def tensors(flow):
    return torch.from_numpy(flow.forward), torch.from_numpy(flow.backward), torch.from_numpy(flow.occluded)


def smooth(seed: int) -> Scene:
    scene = sample_flow_scene(seed, 96, 128, T, photos=())
    layers = (replace(layer, texture=Smooth(number)) for number, layer in enumerate(scene.layers))
    return replace(scene, layers=tuple(layers), noise=0.0)


def scene_of(*layers: Layer, camera: Motion | None = None) -> Scene:
    return Scene(H, W, T, camera or Motion(), layers, 0.0, seed=0)


def test_warping_a_frame_by_the_flow_gives_its_neighbour_where_it_is_seen():
    """Catches the inverse motion, swapped x and y, and flow of the frame before. Colours are whole: 0.5 is rounding."""
    for seed in range(3):
        scene = smooth(seed)
        clip = torch.from_numpy(render(scene)).permute(0, 3, 1, 2).float()
        forward, backward, occluded = tensors(scene_flow(scene))
        for now, then, flow, hidden in (
            (clip[:-1], clip[1:], forward[:-1], occluded[:-1, 0]),
            (clip[1:], clip[:-1], backward[1:], occluded[1:, 1]),
        ):
            error = (warp(then, flow) - now).abs().amax(1)[~hidden]
            assert error.median() < 1
            still = (then - now).abs().amax(1)[~hidden]
            assert still.median() > 2  # zero flow would not do


def test_forward_and_backward_flow_cancel_where_the_target_is_seen():
    """Bilinear samples of an affine flow are exact where all four pixels show the layer; few targets lie at an edge.

    Catches a backward flow that is the negative forward flow, which misses acceleration and zoom.
    """
    for seed in range(5):
        flow = scene_flow(sample_flow_scene(seed, H, W, T, photos=()))
        forward, backward, occluded = tensors(flow)
        layer = torch.from_numpy(flow.objects)[:, None]
        shown = torch.zeros(layer[1:, 0].shape)
        for number in layer.unique():
            shown += (layer[:-1] == number)[:, 0] * warp((layer[1:] == number).float(), forward[:-1])[:, 0]
        seen = (shown > 0.999) & ~occluded[:-1, 0]
        assert seen.sum() > 0.9 * (~occluded[:-1, 0]).sum()
        apart = round_trip(forward[:-1], backward[1:]).norm(dim=1)
        assert apart[seen].max() < 0.01  # a thousandth of a pixel of another layer, 10 px apart
        assert apart[seen].median() < 1e-5
        assert round_trip(forward[:-1], -forward[:-1]).norm(dim=1)[seen].max() > 0.1


def test_a_pan_and_a_zoom_by_hand():
    """Flow is where the world goes: right and down of a pan (2, 1), away from the centre of a zoom."""
    pan = scene_flow(scene_of(Layer(Smooth(), (H, W), Motion()), camera=Motion(velocity=(2, 1))))
    np.testing.assert_allclose(pan.forward, np.broadcast_to([[[2]], [[1]]], (T, 2, H, W)), atol=1e-5)
    np.testing.assert_allclose(pan.backward, -pan.forward, atol=1e-5)
    zoom = scene_flow(scene_of(Layer(Smooth(), (H, W), Motion()), camera=Motion(growth=np.log(1.1))))
    y, x = np.indices((H, W))
    away = np.stack([x - (W - 1) / 2, y - (H - 1) / 2])
    np.testing.assert_allclose(zoom.forward, np.broadcast_to(0.1 * away, (T, 2, H, W)), atol=1e-5)
    np.testing.assert_allclose(zoom.backward, np.broadcast_to((1 / 1.1 - 1) * away, (T, 2, H, W)), atol=1e-5)


def test_acceleration_shows_in_the_difference_of_the_flows():
    """x(t) = v t + a t^2 / 2, so forward + backward is a; the first frame's backward flow is known, too."""
    scene = scene_of(Layer(Smooth(), (H, W), Motion(velocity=(1, 0), acceleration=(0.5, -0.25))))
    flow = scene_flow(scene)
    total = flow.forward + flow.backward
    np.testing.assert_allclose(total, np.broadcast_to([[[0.5]], [[-0.25]]], total.shape), atol=1e-5)
    assert flow.forward[0, 0].mean() == pytest.approx(1.25)


def test_what_an_object_moves_over_is_occluded_and_what_leaves_the_frame_too():
    """A disc moves 4 px to the right over a still wall: a strip before it is occluded forward, one behind it backward.

    Catches occlusion judged by the label at the same place, or with the directions swapped.
    """
    disc = Layer(Smooth(1), (21, 21), Motion(velocity=(4, 0)), outline=())
    flow = scene_flow(scene_of(Layer(Smooth(), (H, W), Motion()), disc))
    middle, row = np.arange(W) - (W - 1) / 2, H // 2
    for channel, sign in ((0, 1), (1, -1)):
        before = (np.abs(middle) > 9) & (np.abs(middle - sign * 4) < 9)
        assert flow.occluded[0, channel, row][before].all()
        assert before.sum() == 4
        elsewhere = np.abs(middle) > 15
        assert not flow.occluded[0, channel, row][elsewhere].any()
        assert not flow.occluded[0, channel][flow.objects[0] == 1].any()
    gone = scene_flow(scene_of(Layer(Smooth(), (H, W), Motion()), camera=Motion(velocity=(3, 0)))).occluded
    assert gone[:, 0].all(axis=(0, 1)).tolist() == [False] * (W - 3) + [True] * 3
    assert gone[:, 1].all(axis=(0, 1)).tolist() == [True] * 3 + [False] * (W - 3)


def test_objects_are_what_is_seen_on_top():
    tones = [Layer(Smooth(n), (side, side), Motion(), outline=()) for n, side in ((1, 31), (2, 11))]
    objects = scene_objects(scene_of(Layer(Smooth(), (H, W), Motion()), *tones))
    areas = [(objects[0] == number).sum() for number in (1, 2)]
    assert areas[1] == pytest.approx(np.pi * 4.5**2, rel=0.1)  # a disc of 11 pixels keeps one free at its rim
    assert areas[0] == pytest.approx(np.pi * 14.5**2 - areas[1], rel=0.05)
    assert np.array_equal(objects, scene_flow(scene_of(Layer(Smooth(), (H, W), Motion()), *tones)).objects)


def test_flow_scenes_repeat_and_differ_and_everything_in_them_moves():
    assert sample_flow_scene(3, H, W, T) == sample_flow_scene((3,), H, W, T)
    assert sample_flow_scene((3, 1), H, W, T) != sample_flow_scene((3, 2), H, W, T)
    counts, lengths = set(), []
    for seed in range(30):
        scene = sample_flow_scene(seed, 96, 128, 2, photos=())
        flow = scene_flow(scene)
        counts.add(len(scene.layers) - 1)
        lengths.append(np.hypot(*flow.forward[0]).mean())
        assert np.isfinite(flow.forward).all()
        assert all(layer.motion.acceleration != (0, 0) for layer in scene.layers[1:])
    assert counts == {1, 2, 3}
    assert 1 < np.mean(lengths) < 2.5  # 1.7 px, as the tables of docs/explanation/refiner.md were made


def test_the_background_fills_every_frame_of_a_long_flow_scene():
    """Catches a canvas made for the first frame: the camera goes on for 40 frames, turning and zooming."""
    corners = np.array([[0, 0, 1], [W - 1, 0, 1], [0, H - 1, 1], [W - 1, H - 1, 1]]).T
    for seed in range(10):
        scene = sample_flow_scene(seed, H, W, 40, photos=())
        height, width = scene.layers[0].size
        x, y, _ = (np.linalg.inv(scene.poses(beyond=1)[:, 0]) @ corners).swapaxes(0, 1)
        assert min(x.min(), y.min()) >= 0
        assert x.max() <= width - 1
        assert y.max() <= height - 1
