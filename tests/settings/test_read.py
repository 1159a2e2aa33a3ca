"""YAML that anyone may have written: what is read, and what is refused in one line before it can do harm."""

import time

import pytest

from outpaint_lightning.settings.read import MAX_BYTES, MAX_VALUES, read_mapping
from outpaint_lightning.types import InputError


def read(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_mapping(path, "the keys a and b")


def test_values_are_those_that_a_reader_of_yaml_expects(tmp_path):
    """Kills PyYAML's own rules, for which 1e-4 is a text and a date an object that no JSON holds."""
    content = read(tmp_path, "a: [1e-4, 1.0e-4, .5, 12, -3, 0x10, yes, null, x]\nb: 2024-05-01\n")
    assert content == {"a": [1e-4, 1e-4, 0.5, 12, -3, 16, True, None, "x"], "b": "2024-05-01"}
    assert [type(value) for value in content["a"][:4]] == [float, float, float, int]


def test_anchors_and_merges_are_read(tmp_path):
    text = "b: &b {k: 1, m: 2}\nx: {y: &a {<<: *b, k: 3}}\nz: {<<: *a, k: 4}\nl: [*b, *b]\n"
    expected = {"b": {"k": 1, "m": 2}, "x": {"y": {"k": 3, "m": 2}}, "z": {"k": 4, "m": 2}}
    assert read(tmp_path, text) == {**expected, "l": [{"k": 1, "m": 2}] * 2}


def bomb(levels, of):
    """Each level holds the one before ten times."""
    lines = [f"a0: &a0 {of('1', 10)}"]
    return "\n".join(lines + [f"a{i}: &a{i} {of(f'*a{i - 1}', 10)}" for i in range(1, levels)])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (bomb(9, lambda item, n: f"[{', '.join([item] * n)}]"), f"unfolds to more than {MAX_VALUES} values"),
        ("a: &a {b: 1}\n" + "\n".join(f"b{i}: {{<<: [{', '.join(['*a'] * 9000)}]}}" for i in range(9)), "unfolds to"),
        ("a: &a [*a]", "line 1: not YAML (an alias of what it stands in)"),
        ("a: &a {<<: *a}", "an alias of what it stands in"),
        ("a: " + "[" * 2000, "nested deeper than 60"),
        ("a: " + "{a: " * 2000, "nested deeper than 60"),
        ("a: " + "9" * 5000, "digits"),
        ("a: 0x" + "f" * 5000, "a whole number of more than 64 bits"),
        ("a: !!int ''", "not YAML"),
        ("a: !!bool maybe", "not YAML"),
        ("a: !!timestamp soon", "not YAML"),
        ("a: !!timestamp 2024-13-45", "month must be in 1..12"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: 1\nb: 2\na: 3", "line 3: not YAML (the key 'a' stands twice)"),
        ("a: *nowhere", "undefined alias"),
        ("? [a]\n: 1", "unhashable key"),
        ("a: [", "line 2: not YAML (while parsing a flow node"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("a: \x00", "not YAML"),
        (b"a: \xff\xfe", "not YAML"),
        ("a: " + "x" * MAX_BYTES, f"expected at most {MAX_BYTES} of YAML"),
        ("- a", "holds no keys"),
        ("a", "holds no keys"),
        ("", "holds nothing"),
        ("# all of it is a comment", "holds nothing"),
    ],
)
def test_what_cannot_be_used_is_one_line_at_once(tmp_path, text, problem):
    start = time.process_time()
    with pytest.raises(InputError) as refused:
        read(tmp_path, text)
    assert time.process_time() - start < 2
    message = str(refused.value)
    assert message.startswith(f"{tmp_path}/a.yaml")
    assert problem in message
    assert "the keys a and b" in message
    assert "\n" not in message


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"b\.yaml: cannot be read \(No such file or directory\); expected a recipe"):
        read_mapping(tmp_path / "b.yaml", "a recipe")
    with pytest.raises(InputError, match="cannot be read"):
        read_mapping(tmp_path, "a recipe")


def test_an_honest_file_of_many_values_is_read(tmp_path):
    """Kills a limit on lines or bytes that the resolved config of a run would meet."""
    content = read(tmp_path, "\n".join(f"key_{i}: {{a: [1, 2, 3], b: text}}" for i in range(2000)))
    assert len(content) == 2000
