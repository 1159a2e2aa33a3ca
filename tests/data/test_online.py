"""Forging on the fly: the same pixels as `forge` writes, and fresh ones that depend on (seed, epoch, index) only."""

import numpy as np
import pytest
import torch
from support import fit_options, write_clip

from outpaint_lightning.cli import main
from outpaint_lightning.data import ClipDataModule
from outpaint_lightning.data.online import ForgeDataset
from outpaint_lightning.data.windows import WindowDataset
from outpaint_lightning.forge.material import materials
from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.forge.run import forge
from outpaint_lightning.io import read_dataset, write_manifest, write_mask
from outpaint_lightning.types import InputError

RECIPE = {
    "masks": ["border", "blob"],
    "fills": ["mosaic", "splice", "reflect"],
    "seams": ["feather"],
    "per_clip": 3,
    "seed": 5,
}
LOSSLESS = ["none", {"class_path": "resize", "init_args": {"scale": [0.6, 1.4], "every": [1, 2]}}]


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Three clean clips a split, 6 frames of 72x90 each."""
    root = tmp_path_factory.mktemp("clean")
    entries = [
        write_clip(root, (f"{split}{number}", split, f"{split}{number}", ""), frames=6, size=(72, 90))
        for split in ("train", "val", "test")
        for number in range(3)
    ]
    write_manifest(root / "manifest.csv", entries)
    return root


def train_materials(clean):
    return materials([entry for entry in read_dataset(clean) if entry.split == "train"])


@pytest.mark.parametrize("chains", [LOSSLESS, ["jpeg", "h264"]], ids=["lossless", "lossy"])
def test_online_gives_what_forge_writes(clean, tmp_path, chains):
    recipe = Recipe.of(**RECIPE, chains=chains)
    forge(clean / "frames", tmp_path / "out", recipe, manifest=clean / "manifest.csv")
    offline = WindowDataset([entry for entry in read_dataset(tmp_path / "out") if entry.split == "train"])
    online = ForgeDataset(train_materials(clean), recipe, fresh=False)
    assert online.videos == offline.videos
    assert len(online) == len(offline) > 0
    for index in range(len(online)):
        there, here = offline[index], online[index]
        torch.testing.assert_close(here["image"], there["image"], rtol=0, atol=0)
        torch.testing.assert_close(here["mask"], there["mask"], rtol=0, atol=0)
        assert here["meta"] == there["meta"]


def test_fresh_forgeries_depend_on_seed_epoch_and_index_only(clean):
    def dataset(**changes):
        return ForgeDataset(train_materials(clean), Recipe.of(**{**RECIPE, "chains": ["none"], **changes}), fresh=True)

    data, again, other = dataset(), dataset(), dataset(seed=6)
    index = next(i for i, (video, _) in enumerate(data.index) if data.entries[video].forger)
    first = data[1, index]
    for same in (again[1, index], data[1, index]):
        assert same["meta"] == first["meta"]
        assert torch.equal(same["image"], first["image"])
        assert torch.equal(same["mask"], first["mask"])
    for different in (data[2, index], other[1, index]):
        assert not torch.equal(different["mask"], first["mask"])


def test_a_fresh_window_is_its_clip_outside_the_mask(clean):
    data = ForgeDataset(train_materials(clean), Recipe.of(**RECIPE, chains=["none"]), fresh=True, span=4)
    forged = 0
    for index in range(len(data)):
        window = data[0, index]
        video, frame = data.index[index]
        assert window["meta"]["frames"][0] == frame
        original = torch.from_numpy(data.clips[video].read(window["meta"]["frames"])).permute(0, 3, 1, 2)
        outside = (window["mask"] == 0).expand_as(original)
        assert torch.equal(window["image"][outside], original[outside])
        assert bool(window["mask"].any()) == bool(window["meta"]["forger"])
        forged += bool(window["meta"]["forger"])
    assert forged == len(data) * 3 // 4


def test_max_frames_is_that_of_forge(clean, tmp_path):
    recipe = Recipe.of(**RECIPE, chains=["none"])
    forge(clean / "frames", tmp_path / "out", recipe, manifest=clean / "manifest.csv", max_frames=4)
    offline = WindowDataset([entry for entry in read_dataset(tmp_path / "out") if entry.split == "train"])
    limited = materials([entry for entry in read_dataset(clean) if entry.split == "train"], limit=4)
    online = ForgeDataset(limited, recipe, fresh=False)
    assert len(online) == len(offline) == 3 * 4 * 4
    for index in range(len(online)):
        assert torch.equal(online[index]["image"], offline[index]["image"])
    assert len(ForgeDataset(limited, recipe, fresh=True)) == len(offline)


def test_objects_out_of_sight(clean, tmp_path):
    """An object in the last frame only: windows that do not show it get other masks, or none."""
    for split in ("train0", "train1", "train2"):
        for index in range(6):
            mask = np.zeros((72, 90), bool)
            mask[20:40, 30:60] = index == 5
            write_mask(tmp_path / split / f"{index:05d}.png", mask)
    entries = [entry for entry in read_dataset(clean) if entry.split == "train"]
    for masks, kinds in ((["object"], {"", "object"}), (["object", "box"], {"", "object", "box"})):
        recipe = Recipe.of(**{**RECIPE, "masks": masks}, chains=["none"])
        data = ForgeDataset(materials(entries, tmp_path), recipe, fresh=True, span=2)
        windows = [data[index] for index in range(len(data))]
        found = {(window["meta"]["forger"].split("/")[0], bool(window["mask"].any())) for window in windows}
        assert {kind for kind, _ in found} == kinds
        assert all(marks == bool(kind) for kind, marks in found)


@pytest.mark.parametrize(
    ("chain", "options", "message"),
    [
        (
            {"class_path": "resize", "init_args": {"scale": [0.5, 1.5]}},
            {"crop": (64, 64)},
            "smaller than the crop 64x64",
        ),
        (
            {"class_path": "resize", "init_args": {"every": [2, 2]}},
            {"frames": 3, "span": 6},
            "keeps every 2th; expected at least 8",
        ),
        ({"class_path": "av1", "init_args": {"scale": [0.5, 1.0]}}, {}, "expected 64 pixels a side"),
    ],
)
def test_what_a_chain_makes_too_small_is_refused_beforehand(clean, chain, options, message):
    with pytest.raises(InputError, match=message):
        ForgeDataset(train_materials(clean), Recipe.of(**RECIPE, chains=[chain]), fresh=True, **options)


def test_thinned_and_rescaled_windows_keep_their_frame_numbers(clean):
    chains = [{"class_path": "resize", "init_args": {"scale": [0.5, 0.5], "every": [2, 2]}}]
    data = ForgeDataset(train_materials(clean), Recipe.of(**RECIPE, chains=chains), fresh=True, span=6)
    for index in range(len(data)):
        window = data[0, index]
        assert window["image"].shape == (2, 3, 36, 45)
        a, b = window["meta"]["frames"]
        assert abs(a - b) == 2


def test_a_span_shorter_than_a_window_is_refused(clean):
    with pytest.raises(InputError, match="span is 1: expected at least 2"):
        ForgeDataset(train_materials(clean), Recipe.of(**RECIPE, chains=["none"]), fresh=True, span=1)


def test_the_datamodule_forges_authentic_clips_only(dataset):
    data = ClipDataModule(str(dataset), online=True, recipe="outpainting", workers=0, crop=[64, 64])
    data.setup("fit")
    train = data.datasets["train"]
    assert {entry.source for entry in train.entries} == {"a", "b"}
    assert len(train.entries) == 2 * 5
    grid, share = data.training_masks(16)
    assert grid.shape == (3 * 8, 16, 16)
    assert 0.02 < share < 0.5
    data.setup("test")
    assert len(data.videos("test")) == 2 * 5


@pytest.mark.slow
def test_fit_and_test_online(clean, tmp_path):
    options = fit_options(clean, tmp_path / "run")
    options += ["--data.online", "true", "--data.recipe", "outpainting", "--data.crop", "[64,64]"]
    options += ["--trainer.limit_train_batches", "1"]
    assert main(["fit", *options]) == 0
    assert main(["test", *options, "--trainer.limit_test_batches", "2"]) == 0
