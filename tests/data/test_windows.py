from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from support import write_clip

from outpaint_lightning.data import ClipDataModule, EpochSampler, WindowDataset, window_indices
from outpaint_lightning.data.online import ForgeDataset
from outpaint_lightning.forge.material import materials
from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.io import read_dataset, read_image, read_mask, write_image, write_manifest, write_mask
from outpaint_lightning.types import InputError


@pytest.mark.parametrize(
    ("frame", "expected"),
    [(0, [0, 1]), (8, [8, 9]), (9, [9, 8])],
    ids=["first", "middle", "last by its pair backwards"],
)
def test_pairs(frame, expected):
    assert window_indices(frame, 10, frames=2, stride=1) == expected


@pytest.mark.parametrize(
    ("frame", "expected"),
    [(0, [0, 2, 4]), (3, [3, 5, 7]), (4, [4, 2, 0]), (9, [9, 7, 5])],
    ids=["first", "last forwards", "first backwards", "last"],
)
def test_windows_that_look_back(frame, expected):
    """Catches a negative stride that looks forwards wherever it can, or wraps around to the clip's end."""
    assert window_indices(frame, 10, frames=3, stride=-2) == expected


@pytest.mark.parametrize(("frames", "stride"), [(2, 1), (3, 1), (2, 3), (4, 2), (2, -1), (4, -2)])
def test_every_frame_is_judged_once(frames, stride):
    """Catches a window list that stops T-1 frames early."""
    total = 2 * (frames - 1) * abs(stride)
    windows = [window_indices(t, total, frames, stride) for t in range(total)]
    assert [w[0] for w in windows] == list(range(total))
    assert all(0 <= i < total for w in windows for i in w)
    assert all(abs(b - a) == abs(stride) for w in windows for a, b in pairwise(w))


def entries(root, split="train"):
    return [entry for entry in read_dataset(root) if entry.split == split]


def test_windows_hold_the_files_pixels(dataset):
    """Catches swapped axes, a wrong frame or a mask of another frame."""
    windows = WindowDataset(entries(dataset))
    assert len(windows) == 4 * 3
    window = next(w for w in windows if w["meta"]["clip"] == "a__1" and w["meta"]["frames"] == [2, 1])
    frame = read_image(dataset / "frames" / "a__1" / "00002.png")
    assert np.array_equal(window["image"][0].permute(1, 2, 0).numpy(), frame)
    mask = read_mask(dataset / "masks" / "a__1" / "00001.png")
    assert np.array_equal(window["mask"][1, 0].numpy().astype(bool), mask)
    assert window["image"].dtype == torch.uint8
    authentic = next(w for w in windows if w["meta"]["clip"] == "a")
    assert not authentic["mask"].any()
    assert authentic["meta"]["source"] == "a"
    assert authentic["meta"]["forger"] == ""


def test_crops_are_the_same_for_frames_and_masks_and_differ_between_epochs(dataset):
    whole = WindowDataset(entries(dataset))
    crops = WindowDataset(entries(dataset), crop=(96, 100), seed=3)
    places = set()
    for epoch in range(8):
        crop, full = crops[(epoch, 3)], whole[3]
        found = [
            (y, x)
            for y in range(128 - 96 + 1)
            for x in range(136 - 100 + 1)
            if torch.equal(full["image"][..., y : y + 96, x : x + 100], crop["image"])
            and torch.equal(full["mask"][..., y : y + 96, x : x + 100], crop["mask"])
        ]
        assert len(found) == 1
        places |= set(found)
        assert torch.equal(crops[(epoch, 3)]["image"], crop["image"])
    assert len(places) > 4


def test_a_look_back_holds_the_files_pixels(dataset):
    """Catches frames in the order of time and not of the window: frame 2 is first, then 1; frame 0 has 1."""
    windows = WindowDataset(entries(dataset), stride=-1)
    assert [w["meta"]["frames"] for w in windows if w["meta"]["clip"] == "a__1"] == [[0, 1], [1, 0], [2, 1]]
    window = next(w for w in windows if w["meta"]["clip"] == "a__1" and w["meta"]["frames"] == [2, 1])
    for slot, t in enumerate((2, 1)):
        frame = read_image(dataset / "frames" / "a__1" / f"{t:05d}.png")
        assert np.array_equal(window["image"][slot].permute(1, 2, 0).numpy(), frame)


def test_a_stride_of_zero_is_refused(dataset):
    """It would compare each frame with itself."""
    with pytest.raises(InputError, match="stride 0, every 1: expected at least 1, other than 0"):
        WindowDataset(entries(dataset), stride=0)


FORGERIES = {"masks": ["border"], "fills": ["reflect"], "seams": ["hard"], "chains": ["none"]}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """One clean clip of 8 frames."""
    root = tmp_path_factory.mktemp("clean")
    write_manifest(root / "manifest.csv", [write_clip(root, ("p", "train", "p", ""), frames=8, size=(64, 72))])
    return materials(read_dataset(root))


@pytest.mark.parametrize(("stride", "span"), [(-1, 3), (-2, 5), (-2, 6)])
def test_forged_on_the_fly_windows_look_back(clean, stride, span):
    """Catches a span laid around another window than the one that judges the frame."""
    data = ForgeDataset(clean, Recipe.of(**FORGERIES), fresh=True, span=span, frames=3, stride=stride)
    for index, (video, frame) in enumerate(data.index):
        window = data[0, index]
        expected = window_indices(frame, 8, 3, stride)
        assert window["meta"]["frames"] == expected
        original = torch.from_numpy(data.clips[video].read(expected)).permute(0, 3, 1, 2)
        outside = (window["mask"] == 0).expand_as(original)
        assert torch.equal(window["image"][outside], original[outside])


def test_forged_on_the_fly_windows_that_look_back_need_their_span(clean):
    """Catches lengths compared with a negative one, which every span exceeds."""
    thinned = {"class_path": "resize", "init_args": {"every": [2, 2]}}
    with pytest.raises(InputError, match="span is 4: expected at least 5"):
        ForgeDataset(clean, Recipe.of(**FORGERIES), fresh=True, span=4, frames=3, stride=-2)
    with pytest.raises(InputError, match="keeps every 2th; expected at least 8"):
        ForgeDataset(clean, Recipe.of(**{**FORGERIES, "chains": [thinned]}), fresh=True, span=6, frames=3, stride=-1)


def test_a_photo_is_a_video_without_motion(tmp_path):
    """As `localize` and `benchmark` have it: what `forge PHOTOS OUT` writes can be trained on."""
    frame = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    write_image(tmp_path / "frames" / "photo" / "00000.png", frame)
    write_mask(tmp_path / "masks" / "photo" / "00000.png", frame[..., 0] > 99)
    windows = WindowDataset(read_dataset(tmp_path), frames=3, stride=-1)
    (window,) = (windows[index] for index in range(len(windows)))
    assert window["meta"]["frames"] == [0, 0, 0]
    np.testing.assert_array_equal(window["image"].permute(0, 2, 3, 1), [frame] * 3)
    np.testing.assert_array_equal(window["mask"][:, 0], [frame[..., 0] > 99] * 3)


def test_short_clips_and_small_frames_are_named(dataset):
    """Catches a length check that a negative stride always passes."""
    for stride in (1, -1):
        with pytest.raises(
            InputError, match=f"frames/a: 3 frames; windows of 3 frames at stride {stride} need at least 4"
        ):
            WindowDataset(entries(dataset), frames=3, stride=stride)
    with pytest.raises(
        InputError, match=r"frames/a: frames of 128x136 are smaller than the crop 128x200 \(data.crop\)"
    ):
        WindowDataset(entries(dataset), crop=(128, 200))


def test_a_mask_of_another_size_is_named(tmp_path):
    for t in range(2):
        write_image(tmp_path / "frames" / "x" / f"{t:05d}.png", np.zeros((130, 140, 3), np.uint8))
        write_mask(tmp_path / "masks" / "x" / f"{t:05d}.png", np.zeros((140, 130), bool))
    with pytest.raises(InputError, match=r"masks/x/00000\.png: mask of 130x140 on a frame of 140x130"):
        WindowDataset(read_dataset(tmp_path))[0]


def test_sampler_gives_each_process_its_own_windows():
    dataset = list(range(10))
    ranks = [EpochSampler(dataset, 5, processes=2, rank=rank, seed=5) for rank in range(2)]
    for sampler in ranks:
        sampler.set_epoch(7)
    keys = [list(sampler) for sampler in ranks]
    assert {epoch for part in keys for epoch, _ in part} == {7}
    assert Counter(index for part in keys for _, index in part) == Counter(range(10))


def module(dataset, **options):
    data = ClipDataModule(str(dataset), workers=0, batch_size=4, **options)
    data.setup("fit")
    return data


def test_batches_follow_the_contract(dataset):
    data = module(dataset, crop=[128, 128])
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch["image"].shape == (4, 2, 3, 128, 128)
    assert batch["image"].dtype == torch.float32
    assert 0.5 < batch["image"].max() <= 1
    assert batch["mask"].shape == (4, 2, 1, 128, 128)
    assert set(batch["mask"].unique().tolist()) <= {0.0, 1.0}
    assert batch["label"].tolist() == [int(bool(m.any())) for m in batch["mask"][:, 0]]
    assert len(batch["meta"]) == 4


def test_order_depends_on_seed_and_epoch_only(dataset):
    def order(seed, epoch):
        loader = module(dataset, seed=seed).train_dataloader()
        loader.sampler.set_epoch(epoch)
        return [(m["clip"], m["frames"][0]) for batch in loader for m in batch["meta"]]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_training_masks_and_share(dataset):
    """The left third of two forged clips of four: the share over all pixels is half of 45/136."""
    masks, share = module(dataset).training_masks(8)
    assert masks.shape == (2 * 3, 8, 8)
    assert masks[:, :, :2].min() == 1
    assert masks[:, :, 3:].max() == 0
    assert share == pytest.approx(45 / 136 / 2, abs=1e-6)


def test_videos_of_a_split(dataset):
    videos = module(dataset).videos("val")
    assert [(v["clip"], v["frames"], v["scene"], v["camera"]) for v in videos] == [
        ("c", 3, "indoor", "move"),
        ("c__1", 3, "indoor", "move"),
    ]


def test_two_sizes_in_one_batch_are_named(tmp_path):
    for clip, width in (("p", 140), ("q", 150)):
        for t in range(2):
            write_image(tmp_path / "frames" / clip / f"{t:05d}.png", np.zeros((130, width, 3), np.uint8))
    data = ClipDataModule(str(tmp_path), workers=0, eval_batch_size=4)
    data.setup("test")
    with pytest.raises(InputError, match=r"'p' \(130x140\) and 'q' \(130x150\) do not fit in one batch"):
        next(iter(data.test_dataloader()))


def test_training_needs_a_split(tmp_path):
    for t in range(2):
        write_image(tmp_path / "frames" / "p" / f"{t:05d}.png", np.zeros((130, 140, 3), np.uint8))
    with pytest.raises(InputError, match=r"no clip in split 'train'"):
        ClipDataModule(str(tmp_path)).setup("fit")


@pytest.mark.parametrize("options", [{"crop": [128]}, {"batch_size": 0}, {"workers": -1}, {"frames": 1}])
def test_bad_options_are_named(dataset, options):
    with pytest.raises(InputError, match=next(iter(options))):
        ClipDataModule(str(dataset), **options).setup("fit")


def test_weights_of_the_manifest(dataset):
    """A window of weight 3 is taken three times, with crops of its own; a test never repeats."""
    weighted = [replace(e, extra={"weight": "3"}) if e.clip == "a" else e for e in entries(dataset)]
    windows = WindowDataset(weighted, crop=(32, 32), weighted=True)
    counted = Counter((meta["clip"], meta["frames"][0]) for meta in (window["meta"] for window in windows))
    assert counted["a", 0] == 3
    assert counted["a__1", 0] == 1
    assert len(windows) == 4 * 3 + 2 * 3
    crops = {window["image"].numpy().tobytes() for window in windows if window["meta"]["clip"] == "a"}
    assert len(crops) == 9
    assert len(WindowDataset(weighted)) == 4 * 3


@pytest.mark.parametrize("weight", ["0", "-1", "1.5", "many"])
def test_bad_weights_are_named(weight, dataset):
    bad = [replace(entries(dataset)[0], extra={"weight": weight})]
    with pytest.raises(InputError, match=f"clip 'a' has weight '{weight}'; expected a whole number from 1 on"):
        WindowDataset(bad, weighted=True)
