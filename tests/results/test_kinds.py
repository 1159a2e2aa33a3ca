import doctest
import subprocess
import sys

import pytest

from outpaint_lightning.results import FLOW, KINDS, LOCALIZATION, OTHER, REGIONS, kind_of, kinds, text


@pytest.mark.parametrize("module", [kinds, text])
def test_examples(module):
    assert doctest.testmod(module).failed == 0


def test_no_kind_needs_torch():
    """`compare` reads them all, and answers in a second."""
    code = "import sys; import outpaint_lightning.results; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_undefined_number_is_said_in_words():
    """Only what the kind can explain is explained."""
    nan, worst = float("nan"), float("-inf")  # a checkpoint keeps the latter where it never saw a number
    assert LOCALIZATION.logged("val/f1", 0.25) == "val/f1 0.2500"
    assert LOCALIZATION.logged("val/f1", nan) == "val/f1 undefined (no judged validation frame has forged pixels)"
    assert REGIONS.logged("val/f1_and_iou", worst).endswith("undefined (no judged validation image is forged)")
    assert FLOW.logged("val/gain", nan) == "val/gain undefined"


def test_a_task_of_another_has_the_numbers_of_its_summary():
    kind = kind_of("Mine", {"a": {"b": 1, "c": "x"}, "d": 2.5, "e": {}, "f": None, "g": float("nan")})
    assert [(column.key, column.form) for column in kind.columns] == [("a.b", ".4g"), ("d", ".4g")]
    assert kind.lines({"a": {"b": 1}, "d": 2.5}, []) == ["a.b    1", "d    2.5"]
    assert OTHER.lines({"a": 1}, []) == []


def test_kinds_differ_in_name_task_and_sign():
    for name in ("name", "task", "sign"):
        assert len({getattr(kind, name) for kind in KINDS}) == len(KINDS)
