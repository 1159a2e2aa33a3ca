"""The CSV of photos with boxes: every fault is told with its line, before anything is trained."""

import numpy as np
import pytest
from support import texture

from outpaint_lightning.data.boxes import BoxDataset, read_boxes
from outpaint_lightning.io import write_image
from outpaint_lightning.types import InputError

HEADER = "path,label,xmin,ymin,xmax,ymax"


@pytest.fixture
def folder(tmp_path):
    """Photos 30 high and 40 wide."""
    for name in ("a.png", "b.png", "more/c.png", "more/a.png", "a.jpg"):
        write_image(tmp_path / name, texture(1, 30, 40))
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:20])
    (tmp_path / "note.txt").write_text("no photo")
    return tmp_path


def write(folder, *lines, header=HEADER):
    path = folder / "photos.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_what_a_row_says(folder):
    path = write(
        folder,
        "a.png,1,10,5,40,30,test,one,sky,hand,box/gan/hard",
        "",
        '"more/c.png", 0, 0, 0, 0, 0,,,,,',
        "./more/a.png,0,,,,,,,,,",
        header=f"{HEADER},split,source,scene,camera,forger",
    )
    entries, boxes = read_boxes(path)
    assert [entry.clip for entry in entries] == ["a", "more__c", "more__a"]
    first, second = entries[:2]
    assert (first.split, first.source, first.scene, first.camera, first.forger) == (
        "test", "one", "sky", "hand", "box/gan/hard",
    )  # fmt: skip
    assert (second.split, second.source, second.scene, second.forger) == ("", "more__c", "unknown", "")
    assert second.frames == folder / "more" / "c.png"
    assert boxes == {"a": (10, 5, 40, 30)}


def test_columns_may_stand_in_any_order(folder):
    path = write(folder, "30,40,1,a.png,5,10", header="ymax,xmax,label,path,ymin,xmin")
    assert read_boxes(path)[1] == {"a": (10, 5, 40, 30)}


def test_a_mask_is_every_pixel_that_the_box_touches(folder):
    """Half-open, x first. Catches rows taken for columns, a last pixel too many, and fractions rounded away."""
    entries, boxes = read_boxes(write(folder, "a.png,1,10,5,12,30", "b.png,1,1.5,2,1.75,3.01", "more/c.png,0,,,,"))
    photos = BoxDataset(entries, boxes)
    assert photos.forged == [0, 1]
    expected = np.zeros((3, 30, 40), bool)
    expected[0, 5:30, 10:12] = True
    expected[1, 2:4, 1:2] = True
    assert all(np.array_equal(photos.read_masks(photo, [0])[0], expected[photo]) for photo in range(3))
    assert photos[0]["mask"].shape == (1, 1, 30, 40)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a.png,1,10,5,41,30"], "line 2: box 10,5,41,30 reaches outside its photo, which is 40 wide and 30 high"),
        (["a.png,1,-1,5,20,30"], "line 2: box -1,5,20,30 reaches outside"),
        (["a.png,1,5,10,30,40"], "line 2: box 5,10,30,40 reaches outside"),  # x and y swapped
        (["a.png,0,,,,", "b.png,1,20,5,10,30"], "line 3: xmin 20, xmax 10: the box is empty"),
        (["a.png,1,10,5,20,5"], "line 2: ymin 5, ymax 5: the box is empty"),
        (["a.png,1,0,0,0,0"], "line 2: xmin 0, xmax 0: the box is empty"),
        (["a.png,0,10,5,20,30"], "line 2: label 0 with the box 10,5,20,30; an authentic photo has none"),
        (["a.png,0,,,,7"], "line 2: label 0 with xmin ''"),
        (["a.png,1,,,,"], "line 2: label 1 with xmin ''; a number of pixels was expected"),
        (["a.png,1,1,nan,3,4"], "line 2: label 1 with ymin 'nan'"),
        (["a.png,1,1,2,3,wide"], "line 2: label 1 with ymax 'wide'"),
        (["a.png,,,,,"], r"line 2: label is ''; 0 \(authentic\) or 1 \(forged\) was expected"),
        (["a.png,2,1,2,3,4"], "line 2: label is '2'"),
        (["", "a.png,0,,,,", "lost.png,0,,,,"], r"line 4: .*lost\.png: cannot be read \(No such file"),
        (["broken.png,0,,,,"], r"line 2: .*broken\.png: does not decode"),
        (["note.txt,0,,,,"], r"line 2: .*note\.txt: not an image"),
        (["more,0,,,,"], r"line 2: .*more: is a folder; an image file was expected"),
        ([",0,,,,"], "line 2: path is empty"),
        (["a.png,0,,,,", "b.png,0,,,,", "more/../a.png,0,,,,"], r"line 4: .*a\.png is line 2 already"),
        (["a.png,0,,,,", "a.jpg,0,,,,"], r"line 3: .*a\.jpg has, but for its suffix, the name of .*a\.png in line 2"),
        (["a.png,0,,,"], "line 2: 5 cells; 6 were expected"),
        ([], "no rows; one for every photo was expected"),
    ],
)
def test_faults_are_told_with_their_line(folder, lines, message):
    with pytest.raises(InputError, match=rf"photos\.csv: {message}") as error:
        read_boxes(write(folder, *lines))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("path,label,xmin,ymin,xmax", "no column 'ymax'; expected path,label,xmin,ymin,xmax,ymax"),
        (f"{HEADER},spilt", "no column 'spilt' is known; .*did you mean 'split'"),
        (f"{HEADER},path", "the column 'path' stands there twice"),
        ("a.png,0,,,,", "no column 'a.png' is known"),
        ("", "no column 'path'"),
    ],
)
def test_a_wrong_header_is_told(folder, header, message):
    with pytest.raises(InputError, match=rf"photos\.csv: line 1: {message}"):
        read_boxes(write(folder, "a.png,0,,,,", header=header))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a.png,0,,,,,trian,x"], "line 2: split is 'trian'; .*did you mean 'train'"),
        (
            ["a.png,0,,,,,train,x", "b.png,1,1,2,3,4,test,x"],
            "line 3: source 'x' is in split 'test', and in 'train' in line 2; splits must not share a source",
        ),
    ],
)
def test_splits_are_checked(folder, rows, message):
    with pytest.raises(InputError, match=message):
        read_boxes(write(folder, *rows, header=f"{HEADER},split,source"))


def test_no_file_and_no_text_are_told(folder):
    with pytest.raises(InputError, match=r"nothing\.csv: cannot be read"):
        read_boxes(folder / "nothing.csv")
    (folder / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.csv: is not a CSV file in UTF-8"):
        read_boxes(folder / "binary.csv")
