from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from outpaint_lightning.io import FrameFolder, VideoFile, VideoWriter, frame_files, open_clip, write_image
from outpaint_lightning.types import InputError


def grey(level, height=6, width=9):
    return np.full((height, width, 3), level, np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Twelve frames, `frame1.png` to `frame12.png`, each of the grey level of its number, among other things."""
    for number in range(1, 13):
        write_image(tmp_path / "walk" / f"frame{number}.png", grey(number))
    (tmp_path / "walk" / "notes.txt").touch()
    (tmp_path / "walk" / "._frame1.png").write_text("what another system leaves behind")
    (tmp_path / "walk" / "sub").mkdir()
    return tmp_path / "walk"


def test_frames_come_in_natural_order(folder):
    """Catches text order (1, 10, 11, 12, 2) and other files taken for frames."""
    clip = FrameFolder(folder)
    assert (clip.name, clip.path, len(clip), clip.height, clip.width) == ("walk", folder, 12, 6, 9)
    assert [frame[0, 0, 0] for frame in clip] == list(range(1, 13))


def test_read_keeps_order_and_repeats(folder):
    clip = FrameFolder(folder)
    frames = clip.read([11, 0, 0, 5])
    assert frames.dtype == np.uint8
    assert frames.shape == (4, 6, 9, 3)
    assert frames[:, 0, 0, 0].tolist() == [12, 1, 1, 6]
    assert clip.read([]).shape == (0, 6, 9, 3)
    for index in (-1, 12):
        with pytest.raises(IndexError, match=f"frame {index} asked for; the clip has 12"):
            clip.read([index])


def test_name_of_the_current_folder_is_its_own(folder, monkeypatch):
    """Catches the empty name that `Path(".").name` gives."""
    monkeypatch.chdir(folder)
    assert FrameFolder(".").name == "walk"


def test_iteration_holds_one_frame_at_a_time(folder):
    """Catches a clip read whole before its first frame: the last one does not even decode here."""
    (folder / "frame12.png").write_text("broken")
    frames = iter(FrameFolder(folder))
    assert next(frames)[0, 0, 0] == 1
    with pytest.raises(InputError, match=r"frame12\.png: does not decode"):
        list(frames)


def test_frame_of_another_size_is_named_with_both_sizes(folder):
    """Catches a broadcast error without a name, and rows told for columns."""
    write_image(folder / "frame7.png", grey(7, height=9, width=6))
    clip = FrameFolder(folder)
    for read in (lambda: clip.read([6]), lambda: list(clip)):
        with pytest.raises(InputError, match=r"frame7\.png: 6x9; 9x6 was expected, the size of frame1\.png$"):
            read()


def test_size_is_that_of_the_turned_frame(tmp_path):
    """Catches a size read before the EXIF orientation is applied: no frame would fit it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(grey(5)).save(tmp_path / "0.jpg", exif=exif)
    clip = FrameFolder(tmp_path)
    assert (clip.height, clip.width) == (9, 6)
    assert clip.read([0]).shape == (1, 9, 6, 3)


def test_empty_and_missing_folders_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").touch()
    with pytest.raises(InputError, match=r"empty: no frames; PNG or JPEG images were expected"):
        FrameFolder(tmp_path / "empty")
    with pytest.raises(InputError, match=r"nowhere: no such folder"):
        FrameFolder(tmp_path / "nowhere")


def test_one_frame_in_two_formats_is_refused(folder):
    """Catches a clip of twice its length, every frame doubled, after a conversion that kept the originals."""
    write_image(folder / "frame3.jpg", grey(3))
    with pytest.raises(InputError, match=r"walk: frame3\.jpg and frame3\.png are one frame"):
        FrameFolder(folder)


def test_open_clip_tells_folders_from_videos_from_the_rest(folder, tmp_path):
    """Catches a suffix compared with its case, and a missing file told as one of a wrong kind."""
    with VideoWriter(tmp_path / "a.MP4", 16, 24, 25) as writer:
        writer.write(grey(9, 16, 24))
    video = open_clip(tmp_path / "a.MP4")
    assert isinstance(video, VideoFile)
    assert (video.name, video.height, video.width) == ("a", 16, 24)
    assert isinstance(open_clip(folder), FrameFolder)
    for name, said in [
        ("walk/notes.txt", "not a clip; "),
        ("nowhere.mp4", "no such file or folder; "),
        ("wlak", "no such file or folder; did you mean 'walk'?; "),
    ]:
        with pytest.raises(InputError) as caught:
            open_clip(tmp_path / name)
        message = str(caught.value)
        assert message.startswith(f"{tmp_path / name}: {said}")
        assert "a folder of PNG or JPEG frames, one such image or a video file (.mp4" in message


def test_photo_is_a_clip_of_one_frame(tmp_path):
    """Catches a name with its suffix, a suffix compared with its case, and a folder read for one of its photos."""
    write_image(tmp_path / "one.png", grey(1))
    (tmp_path / "one.png").rename(tmp_path / "one.tall.PNG")
    write_image(tmp_path / "other.png", grey(2))
    clip = open_clip(tmp_path / "one.tall.PNG")
    assert (clip.name, clip.path, len(clip), clip.height, clip.width) == (
        "one.tall",
        tmp_path / "one.tall.PNG",
        1,
        6,
        9,
    )
    assert frame_files(clip.path) == [clip.path]
    assert clip.read([0])[0, 0, 0].tolist() == [1, 1, 1]
    assert len(list(clip)) == 1


def test_frame_files_say_what_is_wrong_with_a_path(folder):
    for name, said in [
        ("notes.txt", "not an image; one of .png"),
        ("lost.png", "no such folder"),
        ("sub", "no frames"),
    ]:
        with pytest.raises(InputError, match=rf"walk/{name}: {said}"):
            frame_files(folder / name)


def test_frame_that_is_a_broken_link_is_not_left_out(folder):
    """Catches a clip that is a frame short, all later frames moved by one, where a disk is not mounted."""
    (folder / "frame3.png").unlink()
    (folder / "frame3.png").symlink_to("nowhere.png")
    clip = FrameFolder(folder)
    assert len(clip) == 12
    with pytest.raises(InputError, match=r"frame3\.png: cannot be read \(No such file"):
        clip.read([2])
