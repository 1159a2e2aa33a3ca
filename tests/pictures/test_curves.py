"""What a test under corruptions prints, tabulates and draws; and the whole of it from the command line."""

import csv
import json
import math
from itertools import pairwise

import numpy as np
import pytest
import yaml
from support import fit_options

from outpaint_lightning.cli import main
from outpaint_lightning.io import image_size, write_csv
from outpaint_lightning.pictures.curves import curve_figure, curve_lines, curve_rows, write_curves

SUMMARY = {
    "f1": {"mean": 0.8},
    "floors": {"all_forged": 0.3, "mean_mask": 0.45, "border": None},
    "authentic": {"pixel_fpr": 0.02},
    "robustness": {
        name: {"option": option, "levels": levels, "f1": f1, "share": share, "pixel_fpr": fpr, "area": area}
        for name, option, levels, f1, share, fpr, area in (
            ("jpeg", "quality", [90, 30], [0.6, 0.4], [0.75, 0.5], [0.03, 0.05], 0.6),
            ("soft", "sigma", [0.5], [None], [None], [0.1], None),
            ("grain", "deviation", [2, 5, 10], [0.7, 0.6, 0.5], [0.875, 0.75, 0.625], [0.1, 0.2, 0.3], 0.65),
            ("half", "scale", [0.5], [0.2], [0.25], [0.4], 0.5),
        )
    },
}


def test_lines_give_each_level_its_own_f1():
    """Catches levels beside the F1 of others, and an undefined F1 that reads as 0."""
    _, jpeg, soft, *_ = curve_lines(SUMMARY)
    assert jpeg.split() == ["jpeg,", "quality", "0.600", "90:", "0.600", "30:", "0.400"]
    assert soft.split() == ["soft,", "sigma", "-", "0.5:", "-"]
    assert all(len(line) <= 120 for line in curve_lines(SUMMARY))


def test_rows_begin_with_the_clean_clips(tmp_path):
    """Catches a swapped share and false-positive rate, and a clean row with a level or with a curve's F1."""
    write_csv(tmp_path / "rows.csv", curve_rows(SUMMARY))
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert lines[:6] == [
        "curve,option,level,f1,share,pixel_fpr",
        "jpeg,quality,,0.8,1.0,0.02",
        "jpeg,quality,90,0.6,0.75,0.03",
        "jpeg,quality,30,0.4,0.5,0.05",
        "soft,sigma,,0.8,1.0,0.02",
        "soft,sigma,0.5,,,0.1",
    ]
    assert len(lines) == 1 + 3 + 2 + 4 + 2


def test_a_panel_draws_its_curve_from_the_clean_f1_beside_the_best_floor():
    """Catches panels of another curve, levels as distances, a floor that is not the best, empty panels that stay."""
    panels = curve_figure(SUMMARY).axes
    assert len(panels) == 4
    for panel, (name, curve) in zip(panels, SUMMARY["robustness"].items(), strict=True):
        drawn, floor = panel.get_lines()
        assert drawn.get_xdata().tolist() == list(range(1 + len(curve["levels"])))
        expected = [0.8, *(math.nan if value is None else value for value in curve["f1"])]
        np.testing.assert_array_equal(drawn.get_ydata(), expected)
        assert list(floor.get_ydata()) == [0.45, 0.45]
        assert floor.get_linestyle() == "--"
        assert [label.get_text() for label in panel.get_xticklabels()] == ["clean", *map(str, curve["levels"])]
        assert panel.get_title().startswith(name)
        assert panel.get_xlabel() == curve["option"]
        assert panel.get_ylim() == (0, 1)


def test_the_picture_is_as_wide_as_a_page_and_has_no_floor_where_none_is_defined(tmp_path):
    """Catches pixels taken for inches, and `max` of nothing."""
    bare = {**SUMMARY, "floors": {"all_forged": None}, "robustness": {"jpeg": SUMMARY["robustness"]["jpeg"]}}
    assert [len(panel.get_lines()) for panel in curve_figure(bare).axes] == [1]
    for summary in (SUMMARY, bare):
        write_curves(tmp_path / "curves.png", summary)
        assert image_size(tmp_path / "curves.png")[1] == 900
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


def test_a_test_under_corruptions(run_folder, dataset, tmp_path, capsys):
    """Catches conditions mixed up between loader, summary and files."""
    content = {
        "jpeg": {"class_path": "jpeg", "option": "quality", "levels": [60, 5]},
        "same": {"class_path": "noise", "option": "deviation", "levels": [0]},
        "half": {"class_path": "resize", "option": "scale", "levels": [0.5]},
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    options = [*fit_options(dataset, tmp_path / "run"), "--ckpt_path", str(run_folder)]
    options += ["--data.corruptions", str(tmp_path / "tiny.yaml"), "--data.test_every", "2"]
    assert main(["test", *options]) == 0
    printed = capsys.readouterr().out
    folder = tmp_path / "run" / "test"
    assert {path.name for path in folder.iterdir()} >= {"summary.json", "robustness.csv", "robustness.png"}
    summary = json.loads((folder / "summary.json").read_text())
    curves, clean = summary["robustness"], summary["f1"]["mean"]
    assert summary["frames"] == 4 * 2
    assert {name: (curve["option"], curve["levels"]) for name, curve in curves.items()} == {
        name: (spec["option"], spec["levels"]) for name, spec in content.items()
    }
    assert curves["same"]["f1"] == [pytest.approx(clean)]
    assert curves["same"]["pixel_fpr"] == [pytest.approx(summary["authentic"]["pixel_fpr"])]
    assert curves["same"]["area"] == pytest.approx(clean)
    assert curves["half"]["f1"] != curves["same"]["f1"]
    for curve in curves.values():
        assert curve["area"] == pytest.approx(np.mean([(a + b) / 2 for a, b in pairwise([clean, *curve["f1"]])]))
        assert f"{curve['area']:.3f}" in printed
    rows = list(csv.DictReader((folder / "robustness.csv").open()))
    for name, curve in curves.items():
        first, *levels = [row for row in rows if row["curve"] == name]
        assert (first["level"], float(first["f1"])) == ("", clean)
        assert [float(row["level"]) for row in levels] == curve["levels"]
        for column in ("f1", "share", "pixel_fpr"):
            assert [float(row[column]) for row in levels] == curve[column]
    assert f"{folder}/summary.json and per_video.csv, robustness.csv and robustness.png" in printed
