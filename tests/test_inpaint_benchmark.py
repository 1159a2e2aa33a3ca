"""What benchmarks/inpaint.py computes: its masks, its PSNR, its table."""

import csv
import math
import sys

import numpy as np
import pytest
from support import REPOSITORY, texture

from outpaint_lightning.io import read_image, write_image
from outpaint_lightning.types import InputError

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(REPOSITORY / "benchmarks")  # as `python benchmarks/inpaint.py` has it
    import inpaint


@pytest.fixture
def clips(tmp_path):
    """A pan of four pixels a frame, and a clip that stands still."""
    wide = texture(4, 64, 160)
    for t in range(6):
        write_image(tmp_path / "clips" / "pan" / f"{t}.png", wide[:, 4 * t : 4 * t + 96])
        write_image(tmp_path / "clips" / "still" / f"{t}.png", wide[:, :96])
    return tmp_path / "clips"


def started(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["inpaint.py", *map(str, words)])
    return inpaint.main()


@pytest.mark.parametrize("seed", range(20))
def test_rectangle_has_its_share_and_keeps_from_the_border(seed):
    """Rounding a side of 78 or 63 pixels to a whole one changes the area by 2 % at most."""
    mask = inpaint.rectangle(256, 320, np.random.default_rng(seed))
    assert mask.mean() == pytest.approx(0.06, rel=0.02)
    rows, columns = np.where(mask)
    assert (rows.min(), columns.min()) >= (32, 40)
    assert rows.max() < 224
    assert columns.max() < 280


def test_psnr():
    """An error of 16 levels: 20 log10(255 / 16); catches a difference of unsigned bytes, which wraps."""
    low, high = np.full((2, 5, 3), 100, np.uint8), np.full((2, 5, 3), 116, np.uint8)
    assert inpaint.psnr(low, high) == pytest.approx(20 * math.log10(255 / 16))
    assert inpaint.psnr(low, high) == inpaint.psnr(high, low)
    assert inpaint.psnr(low, low) == math.inf


def test_a_pan_gains_and_a_still_clip_does_not(clips, tmp_path, monkeypatch, capsys):
    """Catches a clip that is filled from its own hidden content: of the still one nothing is seen elsewhere."""
    assert started(monkeypatch, clips, tmp_path / "out") == 0
    with (tmp_path / "out" / "inpaint.csv").open() as file:
        rows = {row["clip"]: {k: float(v) for k, v in row.items() if k != "clip"} for row in csv.DictReader(file)}
    assert rows["pan"]["motion"] == pytest.approx(4, abs=0.1)
    assert rows["pan"]["carried"] > 0.5
    assert rows["pan"]["gain"] > 5
    assert rows["still"]["motion"] < 0.1
    assert rows["still"]["carried"] == 0
    assert abs(rows["still"]["gain"]) < 2  # a smooth surface beside Telea
    hidden = read_image(tmp_path / "out" / "hidden" / "pan" / "00000.png")
    mask = inpaint.rectangle(64, 96, np.random.default_rng(0))
    assert (hidden[mask] == 128).all()
    assert "of those that move 2 px a frame or more" in capsys.readouterr().out


def test_means_tell_moving_clips_apart():
    rows = [{"motion": 3.0, "gain": 6.0}, {"motion": 0.0, "gain": -2.0}]
    assert inpaint.means(rows).startswith("mean gain +2.00 dB of 2 clips")
    assert inpaint.means(rows).endswith("+6.00 dB of 1")
    assert inpaint.means(rows[1:]).endswith("none")


def test_no_clips_are_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        started(monkeypatch, tmp_path / "nowhere", tmp_path)
