"""Codecs on the fly: the pixels of `forge`'s chains, one draw for a window and its twin, blocks as in whole frames."""

import kornia.augmentation as K
import numpy as np
import pytest
import torch
import yaml
from support import fit_options, write_clip

from outpaint_lightning.augment import (
    DeviceAugmentation,
    DoubleSamples,
    RandomDownscale,
    RandomElasticDeformation,
    RandomSensorNoise,
    TimeWarp,
    TorchioElastic,
)
from outpaint_lightning.cli import main
from outpaint_lightning.data import ClipDataModule, RandomCodec
from outpaint_lightning.data.clips import collate
from outpaint_lightning.data.codec import CodecDraw, Stretch, stretch_around
from outpaint_lightning.data.online import ForgeDataset
from outpaint_lightning.data.windows import WindowDataset
from outpaint_lightning.forge.chains import H264, Chain, Jpeg, Resize
from outpaint_lightning.forge.material import materials
from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.forge.run import forge
from outpaint_lightning.io import read_dataset, write_manifest
from outpaint_lightning.types import InputError

WHOLE = {"scale": 1.0, "every": 1, "restore": False}
RECIPE = {"masks": ["border"], "fills": ["reflect"], "seams": ["hard"], "per_clip": 1, "seed": 3}


def fixed(name, **options):
    """A choice whose options leave nothing to chance."""
    return {"class_path": name, "init_args": {option: [value, value] for option, value in options.items()}}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A clean clip a split, 9 frames of 80x96."""
    root = tmp_path_factory.mktemp("clean")
    clips = [(split, split, f"source of {split}", "") for split in ("train", "val", "test")]
    write_manifest(root / "manifest.csv", [write_clip(root, clip, frames=9, size=(80, 96)) for clip in clips])
    return root


def forged_by(clean, out, chain):
    """The training split of what `forge` makes with one chain: a clip and a forgery of it."""
    recipe = Recipe.of(**RECIPE, chains=[chain])
    forge(clean / "frames", out, recipe, manifest=clean / "manifest.csv")
    return [entry for entry in read_dataset(out) if entry.split == "train"]


@pytest.fixture(scope="module")
def twins(clean, tmp_path_factory):
    """A training clip and its forgery, lossless."""
    return forged_by(clean, tmp_path_factory.mktemp("twins") / "out", "none")


def windows_of(entries, codec, epoch=0, **options):
    data = WindowDataset(entries, codec=codec, **options)
    return [data[epoch, index] for index in range(len(data))]


def equal(a, b):
    return torch.equal(a["image"], b["image"]) and torch.equal(a["mask"], b["mask"])


@pytest.mark.parametrize(
    "chain",
    [
        fixed("h264", quality=30, gop=5),
        fixed("hevc", quality=30, gop=5),
        fixed("vp9", quality=40, gop=5),
        fixed("jpeg", quality=70),
        fixed("h264", quality=24, gop=5, scale=0.7),
        fixed("resize", scale=0.6),
        {"class_path": "resize", "init_args": {"scale": [0.6, 0.6], "restore": 1.0}},
    ],
    ids=lambda chain: "-".join([chain["class_path"], *chain["init_args"]]),
)
def test_a_clip_encoded_on_the_fly_is_what_forge_writes(clean, twins, tmp_path, chain):
    """Catches other options, another order of frames, colours of another standard, labels that are not rescaled."""
    offline = WindowDataset(forged_by(clean, tmp_path / "out", chain))
    online = WindowDataset(twins, codec=RandomCodec([chain], span=9))
    assert len(online) == len(offline) == 18
    for index in (0, 4, 8, 9, 11, 17):
        window = online[index]
        assert equal(window, offline[index])
        assert window["meta"].pop("codec")["name"] == chain["class_path"]
        assert window["meta"] == offline[index]["meta"]


def test_an_authentic_clip_and_its_forgery_get_the_same_draw(twins):
    codec = RandomCodec()
    authentic, forged = np.array_split(windows_of(twins, codec), 2)
    assert [w["meta"]["codec"] for w in authentic] == [w["meta"]["codec"] for w in forged]
    for one, other in zip(authentic, forged, strict=True):
        assert other["mask"].any()
        assert not one["mask"].any()
    assert len({w["meta"]["codec"]["name"] for w in authentic}) > 2
    places = [[codec.draw(0, 0, entry.source, frame).place for frame in range(9)] for entry in twins]
    assert places[0] == places[1]
    assert len(set(places[0])) == 9


def test_windows_depend_on_seed_epoch_and_index_only(twins):
    first, again, later, other = (
        windows_of(twins, RandomCodec(paired=True), epoch, crop=(48, 64), seed=seed)
        for seed, epoch in ((1, 2), (1, 2), (1, 3), (2, 2))
    )
    for a, b in zip(first, again, strict=True):
        assert equal(a, b)
        assert torch.equal(a["clean"], b["clean"])
        assert a["meta"] == b["meta"]
        assert a["quality"] == b["quality"]
    for changed in (later, other):
        assert sum(a["meta"]["codec"] == b["meta"]["codec"] for a, b in zip(first, changed, strict=True)) < 4


def test_validation_has_one_draw_for_a_source_in_every_epoch(twins):
    codec = RandomCodec().fixed()
    data = WindowDataset(twins, codec=codec)
    windows = [data[index] for index in range(len(data))]
    assert len({tuple(window["meta"]["codec"].items()) for window in windows}) == 1
    assert {codec.draw(0, epoch, "a", 5).place for epoch in (0, 1)} == {codec.draw(0, 0, "a", 5).place}
    drawn = {codec.draw(0, 0, f"source {number}", 0).chain.title() for number in range(40)}
    assert len(drawn) > 3


@pytest.mark.parametrize(
    ("window", "total", "span", "starts"),
    [
        ([4, 5], 20, 6, [0, 1, 2, 3, 4]),
        ([5, 4], 20, 6, [0, 1, 2, 3, 4]),
        ([0, 1], 20, 6, [0]),
        ([19, 18], 20, 6, [14]),
        ([2, 3], 4, 6, [0]),
        ([3, 11], 20, 6, [3]),
    ],
    ids=["middle", "backwards", "first", "last", "short clip", "wide window"],
)
def test_the_frames_around_a_window(window, total, span, starts):
    """Catches a window that is always first (a keyframe) or frames outside the clip."""
    ranges = [stretch_around(window, total, span, place) for place in np.linspace(0, 0.999, 50)]
    assert sorted({frames.start for frames in ranges}) == starts
    assert all(set(window) <= set(frames) for frames in ranges)
    assert all(frames.start >= 0 and frames.stop <= total for frames in ranges)


def test_the_place_of_a_window_decides_its_frame_type(texture_clip):
    """At one CRF a keyframe, a frame predicted from it and one between them are coded differently."""
    window = [4, 5]
    params = H264().sample(np.random.default_rng(0)) | {"quality": 34}
    coded = []
    for place in (0, 0.99):
        draw = CodecDraw(H264(), params, place)
        read = draw.frames_around(window, 9, 6)
        stretch = Stretch(texture_clip[read], np.zeros((2, 80, 96), bool), [read.index(4), read.index(5)], 25)
        coded.append(draw.encode(stretch).image)
    assert (coded[0] != coded[1]).mean() > 0.2


@pytest.fixture
def texture_clip():
    rng = np.random.default_rng(0)
    return np.clip(rng.normal(128, 40, (9, 80, 96, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("corner", [(0, 0), (5, 3), (16, 32), (31, 47), (32, 48)])
def test_blocks_of_a_crop_lie_as_in_the_whole_frame(texture_clip, corner):
    """JPEG codes each 8x8 block by itself: a crop on its grid has the very pixels of the frame."""
    draw = CodecDraw(Jpeg(), WHOLE | {"quality": 40, "chroma": "4:4:4"}, 0)
    stretch = Stretch(texture_clip, np.zeros((2, 80, 96), bool), [3, 4], 25)
    crop = draw.encode_crop(stretch, corner, (48, 48))
    top, left = corner
    expected = draw.encode(stretch).image[:, top : top + 48, left : left + 48]
    np.testing.assert_array_equal(crop.image, expected)
    np.testing.assert_array_equal(crop.clean, texture_clip[3:5, top : top + 48, left : left + 48])


@pytest.mark.parametrize("restore", [False, True])
@pytest.mark.parametrize("name", ["resize", "h264"])
def test_the_label_of_a_rescaled_crop_covers_what_differs(texture_clip, name, restore):
    rng = np.random.default_rng(1)
    mask = np.zeros((2, 80, 96), bool)
    mask[:, 30:45, 40:51] = True
    forged = texture_clip.copy()
    forged[3:5][mask] = 0
    for scale in rng.uniform(0.6, 1.4, 20):
        chain = Chain.named(name)(quality=(0, 0)) if name == "h264" else Resize()
        draw = CodecDraw(chain, chain.sample(rng) | {"scale": float(scale), "restore": restore}, 0)
        draw = draw.fitted((80, 96), (48, 48))
        stretches = [Stretch(clip, mask, [3, 4], 25) for clip in (texture_clip, forged)]
        size = draw.size(stretches[0])
        corner = int(rng.integers(size[0] - 47)), int(rng.integers(size[1] - 47))
        one, other = (draw.encode_crop(stretch, corner, (48, 48)) for stretch in stretches)
        assert one.image.shape == one.clean.shape == (2, 48, 48, 3)
        assert one.mask.shape == (2, 48, 48)
        differ = (one.clean != other.clean).any(-1)
        assert not (differ & ~one.mask).any()
        if not restore and name == "resize":
            assert (one.mask & ~differ).sum() <= 0.2 * one.mask.sum()
            np.testing.assert_array_equal(one.image, one.clean)


def test_a_factor_is_raised_where_frames_would_not_hold_the_crop():
    params = WHOLE | {"scale": 0.5}
    assert CodecDraw(Resize(), params, 0).fitted((80, 96), (60, 60)).params["scale"] == 0.75
    assert CodecDraw(Resize(), params, 0).fitted((80, 96), (40, 40)).params["scale"] == 0.5
    assert CodecDraw(Resize(), params | {"restore": True}, 0).fitted((80, 96), (60, 60)).params["scale"] == 0.5
    with pytest.raises(InputError, match=r"h264 of frames of 81x96 .* crop 81x60 \(data\.crop\)"):
        CodecDraw(H264(), params, 0).fitted((81, 96), (81, 60))


def test_clean_is_the_window_before_its_codec_and_quality_its_psnr(twins):
    for window, plain in zip(
        windows_of(twins, RandomCodec([fixed("jpeg", quality=50)], paired=True), crop=(48, 64)),
        windows_of(twins, None, crop=(48, 64)),
        strict=True,
    ):
        assert torch.equal(window["clean"], plain["image"])
        assert torch.equal(window["mask"], plain["mask"])
        error = (window["image"].double() - plain["image"].double()).square().mean().item()
        assert window["quality"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)
    assert windows_of(twins, RandomCodec(["none"]))[0]["quality"] == 60
    assert "clean" not in windows_of(twins, RandomCodec(["none"]))[0]


@pytest.mark.parametrize(
    "augmentation",
    [
        K.RandomHorizontalFlip(p=0.5),
        K.RandomGamma((0.5, 2.0), p=0.5),
        K.RandomGaussianNoise(std=0.1, p=0.5),
        RandomDownscale((0.5, 0.9), p=0.5),
        RandomSensorNoise((0.05, 0.1), p=0.5),
        TimeWarp(p=0.5),
        RandomElasticDeformation(5, (4, 4), p=0.5),
        TorchioElastic(5, (4, 4), p=0.5),
        DoubleSamples(K.RandomHorizontalFlip(p=1.0)),
    ],
    ids=lambda augmentation: type(augmentation).__name__,
)
def test_augmentations_treat_both_views_alike(augmentation):
    """Catches a view that is left behind, or gets a draw of its own."""
    image = torch.rand(6, 2, 3, 32, 32)
    mask = (torch.rand(6, 2, 1, 32, 32) > 0.5).float()
    batch = {"image": image, "clean": image.clone(), "mask": mask, "quality": torch.arange(6.0)}
    batch["meta"] = [{"frames": [0, 1]}] * 6
    out = DeviceAugmentation([augmentation])(batch, 3, 0)
    assert torch.equal(out["image"], out["clean"])
    assert not torch.equal(out["image"][:6], image) or len(out["image"]) == 12
    assert torch.equal(batch["clean"], image)


@pytest.fixture
def module(clean, tmp_path):
    def build(**options):
        return ClipDataModule(str(clean), online=True, recipe=str(path), workers=0, crop=[48, 64], **options)

    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**RECIPE, "chains": ["none"]}))
    return build


def test_splits_that_are_encoded(module):
    data = module(codec=RandomCodec(splits=["train", "val"]), batch_size=2)
    for stage in ("fit", "test", "predict"):
        data.trainer = None
        data.prepare_data()
        data.setup("validate" if stage == "fit" else stage)
    assert data.datasets["val"].codec.per_source
    assert data.datasets["test"].codec is None
    window = data.datasets["val"][0]
    assert window["meta"]["codec"]
    batch = data.on_after_batch_transfer(collate([window]), 0)
    assert batch["image"].dtype == torch.float32
    assert batch["quality"].tolist() == pytest.approx([window["quality"]])


def test_online_frames_are_encoded_before_they_are_forged_and_after(clean):
    """Catches a camera's codec that also encodes the fill, or leaves the twin as it is."""
    entries = [entry for entry in read_dataset(clean) if entry.split == "train"]
    recipe = Recipe.of(**RECIPE, chains=["none"])
    camera, then = fixed("jpeg", quality=35), fixed("jpeg", quality=80)

    def dataset(choice):
        codec = RandomCodec([choice], first=[camera], paired=True)
        return ForgeDataset(materials(entries), recipe, fresh=True, span=4, codec=codec)

    once, both = dataset("none"), dataset(then)
    jpeg = Chain.build(camera)
    forged = 0
    for index in (0, 5, 9, 14):
        window, encoded = once[1, index], both[1, index]
        frames = once.clips[0].read(window["meta"]["frames"])
        expected = torch.from_numpy(jpeg.decode(frames, 25, jpeg.sample(np.random.default_rng()))).permute(0, 3, 1, 2)
        known = (window["mask"] == 0).expand_as(expected)
        assert torch.equal(window["image"][known], expected[known])
        assert torch.equal(encoded["clean"], window["image"])
        assert encoded["quality"] < window["quality"] == 60
        forged += int(window["mask"].any())
    assert forged == 2


@pytest.mark.slow
@pytest.mark.usefixtures("module")
def test_fit_with_a_codec_writes_a_config_that_builds_it_again(clean, tmp_path):
    """Catches options that YAML does not bring back: it reads 4:2:0 as a number."""
    config = tmp_path / "codec.yaml"
    codec = {
        "class_path": "outpaint_lightning.data.RandomCodec",
        "init_args": {"paired": True, "splits": ["train", "val"], "first": ["h264"]},
    }
    config.write_text(yaml.safe_dump({"data": {"init_args": {"codec": codec}}}))
    options = [
        *fit_options(clean, tmp_path / "run"),
        *("--config", str(config), "--data.online", "true", "--data.recipe", str(tmp_path / "recipe.yaml")),
        *("--data.crop", "[48,64]", "--data.codec.span", "5"),
        *("--trainer.limit_train_batches", "1", "--trainer.limit_val_batches", "2"),
    ]
    assert main(["fit", *options]) == 0
    written = tmp_path / "run" / "config.fit.yaml"
    read = RandomCodec(**yaml.safe_load(written.read_text())["data"]["init_args"]["codec"]["init_args"])
    assert (read.span, read.paired, read.splits) == (5, True, ("train", "val"))
    assert read.choices == RandomCodec().choices


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"choices": ["h265"]}, r"data\.codec\.choices: Chain 'h265': expected one of .*h264"),
        ({"choices": []}, r"data\.codec\.choices is \[\]: expected a list"),
        ({"choices": [fixed("h264", quality=90)]}, r"data\.codec\.choices: h264: quality 90 to 90"),
        ({"choices": [{"class_path": "h264", "weight": 0}]}, r"data\.codec\.choices: weight is 0; expected a number"),
        ({"choices": [fixed("jpeg", every=2)]}, r"data\.codec\.choices: jpeg: every is \[2, 2\]; expected \[1, 1\]"),
        ({"first": ["resize"]}, r"data\.codec\.first: resize rescales"),
        ({"span": 0}, r"data\.codec\.span is 0"),
        ({"splits": ["valid"]}, r"data\.codec\.splits: 'valid'; expected some of .*did you mean 'val'"),
    ],
)
def test_options_that_cannot_be_used_are_named(options, message):
    with pytest.raises(InputError, match=message):
        RandomCodec(**options)


def test_what_cannot_be_encoded_is_refused_before_training(clean, twins, monkeypatch):
    with pytest.raises(InputError, match=r"train: data\.codec\.choices: av1 of windows of 48x48 .*expected 64 pixels"):
        WindowDataset(twins, crop=(48, 48), codec=RandomCodec(["av1"]))
    with pytest.raises(
        InputError, match=r"data\.codec\.choices: h264 of frames of 81x96 gives less than the crop 81x96"
    ):
        RandomCodec([fixed("h264", scale=1.2)]).check(81, 96, (81, 96))
    with pytest.raises(InputError, match=r"data\.codec\.choices: hevc of frames of 96x80, rescaled by 0\.1"):
        WindowDataset(twins, codec=RandomCodec([fixed("hevc", scale=0.1)]))
    with pytest.raises(InputError, match=r"data\.codec\.first .*data\.online: true"):
        ClipDataModule(str(clean), codec=RandomCodec(first=["h264"]))
    with pytest.raises(InputError, match=r"data\.codec\.splits has test and data\.corruptions"):
        ClipDataModule(str(clean), codec=RandomCodec(splits=["test"]), corruptions="quick")
    lacking = H264.codec.__class__("libx999", 51, H264.codec.presets)
    monkeypatch.setattr(H264, "codec", lacking)
    with pytest.raises(InputError, match=r"data\.codec\.choices: h264: the installed PyAV .* no encoder libx999"):
        WindowDataset(twins, crop=(48, 48), codec=RandomCodec(["h264"]))
