from __future__ import annotations

import pytest

from outpaint_lightning.io import read_table, vision_name
from outpaint_lightning.types import InputError


def test_table_survives_what_spreadsheets_do(tmp_path):
    """Catches a byte order mark in the first column's name, blanks around cells, empty lines and quoted commas."""
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffclip, scene\r\n"a, b" , outdoor\r\n\r\nc,\r\n'.encode())
    assert read_table(path) == [{"clip": "a, b", "scene": "outdoor"}, {"clip": "c", "scene": ""}]
    with pytest.raises(InputError, match=r"nowhere\.csv: cannot be read"):
        read_table(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        ("D01_V_indoor_move_0001", ("indoor", "move")),
        ("D35_V_flat_still_0002", ("flat", "still")),
        ("D12_V_outdoorYT_panrot_0003", ("outdoor", "panrot")),
        ("D12_V_outdoorWA_panrot_0003", ("outdoor", "panrot")),
        ("D12_V_flat_WA_move_0003", ("flat", "move")),
        ("D01_V_indoor_move_0001_f3", ("indoor", "move")),  # made from one
        ("D1_V_indoor_move_0001", None),
        ("D01_V_indoor_run_0001", None),
        ("D01_I_indoor_move_0001", None),
        ("xD01_V_indoor_move_0001", None),
        ("D01_V_indoor_move_00012", None),
        ("walk", None),
    ],
)
def test_vision_names_tell_scene_and_camera(clip, expected):
    assert vision_name(clip) == expected
