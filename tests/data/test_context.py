"""Photos with layouts: the rule of the rendered scenes, and folders with what may be wrong in them."""

import numpy as np
import pytest
import torch
from PIL import Image
from support import texture

from outpaint_lightning.data import ContextDataModule
from outpaint_lightning.data.context.scenes import (
    JITTER,
    RULES,
    STUFF,
    THINGS,
    horizon_of,
    render_context,
    sample_context,
)
from outpaint_lightning.io import write_image
from outpaint_lightning.io.index import read_index, write_index
from outpaint_lightning.types import InputError

SIDE = 32


def module(root=None, stage="fit", **options):
    defaults = {"batch_size": 3, "size": (SIDE, SIDE), "scenes": 6, "val_scenes": 3, "test_scenes": 4}
    data = ContextDataModule(root and str(root), **{**defaults, **options})
    data.setup(stage)
    return data


def scenes(count=150):
    return [sample_context((7, seed)) for seed in range(count)]


def test_things_imply_stuff():
    """Every background class of a scene is of its kind's rule; and all kinds are drawn. Catches a free choice."""
    found = {}
    for scene in scenes(60):
        layout = render_context(scene, SIDE, SIDE).layout
        found.setdefault(scene.kind, set()).update(STUFF[n] for n in np.unique(layout) if n != 255)
    assert found == {kind: {rule.above, rule.below, rule.band} for kind, rule in RULES.items()}
    assert len({(rule.above, rule.below) for rule in RULES.values()}) == len(THINGS)


def test_the_horizon_follows_the_first_thing():
    """Up to a deviation of JITTER; a horizon of its own would be off by ten times that."""
    off = [np.mean(scene.horizon) - np.clip(horizon_of(scene.kind, scene.things[0]), 0.08, 0.92) for scene in scenes()]
    assert np.std(off) < 1.5 * JITTER
    assert np.std([np.mean(scene.horizon) for scene in scenes()]) > 3 * JITTER


def test_the_band_is_left_to_chance():
    """One kind has scenes with and without: several layouts are right, which a collapsed latent cannot say."""
    bands = [scene.band > 0 for scene in scenes() if scene.kind == "boat"]
    assert 0.2 < np.mean(bands) < 0.8


def test_no_pixel_of_a_thing_shows_the_background():
    """The same scene with other textures behind: the foreground is equal but for the sensor's noise."""
    scene = sample_context(3)
    picture = render_context(scene, SIDE, SIDE)
    assert ((picture.objects > 0) == (picture.layout == 255)).all()
    inside = picture.objects > 0
    flat = np.array(RULES[scene.kind].colour) / np.linalg.norm(RULES[scene.kind].colour)
    colours = picture.frame[inside].astype(float)
    along = (colours @ flat) / np.linalg.norm(colours, axis=1)
    assert along.min() > 0.97


def test_batches_follow_the_contract():
    data = module()
    batch = next(iter(data.train_dataloader()))
    assert {key: tuple(value.shape) for key, value in batch.items() if key != "meta"} == {
        **dict.fromkeys(("image", "clean"), (3, 1, 3, SIDE, SIDE)),
        "mask": (3, 1, 1, SIDE, SIDE),
        **dict.fromkeys(("layout", "objects"), (3, 1, SIDE, SIDE)),
    }
    background = batch["mask"] > 0.5
    assert torch.equal(background[:, :, 0], batch["objects"] == 0)
    assert 0.5 < background.float().mean() < 1
    assert (batch["image"][background.expand_as(batch["image"])] == 0).all()
    assert torch.equal(batch["image"] * ~background, batch["clean"] * ~background)
    assert data.classes == list(STUFF)
    assert {video["scene"] for video in data.videos("val")} <= {*THINGS}
    assert torch.equal(module().datasets["train"][5, 2]["clean"], data.datasets["train"][0, 2]["clean"])


def test_the_common_layout_by_hand(tmp_path):
    """Two photos of three have class 1 on the left: unknown pixels do not vote."""
    write_photos(tmp_path, {"a": 1, "b": 1, "c": 0}, split="train")
    data = ContextDataModule(str(tmp_path), classes=2, size=(SIDE, SIDE))
    common = data.common_layout()
    assert common.shape == (SIDE, SIDE)
    assert (common[20:, : SIDE // 2] == 1).all()  # below what no photo knows
    assert (common[:, SIDE // 2 + 8 :] == 0).all()


def write_photos(root, layouts, split="", size=(40, 44)):
    """Photos whose left half has a class and whose right half has class 0, around a square of 255."""
    for number, (name, left) in enumerate(layouts.items()):
        layout = np.zeros(size, np.uint8)
        layout[:, : size[1] // 2] = left
        layout[10:20, 16:26] = 255
        write_image(root / "images" / split / f"{name}.jpg", texture(number, *size))
        write_index(root / "stuff" / split / f"{name}.png", layout)


def test_folders_of_photos(tmp_path):
    """The foreground is what has no class; `things` overrule it, and number the things."""
    for split in ("train", "val", "test"):
        write_photos(tmp_path, {f"{split}{i}": 1 for i in range(3)}, split)
    (tmp_path / "classes.txt").write_text("sea\nsand\n")
    data = module(tmp_path, "test")
    assert data.classes == ["sea", "sand"]
    sample = data.datasets["test"][0]
    assert sample["clean"].shape == (1, 3, SIDE, SIDE)
    assert sample["layout"].unique().tolist() == [0, 1, 255]
    assert torch.equal(sample["objects"] > 0, sample["layout"] == 255)
    things = np.zeros((40, 44), np.uint8)
    things[0:12, 0:12], things[30:40, 30:44] = 1, 2
    write_index(tmp_path / "things" / "test" / "test0.png", things)
    sample = module(tmp_path, "test").datasets["test"][0]
    assert sample["objects"].unique().tolist() == [0, 1, 2]
    assert (sample["layout"][sample["objects"] > 0] == 255).all()


def test_folders_without_splits_are_dealt_and_predicted_whole(tmp_path):
    write_photos(tmp_path, {f"p{i}": 1 for i in range(6)})
    data = module(tmp_path, classes=2)
    assert {split: len(dataset) for split, dataset in data.datasets.items()} == {"train": 4, "val": 1}
    assert len(module(tmp_path, "predict", classes=2).predict_dataloader().dataset) == 6
    assert len(module(stage="predict").predict_dataloader().dataset) == 4


def test_index_images_keep_numbers(tmp_path):
    """Of a palette the index counts, not the colour."""
    numbers = np.arange(256, dtype=np.uint8).reshape(16, 16)
    write_index(tmp_path / "grey.png", numbers)
    coloured = Image.fromarray(numbers, "P")
    coloured.putpalette([255 - i // 3 for i in range(768)])
    coloured.save(tmp_path / "palette.png")
    for name in ("grey", "palette"):
        np.testing.assert_array_equal(read_index(tmp_path / f"{name}.png"), numbers)
    write_image(tmp_path / "rgb.png", texture(0, 16, 16))
    with pytest.raises(InputError, match=r"rgb.png: an image of mode RGB; expected an 8-bit grey or palette PNG"):
        read_index(tmp_path / "rgb.png")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: write_index(root / "stuff/p0.png", np.zeros((40, 40), np.uint8)),
         r"stuff/p0.png: 40x40 pixels; expected 44x40, the size of .*images/p0.jpg"),
        (lambda root: write_index(root / "stuff/p1.png", np.full((40, 44), 7, np.uint8)),
         r"stuff/p1.png: class 7; expected 0 to 1, or 255"),
        (lambda root: write_image(root / "images/p2.jpg", texture(0, 24, 44)),
         r"images/p2.jpg: 44x24 pixels; data.size needs at least 32x32"),
        (lambda root: (root / "stuff/p3.png").unlink(), r"images/p3.jpg: has no layout; expected .*stuff/p3.png"),
        (lambda root: write_index(root / "stuff/p33.png", np.zeros((40, 44), np.uint8)),
         r"stuff/p33.png: there is no photo of this name; did you mean 'p3'"),
    ],
)  # fmt: skip
def test_bad_folders_are_named(spoil, message, tmp_path):
    write_photos(tmp_path, {f"p{i}": 1 for i in range(4)})
    spoil(tmp_path)
    with pytest.raises(InputError, match=message):
        module(tmp_path, classes=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "data.batch_size is 0"),
        ({"size": (8, 40)}, r"data.size is \[8, 40\]"),
        ({"foreground": (0.5, 0.1)}, "data.foreground is"),
        ({"classes": 1}, "data.classes has 1 names"),
        ({"classes": ["a", "a"]}, "data.classes has 2 names; expected 2 to 255, all different"),
        ({"root": "here"}, r"here/classes.txt: no such file; expected the name of a class on each line"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        ContextDataModule(**options)


def test_photos_that_are_nearly_all_foreground_are_left_out(tmp_path):
    write_photos(tmp_path, {f"p{i}": 1 for i in range(4)})
    with pytest.raises(InputError, match=r"no photo in split 'train' whose foreground is 0.9 to 1 of it; 2 were"):
        module(tmp_path, classes=2, foreground=(0.9, 1))
