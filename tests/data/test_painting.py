"""Clips with occlusions: scenes, clips and arrays."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from support import write_clip

from outpaint_lightning.data import PaintingDataModule
from outpaint_lightning.data.painting.fields import advected_fields, write_fields
from outpaint_lightning.forge.masks import MaskSampler
from outpaint_lightning.io import write_manifest
from outpaint_lightning.types import InputError

T, H, W = 4, 32, 40


def module(root=None, stage="fit", **options):
    defaults = {"frames": T, "size": (H, W), "clips": 6, "val_clips": 4, "test_clips": 4, "batch_size": 3}
    data = PaintingDataModule(root and str(root), **{**defaults, **options})
    data.setup(stage)
    return data


def test_batches_follow_the_contract():
    data = module()
    batch = next(iter(data.train_dataloader()))
    assert {key: tuple(value.shape) for key, value in batch.items() if key != "meta"} == {
        **dict.fromkeys(("image", "clean", "other"), (3, T, 3, H, W)),
        **dict.fromkeys(("mask", "again"), (3, T, 1, H, W)),
    }
    hidden = batch["mask"].expand_as(batch["image"]) > 0.5
    assert (batch["image"][hidden] == 0).all()
    assert torch.equal(batch["image"][~hidden], batch["clean"][~hidden])
    assert set(batch["mask"].unique().tolist()) == {0, 1}
    assert {"again", "other"}.isdisjoint(next(iter(data.val_dataloader())))


def test_a_clip_s_mask_is_fixed_and_the_second_one_is_not():
    """A mask drawn anew in each epoch would show the net everything in time: the public code does that."""
    dataset = module().datasets["train"]
    first, later = dataset[0, 2], dataset[5, 2]
    assert torch.equal(first["mask"], later["mask"])
    assert torch.equal(first["image"], later["image"])
    assert not torch.equal(first["again"], later["again"])
    assert not torch.equal(first["mask"], first["again"])
    assert torch.equal(first["again"], module().datasets["train"][0, 2]["again"])  # no state, no other chance
    assert not torch.equal(first["mask"], dataset[0, 3]["mask"])


def test_clips_stay_clean_where_their_masks_lie():
    """The public code paints occlusions into the ground truth."""
    dataset = module().datasets["train"]
    before = dataset.source.window(1).clone()
    hidden = dataset[0, 1]["mask"].expand_as(before) > 0.5
    assert torch.equal(dataset.source.window(1), before)
    assert dataset[0, 1]["clean"][hidden].mean() > 0.05


def test_others_are_others():
    dataset = module(clips=5).datasets["train"]
    for epoch in range(3):
        for index in range(5):
            other = dataset[epoch, index]["other"]
            same = [torch.equal(other, dataset.source.window(i)) for i in range(5)]
            assert sum(same) == 1
            assert not same[index]


def test_occlusions_take_turns_and_are_named():
    data = module(stage="test", occlusions=["bar", "clouds"])
    assert [video["forger"] for video in data.videos("test")] == ["bar", "clouds"] * 2
    assert data.datasets["test"][1]["meta"]["forger"] == "clouds"


@dataclass(frozen=True)
class Wall(MaskSampler):
    """Hides the left half, always."""

    def sample(self, rng, footage):  # noqa: ARG002
        return {}

    def render(self, params, footage):  # noqa: ARG002
        mask = np.zeros(footage.shape, bool)
        mask[:, :, : footage.shape[2] // 2] = True
        return mask


def test_what_is_never_seen_is_named():
    with pytest.raises(InputError, match="'Wall' hid row 0, column 0 of frame 0 in all of 64 draws"):
        module(occlusions=[Wall()])


def test_arrays_of_one_channel(tmp_path):
    write_fields(tmp_path, {"train": 3, "val": 2, "test": 2}, T, (16, 20))
    data = module(tmp_path, batch_size=2)
    batch = next(iter(data.val_dataloader()))
    assert batch["image"].shape == (2, T, 1, 16, 20)
    expected = np.load(tmp_path / "val.npy")
    np.testing.assert_array_equal(batch["clean"][:, :, 0].numpy(), expected)
    assert not np.array_equal(expected, np.load(tmp_path / "train.npy")[:2])


def test_fields_drift_with_one_wind():
    """The best shift from frame to frame is the same along a clip, and not 0: a field drawn anew has none."""
    clip = advected_fields(3, 1, 5, 32, 32)[0].astype(np.float64)
    clip -= clip.mean((1, 2), keepdims=True)
    spectrum = np.fft.fft2(clip)
    agreement = np.fft.ifft2(spectrum[1:] * spectrum[:-1].conj()).real.reshape(4, -1)
    shifts = {tuple(np.unravel_index(best, (32, 32))) for best in agreement.argmax(1)}
    assert len(shifts) <= 2  # parts of a pixel round either way
    assert (0, 0) not in shifts
    assert agreement.max(1).min() > 0.7 * (clip**2).sum((1, 2)).max()
    assert (clip.std(), advected_fields(3, 1, 5, 32, 32).max()) <= (0.3, 1)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, T, 2, 8, 8), np.float32), "shape .2, 4, 2, 8, 8. .*expected uint8 or floats"),
        (np.zeros((2, 3, 8, 8), np.float32), "clips of 3 frames; data.frames needs at least 4"),
        (np.full((2, T, 8, 8), 290.0, np.float32), "clip 0 holds values outside"),
        (np.full((2, T, 8, 8), np.nan, np.float32), "clip 0 holds values outside"),
        (b"no array", "no array that can be read"),
    ],
)
def test_bad_arrays_are_named(array, message, tmp_path):
    path = tmp_path / "test.npy"
    path.write_bytes(array) if isinstance(array, bytes) else np.save(path, array)
    with pytest.raises(InputError, match=message):
        module(tmp_path, stage="test").datasets["test"][0]


def test_clips_are_cut_into_windows(tmp_path):
    """9 frames are two windows of 4; frames of 40 x 60 cover 32 x 40 and are cut at the centre."""
    entries = [write_clip(tmp_path, (name, split, name, ""), frames=9, size=(40, 60))
               for name, split in (("a", "train"), ("b", "val"), ("c", "test"))]  # fmt: skip
    write_manifest(tmp_path / "manifest.csv", entries)
    dataset = module(tmp_path, stage="test").datasets["test"]
    assert [dataset[i]["meta"]["frames"] for i in range(len(dataset))] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert dataset[0]["clean"].shape == (T, 3, H, W)
    with pytest.raises(InputError, match=r"c: 9 frames; data\.frames needs at least 10"):
        module(tmp_path, stage="test", frames=10)


def test_a_folder_of_clips_needs_no_layout(tmp_path):
    """Sources are dealt to the splits: of three clips, one each."""
    for name in ("a", "b", "c"):
        write_clip(tmp_path, (name, "", name, ""), frames=T, size=(40, 60))
    videos = [module(tmp_path / "frames", stage="fit").videos(split) for split in ("train", "val")]
    videos.append(module(tmp_path / "frames", stage="test").videos("test"))
    assert sorted(video["clip"] for split in videos for video in split) == ["a", "b", "c"]
    with pytest.raises(InputError, match="nowhere: no such folder"):
        module(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "data.batch_size is 0"),
        ({"size": (8, 40)}, r"data.size is \[8, 40\]"),
        ({"occlusions": []}, r"data.occlusions is \[\]"),
        ({"occlusions": ["rainn"]}, "did you mean 'rain'"),
        ({"occlusions": ["object"]}, "'object', which needs objects"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        module(**options)
