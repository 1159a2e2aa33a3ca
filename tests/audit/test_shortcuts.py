"""The numbers behind the findings."""

import cv2
import numpy as np
import pytest
from support import texture

from outpaint_lightning.audit.attributes import image_attributes, video_attributes
from outpaint_lightning.audit.scan import GRID, ClipFacts, scan
from outpaint_lightning.audit.shortcuts import LEVEL, confounded, dependence
from outpaint_lightning.audit.survey import Survey
from outpaint_lightning.io import ClipEntry, VideoWriter, write_image, write_mask
from outpaint_lightning.types import InputError


def entry(clip, split="", *, forged=False, frames=None, masks=None):
    return ClipEntry(clip, split, "", "", clip, "forged" * forged, frames, masks)


def test_dependence_of_three_against_three():
    """Of the 20 ways to deal 3 forged clips, 2 separate the values; 18 leave a distance of 1/3."""
    distance, expected, p = dependence("aaabbb", [True] * 3 + [False] * 3, [""] * 6)
    assert distance == 1
    assert expected == pytest.approx(2 / 20 + 18 / 20 / 3, abs=0.02)  # of 9,999 deals; its deviation is 0.002
    assert p == pytest.approx(0.1, abs=0.015)  # 0.003


def test_dependence_within_strata():
    """Catches quality tables that tell the classes apart only because the formats of the classes differ."""
    values = ["1"] * 10 + ["2"] * 10 + ["1", "2"] * 4
    strata = ["x"] * 10 + ["y"] * 10 + ["z"] * 8
    classes = [True] * 10 + [False] * 10 + [True, True, False, False] * 2
    assert dependence(values, classes, strata)[0] == 0  # only z holds both classes, and alike
    distance, _, p = dependence(values, classes, [""] * 28)
    assert distance == pytest.approx(10 / 14)
    # 12 or more of 14 forged clips on one side: 2 (91^2 + 14^2 + 1) of 28! / 14!^2 ways; the deviation is 0.0002
    assert p == pytest.approx(2 * 8478 / 40116600, abs=8e-4)
    assert dependence("ab", [True, True], ["", ""]) == (0, 0, 1)


def facts(values, is_forged, attribute="frame size"):
    return [
        ClipFacts(entry(str(number), forged=forged), attributes={attribute: value, "file format": ".png"})
        for number, (value, forged) in enumerate(zip(values, is_forged, strict=True))
    ]


@pytest.mark.parametrize(
    ("values", "is_forged", "severity"),
    [
        ("aaabbb", [1, 1, 1, 0, 0, 0], "error"),  # too few for the test, but separated
        ("aabb", [1, 1, 0, 0], "error"),
        ("ab", [1, 0], None),
        ("abcdef", [1, 1, 1, 0, 0, 0], None),  # every clip differs from every other
        ("a" * 20 + "b" * 20, [1] * 18 + [0] * 2 + [1] * 2 + [0] * 18, "warning"),
        ("ab" * 50, [1, 1, 0, 0] * 25, None),
        ("a" * 1000 + "b" * 1000, [1, 0] * 450 + [1] * 100 + [0] * 100 + [1, 0] * 450, None),  # sure, but slight
    ],
)
def test_what_counts_as_confounded(tmp_path, values, is_forged, severity):
    found = list(confounded(Survey(tmp_path, tuple(facts(values, map(bool, is_forged))))))
    assert [finding.severity for finding in found] == ([severity] if severity else [])


def test_false_alarms_stay_below_the_level(tmp_path):
    """Catches a test without correction for its many attributes: sizes by lot, a hundred times, give next to none."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(100):
        clips = facts(rng.choice(list("abcdef"), 30).tolist(), (rng.random(30) < 0.5).tolist())
        found += len(list(confounded(Survey(tmp_path, tuple(clips)))))
    assert found <= 1 + 100 * LEVEL


def test_image_attributes(tmp_path):
    frame = texture(0, 40, 48)
    write_image(tmp_path / "a.png", frame)
    assert image_attributes(tmp_path / "a.png") == {
        "file format": ".png PNG",
        "frame size": "48x40",
        "pixel format": "RGB 8-bit",
    }
    cv2.imwrite(str(tmp_path / "b.png"), frame.astype(np.uint16) << 8)
    assert image_attributes(tmp_path / "b.png")["pixel format"] == "RGB 16-bit"
    for quality in (30, 50, 75, 95):
        sampling = [
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if quality > 90 else 0x221111,
        ]
        cv2.imwrite(str(tmp_path / "c.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, quality, *sampling])
        found = image_attributes(tmp_path / "c.jpg")
        assert found["JPEG quantisation"].startswith(f"quality {quality} #")
        assert found["pixel format"] == ("RGB 4:4:4" if quality > 90 else "RGB 4:2:0")
    (tmp_path / "c.jpg").rename(tmp_path / "d.PNG")
    assert image_attributes(tmp_path / "d.PNG")["file format"] == ".png JPEG"
    (tmp_path / "e.png").write_text("no image")
    with pytest.raises(InputError, match=r"e\.png: does not decode"):
        image_attributes(tmp_path / "e.png")


def test_video_attributes(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 40, 48, fps=30000 / 1001) as writer:
        for _ in range(3):
            writer.write(texture(0, 40, 48))
    assert video_attributes(tmp_path / "a.mp4") == {
        "file format": ".mp4 h264",
        "frame size": "48x40",
        "pixel format": "yuv420p",
        "frame rate": "30",
        "number of frames": "3",
    }


def test_coverage_is_the_mean_of_masks_and_their_area(tmp_path):
    """Catches a union of the masks, a threshold, and swapped axes."""
    for index in range(4):
        mask = np.zeros((128, 64), bool)
        mask[: 32 if index else 0, :16] = True
        write_image(tmp_path / "frames" / f"{index}.png", texture(index, 128, 64))
        write_mask(tmp_path / "masks" / f"{index}.png", mask)
    found = scan(entry("a", forged=True, frames=tmp_path / "frames", masks=tmp_path / "masks"))
    expected = np.zeros((GRID, GRID))
    expected[:16, :16] = 0.75
    np.testing.assert_array_equal(found.coverage, expected)
    assert found.area == 0.75 / 16
    assert len(found.files) == len(found.pictures) == found.frames == 4


def test_floors_are_those_of_the_training_masks(tmp_path):
    """Left half in training: F1 1 on the same, 0 on the right half; marking everything 2/3."""
    left, right = np.zeros((2, GRID, GRID), np.float16)
    left[:, :32], right[:, 32:] = 1, 1
    coverages = {"a": ("train", left), "b": ("test", left), "c": ("test", right), "d": ("val", left / 2)}
    clips = [ClipFacts(entry(clip, split, forged=True), coverage=c) for clip, (split, c) in coverages.items()]
    clips.append(ClipFacts(entry("e", "test")))
    survey = Survey(tmp_path, tuple(clips))
    assert {clip: floor["mean_mask"] for clip, floor in survey.floors.items()} == {"b": 1, "c": 0, "d": 2 / 3}
    assert survey.floors["b"]["all_forged"] == 2 / 3
    assert survey.floor(survey.splits["test"])["mean_mask"] == 0.5
    assert survey.floor([clips[-1]]) == {}
    # a border of the area of a half leaves 1 / sqrt(2) of each side: 46 of 64 cells when rounded down on both sides
    border = GRID * GRID - 46 * 46
    assert survey.floors["b"]["border"] == pytest.approx(2 * (border / 2) / (border + GRID * GRID / 2))
    assert Survey(tmp_path, tuple(clips[1:])).floors == {}
