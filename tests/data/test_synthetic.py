from __future__ import annotations

import ast
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from outpaint_lightning.data import synthetic
from outpaint_lightning.data.synthetic import (
    CAMERAS,
    PATTERNS,
    PHOTOS,
    Layer,
    Motion,
    Photo,
    Scene,
    Texture,
    render,
    sample_scene,
)
from outpaint_lightning.types import InputError

H, W, T = 48, 64, 5


class Flat(Texture):
    """One grey."""

    def __init__(self, tone: float) -> None:
        self.tone = tone

    def draw(self, height: int, width: int) -> np.ndarray:
        return np.full((height, width, 3), self.tone, np.float32)


def quiet(scene: Scene, layers: int = 1) -> Scene:
    return replace(scene, layers=scene.layers[:layers], noise=0.0)


def scene_of(*layers: Layer, camera: Motion | None = None, noise: float = 0.0) -> Scene:
    return Scene(H, W, T, camera or Motion(), layers, noise, seed=0)


def test_the_same_seed_gives_the_same_bytes_and_another_one_another_scene():
    first, again, other = (render(sample_scene(seed, H, W, T, "move")) for seed in (1, 1, 2))
    assert first.dtype == np.uint8
    assert first.shape == (T, H, W, 3)
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 10


def test_scenes_are_plain_values_that_compare_equal():
    assert sample_scene(3, H, W, T, "panrot") == sample_scene(3, H, W, T, "panrot")


def test_a_pan_moves_the_picture_along_x_to_the_right_and_along_y_downwards():
    wall = sample_scene(0, H, W, T, "still").layers[0]
    clip = render(scene_of(wall, camera=Motion(velocity=(3, 1))))
    assert np.array_equal(clip[1:, 1:, 3:], clip[:-1, :-1, :-3])


def test_turning_is_clockwise_on_the_screen_and_growing_keeps_the_start():
    pose = Motion(start=(5, 6), angle=math.pi / 2, growth=math.log(2)).poses(2)
    assert pose[0] @ (1, 0, 1) == pytest.approx((5, 7, 1))  # y points down
    assert pose[1] @ (1, 0, 1) == pytest.approx((5, 8, 1))


def test_poses_tell_where_the_pixels_of_a_layer_are_shown():
    dot = Layer(Flat(1.0), (9, 9), Motion(start=(10, -5), velocity=(2, 3)), outline=())
    scene = scene_of(Layer(Flat(0.0), (H, W), Motion()), dot, camera=Motion(velocity=(1, 0)))
    for frame, pose in zip(render(scene)[..., 0], scene.poses()[:, 1], strict=True):
        y, x = np.average(np.indices((H, W)).reshape(2, -1), axis=1, weights=frame.ravel())
        assert pose @ (4, 4, 1) == pytest.approx((x, y, 1), abs=0.05)


def test_later_layers_hide_earlier_ones():
    clip = render(scene_of(*(Layer(Flat(tone), (H, W), Motion()) for tone in (0.2, 1.0, 0.6))))
    assert np.unique(clip).tolist() == [round(0.6 * 255)]


@pytest.mark.parametrize("camera", CAMERAS)
def test_no_camera_sees_past_the_background(camera):
    corners = np.array([[0, 0, 1], [W - 1, 0, 1], [0, H - 1, 1], [W - 1, H - 1, 1]]).T
    for seed in range(50):
        scene = sample_scene(seed, H, W, 16, camera, photos=())
        height, width = scene.layers[0].size
        x, y, _ = (np.linalg.inv(scene.poses()[:, 0]) @ corners).swapaxes(0, 1)
        assert x.min() >= 0
        assert y.min() >= 0
        assert x.max() <= width - 1
        assert y.max() <= height - 1


def test_a_camera_on_a_tripod_shows_the_same_background_and_others_do_not():
    assert {camera: np.ptp(render(quiet(sample_scene(5, H, W, T, camera))), axis=0).any() for camera in CAMERAS} == {
        "still": False, "move": True, "panrot": True,
    }  # fmt: skip


def test_noise_is_fresh_in_every_frame_and_stronger_in_light():
    dark, light = (render(scene_of(Layer(Flat(tone), (H, W), Motion()), noise=8.0)) for tone in (0.1, 0.7))
    assert dark.std() == pytest.approx(8 * math.sqrt(0.25 + 0.75 * 0.1), rel=0.03)
    assert light.std() == pytest.approx(8 * math.sqrt(0.25 + 0.75 * 0.7), rel=0.03)
    between = np.corrcoef(light.reshape(T, -1))[np.triu_indices(T, 1)]
    assert np.abs(between).max() < 5 / math.sqrt(light[0].size)  # five standard deviations of independent noise


def test_only_the_photographs_asked_for_are_shown():
    def shown(photos: tuple[str, ...]) -> set[str]:
        scenes = (sample_scene(seed, H, W, T, "still", photos=photos) for seed in range(30))
        return {layer.texture.name for scene in scenes for layer in scene.layers if isinstance(layer.texture, Photo)}

    assert shown(()) == set()
    assert shown(("coffee.png", "moon.png")) == {"coffee.png", "moon.png"}


@pytest.mark.parametrize("name", PHOTOS)
def test_each_photograph_is_in_the_wheel_and_fills_any_canvas(name):
    for zoom, size in ((0.0, (40, 90)), (1.0, (90, 40)), (0.5, (1500, 30))):
        drawn = Photo(name, zoom, (0.3, 0.7), 1, (1.0, 0.5, 1.0)).draw(*size)
        assert drawn.shape == (*size, 3)
        assert drawn.std() > 0.01
        assert 0 <= drawn.min() <= drawn.max() <= 1


def test_a_photograph_that_is_missing_is_named():
    with pytest.raises(InputError, match=r"nobody\.png"):
        Photo("nobody.png", 0, (0, 0), 0, (1, 1, 1)).draw(8, 8)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_vary_within_and_among_themselves(pattern):
    drawn = [pattern.sample(np.random.default_rng(seed)).draw(H, W) for seed in range(5)]
    for picture in drawn:
        assert picture.shape == (H, W, 3)
        assert picture.dtype == np.float32
        assert picture.std() > 0.02
        assert 0 <= picture.min() <= picture.max() <= 1
    assert np.ptp([picture.mean((0, 1)) for picture in drawn], axis=0).max() > 0.1


def test_the_renderer_needs_neither_torch_nor_lightning():
    """Catches a heavy import in any file of the package."""
    files = sorted(Path(synthetic.__file__).parent.glob("*.py"))
    assert len(files) == 4
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert not {module.split(".")[0] for module in modules} & {"torch", "lightning", "skimage"}
