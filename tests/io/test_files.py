from __future__ import annotations

import errno
import json
import math
from pathlib import Path

import numpy as np
import pytest

from outpaint_lightning.io import atomic, natural_key, require_free, write_csv, write_json
from outpaint_lightning.io.output import durable
from outpaint_lightning.types import InputError


def test_atomic_file_appears_whole_and_only_at_the_end(tmp_path):
    """Catches writing under the final name, and a temporary name whose suffix misleads the writer."""
    path = tmp_path / "new" / "a.png"
    with atomic(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert (temporary.parent, temporary.suffix) == (path.parent, ".png")
        assert temporary.name.startswith(".")
    assert path.read_text() == "half"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_atomic_keeps_the_old_file_and_no_rest_after_an_error(tmp_path, error):
    """Catches clean-up on `Exception` alone, which Ctrl-C is not."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), atomic(path) as temporary:  # noqa: PT012 - writing and failing are one story
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", [atomic, durable])
def test_a_full_disk_is_that_of_the_file_that_is_written(tmp_path, write):
    """The system names no file, or the temporary one, which nobody has heard of."""
    for named in ([], [".0123456789ab.png"]):
        with pytest.raises(OSError, match="No space left") as error, write(tmp_path / "a.png"):
            raise OSError(errno.ENOSPC, "No space left on device", *named)
        assert error.value.filename == str(tmp_path / "a.png")
    with pytest.raises(PermissionError) as error, write(tmp_path / "a.png"):
        raise PermissionError(errno.EACCES, "Permission denied", "other")
    assert error.value.filename == "other"
    assert not [*tmp_path.iterdir()]


def test_two_writers_of_one_file_do_not_share_a_temporary_one(tmp_path):
    """Catches a fixed temporary name, over which two processes would write."""
    with atomic(tmp_path / "a") as one, atomic(tmp_path / "a") as other:
        assert one != other
        one.write_text("1")
        other.write_text("2")
    assert (tmp_path / "a").read_text() == "1"


def test_json_keeps_order_unpacks_numpy_and_leaves_the_undefined_undefined(tmp_path):
    """Catches `NaN` in the file, which is not JSON, sorted keys, and arrays or paths that fail to serialise."""
    path = tmp_path / "a.json"
    record = {
        "z": np.float32(0.5),
        "a": [float("nan"), math.inf, np.array([1, 2]), (np.int64(3), np.bool_(True))],
        "path": Path("x"),
        "scene": "Zürich",
    }
    write_json(path, record)
    text = path.read_text(encoding="utf-8")
    expected = {"z": 0.5, "a": [None, None, [1, 2], [3, True]], "path": "x", "scene": "Zürich"}
    assert json.loads(text) == expected
    assert list(json.loads(text)) == ["z", "a", "path", "scene"]
    assert text.startswith('{\n  "z"')
    assert text.endswith("}\n")


def test_csv_has_the_columns_of_all_rows_and_empty_cells_for_the_undefined(tmp_path):
    """Catches columns taken from the first row alone, and `nan` where a number is undefined."""
    path = tmp_path / "a.csv"
    write_csv(path, [{"clip": "a,b", "f1": 0.25}, {"clip": "c", "f1": float("nan"), "iou": None}, {"iou": 1}])
    assert path.read_bytes() == b'clip,f1,iou\n"a,b",0.25,\nc,,\n,,1\n'


def test_natural_order_reads_numbers_as_numbers():
    """Catches plain text order (10 before 2), a crash on mixed names, and an order that depends on the input's."""
    names = ["f10.png", "f2.png", "2.png", "10.png", "f.png", "F1.png", "f02.png", "a1b10", "a1b9"]
    expected = ["2.png", "10.png", "a1b9", "a1b10", "F1.png", "f02.png", "f2.png", "f10.png", "f.png"]
    assert sorted(names, key=natural_key) == expected
    names.reverse()
    assert sorted(names, key=natural_key) == expected
    assert sorted([Path("b/10"), Path("b/9")], key=natural_key) == [Path("b/9"), Path("b/10")]


def test_what_is_there_is_not_overwritten_unasked(tmp_path):
    """Catches a check that misses folders, or stumbles over an empty one."""
    file, folder = tmp_path / "a.txt", tmp_path / "out"
    require_free(file, overwrite=False)
    require_free(folder, overwrite=False)
    file.write_text("a")
    folder.mkdir()
    require_free(folder, overwrite=False)
    (folder / "b").touch()
    for path in (file, folder):
        with pytest.raises(InputError, match=f"^{path} already exists; pass --overwrite$"):
            require_free(path, overwrite=False)
        require_free(path, overwrite=True)
