"""Corruptions by the pixels they give, and the loaders of a test under them."""

import math
import re

import cv2
import numpy as np
import pytest
import torch
import yaml
from support import REPOSITORY, write_clip

from outpaint_lightning.cli import main
from outpaint_lightning.data import ClipDataModule, CorruptedDataset, WindowDataset, read_curves
from outpaint_lightning.data.corruptions import CorruptedClip
from outpaint_lightning.data.online import ForgeDataset
from outpaint_lightning.forge.material import materials
from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.io import read_dataset, write_image, write_mask
from outpaint_lightning.types import InputError

SHIPPED = sorted((REPOSITORY / "configs" / "corruptions").glob("*.yaml"))
MIXED = {
    "jpeg": {"class_path": "jpeg", "option": "quality", "levels": [80, 20]},
    "grain": {"class_path": "noise", "option": "deviation", "levels": [2, 8.5]},
}


def curves_of(tmp_path, content):
    path = tmp_path / "corruptions.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return read_curves(path)


def corrupted(tmp_path, clean, spec, level=None):
    """The dataset under the one curve `spec`, at its only level unless said."""
    (curve,) = curves_of(tmp_path, {"curve": spec})
    return CorruptedDataset(clean, curve, curve.levels[0] if level is None else level)


def frames_dataset(root, frames, masks=None):
    """A dataset of one clip `x` of these frames, `T H W 3`."""
    for t, frame in enumerate(frames):
        write_image(root / "frames" / "x" / f"{t:05d}.png", frame)
        if masks is not None:
            write_mask(root / "masks" / "x" / f"{t:05d}.png", masks[t])
    return WindowDataset(read_dataset(root))


@pytest.fixture(scope="module")
def clean(dataset):
    return WindowDataset([entry for entry in read_dataset(dataset) if entry.split == "test"], seed=3)


def test_a_jpeg_level_is_opencvs_jpeg_of_that_quality(tmp_path, clean):
    """Catches swapped channels, a level that is not the quality, frames of another clip or time."""
    data = corrupted(tmp_path, clean, {"class_path": "jpeg", "option": "quality", "levels": [90, 37]}, level=37)
    for index in range(len(clean)):
        before, after = clean[index], data[index]
        for frame, found in zip(before["image"], after["image"], strict=True):
            bgr = frame.permute(1, 2, 0).numpy()[..., ::-1]
            _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 37])
            expected = cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]
            np.testing.assert_array_equal(found.permute(1, 2, 0).numpy(), expected)
        assert torch.equal(after["mask"], before["mask"])
        assert after["meta"] == before["meta"]
    assert data.videos == clean.videos


def test_noise_has_its_deviation_and_is_fresh_in_each_frame_and_colour(tmp_path):
    """Catches a deviation in [0, 1], one noise for all frames, colours or levels, wrap-around at black and white."""
    grey = np.full((2, 130, 140, 3), 128, np.uint8)
    grey[:, :, 100:] = 255
    clean = frames_dataset(tmp_path, grey)
    spec = {"class_path": "noise", "option": "deviation", "levels": [6.0, 7.0]}
    image, stronger = (corrupted(tmp_path, clean, spec, level)[0]["image"] for level in (6.0, 7.0))
    noise, other = (found[..., :100].double().flatten(2) - 128 for found in (image, stronger))
    pixels = noise.shape[-1]
    # Rounding adds a variance of 1/12; five standard errors of a deviation, of a mean and of a correlation.
    expected = math.sqrt(36 + 1 / 12)
    assert (noise.std(-1) - expected).abs().max() < 5 * expected / math.sqrt(2 * pixels)
    assert noise.mean(-1).abs().max() < 5 * expected / math.sqrt(pixels)
    correlation = torch.corrcoef(torch.cat([noise, other]).flatten(0, 1)) - torch.eye(12)
    assert correlation.abs().max() < 5 / math.sqrt(pixels)
    assert image[..., 100:].min() > 255 - 6 * 6


def test_blur_of_a_step_is_the_integral_of_a_gaussian(tmp_path):
    """Catches a sigma that is a kernel size or a variance, and a blur over time or colours."""
    step = np.zeros((2, 64, 64, 3), np.uint8)
    step[0, :, 32:, 0] = 200
    mask = np.zeros((2, 64, 64), bool)
    mask[:, :, 32:] = True
    clean = frames_dataset(tmp_path, step, mask)
    window = corrupted(tmp_path, clean, {"class_path": "blur", "option": "sigma", "levels": [2.5]})[0]
    weights = np.exp(-0.5 * (np.arange(-40, 41) / 2.5) ** 2)
    expected = [200 * weights[np.arange(-40, 41) <= x - 32].sum() / weights.sum() for x in range(64)]
    row = window["image"][0, 0, 20].numpy()
    # OpenCV ends an 8-bit kernel at 3 sigma, where 0.3 % of 200 is left, and rounds twice.
    assert np.abs(row - expected).max() < 2
    assert not window["image"][0, 1:].any()
    assert not window["image"][1].any()
    assert torch.equal(window["mask"], clean[0]["mask"])


def test_labels_follow_a_resize(tmp_path):
    """Catches masks of the clean size, and a nearest-neighbour label that forgets forged pixels."""
    frames = np.random.default_rng(0).integers(0, 256, (2, 130, 140, 3), dtype=np.uint8)
    mask = np.zeros((2, 130, 140), bool)
    mask[0, 11, 21] = mask[1, 40:60, 70:90] = True
    clean = frames_dataset(tmp_path, frames, mask)
    data = corrupted(tmp_path, clean, {"class_path": "resize", "option": "scale", "levels": [0.5]})
    window = data[0]
    assert window["image"].shape == (2, 3, 65, 70)
    np.testing.assert_allclose(
        window["image"][0].permute(1, 2, 0).numpy(),
        frames[0].reshape(65, 2, 70, 2, 3).mean((1, 3)),
        atol=0.5,  # rounding
    )
    assert np.argwhere(window["mask"][0, 0].numpy()).tolist() == [[5, 10]]
    assert window["mask"][1, 0].sum() == window["mask"][1, 0, 20:30, 35:45].sum() == 100
    assert (data.clips[0].height, data.clips[0].width) == (65, 70)


def test_a_video_codec_sees_the_whole_clip_however_few_frames_are_judged(tmp_path, dataset):
    """Catches a clip encoded from the judged frames, whose prediction from neighbours would differ."""
    entries = [entry for entry in read_dataset(dataset) if entry.split == "test"]
    spec = {"class_path": "h264", "option": "quality", "levels": [40], "init_args": {"gop": [12, 12]}}
    every, some = WindowDataset(entries), WindowDataset(entries, every=2)
    all_frames, few = corrupted(tmp_path, every, spec), corrupted(tmp_path, some, spec)
    assert few.index == some.index == [(v, f) for v, f in all_frames.index if f % 2 == 0]
    assert few.videos == all_frames.videos == every.videos
    for index, (video, frame) in enumerate(few.index):
        same = all_frames[all_frames.index.index((video, frame))]
        assert torch.equal(few[index]["image"], same["image"])
        assert not torch.equal(few[index]["image"], some[index]["image"])


def digest(windows):
    return [(w["meta"]["clip"], w["meta"]["frames"], w["image"].sum().item(), w["image"][0, 0, 5, 7:20].tolist())
            for w in windows]  # fmt: skip


def test_a_level_does_not_depend_on_what_came_before(tmp_path, clean):
    """Level 2 alone is level 2 after level 1, last clip first; the seed and the clip change the noise."""
    both = curves_of(tmp_path, MIXED)
    for curve in both:
        first, second = (CorruptedDataset(clean, curve, level) for level in curve.levels)
        digest(first)
        after = digest(second)
        alone = CorruptedDataset(clean, curve, curve.levels[1])
        assert digest([alone[index] for index in reversed(range(len(alone)))])[::-1] == after
        assert after != digest(first)
    (grain,) = curves_of(tmp_path, {"grain": {**MIXED["grain"], "levels": [8.5]}})
    assert digest(CorruptedDataset(clean, grain, 8.5)) == after
    other_seed = WindowDataset(clean.entries, seed=4)
    assert digest(CorruptedDataset(other_seed, grain, 8.5)) != after
    other_name = curves_of(tmp_path, {"other": {**MIXED["grain"], "levels": [8.5]}})[0]
    assert digest(CorruptedDataset(clean, other_name, 8.5)) != after


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mixed.yaml"
    path.write_text(yaml.safe_dump(MIXED, sort_keys=False))
    return str(path)


@pytest.mark.slow
def test_the_loaders_of_a_test_are_the_conditions_in_order(dataset, file):
    """The same from no worker and from two; catches a late-bound level, chance from a worker's state."""
    found = []
    for workers in (0, 2):
        data = ClipDataModule(str(dataset), workers=workers, corruptions=file, test_every=2)
        assert data.conditions == [("jpeg", 80), ("jpeg", 20), ("grain", 2), ("grain", 8.5)]
        assert data.corruption_options == {"jpeg": "quality", "grain": "deviation"}
        data.setup("test")
        loaders = data.test_dataloader()
        batches = [[{key: batch[key][0] for key in batch} for batch in loader] for loader in loaders]
        assert [len(windows) for windows in batches] == [4 * 2] * 5
        found.append([digest(windows) for windows in batches])
        errors = [
            np.mean([(a["image"].double() - b["image"]).abs().mean() for a, b in zip(windows, batches[0], strict=True)])
            for windows in batches[1:]
        ]
        assert errors[0] < errors[1]
        assert errors[2] < errors[3] / 3
    assert found[0] == found[1]
    clean = WindowDataset([entry for entry in read_dataset(dataset) if entry.split == "test"], every=2)
    assert found[0][0] == digest(clean)


def test_prediction_and_a_test_without_corruptions_stay_as_they_were(dataset, file):
    """Catches thinned or corrupted predictions, and a list where there is one loader."""
    data = ClipDataModule(str(dataset), workers=0, corruptions=file, test_every=2)
    data.setup("predict")
    assert data.corrupted == []
    assert len(data.predict_dataloader()) == 4 * 3
    plain = ClipDataModule(str(dataset), workers=0)
    assert (plain.conditions, plain.corruption_options) == ([], {})
    plain.setup("test")
    assert [batch["meta"][0]["frames"][0] for batch in plain.test_dataloader()] == [0, 1, 2] * 4


def test_a_clip_is_made_once_and_one_is_held(tmp_path, dataset, monkeypatch):
    """Catches decoding and encoding again for every window, and the memory of all clips."""
    clean = WindowDataset([entry for entry in read_dataset(dataset) if entry.split == "test"])
    curve = curves_of(tmp_path, MIXED)[0]
    made, make = [], CorruptedClip.make
    monkeypatch.setattr(CorruptedClip, "make", lambda clip: made.append(clip.path.name) or make(clip))
    for level in curve.levels:
        list(CorruptedDataset(clean, curve, level))
    assert made == ["d", "d__1", "e", "e__1"] * 2
    assert CorruptedClip.made.cache_info().currsize == 1


def test_forgeries_on_the_fly_are_corrupted_too(tmp_path, dataset):
    """Catches corrupted clean clips in the place of forgeries, and labels that are lost."""
    recipe = Recipe.of(masks=["box"], fills=["telea"], seams=["hard"], chains=["none"], per_clip=1)
    sources = [entry for entry in read_dataset(dataset) if entry.split == "test" and entry.masks is None]
    online = ForgeDataset(materials(sources), recipe, fresh=False)
    data = corrupted(tmp_path, online, {"class_path": "blur", "option": "sigma", "levels": [1.5]})
    assert data.forged == online.forged
    for index in range(len(online)):
        expected = cv2.GaussianBlur(online[index]["image"][0].permute(1, 2, 0).numpy(), (0, 0), 1.5)
        np.testing.assert_array_equal(data[index]["image"][0].permute(1, 2, 0).numpy(), expected)
        assert torch.equal(data[index]["mask"], online[index]["mask"])
    assert any(data[index]["mask"].any() for index in range(len(data)))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_curves_get_worse_from_level_to_level(path, tmp_path):
    """Catches levels in the wrong order: a quality of 30 is strong for JPEG and mild for H.264."""
    write_clip(tmp_path, ("x", "test", "x", ""), frames=5)
    clean = WindowDataset(read_dataset(tmp_path))
    before = clean.clips[0].read([2])[0]
    curves = read_curves(path.stem)
    if path.stem in ("default", "quick"):
        assert {curve.name for curve in curves} == {"jpeg", "h264", "hevc", "resize", "blur", "noise"}
    for curve in curves:
        errors = []
        for level in curve.levels:
            after = CorruptedDataset(clean, curve, level).clips[0].read([2])[0]
            after = cv2.resize(after, before.shape[1::-1], interpolation=cv2.INTER_LINEAR)
            errors.append(np.abs(after.astype(float) - before).mean())
        assert errors[0] > 0
        assert errors == sorted(errors), curve.name


def test_the_curves_and_the_part_of_the_page_work(tmp_path, monkeypatch, clean):
    """Catches a page whose YAML no longer reads, and a part of one's own that is not found or not applied."""
    page = (REPOSITORY / "docs/how-to/test-robustness.md").read_text()
    text, part = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL)[1] for kind in ("yaml", "python"))
    (line,) = re.findall(r"^gamma: .*$", page, re.MULTILINE)
    (tmp_path / "page.yaml").write_text(f"{text}{line}\n")
    (tmp_path / "my_corruption.py").write_text(part)
    monkeypatch.syspath_prepend(tmp_path)
    *_, gamma = curves = read_curves(tmp_path / "page.yaml")
    assert [curve.name for curve in curves] == ["social", "fine-jpeg", "av1", "gamma"]
    assert (gamma.option, gamma.levels) == ("exponent", (1.5,))
    before, after = clean[0]["image"].double(), CorruptedDataset(clean, gamma, 1.5)[0]["image"]
    assert torch.equal(after.double(), (255 * (before / 255) ** 1.5).round())


JPEG = MIXED["jpeg"]


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ({**JPEG, "class_path": "jpg"}, ["Chain or FrameChange 'jpg'", "did you mean 'jpeg'?"]),
        ({**JPEG, "class_path": "nowhere.Nothing"}, ["nowhere.Nothing"]),
        ({**JPEG, "class_path": "outpaint_lightning.forge.fills.Fill"}, ["expected a Chain or FrameChange"]),
        ({**JPEG, "option": "qualty"}, ["option is 'qualty'", "did you mean 'quality'?"]),
        ({**JPEG, "option": "chroma"}, ["option is 'chroma'", "expected one of scale, quality"]),
        ({**JPEG, "option": "every"}, ["option is 'every'", "expected one of scale, quality"]),
        ({**JPEG, "class_path": "none", "option": "scale"}, ["option is 'scale'", "none has none"]),
        ({**JPEG, "level": [3]}, ["no key 'level'", "did you mean 'levels'?"]),
        ({"class_path": "jpeg", "option": "quality"}, ["no levels"]),
        ({**JPEG, "levels": [90, 101]}, ["quality", "101", "1 to 100"]),
        ({**JPEG, "levels": [90.5]}, ["quality", "90.5", "whole number"]),
        ({**JPEG, "levels": []}, ["levels is []"]),
        ({**JPEG, "levels": [90, 90]}, ["each level once"]),
        ({**JPEG, "levels": ["mild"]}, ["levels is ['mild']", "numbers"]),
        ({**JPEG, "init_args": {"quality": [3, 4]}}, ["init_args has 'quality'"]),
        ({**JPEG, "init_args": {"every": [2, 2]}}, ["init_args has 'every'", "each frame is judged"]),
        ({**JPEG, "init_args": {"chrma": ["4:4:4"]}}, ["no option 'chrma'", "did you mean 'chroma'?"]),
        ({**JPEG, "init_args": 4}, ["init_args is 4"]),
        ({"class_path": "h264", "option": "quality", "levels": [52]}, ["quality 52 to 52", "0 to 51"]),
        ({"class_path": "blur", "option": "sigma", "levels": [0]}, ["sigma 0 to 0", "0.01 to 100"]),
        ({"class_path": "noise", "option": "deviation", "levels": [300]}, ["deviation 300 to 300", "0 to 255"]),
        (7, ["7: expected the keys class_path"]),
    ],
)
def test_what_cannot_be_used_is_named_with_its_file_and_curve(tmp_path, spec, parts):
    with pytest.raises(InputError) as caught:
        curves_of(tmp_path, {"fine": JPEG, "mine": spec})
    assert str(caught.value).startswith(f"{tmp_path}/corruptions.yaml: mine: ")
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("jpeg: [", "not YAML"), ("[1, 2]", "holds no keys"), ("", "holds nothing")],
)
def test_a_file_that_is_no_mapping_is_named(tmp_path, text, message):
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"odd\.yaml.*: {message}"):
        read_curves(tmp_path / "odd.yaml")
    with pytest.raises(InputError, match=r"nowhere\.yaml: no such file"):
        read_curves(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match=r"defualt: no such file; did you mean 'default'"):
        read_curves("defualt")


def test_frames_too_small_for_a_codec_are_refused_before_anything_is_judged(dataset, tmp_path):
    """Catches a refusal in the middle of a test, and one that stops a prediction, which needs no corruption."""
    path = tmp_path / "small.yaml"
    spec = {"class_path": "hevc", "option": "scale", "levels": [0.5, 0.1], "init_args": {"quality": [20, 20]}}
    path.write_text(yaml.safe_dump({"tiny": spec}))
    data = ClipDataModule(str(dataset), corruptions=str(path))
    data.setup("predict")
    with pytest.raises(InputError, match=r"frames/d: tiny at scale 0\.1: hevc of frames of 136x128.*16 pixels"):
        data.setup("test")


def test_a_misspelled_name_on_the_command_line_is_one_line(dataset, tmp_path, capsys):
    small = str(REPOSITORY / "configs" / "localizer" / "small.yaml")
    options = ["--config", small, "--data.root", str(dataset), "--trainer.default_root_dir", str(tmp_path)]
    for given, part in (
        (["--data.corruptions", "defualt"], "defualt: no such file; did you mean 'default'"),
        (["--data.test_every", "0"], "data.test_every 0"),
    ):
        assert main(["test", *options, "--trainer.fast_dev_run", "1", *given]) == 2
        assert part in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_part_of_ones_own_that_loses_frames_is_refused(tmp_path, clean, monkeypatch):
    """Catches windows that would judge a frame against another one's label."""
    curve = curves_of(tmp_path, MIXED)[0]
    data = CorruptedDataset(clean, curve, 80)
    decode = type(curve.corruptions[0]).decode
    monkeypatch.setattr(type(curve.corruptions[0]), "decode", lambda *args: decode(*args)[1:])
    with pytest.raises(InputError, match=r"frames/d: jpeg made \(2, 128, 136\) of \(3, 128, 136\)"):
        data[0]
