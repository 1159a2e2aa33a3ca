"""Single images, their boxes and labels, from datasets, from a CSV and forged on the fly."""

from collections import Counter
from types import SimpleNamespace

import kornia.augmentation as K
import numpy as np
import pytest
import torch
from PIL import Image
from support import texture, write_clip

from outpaint_lightning.augment import RandomDownscale, RandomElasticDeformation, RandomSensorNoise, TimeWarp
from outpaint_lightning.data import RandomCodec, RegionDataModule
from outpaint_lightning.data.online import random_part
from outpaint_lightning.data.regions import resize_images, resize_masks
from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.forge.run import forge
from outpaint_lightning.io import ClipEntry, read_image, write_image, write_manifest, write_mask
from outpaint_lightning.types import InputError

HEIGHT, WIDTH = 48, 64
REGION = np.s_[10:30, 16:40]  # rows, columns


def write_photos(root, splits=("train", "train", "val", "test"), forged=True):
    """Write a photo of each split and, beside it, a twin whose `REGION` is grey."""
    entries = []
    for number, split in enumerate(splits):
        photo, mask = texture(number, HEIGHT, WIDTH), np.zeros((HEIGHT, WIDTH), bool)
        name = f"photo{number}"
        write_image(root / "frames" / f"{name}.png", photo)
        entries.append(ClipEntry(name, split, "indoor", "still", name, "", root, None))
        if forged:
            mask[REGION] = True
            write_image(root / "frames" / f"{name}__1.png", np.where(mask[..., None], np.uint8(128), photo))
            write_mask(root / "masks" / f"{name}__1.png", mask)
            entries.append(ClipEntry(f"{name}__1", split, "indoor", "still", name, "box/flat/hard", root, None))
    write_manifest(root / "manifest.csv", entries)
    return root


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos")


@pytest.fixture
def clean(tmp_path):
    return write_photos(tmp_path / "clean", ("train",) * 3 + ("val", "test"), forged=False)


def module(root, stage="fit", **options):
    data = RegionDataModule(str(root), **{"size": (24, 32), "workers": 0, "batch_size": 4, **options})
    data.setup(stage)
    return data


def batches(data, loader):
    return [data.on_after_batch_transfer(batch, 0) for batch in loader]


def test_a_shrunken_mask_keeps_every_pixel_that_a_forged_one_touches():
    """Ten columns become four. Catches nearest, which loses column 3, and a share of a half, which loses 2."""
    for column, expected in ((3, [0, 1, 0, 0]), (2, [1, 1, 0, 0]), (0, [1, 0, 0, 0]), (9, [0, 0, 0, 1])):
        mask = torch.zeros(1, 1, 3, 10, dtype=torch.uint8)
        mask[..., column] = 1
        assert resize_masks(mask, (2, 4))[0, 0, 0].tolist() == expected
    assert resize_masks(mask[..., 9:], (6, 4)).flatten().tolist() == [1] * 24


def test_resized_images_are_averages_in_the_right_place():
    """Catches nearest, which keeps black and white, and a ramp moved by half a pixel."""
    board = (torch.arange(64)[:, None] + torch.arange(64)).remainder(2).mul(255).byte().expand(1, 3, 64, 64)
    assert resize_images(board, (16, 16)).sub(127).abs().max() <= 1
    ramp = torch.arange(64, dtype=torch.uint8).mul(2).expand(1, 3, 8, 64)
    inner = resize_images(ramp, (8, 16))[0, 0, 0, 2:-2].float()
    torch.testing.assert_close(inner, 2 * (4 * torch.arange(2, 14) + 1.5))  # the middle of pixels 4 i to 4 i + 3


def test_batches_follow_the_contract(photos):
    [batch] = batches(data := module(photos, "test"), data.test_dataloader())
    assert batch["image"].shape == (2, 1, 3, 24, 32)
    assert batch["image"].dtype == batch["mask"].dtype == batch["box"].dtype == torch.float32
    assert batch["mask"].shape == (2, 1, 1, 24, 32)
    assert batch["label"].tolist() == [0, 1]
    assert batch["box"].tolist() == [[0, 0, 0, 0], [8, 5, 20, 15]]  # half of xmin 16, ymin 10, xmax 40, ymax 30
    assert (batch["image"][1, 0, :, 6:14, 9:19] * 255).round().unique().tolist() == [128]
    assert [meta["clip"] for meta in batch["meta"]] == ["photo3", "photo3__1"]
    assert data.sizes["photo3__1"] == (HEIGHT, WIDTH)


def test_sizes_differ_within_a_batch(tmp_path):
    """A box follows each photo's own scale, along each axis by itself."""
    for name, (height, width) in {"a": (40, 80), "b": (60, 20)}.items():
        mask = np.zeros((height, width), bool)
        mask[height // 4 : height // 2, width // 2 :] = True
        write_image(tmp_path / "frames" / f"{name}.png", texture(1, height, width))
        write_mask(tmp_path / "masks" / f"{name}.png", mask)
    data = module(tmp_path, "test", size=(20, 40))
    [batch] = batches(data, data.test_dataloader())
    assert batch["box"].tolist() == [[20, 5, 40, 10]] * 2
    assert data.sizes == {"a": (40, 80), "b": (60, 20)}


def test_boxes_and_labels_come_after_augmentation(photos):
    """Catches a box that stays where it was: 8 to 20 of 32 columns become 12 to 24, 5 to 15 of 24 rows 9 to 19."""

    class Unforge(torch.nn.Module):
        def forward(self, batch):
            keep = torch.tensor([meta["clip"] != "photo0__1" for meta in batch["meta"]])
            return {**batch, "mask": batch["mask"] * keep[:, None, None, None, None]}

    data = module(photos, augmentations=[K.RandomHorizontalFlip(p=1), K.RandomVerticalFlip(p=1), Unforge()])
    data.trainer = SimpleNamespace(
        training=True, fit_loop=SimpleNamespace(total_batch_idx=0), global_rank=0, world_size=1
    )
    [batch] = batches(data, data.train_dataloader())
    found = {meta["clip"]: box.tolist() for meta, box in zip(batch["meta"], batch["box"], strict=True)}
    nothing = [0, 0, 0, 0]
    assert found == {"photo0": nothing, "photo0__1": nothing, "photo1": nothing, "photo1__1": [12, 9, 24, 19]}
    assert {meta["clip"] for meta, label in zip(batch["meta"], batch["label"], strict=True) if label} == {"photo1__1"}


@pytest.mark.parametrize(
    "augmentation",
    [
        K.RandomRotation(30.0, p=1.0),
        K.ColorJiggle(0.2, 0.2, 0.2, 0.1, p=1.0),
        RandomDownscale(p=1.0),
        RandomSensorNoise(p=1.0),
        RandomElasticDeformation(p=1.0, max_displacement=(1, 1)),
        TimeWarp(p=1.0),
    ],
    ids=lambda augmentation: type(augmentation).__name__,
)
def test_augmentations_take_single_images(photos, augmentation):
    data = module(photos, augmentations=[augmentation])
    [batch] = data.train_dataloader()
    out = data.augmentation({**batch, "image": batch["image"].float() / 255, "mask": batch["mask"].float()}, 0, 0)
    assert out["image"].shape == (4, 1, 3, 24, 32)
    assert 0 <= out["image"].min() <= out["image"].max() <= 1
    assert out["mask"].flatten(1).any(1).sum() == 2


def test_every_nth_frame_of_a_clip_is_an_image(tmp_path):
    """Catches a mask of another frame, and frame numbers that count images."""
    entries = [write_clip(tmp_path, (name, "test", name, name[1:]), frames=7) for name in ("a", "bforged")]
    write_manifest(tmp_path / "manifest.csv", entries)
    data = module(tmp_path, "test", size=(128, 136), every=3)
    [batch, other] = batches(data, data.test_dataloader())
    images = [(m["clip"], m["frames"]) for b in (batch, other) for m in b["meta"]]
    assert images == [(name, [frame]) for name in ("a", "bforged") for frame in (0, 3, 6)]
    frame = read_image(tmp_path / "frames" / "a" / "00003.png")
    assert np.array_equal((batch["image"][1, 0] * 255).round().byte().permute(1, 2, 0).numpy(), frame)
    assert other["box"].tolist() == [[0, 0, 45, 128]] * 2
    assert [(video["clip"], video["frames"]) for video in data.videos("test")] == [("a", 7), ("bforged", 7)]


def test_order_depends_on_seed_and_epoch_only(photos):
    def order(seed, epoch):
        loader = module(photos, seed=seed, passes=4).train_dataloader()
        loader.sampler.set_epoch(epoch)
        return [meta["clip"] for batch in loader for meta in batch["meta"]]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)
    assert set(Counter(order(0, 1)).values()) == {4}


def test_training_boxes_are_relative_and_of_forged_images_alone(photos):
    boxes, share = module(photos).training_boxes()
    torch.testing.assert_close(boxes, torch.tensor([[16 / 64, 10 / 48, 40 / 64, 30 / 48]] * 2), rtol=0, atol=1 / 24)
    assert share == 0.5
    same, twice = module(photos, size=(HEIGHT, WIDTH), passes=3).training_boxes()
    assert same.tolist() == [[0.25, pytest.approx(10 / 48), 0.625, 0.625]] * 6
    assert twice == 0.5


def test_training_without_a_forged_image_is_refused(clean):
    with pytest.raises(InputError, match="clean: no training image is forged"):
        module(clean).training_boxes()


RECIPE = {"masks": ["box", "blob"], "fills": ["telea", "splice"], "seams": ["feather"], "chains": ["none"]}


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("\n".join(f"{key}: [{', '.join(parts)}]" for key, parts in RECIPE.items()) + "\nper_clip: 3\n")
    return path


def test_an_epoch_online_has_each_photo_forged_afresh_and_untouched(clean, recipe):
    data = module(clean, online=True, recipe=str(recipe), passes=2, size=(HEIGHT, WIDTH))
    dataset = data.datasets["train"]
    seen = {epoch: [dataset[epoch, index] for index in range(len(dataset))] for epoch in (0, 1)}
    assert len(dataset) == 3 * 2 * 2
    masks = []
    for windows in seen.values():
        assert Counter((w["meta"]["source"], bool(w["mask"].any())) for w in windows) == {
            (f"photo{number}", forged): 2 for number in range(3) for forged in (True, False)
        }
        masks += [w["mask"].numpy().tobytes() for w in windows if w["mask"].any()]
        for window in windows:
            photo = torch.from_numpy(read_image(clean / "frames" / f"{window['meta']['source']}.png")).permute(2, 0, 1)
            outside = (window["mask"][0] == 0).expand_as(photo)
            assert torch.equal(window["image"][0][outside], photo[outside])
            assert bool(window["meta"]["forger"]) == bool(window["mask"].any())
    assert len(set(masks)) == 12  # catches passes and epochs that repeat a forgery
    boxes, share = data.training_boxes()
    assert boxes.shape == (6, 4)
    assert share == 0.5


def test_validation_and_test_online_are_what_forge_writes(clean, recipe, tmp_path):
    forge(clean / "frames", tmp_path / "out", Recipe.read(recipe), manifest=clean / "manifest.csv")
    for stage, split in (("validate", "val"), ("test", "test")):
        online = module(clean, stage, online=True, recipe=str(recipe)).datasets[split]
        offline = module(tmp_path / "out", stage).datasets[split]
        assert online.videos == offline.videos
        assert len(online) == 1 + 3
        for here, there in zip(map(online.__getitem__, range(4)), map(offline.__getitem__, range(4)), strict=True):
            assert torch.equal(here["image"], there["image"])
            assert torch.equal(here["mask"], there["mask"])


def test_photos_without_a_split_are_dealt_with_their_twins(clean):
    """Online, all images of a source land in one split."""
    (clean / "manifest.csv").unlink()
    data = module(clean, online=True)
    data.setup("test")
    sources = [{entry.source for entry in data.datasets[split].entries} for split in ("train", "val", "test")]
    assert [len(names) for names in sources] == [3, 1, 1]
    assert len(set.union(*sources)) == 5


def test_the_shipped_recipe_takes_photos(clean):
    recipe = Recipe.read("regions")
    assert [mask.name for mask in recipe.masks] == ["box", "brush", "blob", "polygon"]
    assert all(chain.folder == "frames" for chain in recipe.chains)
    dataset = module(clean, online=True).datasets["train"]
    forgers = {dataset[epoch, index]["meta"]["forger"] for epoch in range(8) for index in range(len(dataset))}
    assert {forger.split("/")[0] for forger in forgers} == {"", "box", "brush", "blob", "polygon"}


def test_fresh_forgeries_of_frames_of_a_clip(dataset):
    data = module(dataset, online=True, every=2, size=(64, 68))
    train = data.datasets["train"]
    assert len(train) == 2 * 2 * 2  # clips a and b, frames 0 and 2, untouched and forged
    assert sum(bool(train[0, index]["mask"].any()) for index in range(8)) == 4


def _grey(rgb):
    return Image.fromarray(rgb[..., 0])


def _deep(rgb):
    return Image.fromarray((rgb[..., 0].astype(np.uint16) << 8) + 77)


def _cmyk(rgb):
    return Image.fromarray(rgb).convert("CMYK")


def _alpha(rgb):
    return Image.fromarray(np.dstack([rgb, np.full_like(rgb[..., 0], 9)]))


@pytest.mark.parametrize(
    ("make", "suffix", "channels"),
    [(_grey, ".png", [0, 0, 0]), (_deep, ".png", [0, 0, 0]), (_cmyk, ".tif", [0, 1, 2]), (_alpha, ".png", [0, 1, 2])],
    ids=["grey", "16 bits", "CMYK", "alpha"],
)
def test_photos_of_other_kinds_are_read_as_rgb(tmp_path, make, suffix, channels):
    """Catches samples of 16 bits cut to their low byte, inverted CMYK and a photo made see-through."""
    photo = texture(3, 32, 40)
    (tmp_path / "frames").mkdir()
    make(photo).save(tmp_path / "frames" / f"photo{suffix}")
    data = module(tmp_path, "predict", size=(32, 40))
    [batch] = batches(data, data.predict_dataloader())
    expected = torch.from_numpy(photo[..., channels]).permute(2, 0, 1).float() / 255
    torch.testing.assert_close(batch["image"][0, 0], expected, rtol=0, atol=1.5 / 255)
    assert batch["label"].tolist() == [0]


def test_a_photo_one_pixel_wide_is_read_but_not_forged(tmp_path):
    write_image(tmp_path / "frames" / "thin.png", texture(1, 32, 40)[:, :1])
    write_mask(tmp_path / "masks" / "thin.png", np.arange(32)[:, None] >= 16)
    write_image(tmp_path / "frames" / "thinner.png", texture(1, 32, 40)[:, :1])
    data = module(tmp_path, "test", size=(16, 16))
    [batch] = batches(data, data.test_dataloader())
    assert batch["box"].tolist() == [[0, 8, 16, 16], [0, 0, 0, 0]]
    with pytest.raises(InputError, match=r"thinner\.png: frames of 1x32; expected 8x8 or more"):
        module(tmp_path, online=True)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_truncated_photo_is_named(tmp_path, suffix):
    """At the latest when it is read: the header of a JPEG is whole, OpenCV would fill the rest with grey."""
    path = tmp_path / "frames" / f"photo{suffix}"
    write_image(path, texture(1, HEIGHT, WIDTH))
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match=rf"photo\{suffix}: does not decode \(truncated\?\)"):
        list(module(tmp_path, "test").test_dataloader())


def test_a_csv_gives_what_its_dataset_gives(photos, tmp_path):
    """The same photos, listed with their boxes: the same batches, but for the masks' origin."""
    rows = ["path,label,xmin,ymin,xmax,ymax,split,source,forger"]
    for number, split in enumerate(("train", "train", "val", "test")):
        name = f"photo{number}"
        rows.append(f"photos/frames/{name}.png,0,,,,,{split},{name},")
        rows.append(f"photos/frames/{name}__1.png,1,16,10,40,30,{split},{name},box/flat/hard")
    table = tmp_path / "photos.csv"
    table.write_text("\n".join(rows))
    here, there = module(table), module(photos)
    assert here.training_boxes()[0].tolist() == there.training_boxes()[0].tolist()
    assert [v["forger"] for v in here.videos("val")] == [v["forger"] for v in there.videos("val")]
    for mine, own in zip(batches(here, here.train_dataloader()), batches(there, there.train_dataloader()), strict=True):
        assert [meta["source"] for meta in mine["meta"]] == [meta["source"] for meta in own["meta"]]
        for key in ("image", "mask", "label", "box"):
            assert torch.equal(mine[key], own[key])


def test_authentic_photos_of_a_csv_are_forged_online(clean, recipe):
    rows = ["path,label,xmin,ymin,xmax,ymax", *(f"frames/photo{number}.png,0,,,," for number in range(4))]
    (clean / "list.csv").write_text("\n".join([*rows, "frames/photo4.png,1,2,3,20,30"]))
    data = module(clean / "list.csv", online=True, recipe=str(recipe))
    sources = {e.source for split in ("train", "val") for e in data.datasets[split].entries}
    assert len(sources) == 3
    assert "frames__photo4" not in sources


def test_training_on_a_csv_needs_a_split(photos):
    (photos / "list.csv").write_text("path,label,xmin,ymin,xmax,ymax\nframes/photo1.png,0,,,,\n")
    with pytest.raises(InputError, match=r"list\.csv: no clip in split 'train'; expected a column `split`"):
        module(photos / "list.csv")
    assert len(module(photos / "list.csv", "test").datasets["test"]) == 1


@pytest.mark.parametrize(
    "options", [{"size": (24,)}, {"size": (0, 32)}, {"every": 0}, {"passes": 0}, {"batch_size": 0}, {"span": 0}]
)
def test_bad_options_are_named(clean, options):
    with pytest.raises(InputError, match=f"data.{next(iter(options))}"):
        module(clean, online=True, **options)


def test_windows_of_clips_still_need_two_frames(dataset):
    from outpaint_lightning.data import ClipDataModule

    with pytest.raises(InputError, match=r"data\.frames is 1: expected at least 2"):
        ClipDataModule(str(dataset), frames=1).setup("test")


def test_parts_are_twins_and_differ_between_epochs(recipe, tmp_path):
    """A forgery and its untouched twin show the same part of a photo under the same codec; the next epoch another."""
    root = tmp_path / "large"
    write_image(root / "frames" / "a.png", texture(0, 160, 200))
    write_image(root / "frames" / "b.png", texture(1, 160, 200))
    entries = [ClipEntry(name, split, "x", "y", name, "", root, None) for name, split in (("a", "train"), ("b", "val"))]
    write_manifest(root / "manifest.csv", entries)
    codec = RandomCodec(choices=["none", {"class_path": "jpeg", "init_args": {"quality": [40, 90]}}])
    options = {"online": True, "recipe": str(recipe), "parts": (0.4, 0.8), "size": (120, 150)}
    plain, coded = (module(root, codec=each, **options).datasets["train"] for each in (None, codec))
    shown = []
    for epoch in (0, 1):
        twin, forged = plain[epoch, 0], plain[epoch, 1]
        assert not twin["mask"].any()
        far = torch.nn.functional.max_pool2d(forged["mask"][0].float(), 9, 1, 4) == 0  # beyond what resizing blends
        assert 0.2 < far.float().mean() < 0.99
        assert torch.equal(twin["image"][0] * far, forged["image"][0] * far)
        assert coded[epoch, 0]["meta"]["codec"] == coded[epoch, 1]["meta"]["codec"]
        shown.append(twin["image"])
    assert not torch.equal(*shown)


def test_a_part_has_its_shares_and_no_pixel_is_resampled():
    frames = np.arange(200 * 300, dtype=np.uint32).reshape(1, 200, 300, 1) % 251
    rng = np.random.default_rng(0)
    shapes = []
    for _ in range(200):
        part = random_part(frames.astype(np.uint8), (0.4, 0.8), rng)
        top = part[0, :, 0, 0].astype(int)
        assert set(np.diff(top) % 251) == {300 % 251}
        shapes.append(part.shape[1:3])
    heights, widths = np.array(shapes).T
    assert 80 <= heights.min() < 90
    assert 150 < heights.max() <= 160
    assert 120 <= widths.min() < 130
    assert 225 < widths.max() <= 240
    assert abs(np.corrcoef(heights, widths)[0, 1]) < 0.3
    assert random_part(frames[:, :50], (0.1, 0.1), rng).shape[1:3] == (50, 64)  # 64 pixels, where there are as many


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parts": (0.5, 1.0)}, "data.parts is for data.online: true"),
        ({"parts": (0.9, 0.5), "online": True}, r"data.parts is \[0.9, 0.5\]: expected two shares"),
        ({"parts": (0.5, 1.0), "online": True, "objects": "masks"}, "without data.objects"),
    ],
)
def test_parts_that_cannot_be_used(options, words):
    with pytest.raises(InputError, match=words):
        RegionDataModule("photos", **options)


def test_a_codec_of_tests_acts_on_stored_photos(photos):
    """In the photo's own size, before it is resized, and on both of a pair."""
    codec = RandomCodec(choices=[{"class_path": "jpeg", "init_args": {"quality": [5, 5]}}], splits=["test"])
    plain, coded = (module(photos, "test", codec=each, size=(HEIGHT, WIDTH)).datasets["test"] for each in (None, codec))
    for index in range(2):
        before, after = plain[index]["image"].float(), coded[index]["image"].float()
        assert 2 < (before - after).abs().mean() < 40
        assert torch.equal(plain[index]["mask"], coded[index]["mask"])
    assert coded[0]["meta"]["codec"]["quality"] == 5
    trained = module(photos, codec=codec, size=(HEIGHT, WIDTH)).datasets["train"]
    assert "codec" not in trained[0]["meta"]
