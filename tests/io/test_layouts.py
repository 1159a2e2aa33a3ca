from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from outpaint_lightning.io import open_clip, read_dataset, read_image, read_mask, write_image, write_mask
from outpaint_lightning.types import InputError

FRAME = np.zeros((8, 10, 3), np.uint8)
MASK = np.eye(8, 10, dtype=bool)


def add(folder, clip, frames=2, suffix="jpg"):
    for index in range(frames):
        write_image(folder / clip / f"{index:05d}.{suffix}", FRAME)


def annotate(folder, clip, frames=2):
    """Write DAVIS's annotations: palette PNG, the diagonal is object 3, which the palette shows black."""
    (folder / clip).mkdir(parents=True)
    image = Image.fromarray(MASK * np.uint8(3), "P")
    image.putpalette([50, 50, 50, *[0] * 9])
    for index in range(frames):
        image.save(folder / clip / f"{index:05d}.png")


def told(root):
    """Read a dataset tolerantly: its clips and `(kind, message)` of its problems."""
    problems = []
    entries = read_dataset(root, lambda kind, error: problems.append((kind, str(error))))
    return [entry.clip for entry in entries], problems


@pytest.fixture(params=["", "480p"])
def davis(tmp_path, request):
    """Bear and cows with annotations, elk without; images perhaps in a folder named by their resolution."""
    root = tmp_path / "DAVIS"
    for clip in ("bear", "cows", "elk"):
        add(root / "JPEGImages" / request.param, clip)
    for clip in ("bear", "cows"):
        annotate(root / "Annotations" / request.param, clip)
    return root


def test_davis(davis):
    """Catches resolutions taken for clips, and object numbers read as 0/255 or by the palette's colours."""
    bear, cows, elk = read_dataset(davis)
    assert [entry.clip for entry in (bear, cows, elk)] == ["bear", "cows", "elk"]
    assert (bear.source, bear.forger, bear.split) == ("bear", "", "")
    assert len(open_clip(bear.frames)) == 2
    assert elk.masks is None
    assert bear.nonzero
    np.testing.assert_array_equal(read_mask(sorted(bear.masks.iterdir())[1], bear.nonzero), MASK)


def test_davis_lists_give_the_splits(davis):
    """Catches `trainval.txt` read as a split, and the frames that DAVIS 2016 lists taken for clips."""
    lists = {
        "2017/train.txt": "\ufeffbear\n\n",
        "2017/trainval.txt": "bear\nelk\ncows\n",
        "2017/test-dev.txt": "elk\n",
        "480p/val.txt": "/JPEGImages/480p/cows/00000.jpg /Annotations/480p/cows/00000.png\n" * 2,
    }
    for name, text in lists.items():
        (davis / "ImageSets" / name).parent.mkdir(parents=True, exist_ok=True)
        (davis / "ImageSets" / name).write_text(text)
    assert {entry.clip: entry.split for entry in read_dataset(davis)} == {"bear": "train", "cows": "val", "elk": "test"}
    (davis / "ImageSets" / "2017" / "val.txt").write_text("deer\n")
    clips, problems = told(davis)
    assert clips == ["bear", "cows", "elk"]
    assert [kind for kind, _ in problems] == ["missing"]
    assert "clip 'deer' has no frames; expected" in problems[0][1]
    (davis / "ImageSets" / "2017" / "val.txt").write_text("bear\n")
    with pytest.raises(InputError, match=r"2017/val\.txt: clip 'bear' is in split 'train' too"):
        read_dataset(davis)
    assert told(davis)[0] == []


def test_davis_with_folders_that_others_leave_behind(davis):
    """Catches clips taken for resolutions, and lost with all of their frames, for one folder inside one of them."""
    bear = next(davis.glob("JPEGImages/**/bear"))
    (bear / ".ipynb_checkpoints").mkdir()
    (bear / "0").mkdir()
    assert [entry.clip for entry in read_dataset(davis)] == ["bear", "cows", "elk"]


@pytest.mark.parametrize("davis", ["480p"], indirect=True)
def test_davis_takes_the_resolution_that_is_annotated(davis):
    """Catches frames of one resolution with masks of another, and every clip read once a resolution."""
    add(davis / "JPEGImages" / "240p", "bear")
    annotate(davis / "Annotations" / "1080p", "bear")
    add(davis / "JPEGImages" / "1080p", "bear")
    assert [entry.frames.parent.name for entry in read_dataset(davis)] == ["480p"] * 3
    (davis / "Annotations" / "480p").rename(davis / "Annotations" / "720p")
    assert [entry.frames.parent.name for entry in read_dataset(davis)] == ["1080p"]


def test_davis_with_a_manifest(davis):
    """Catches a manifest that is read for our own layout only, and one that loses the split of the lists."""
    (davis / "ImageSets" / "2017").mkdir(parents=True)
    (davis / "ImageSets" / "2017" / "val.txt").write_text("cows\n")
    (davis / "manifest.csv").write_text("clip,forger\ncows,net\n")
    [cows] = read_dataset(davis)
    assert (cows.clip, cows.forger, cows.split, cows.nonzero) == ("cows", "net", "val", True)
    (davis / "manifest.csv").write_text("clip\ndeer\n")
    with pytest.raises(InputError, match=r"clip 'deer' has no frames; expected .*DAVIS/JPEGImages/deer"):
        read_dataset(davis)


def test_annotations_of_some_frames_or_of_no_clip_are_told(davis):
    """Catches masks stretched over frames that have none, as in the validation part of YouTube-VOS."""
    bears = next(davis.glob("Annotations/**/bear"))
    (bears / "00001.png").unlink()
    next(davis.glob("Annotations/**/cows")).rename(bears.parent / "crows")
    clips, problems = told(davis)
    assert clips == ["cows", "elk"]
    assert [kind for kind, _ in problems] == ["masks", "stray"]
    assert "bear/00001.png: missing mask" in problems[0][1]
    assert "crows: masks of no clip; did you mean 'cows'?" in problems[1][1]


def test_youtube_vos(tmp_path):
    """Catches `valid` taken for a split's name, and a part of no annotations taken for authentic beside others."""
    for part, clip in (("train", "0a"), ("valid", "0b"), ("test", "0c")):
        add(tmp_path / part / "JPEGImages", clip)
    for part, clip in (("train", "0a"), ("valid", "0b")):
        annotate(tmp_path / part / "Annotations", clip)
    (tmp_path / "meta.json").write_text("{}")
    entries = read_dataset(tmp_path)
    assert [(entry.clip, entry.split) for entry in entries] == [("0a", "train"), ("0b", "val")]
    assert all(entry.masks and entry.nonzero for entry in entries)
    assert [entry.clip for entry in read_dataset(tmp_path / "train")] == ["0a"]
    for part in ("train", "valid"):
        (tmp_path / part / "Annotations").rename(tmp_path / part / "kept")
    assert [entry.split for entry in read_dataset(tmp_path)] == ["train", "val", "test"]
    for part in ("train", "valid"):
        (tmp_path / part / "kept").rename(tmp_path / part / "Annotations")
    annotate(tmp_path / "test" / "Annotations", "0c")
    add(tmp_path / "test" / "JPEGImages", "0a")
    clips, problems = told(tmp_path)
    assert clips == ["0a", "0b", "0c"]
    assert [kind for kind, _ in problems] == ["twice"]
    assert "test/JPEGImages/0a: " in problems[0][1]
    assert "train/JPEGImages/0a has the same name" in problems[0][1]


def test_photos_in_pairs_of_folders(tmp_path):
    """Catches a folder of photos read as one clip, and a mask given to the photo next in order."""
    for name in ("a.jpg", "b.c.png", "d.png"):
        write_image(tmp_path / "frames" / name, FRAME)
    write_mask(tmp_path / "masks" / "b.c.png", MASK)
    (tmp_path / "frames" / "notes.txt").touch()
    entries = read_dataset(tmp_path)
    assert [entry.clip for entry in entries] == ["a", "b.c", "d"]
    assert [entry.masks for entry in entries] == [None, tmp_path / "masks" / "b.c.png", None]
    assert not entries[1].nonzero
    assert len(open_clip(entries[0].frames)) == 1
    write_mask(tmp_path / "masks" / "z.png", MASK)
    write_image(tmp_path / "frames" / "d.jpg", FRAME)
    clips, problems = told(tmp_path)
    assert clips == ["a", "b.c", "d"]
    assert [kind for kind, _ in problems] == ["twice", "stray"]


@pytest.mark.parametrize("ending", ["", "_gt", "_mask"])
def test_tampered_and_authentic_photos(tmp_path, ending):
    """Catches a forged photo taken for authentic because its mask is lost, and `Au` overlooked."""
    for name in ("Tp/a.jpg", "Tp/b.c.png", "Au/d.png"):
        write_image(tmp_path / name, FRAME)
    write_mask(tmp_path / "Gt" / f"b.c{ending}.png", MASK)
    clips, problems = told(tmp_path)
    assert clips == ["b.c", "d"]
    assert problems == [("masks", f"{tmp_path}/Gt/a.png: missing mask; {tmp_path}/Tp/a.jpg is forged")]
    write_mask(tmp_path / "Gt" / f"a{ending}.png", MASK)
    masks = {entry.clip: entry.masks for entry in read_dataset(tmp_path)}
    assert masks == {**{clip: tmp_path / "Gt" / f"{clip}{ending}.png" for clip in ("a", "b.c")}, "d": None}
    write_mask(tmp_path / "Gt" / "d.png", MASK)
    with pytest.raises(InputError, match=r"Gt/d\.png: not the masks of clip 'd'; expected none, as it is authentic"):
        read_dataset(tmp_path)


def test_mask_of_a_photo_in_another_format_is_not_overlooked(tmp_path):
    """Catches a forged photo taken for authentic because its mask is no PNG."""
    write_image(tmp_path / "frames" / "a.png", FRAME)
    write_image(tmp_path / "masks" / "a.jpg", FRAME)
    (tmp_path / "masks" / "a.txt").touch()
    (tmp_path / "masks" / "a.txt").rename(tmp_path / "masks" / ".hidden")
    [entry] = read_dataset(tmp_path)
    with pytest.raises(InputError, match=r"masks/a\.jpg: not a PNG"):
        read_mask(entry.masks, entry.nonzero)


def test_clips_and_photos_side_by_side(tmp_path):
    """Catches a mask of a photo looked for in a folder only, and one in a folder not found."""
    add(tmp_path / "frames", "walk", suffix="png")
    write_image(tmp_path / "frames" / "one.png", FRAME)
    write_image(tmp_path / "frames" / "two.png", FRAME)
    write_mask(tmp_path / "masks" / "one.png", MASK)
    write_mask(tmp_path / "masks" / "two" / "two.png", MASK)
    masks = {entry.clip: entry.masks for entry in read_dataset(tmp_path)}
    assert masks == {"walk": None, "one": tmp_path / "masks" / "one.png", "two": tmp_path / "masks" / "two"}


@pytest.fixture
def pairs(tmp_path):
    """A list in a folder of its own: a pair beside it, an authentic photo, a pair elsewhere, and an absolute path."""
    root = tmp_path / "lists"
    listed = [
        ["Tp/1.jpg", "./Gt/1_gt.png"],
        ["./Au/1.jpg", "Negative"],
        ["../far/2.jpg", "../far/2.png"],
        [str(root / "Tp" / "3.jpg"), "Negative"],
    ]
    for image, mask in listed:
        write_image(root / image, FRAME)
        if mask != "Negative":
            write_mask(root / mask, MASK)
    (root / "list.json").write_text(json.dumps(listed))
    return root / "list.json"


def test_json_pairs(pairs, monkeypatch):
    """Catches paths taken from the working folder, one name for two photos, and names that are no file names."""
    root = pairs.parent
    entries = {entry.clip: entry for entry in read_dataset(pairs)}
    far = str(root.parent / "far" / "2").strip("/").replace("/", "__")
    assert sorted(entries) == sorted(["Au__1", "Tp__1", "Tp__3", far])
    assert entries["Tp__1"].masks == root / "Gt" / "1_gt.png"
    assert entries["Au__1"].masks is entries["Tp__3"].masks is None
    np.testing.assert_array_equal(read_mask(entries[far].masks), MASK)
    assert read_image(entries["Tp__3"].frames).shape == FRAME.shape
    assert entries["Tp__1"].source == "Tp__1"
    monkeypatch.chdir(root)
    assert {entry.clip for entry in read_dataset("list.json")} == set(entries)


def test_folder_of_one_json_file(tmp_path):
    """Catches a choice between two lists that nobody made, a folder taken for a list, and a byte order mark."""
    write_image(tmp_path / "a.png", FRAME)
    (tmp_path / "l.json").mkdir()
    with pytest.raises(InputError, match=r"no clips; expected"):
        read_dataset(tmp_path)
    (tmp_path / "one.json").write_text('\ufeff[["a.png", "Negative"]]')
    assert [entry.clip for entry in read_dataset(tmp_path)] == ["a"]
    (tmp_path / "two.json").write_text('[["a.png", "Negative"]]')
    with pytest.raises(InputError, match=r"no clips; expected"):
        read_dataset(tmp_path)


def test_files_that_a_json_list_names_in_vain(pairs):
    """Catches a forged photo taken for authentic because its mask is lost."""
    root = pairs.parent
    (root / "Gt" / "1_gt.png").unlink()
    (root / "Tp" / "3.jpg").unlink()
    listed = json.loads(pairs.read_text())
    (root / "a.gif").touch()
    pairs.write_text(json.dumps([*listed, listed[1], ["a.gif", "Negative"]]))
    clips, problems = told(pairs)
    assert [clip[-6:] for clip in clips] == ["Au__1", "far__2"]
    assert sorted(kind for kind, _ in problems) == ["masks", "missing", "twice", "undecodable"]
    said = dict(problems)
    assert said["masks"].endswith("Gt/1_gt.png: missing mask; " + str(root / "Tp" / "1.jpg") + " is forged")
    assert said["missing"].endswith(f"clip 'Tp__3' has no frames; expected {root / 'Tp' / '3.jpg'}")
    assert "a.gif: not an image" in said["undecodable"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[["a.png"]]', r'entry 1 is \["a\.png"\]; a list of \[image, mask\]'),
        ('[["a.png", "Negative"], "b.png"]', r'entry 2 is "b\.png"'),
        ('[["a.png", "negative"]]', r"entry 1 is .*was expected; did you mean 'Negative'\?$"),
        ('[["a.png", null]]', r'entry 1 is \["a\.png", null\]'),
        ('{"a.png": "Negative"}', "holds a dict; a list of"),
        ("[", r"is not JSON \(.*\); a list of"),
    ],
)
def test_broken_json_is_named_in_one_line(tmp_path, text, said):
    write_image(tmp_path / "a.png", FRAME)
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(InputError, match=rf"list\.json: {said}") as caught:
        read_dataset(tmp_path)
    assert "\n" not in str(caught.value)
    assert told(tmp_path) == ([], [("manifest", str(caught.value))])


def test_unknown_layout_names_those_that_are_known(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError) as caught:
        read_dataset(tmp_path)
    for place in ("frames/<clip>", "videos/<clip>.mp4", "JPEGImages/<clip>", "Tp/<clip>.jpg", "<list>.json"):
        assert place in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("<list>.json (IMDL-BenCo's list)")
    (tmp_path / "list.txt").touch()
    with pytest.raises(InputError, match=r"list\.txt: no clips; expected"):
        read_dataset(tmp_path / "list.txt")


@pytest.mark.parametrize("clip", ["walk/00000.png", "walk.MP4"])
def test_clean_clips_are_sent_to_forge(tmp_path, clip):
    """Catches the folder given to `forge` answered with five layouts only."""
    (tmp_path / clip).parent.mkdir(exist_ok=True)
    (tmp_path / clip).touch()
    with pytest.raises(
        InputError, match=r"clean clips\? `outpaint-lightning forge` makes a dataset of them$"
    ) as caught:
        read_dataset(tmp_path)
    assert "\n" not in str(caught.value)


def test_window_of_object_masks(davis):
    """Catches training data that read object numbers as 0/255 masks."""
    from outpaint_lightning.data import WindowDataset

    window = WindowDataset(read_dataset(davis)[:1])[0]
    np.testing.assert_array_equal(window["mask"][:, 0].numpy(), [MASK, MASK])


@pytest.fixture
def tgif(tmp_path):
    """Two photos of one split: one spliced twice and regenerated in a crop, one filled by Photoshop."""
    root = tmp_path / "TGIF"
    crop = FRAME[:4, :4]
    for photo in (11, 12):
        write_image(root / f"orig/testing/hot dog/{photo}_orig.png", FRAME)
    write_image(root / "orig/testing/hot dog/11_orig_512.png", crop)
    spliced = "hot dog/11_mask_bbox.png_ps_mask.png"
    for number in (0, 1):
        write_image(root / f"sd2-sp/testing/{spliced}_sd2_{number}.png", FRAME)
    write_image(root / "sd2-fr/testing/hot dog/11_mask_bbox.png_sd2-512_0.png", crop)
    write_image(root / "ps-sp/testing/hot dog/12_mask_segm.png_ps_2.png", FRAME)
    for name in ("11_mask_bbox.png", "12_mask_segm.png"):
        write_mask(root / f"masks/testing/hot dog/{name}", np.zeros_like(MASK))
        write_image(root / f"masks/testing/hot dog/{name}_ps_mask.png", np.repeat(MASK[..., None] * np.uint8(9), 3, 2))
    write_mask(root / "masks/testing/hot dog/11_mask_bbox_512.png", MASK[:4, :4])
    return root


def test_tgif(tgif):
    """Catches the mask before Photoshop widened it, that of the whole photo for a crop, and values that are not 255."""
    entries = {entry.frames.name: entry for entry in read_dataset(tgif)}
    assert len(entries) == 7
    assert {entry.split for entry in entries.values()} == {"test"}
    assert {entry.scene for entry in entries.values()} == {"hot dog"}
    assert [name for name, entry in entries.items() if entry.masks is None] == [
        "11_orig.png", "11_orig_512.png", "12_orig.png",
    ]  # fmt: skip
    spliced = entries["11_mask_bbox.png_ps_mask.png_sd2_1.png"]
    assert (spliced.source, spliced.forger) == ("11", "sd2-sp/bbox")
    assert spliced.clip == "sd2-sp__testing__hot dog__11_mask_bbox.png_ps_mask.png_sd2_1"
    np.testing.assert_array_equal(read_mask(spliced.masks, spliced.nonzero), MASK)
    anew = entries["11_mask_bbox.png_sd2-512_0.png"]
    np.testing.assert_array_equal(read_mask(anew.masks, anew.nonzero), MASK[:4, :4])
    photoshop = entries["12_mask_segm.png_ps_2.png"]
    assert (photoshop.source, photoshop.forger) == ("12", "ps-sp/segm")
    np.testing.assert_array_equal(read_mask(photoshop.masks, photoshop.nonzero), MASK)


def test_tgif_masks_of_a_family(tgif):
    """Random regions of TGIF2 differ from model to model, and lie in a folder of masks for each."""
    for subset, model in (("sdxl-fr", "sdxl-1024"), ("flux1dev-fr", "flux1dev-1024")):
        write_image(tgif / subset / f"{subset}_training/cat/5_mask_random.png_{model}_0.png", FRAME)
    write_mask(tgif / "masks-flux/masks-flux_training/cat/5_mask_random_1024.png", MASK)
    write_mask(tgif / "masks-sdxl/masks-sdxl_training/cat/5_mask_random_1024.png", ~MASK)
    entries = {entry.forger: entry for entry in read_dataset(tgif)}
    assert entries["sdxl-fr/random"].split == "train"
    np.testing.assert_array_equal(read_mask(entries["sdxl-fr/random"].masks, True), ~MASK)
    np.testing.assert_array_equal(read_mask(entries["flux1dev-fr/random"].masks, True), MASK)


def test_tgif_of_strangers(tgif, tmp_path):
    """Catches a photo without a mask taken for authentic, and files from elsewhere that a dataset brings in."""
    lost = tgif / "masks/testing/hot dog/11_mask_bbox_512.png"
    lost.unlink()
    clips, problems = told(tgif)
    assert len(clips) == 6
    assert [kind for kind, _ in problems] == ["masks"]
    assert f"{lost}: missing mask" in problems[0][1]
    odd = tgif / "sd2-sp/testing/hot dog/holiday.png"
    write_image(odd, FRAME)
    with pytest.raises(InputError, match=r"holiday\.png: no name of TGIF; expected one as 208901_mask"):
        read_dataset(tgif)
    odd.unlink()
    write_image(tmp_path / "private.png", FRAME)
    (tgif / "orig/testing/hot dog/13_orig.png").symlink_to(tmp_path / "private.png")
    with pytest.raises(InputError, match=r"13_orig\.png: links out of .*TGIF; a file of the dataset was expected"):
        read_dataset(tgif)
