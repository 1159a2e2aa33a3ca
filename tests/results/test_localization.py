"""What a localizer's test prints and writes, with corruptions and without; the whole of it from the command line."""

import csv
import json
from itertools import pairwise

import numpy as np
import pytest
import yaml
from corrupted import SUMMARY
from support import fit_options

from outpaint_lightning.cli import main
from outpaint_lightning.io import write_csv
from outpaint_lightning.results import LOCALIZATION
from outpaint_lightning.results.localization import robustness_lines, robustness_rows

TESTED = {
    "f1": {
        "mean": 0.5, "variance": 0.01, "worst": 0.4, "best": 0.6, "videos": 2,
        "interval": {"low": 0.4, "high": 0.6, "level": 0.95, "resampled": "sources"},
    },
    "threshold": 0.35,
    "threshold_choice": {"epoch": 3, "f1": 0.55},
    "floors": {"all_forged": 0.25, "border": None},
    "gain": 1 / 3,
    "by_category": {"indoor/move": {"f1": 0.4, "videos": 1}, "/": {"f1": 0.6, "videos": 1}},
    "by_forger": {"border/telea/hard": {"f1": 0.5, "videos": 2}},
    "seam": {"recall": 0.75}, "interior": {"recall": 0.125},
    "auroc": {"frame": None, "video": 1.0},
    "authentic": {"pixel_fpr": 0.02, "videos": 1},
    "oracle": {"threshold": 0.3, "f1": 0.55},
}  # fmt: skip


def rows(sources):
    forged = [{"source": f"s{i}", "f1": 0.5} for i in range(sources)]
    return [*forged, {"source": "authentic", "f1": None}]


def test_the_table_is_in_columns():
    """By hand. Catches numbers that do not end in one column, plurals of one, and groups without a heading."""
    assert LOCALIZATION.lines(TESTED, rows(2)) == [
        "pixel F1, mean over videos         0.500  2 videos, variance 0.010, worst 0.400, best 0.600",
        "  95% interval over sources        0.400  to 0.600; only 2 sources, no more than a hint",
        "  at threshold                      0.35  chosen on validation videos in epoch 3, where F1 is 0.550",
        "  floor all_forged                 0.250",
        "  floor border                         -",
        "gain over the best floor           0.333  (F1 - floor) / (1 - floor)",
        "by scene and camera                   F1",
        "  indoor/move                      0.400  1 video",
        "  /                                0.600  1 video",
        "by forger                             F1",
        "  border/telea/hard                0.500  2 videos",
        "found of seams                     0.750",
        "found of interiors                 0.125",
        "AUROC of frames                        -",
        "AUROC of videos                    1.000",
        "false positives, authentic pixels  0.020  1 authentic video",
        "oracle, not a result               0.550  at threshold 0.3, chosen on this very test",
    ]


def test_an_interval_over_five_sources_stands_as_it_is():
    """An authentic video has no F1: its source counts for nothing."""
    assert LOCALIZATION.lines(TESTED, rows(4))[1].endswith("to 0.600; only 4 sources, no more than a hint")
    assert LOCALIZATION.lines(TESTED, rows(5))[1].endswith("to 0.600")


def test_a_single_source_is_one_source():
    assert LOCALIZATION.few_sources(rows(1)) == "; only 1 source, no more than a hint"


def test_without_corruptions_nothing_more_is_written(tmp_path):
    assert LOCALIZATION.write(tmp_path, TESTED) == []
    assert not list(tmp_path.iterdir())


def test_corrupted_clips_write_two_files(tmp_path):
    assert LOCALIZATION.write(tmp_path, SUMMARY) == ["robustness.csv", "robustness.png"]
    assert {path.name for path in tmp_path.iterdir()} == {"robustness.csv", "robustness.png"}


def test_lines_give_each_level_its_own_f1():
    """Catches levels beside the F1 of others, and an undefined F1 that reads as 0."""
    _, jpeg, soft, *_ = robustness_lines(SUMMARY)
    assert jpeg == ("  jpeg, quality", "0.600", "90: 0.600  30: 0.400")
    assert soft == ("  soft, sigma", "-", "0.5: -")
    *_, last = LOCALIZATION.lines({**TESTED, "robustness": SUMMARY["robustness"]}, rows(2))
    assert last.split() == ["half,", "scale", "0.500", "0.5:", "0.200"]


def test_rows_begin_with_the_clean_clips(tmp_path):
    """Catches a swapped share and false-positive rate, and a clean row with a level or with a curve's F1."""
    write_csv(tmp_path / "rows.csv", robustness_rows(SUMMARY))
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


@pytest.mark.slow
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
    assert f"{folder}: summary.json, per_video.csv, robustness.csv, robustness.png" in printed
