"""The verbs of the package: offered without importing anything heavy, and callable whatever was imported before."""

import ast
import inspect
import json
import subprocess
import sys

import pytest
from support import REPOSITORY, write_clip

import outpaint_lightning
from outpaint_lightning.types import InputError

VERBS = [name for name in outpaint_lightning.__all__ if name != "load_task"]


def test_each_verb_has_the_same_address():
    """`outpaint_lightning.<verb>.run.<verb>`, with its command line beside it."""
    for verb in VERBS:
        package = REPOSITORY / "outpaint_lightning" / verb
        functions = [node.name for node in ast.parse((package / "run.py").read_text()).body if hasattr(node, "name")]
        assert verb in functions
        assert (package / "command.py").is_file()


def test_type_checkers_are_told_of_each_verb():
    """They see the function; to them a module is not callable."""
    tree = ast.parse((REPOSITORY / "outpaint_lightning" / "__init__.py").read_text())
    imported = {
        (node.module, alias.name) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert {(f"outpaint_lightning.{verb}.run", verb) for verb in VERBS} <= imported


def test_nothing_heavy_is_imported_before_a_call():
    code = """
import sys
import outpaint_lightning
for name in outpaint_lightning.__all__:
    assert callable(getattr(outpaint_lightning, name)), name
assert set(outpaint_lightning.__all__) <= set(dir(outpaint_lightning))
heavy = [name for name in ("torch", "numpy", "lightning", "cv2", "av", "optuna") if name in sys.modules]
assert not heavy, heavy
import outpaint_lightning.forge.recipe
from outpaint_lightning import forge
assert forge is outpaint_lightning.forge is sys.modules["outpaint_lightning.forge"]
assert callable(outpaint_lightning.forge)
assert outpaint_lightning.forge.recipe.Recipe.read("outpainting").per_clip == 4
assert "torch" not in sys.modules
try:
    outpaint_lightning.froge
except AttributeError as error:
    assert "froge" in str(error)
else:
    raise AssertionError
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_verb_runs_after_a_part_of_it_was_imported(tmp_path):
    """Kills a function in `__init__`, which the import of a submodule replaces by the package."""
    import outpaint_lightning.forge.recipe

    write_clip(tmp_path / "source", ("a", "train", "a", ""), frames=2)
    recipe = tmp_path / "mine.yaml"
    parts = {"masks": ["border"], "fills": ["replicate"], "seams": ["hard"], "chains": ["none"], "per_clip": 1}
    recipe.write_text(json.dumps(parts))
    records = outpaint_lightning.forge(tmp_path / "source" / "frames", tmp_path / "out", recipe)
    assert [record["forger"] for record in records] == ["", "border/replicate/hard"]
    assert outpaint_lightning.audit(tmp_path / "out", quick=True).root == tmp_path / "out"
    assert outpaint_lightning.forge.recipe.Recipe.read(recipe).per_clip == 1


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: outpaint_lightning.compare(["nowhere"], "out"), "nowhere: no such folder"),
        (lambda: outpaint_lightning.load_task("nowhere.ckpt"), "nowhere.ckpt: no such checkpoint"),
        (lambda: outpaint_lightning.localize(["nowhere.mp4"], "x.ckpt", "out"), "nowhere.mp4"),
        (lambda: outpaint_lightning.inpaint("nowhere.mp4", "masks", "out", fill="zero"), "nowhere.mp4"),
        (lambda: outpaint_lightning.sweep("localizer_gama"), "did you mean 'localizer_gamma'?"),
        (lambda: outpaint_lightning.audit("nowhere"), "nowhere: no such folder"),
    ],
)
def test_the_verbs_are_the_real_ones(call, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        call()
    assert problem in str(refused.value)


def test_each_verb_has_its_signature_and_an_example():
    for verb in outpaint_lightning.__all__:
        function = getattr(outpaint_lightning, verb)
        assert f"{verb}(" in inspect.getdoc(function), verb
        assert ">>>" in inspect.getdoc(function), verb
    assert list(inspect.signature(outpaint_lightning.forge).parameters)[:3] == ["source_dir", "out", "recipe"]
