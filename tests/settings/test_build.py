"""Classes that YAML names."""

import pytest

from outpaint_lightning.settings.build import ClassSpec, find_class
from outpaint_lightning.types import InputError


class Shape:
    pass


class Box(Shape):
    pass


KNOWN = {"box": Box}


def test_a_class_is_named_alone_or_with_options():
    assert ClassSpec.read("box", "a shape") == ClassSpec("box", {})
    assert ClassSpec.read({"class_path": "box"}, "a shape") == ClassSpec("box", {})
    assert ClassSpec.read({"class_path": "box", "init_args": None}, "a shape") == ClassSpec("box", {})
    assert ClassSpec.read({"class_path": "box", "init_args": {"a": 1}}, "a shape").init_args == {"a": 1}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (7, "7: expected a shape, or class_path and init_args"),
        ({"name": "box"}, "{'name': 'box'}: expected a shape"),
        ({"class_path": "box", "options": {}}, "expected a shape"),
        ({"class_path": "box", "init_args": [1]}, "box: init_args is [1]; expected option: value"),
        ({"class_path": "box", "init_args": {1: 2}}, "box: init_args is {1: 2}; expected option: value"),
    ],
)
def test_other_shapes_are_refused(value, problem):
    with pytest.raises(InputError) as refused:
        ClassSpec.read(value, "a shape")
    assert problem in str(refused.value)


def test_classes_are_found_by_name_and_by_path():
    assert find_class("box", (Shape,), KNOWN) is Box
    assert find_class("collections.OrderedDict", (dict, list), {}).__name__ == "OrderedDict"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("bxo", "Shape 'bxo': expected one of box; did you mean 'box'?"),
        ("collections.OrderedDict", "collections.OrderedDict: expected a Shape"),  # of another kind
        ("collections.namedtuple", "expected a Shape"),  # no class
        ("collections.Nothing", "cannot be imported"),
        ("nowhere.Box", "cannot be imported"),
        ("..x", "cannot be imported"),
    ],
)
def test_what_is_no_such_class_is_named(path, problem):
    with pytest.raises(InputError) as refused:
        find_class(path, (Shape,), KNOWN)
    assert problem in str(refused.value)
