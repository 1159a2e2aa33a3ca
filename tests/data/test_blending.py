"""Panoramas, pairs and landscapes for blending."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support import texture

from outpaint_lightning.data import BlendingDataModule
from outpaint_lightning.data.blending.landscapes import Landscape
from outpaint_lightning.data.blending.pairs import nearest_photos
from outpaint_lightning.forge.sources import clean_clips
from outpaint_lightning.io import write_image
from outpaint_lightning.types import InputError

SIZE = 16


def module(root=None, **options):
    data = BlendingDataModule(
        root, **{"size": SIZE, "batch_size": 2, "photos": 5, "val_photos": 3, "test_photos": 3, **options}
    )
    data.trainer = SimpleNamespace(world_size=1, global_rank=0)
    return data


def ready(stage="fit", **options):
    data = module(**options)
    data.setup(stage)
    return data


def test_a_landscape_follows_from_its_values():
    rng = np.random.default_rng(0)
    one, other = Landscape.sample(rng), Landscape.sample(rng)
    np.testing.assert_array_equal(one.draw(32, 96), one.draw(32, 96))
    assert one.horizon != other.horizon
    assert np.abs(one.draw(32, 96).astype(int) - other.draw(32, 96)).mean() > 5


def test_the_horizon_parts_sky_and_grass():
    """Grass is rough and the sky smooth; a horizon at another height would mix them."""
    landscape = Landscape(3, 0.5, ((0.2, 0.4, 0.8), (0.7, 0.8, 0.9)), (0.3, 0.45, 0.18), -4.0, ())
    drawn = landscape.draw(64, 96).astype(float) / 255
    rough = np.abs(np.diff(drawn, axis=1)).mean((1, 2))
    assert rough[:32].max() < 1e-6
    assert rough[36:].min() > 0.01
    assert (drawn[:32, :, 2] > drawn[:32, :, 1]).all()
    assert (drawn[40:].mean((0, 1))[1] > drawn[40:].mean((0, 1))[2]).all()


def test_one_sample():
    """The middle is hidden and known; the pair has this photo's left, the partner's right, and nothing between."""
    data = ready()
    dataset = data.datasets["train"]
    sample = dataset[2, 1]
    clean, image, pair = (sample[key][0] for key in ("clean", "image", "pair"))
    assert clean.shape == (3, SIZE, 3 * SIZE)
    assert (sample["mask"][0, 0].any(0).nonzero().flatten().tolist()) == list(range(SIZE, 2 * SIZE))
    assert (image[..., SIZE : 2 * SIZE] == 0).all()
    assert torch.equal(
        torch.cat([image[..., :SIZE], image[..., -SIZE:]], 2), clean[..., [*range(SIZE), *range(-SIZE, 0)]]
    )
    partner = dataset.partner(2, 1)
    assert partner != 1
    assert sample["meta"]["partner"] == data.videos("train")[partner]["clip"]
    assert torch.equal(pair[..., :SIZE], clean[..., :SIZE])
    assert (pair[..., SIZE : 2 * SIZE] == 0).all()
    assert torch.equal(pair[..., -SIZE:], dataset[2, partner]["clean"][0, ..., -SIZE:])
    assert any(torch.equal(sample["other"], dataset[2, photo]["clean"]) for photo in (0, 2, 3, 4))


def test_training_moves_and_tests_do_not():
    """Crops and partners change with the epoch, and follow from it."""
    data = ready()
    train, val = data.datasets["train"], data.datasets["val"]
    assert torch.equal(train[0, 3]["clean"], train[0, 3]["clean"])
    assert not torch.equal(train[0, 3]["clean"], train[1, 3]["clean"])
    assert len({train.partner(epoch, 0) for epoch in range(20)}) > 1
    assert torch.equal(val[0, 1]["clean"], val[7, 1]["clean"])
    assert {val.partner(epoch, 1) for epoch in range(20)} == {val.partner(0, 1)}


def test_splits_share_no_landscape():
    data = ready()
    assert not torch.equal(data.datasets["train"].source.make(0), data.datasets["val"].source.make(0))


def test_the_last_short_batch_is_left_out():
    """The public code's loader ends in a batch whose labels have another number than its images."""
    data = ready()
    assert [len(batch["meta"]) for batch in data.train_dataloader()] == [2, 2]
    assert next(iter(data.train_dataloader()))["pair"].shape == (2, 1, 3, SIZE, 3 * SIZE)


def test_the_nearest_photos_by_hand():
    """Angles after the mean is subtracted; never the photo itself, nor another of its source."""
    found = torch.tensor([[1.0, 0], [0.9, 0.2], [-1, 0.1], [-0.8, -0.3]]) + 50
    sources = ["a", "b", "c", "d"]
    assert nearest_photos(found, sources, 1).flatten().tolist() == [1, 0, 3, 2]
    assert nearest_photos(found, ["a", "a", "c", "d"], 1)[0].item() != 1
    assert nearest_photos(found, sources, 9).shape == (4, 3)


@pytest.fixture
def folder(tmp_path):
    for number in range(6):
        write_image(tmp_path / f"photo{number}.png", texture(number, 60, 132))
    return tmp_path


def test_photos_of_a_folder(folder):
    """Shrunk until a crop has half of the height or all of the width: 60 x 132 to 32 x 70."""
    (folder / "photo6.png").write_bytes((folder / "photo0.png").read_bytes())
    data = module(root=str(folder))
    splits = ("train",) * 4 + ("val",) * 3
    listed = [f"photo{number},{split}" for number, split in enumerate(splits)]
    (folder / "frames").mkdir()
    for number in range(7):
        (folder / f"photo{number}.png").rename(folder / "frames" / f"photo{number}.png")
    (folder / "manifest.csv").write_text("\n".join(["clip,split", *listed]))
    data.setup("fit")
    train = data.datasets["train"]
    assert len(train) == 4
    assert train.source.make(0).shape == (3, 32, 70)
    assert {video["clip"] for video in data.videos("train")} < {f"photo{number}" for number in range(6)}


def test_a_split_without_a_pair_is_named(folder):
    with pytest.raises(InputError, match="photos of one source in split 'val'; expected two"):
        ready("validate", root=str(folder))


def test_photos_that_are_smaller_than_a_crop_are_named(folder):
    write_image(folder / "photo3.png", texture(3, 60, 44))
    (split,) = (entry.split for entry in clean_clips(folder, None, 0) if entry.clip == "photo3")
    with pytest.raises(InputError, match=r"photo3.png: 44x60 pixels, smaller than a crop of 48x16.*data.size"):
        module(root=str(folder))._source(split, (0,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 4}, "data.size is 4"),
        ({"nearest": 0}, "data.nearest is 0"),
        ({"photos": 0}, "data.photos is 0"),
        ({"workers": -1}, "data.workers is -1"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        module(**options)
