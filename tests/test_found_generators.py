"""What found_generators.py trains on, and what the cells of its table are."""

from pathlib import Path

import pytest
from support import REPOSITORY

from outpaint_lightning.io import ClipEntry

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(REPOSITORY / "benchmarks")  # as `python benchmarks/found_generators.py` has it
    import found_generators as found


def entry(scene, maker):
    forger = f"background/{maker}/hard" if maker else ""
    return ClipEntry("clip", "train", scene, "", "clip", forger, Path("frames"), None)


def test_each_row_trains_on_its_own_fills(tmp_path):
    """A generator's row sees no other fill and no photo of the other kind; only the replay sees snapshots."""
    rows = found.trainings(["cto"], ["wrib"], ["early"], tmp_path, tmp_path)
    clips = [(found.SCENES, maker) for maker in ("", "telea", "cto", "early")]
    clips += [(found.LANDSCAPES, maker) for maker in ("", "telea", "wrib")]
    used = {
        row.name: [f"{scene[0]} {maker}" for scene, maker in clips if row.uses(entry(scene, maker))] for row in rows
    }
    replay = ["s ", "s cto", "s early"]
    assert used == {
        "classical fills": ["s ", "s telea", "l ", "l telea"],
        "cto": ["s ", "s cto"],
        "wrib": ["l ", "l wrib"],
        "all of them": ["s ", "s telea", "s cto", "l ", "l telea", "l wrib"],
        "critic, as training left it": ["s ", "s cto"],
        "critic, then cto": ["s ", "s cto"],
        "critic, then cto and snapshots": replay,
        "its layers from random weights, cto and snapshots": replay,
    }


def test_cells_are_means_of_their_photos():
    """And marking everything has an informedness of 0, whatever the share of forged pixels."""
    rows = [
        {"scene": "scenes", "forger": f"background/{maker}/hard", "f1": f1, "recall": "1.0", "pixel_fpr": "1.0"}
        for maker, f1 in (("telea", "0.5"), ("reflect", "0.7"), ("cto", "0.1"))
    ]
    columns = {("scenes", "classical"): ("telea", "reflect"), ("scenes", "cto"): ("cto",)}
    assert found.means(rows, columns, found.f1) == ["0.600", "0.100"]
    assert found.means(rows, columns, found.informedness) == ["0.000", "0.000"]
