"""Every planted defect is found, as what it is, and nothing on the clean twin."""

import re
import shutil
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support import texture

from outpaint_lightning.audit.report import as_json
from outpaint_lightning.audit.run import audit
from outpaint_lightning.io import ClipEntry, VideoWriter, read_image, write_image, write_manifest, write_mask
from outpaint_lightning.types import InputError

SOURCES = "abcdefghijklmn"
FORGED = [f"{source}__1" for source in SOURCES]


def empty_folder(data):
    for index in range(3):
        data.frame("b", index).unlink()


def truncated_frame(data):
    path = data.frame("b", 1)
    path.write_bytes(path.read_bytes()[:-40])


def truncated_mask(data):
    path = data.mask("b__1", 2)
    path.write_bytes(path.read_bytes()[:-30])


def frame_that_is_text(data):
    data.frame("b").write_text("not an image")


def broken_video(data):
    (data.root / "videos").mkdir()
    (data.root / "videos" / "v.mp4").write_bytes(b"nothing")
    with (data.root / "manifest.csv").open("a") as file:
        file.write("v,train,indoor,move,v,\n")


def other_size(data):
    path = data.frame("b", 1)
    write_image(path, read_image(path)[:48])


def other_mask_size(data):
    for index in range(3):
        write_mask(data.mask("b__1", index), np.eye(32, dtype=bool))


def missing_mask(data):
    data.mask("b__1", 1).unlink()


def no_masks(data):
    shutil.rmtree(data.mask("b__1").parent)


def grey_masks(data):
    for index in range(3):
        write_mask(data.mask("b__1", index), np.eye(64, dtype=bool))
        image = cv2.imread(str(data.mask("b__1", index)), 0)
        cv2.imwrite(str(data.mask("b__1", index)), cv2.blur(image, (3, 3)))


def empty(data, clips):
    for clip in clips:
        for index in range(3):
            write_mask(data.mask(clip, index), np.zeros((64, 64), bool))


def empty_masks(data):
    empty(data, ["b__1"])


def masks_of_an_authentic_clip(data):
    shutil.copytree(data.mask("b__1").parent, data.mask("b").parent)


def stray_masks(data):
    data.mask("b__1").parent.rename(data.mask("b__2").parent)
    shutil.copytree(data.mask("b__2").parent, data.mask("b__1").parent)


def row_without_frames(data):
    data.replace("a,train", "z,train")


def row_twice(data):
    data.replace("a,train", "b,train")


def unknown_split(data):
    data.replace("a,train", "a,tarin")


def source_in_two_splits(data):
    data.replace("a__1,train,indoor,move,a", "a__1,train,indoor,move,j")


def copied_clip(data):
    for index in range(3):
        shutil.copy(data.frame("a", index), data.frame("j", index))


def copied_frame(data):
    shutil.copy(data.frame("a", 2), data.frame("j", 1))


def encoded_again(data):
    for index in range(3):
        half = cv2.resize(cv2.imread(str(data.frame("a", index))), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        half = cv2.imdecode(cv2.imencode(".jpg", half, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], 1)
        cv2.imwrite(str(data.frame("j", index)), cv2.resize(half, (64, 64), interpolation=cv2.INTER_CUBIC))


def to_jpeg(data, clips, quality):
    for clip in clips:
        for index in range(3):
            path = data.frame(clip, index)
            jpeg = [cv2.IMWRITE_JPEG_QUALITY, quality]
            cv2.imwrite(str(path.with_suffix(".jpg")), cv2.imread(str(path)), jpeg)
            path.unlink()


def forged_as_jpeg(data):
    to_jpeg(data, FORGED, 95)


def forged_at_another_quality(data):
    to_jpeg(data, FORGED, 70)
    to_jpeg(data, SOURCES, 95)


def forged_smaller(data):
    for clip in FORGED:
        for index in range(3):
            write_image(data.frame(clip, index), read_image(data.frame(clip, index))[:56])
            write_mask(data.mask(clip, index), read_image(data.mask(clip, index))[:56, :, 0] > 0)


def forged_shorter(data):
    for clip in FORGED:
        data.frame(clip, 2).unlink()
        data.mask(clip, 2).unlink()


def mask_everywhere(data, shape):
    for number, clip in enumerate(FORGED):
        for index in range(3):
            write_mask(data.mask(clip, index), shape(number))


def centred_borders(data):
    def border(number):
        mask = np.ones((64, 64), bool)
        width = 6 + number % 6
        mask[width:-width, width:-width] = False
        return mask

    mask_everywhere(data, border)


def boxes(height, width):
    def box(number):
        mask = np.zeros((64, 64), bool)
        top, left = (number * 23) % (65 - height(number)), (number * 37) % (65 - width(number))
        mask[top : top + height(number), left : left + width(number)] = True
        return mask

    return box


def equal_areas(data):
    mask_everywhere(data, boxes(lambda _: 20, lambda _: 20))


def large_areas(data):
    mask_everywhere(data, boxes(lambda number: 46 + number, lambda _: 60))


def small_areas(data):
    mask_everywhere(data, boxes(lambda number: 1 + number % 4, lambda _: 4))


def unknown_scene(data):
    data.write([replace(e, scene="outdoor") if e.source in "jkl" else e for e in data.entries()])


def unknown_fill(data):
    data.write([replace(e, forger="box/other/hard") if e.split == "test" and e.forger else e for e in data.entries()])


def drop(data, clips):
    data.write([entry for entry in data.entries() if entry.clip not in clips])
    for clip in clips:
        shutil.rmtree(data.frame(clip).parent)
        shutil.rmtree(data.mask(clip).parent, ignore_errors=True)


def nothing_authentic(data):
    drop(data, SOURCES)


def no_forgery_to_test(data):
    drop(data, FORGED[9:])


DEFECTS = [
    (empty_folder, "empty", r"frames/b: no frames"),
    (truncated_frame, "undecodable", r"frames/b/00001\.png: does not decode"),
    (truncated_mask, "undecodable", r"masks/b__1/00002\.png: does not decode"),
    (frame_that_is_text, "undecodable", r"frames/b/00000\.png: does not decode"),
    (broken_video, "undecodable", r"videos/v\.mp4: is no video"),
    (other_size, "frame-size", r"frames/b/00001\.png: is 64x48; the first frame is 64x64"),
    (other_mask_size, "mask-size", r"masks/b__1/00000\.png: is 32x32; the frames are 64x64 \(and 2 more of 3 masks\)"),
    (missing_mask, "masks", r"masks/b__1/00001\.png: missing mask"),
    (no_masks, "masks", r"masks/b__1: no masks of a clip forged"),
    (grey_masks, "mask-values", r"masks/b__1/00000\.png: values 0, .* \(and 2 more of 3 masks\)"),
    (empty_masks, "empty-masks", r"masks/b__1: no mask marks a pixel"),
    (masks_of_an_authentic_clip, "unexpected-masks", r"masks/b: masks of clip 'b'"),
    (stray_masks, "stray", r"masks/b__2: masks of no clip"),
    (row_without_frames, "missing", r"manifest\.csv: clip 'z' has no frames"),
    (row_twice, "twice", r"manifest\.csv: clip 'b' is listed twice"),
    (unknown_split, "split", r"manifest\.csv: clip 'a' has split 'tarin'"),
    (source_in_two_splits, "leak", r"manifest\.csv: source 'j' is in split 'train' .*a__1"),
    (copied_clip, "duplicate", r"frames/a: \(train, source 'a'\) has 3 files of 'j' \(test, source 'j'\)"),
    (copied_frame, "duplicate", r"frames/a: \(train, source 'a'\) has 1 file of 'j' \(test, source 'j'\)"),
    (encoded_again, "near-duplicate", r"frames/a: \(train, source 'a'\) shows what is in 'j' \(test, source 'j'\)"),
    (forged_as_jpeg, "confounded", r"file format .* forged 100% \.jpg JPEG; authentic 100% \.png PNG"),
    (forged_at_another_quality, "confounded", r"JPEG quantisation .* forged 100% quality 70 .* 100% quality 95"),
    (forged_smaller, "confounded", r"frame size .* forged 100% 64x56; authentic 100% 64x64"),
    (forged_shorter, "confounded", r"number of frames .* forged 100% 2; authentic 100% 3"),
    (centred_borders, "position", r"masks: .* alone has F1 0\.\d\d per video on test"),
    (equal_areas, "area", r"masks: all 14 forged clips are forged on nearly the same share, 9\.8%"),
    (large_areas, "area", r"masks: half .* \d\d% of their pixels or more"),
    (small_areas, "area", r"masks: half .* 0\.\d\d% of their pixels or less"),
    (unknown_scene, "category", r"manifest\.csv: scene/camera of test without a training clip: outdoor/move"),
    (unknown_fill, "category", r"manifest\.csv: fill of test without a training clip: other"),
    (nothing_authentic, "balance", r"all 14 clips are forged"),
    (no_forgery_to_test, "balance", r"0 forged and 5 authentic clips in test"),
]


def test_nothing_is_found_on_clean_data(clean_root):
    report = audit(clean_root)
    assert report.findings == []
    assert audit(clean_root, quick=True).findings == []
    assert report.statistics["clips"] == 28
    assert report.statistics["frames"] == 84
    assert report.statistics["splits"]["train"] == {
        "sources": 6,
        "authentic": {"clips": 6, "frames": 18},
        "forged": {"clips": 6, "frames": 18},
    }
    assert report.statistics["attributes"]["file format"] == {".png PNG": {"authentic": 14, "forged": 14}}


@pytest.mark.parametrize(("spoil", "kind", "said"), DEFECTS, ids=[defect[0].__name__ for defect in DEFECTS])
def test_each_planted_defect_is_found_as_what_it_is(dataset, spoil, kind, said):
    """Catches a check that is silent, one that cries at another's defect, and a finding that names another place."""
    spoil(dataset)
    report = audit(dataset.root)
    assert {finding.kind for finding in report.findings} == {kind}
    lines = [f"{finding.path}: {finding.message}" for finding in report.findings]
    assert any(re.search(said, line) for line in lines), lines
    assert all(finding.advice and "\n" not in finding.message + finding.advice for finding in report.findings)


QUICK = [
    row_without_frames,
    source_in_two_splits,
    missing_mask,
    masks_of_an_authentic_clip,
    copied_clip,
    forged_as_jpeg,
    forged_at_another_quality,
    forged_smaller,
    forged_shorter,
    unknown_scene,
    nothing_authentic,
]


@pytest.mark.parametrize("spoil", QUICK)
def test_quick_audit_decodes_nothing(dataset, spoil, monkeypatch):
    """Catches a frame or mask decoded in any check, and a quick audit that misses what names and headers tell."""
    spoil(dataset)
    expected = {kind for defect, kind, _ in DEFECTS if defect is spoil}
    for decoder in ("cv2.imdecode", "PIL.ImageFile.ImageFile.load"):
        monkeypatch.setattr(decoder, lambda *_: pytest.fail("decoded"))
    assert {finding.kind for finding in audit(dataset.root, quick=True).findings} == expected


def test_flat_frames_in_common_are_no_leak(dataset):
    """Catches fades to black, of which every film has some, taken for copies."""
    for clip in "aj":
        write_image(dataset.frame(clip, 0), np.zeros((64, 64, 3), np.uint8))
        write_image(dataset.frame(clip, 1), np.zeros((64, 64, 3), np.uint8))
    assert audit(dataset.root).findings == []
    assert audit(dataset.root, quick=True).findings == []


def test_copies_within_a_split_or_a_source_are_no_leak(dataset):
    for index in range(3):
        shutil.copy(dataset.frame("a", index), dataset.frame("b", index))
    assert audit(dataset.root).findings == []


def test_a_copy_is_found_though_its_first_owner_is_of_the_same_source(dataset):
    """Catches files that count for the first clip alone that holds them: here `b` and `j` have them in common, too."""
    for clip in "bj":
        shutil.copy(dataset.frame("a"), dataset.frame(clip))
    dataset.replace("\nj,test,indoor,move,j,", "\nj,test,indoor,move,a,")
    [copy] = [finding for finding in audit(dataset.root).findings if finding.kind != "leak"]
    assert (copy.path.name, copy.message) == (
        "b",
        "(train, source 'b') has 1 file of 'j' (test, source 'a'), byte for byte",
    )


def test_empty_masks_of_authentic_clips_hide_nothing(dataset):
    """Catches clips counted as forged because they have masks, though the manifest names other forgers."""
    empty(dataset, SOURCES)
    to_jpeg(dataset, SOURCES, 95)
    found = Counter(finding.kind for finding in audit(dataset.root).findings)
    assert found == {"confounded": 1, "unexpected-masks": 14}
    assert {finding.kind for finding in audit(dataset.root, quick=True).findings} == set(found)


def test_without_forgers_masks_tell_the_class(dataset):
    empty(dataset, SOURCES)
    to_jpeg(dataset, SOURCES, 95)
    dataset.write([replace(e, forger="") for e in dataset.entries()])
    report = audit(dataset.root)
    assert Counter(finding.kind for finding in report.findings) == {"confounded": 1, "empty-masks": 14}
    assert report.statistics["splits"]["val"]["authentic"]["clips"] == 3
    drop(dataset, "".join(SOURCES))
    assert [finding.kind for finding in audit(dataset.root, quick=True).findings] == ["balance"]


def test_names_with_colons_are_not_cut(dataset):
    """Catches a path that ends at the first colon of its error, of a file that is there and of one that is not."""
    for folder in (dataset.frame("a__1").parent, dataset.mask("a__1").parent):
        folder.rename(folder.with_name("take: 2"))
    dataset.replace("a__1,", "take: 2,")
    truncated = dataset.frame("take: 2", 1)
    truncated.write_bytes(truncated.read_bytes()[:-40])
    [finding] = audit(dataset.root).findings
    assert (finding.path, finding.message[:15]) == (truncated, "does not decode")
    dataset.mask("take: 2", 1).unlink()
    [finding] = audit(dataset.root).findings
    assert (finding.path, finding.message[:12]) == (dataset.mask("take: 2", 1), "missing mask")


def test_workers_change_nothing(dataset):
    """Catches results that come in another order, or a summary that cannot travel between processes."""
    copied_frame(dataset)
    grey_masks(dataset)
    assert as_json(audit(dataset.root, workers=2)) == as_json(audit(dataset.root))


def test_what_cannot_be_audited_is_one_error(dataset):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        audit(dataset.root / "nowhere")
    with pytest.raises(InputError, match="no clips"):
        audit(dataset.root / "masks")
    for quick in (False, True):
        with pytest.raises(InputError, match="--workers 0"):
            audit(dataset.root, workers=0, quick=quick)
    (dataset.root / "manifest.csv").write_text("clap,split\n1,train\n")
    with pytest.raises(InputError, match="no column 'clip'"):
        audit(dataset.root)


def write_videos(root, codec="libx264", fps=25):
    """Write six sources, each authentic and forged, the forged ones with this codec and frame rate."""
    entries = []
    (root / "videos").mkdir(parents=True)
    for number, source in enumerate("abcdef"):
        frame = texture(number, 64, 64)
        for clip in (source, f"{source}_f"):
            forged = clip != source
            options = {"codec": codec, "fps": fps} if forged else {"fps": 25}
            with VideoWriter(root / "videos" / f"{clip}.mkv", 64, 64, **options) as writer:
                for _ in range(4):
                    writer.write(frame)
            for index in range(4 * forged):
                write_mask(
                    root / "masks" / clip / f"{index:05d}.png", boxes(lambda n: n, lambda _: 30)(20 + number) > 0
                )
            split = ("train", "val", "test")[number // 2]
            entries.append(ClipEntry(clip, split, "x", "y", source, "forged" * forged, root, None))
    write_manifest(root / "manifest.csv", entries)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, None),
        ({"codec": "mpeg4"}, r"file format .* forged 100% \.mkv mpeg4; authentic 100% \.mkv h264"),
        ({"fps": 30000 / 1001}, r"frame rate .* forged 100% 29\.97; authentic 100% 25\.00"),
    ],
)
def test_videos_are_compared_by_what_their_headers_say(tmp_path, options, said):
    write_videos(tmp_path / "data", **options)
    for report in (audit(tmp_path / "data"), audit(tmp_path / "data", quick=True)):
        messages = [finding.message for finding in report.findings]
        assert len(messages) == (said is not None), messages
        assert said is None or re.search(said, messages[0])
        assert report.statistics["attributes"]["pixel format"] == {"yuv420p": {"authentic": 6, "forged": 6}}


def test_truncated_and_copied_videos_are_found(tmp_path):
    write_videos(tmp_path)
    videos = tmp_path / "videos"
    (videos / "a.mkv").write_bytes((videos / "a.mkv").read_bytes()[:-200])
    shutil.copy(videos / "b.mkv", videos / "f.mkv")
    found = {(finding.kind, finding.path.name) for finding in audit(tmp_path).findings}
    assert found == {("undecodable", "a.mkv"), ("duplicate", "b.mkv")}


def test_photographs_and_object_numbers(tmp_path):
    """Catches photos taken for clips without frames, and the palette masks of DAVIS called neither 0 nor 255."""
    for number in range(2):
        write_image(tmp_path / "a" / "frames" / f"{number}.jpg", texture(number))
    write_mask(tmp_path / "a" / "masks" / "0.png", np.eye(128, 136, dtype=bool))
    report = audit(tmp_path / "a")
    assert (report.findings, report.statistics["frames"]) == ([], 2)
    for clip in "xy":
        write_image(tmp_path / "b" / "JPEGImages" / clip / "00000.jpg", texture(ord(clip)))
        numbers = np.zeros((128, 136), np.uint8)
        numbers[: ord(clip) - 80, 30:60] = 2
        (tmp_path / "b" / "Annotations" / clip).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "b" / "Annotations" / clip / "00000.png"), numbers)
    assert [finding.kind for finding in audit(tmp_path / "b").findings] == ["balance"]
