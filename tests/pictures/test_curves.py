"""The picture of a test under corruptions."""

import math

import numpy as np
from corrupted import SUMMARY

from outpaint_lightning.io import image_size
from outpaint_lightning.pictures.curves import curve_figure, write_curves


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
