from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import REPOSITORY

from outpaint_lightning.forge.chains import Chain
from outpaint_lightning.forge.fills import Fill
from outpaint_lightning.forge.masks import BoxMask, MaskSampler
from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.forge.seams import Seam
from outpaint_lightning.types import InputError


def test_a_recipe_survives_its_own_description():
    recipe = Recipe.of(
        masks=["border", {"class_path": "box", "init_args": {"area": [0.1, 0.2]}}],
        fills=["outpaint_lightning.forge.fills.Telea"],
        seams=["hard"],
        chains=["none"],
        per_clip=2,
        seed=7,
    )
    assert recipe.masks[1] == BoxMask(area=(0.1, 0.2))
    assert Recipe.of(**json.loads(json.dumps(recipe.describe()))) == recipe


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs" / "forge").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_can_be_read_by_path_and_by_name(path: Path):
    assert Recipe.read(path) == Recipe.read(path.stem)


def test_what_the_command_line_says_wins():
    recipe = Recipe.read("outpainting", masks=["box"], seed=3, fills=None)
    assert (recipe.masks, recipe.seed, len(recipe.fills)) == ((BoxMask(),), 3, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("masks: [border]", "fills: expected a list"),
        ("masks: border", "masks: expected a list"),
        ("masks: [boarder]", "did you mean 'border'"),
        ("mask: [border]", "no key 'mask'.*did you mean 'masks'"),
        ("masks: [{class_path: box, init_args: {aera: 1}}]", "box: no option 'aera'.*did you mean 'area'"),
        ("masks: [{name: box}]", "expected the name of a MaskSampler, or class_path and init_args"),
        (
            "masks: [{class_path: box, init_args: {area: [0.3]}}]",
            r"area is \[0.3\]; expected two numbers",
        ),
        ("masks: [{class_path: box, init_args: {area: [0.05, 5]}}]", "from 0.02 to 0.6"),
        ("masks: [{class_path: box, init_args: {area: [0.3, 0.1]}}]", "rising order"),
        (
            "masks: [{class_path: box, init_args: {drift: 'yes'}}]",
            "drift is 'yes'; expected a number, from 0 to 1",
        ),
        ("masks: [{class_path: border, init_args: {sides: [1.5, 2]}}]", "two whole numbers"),
        ("masks: [{class_path: rain, init_args: {count: true}}]", "a whole number"),
        ("masks: [{class_path: box, init_args: [1]}]", r"init_args is \[1\]; expected option: value"),
        ("masks: [..x]", "cannot be imported"),
        ("1: [border]", "no key '1'"),
        ("masks: [", "line 2: not YAML"),
        ("- border", "holds no keys; expected the keys masks"),
    ],
)
def test_bad_recipes_are_named_with_their_file(text: str, message: str, tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"mine.yaml(: .*|, ){message}") as caught:
        Recipe.read(path)
    assert "\n" not in str(caught.value)


def test_every_number_of_every_part_is_checked():
    """What is not a number, or is out of order, is refused for each option that is one, and its default is accepted."""
    checked = 0
    for axis in (MaskSampler, Fill, Seam, Chain):
        for part in axis.known().values():
            for option in part.option_names():
                default = getattr(part, option)
                if isinstance(default, str) or (isinstance(default, tuple) and isinstance(default[0], str)):
                    continue
                checked += 1
                axis.build({"class_path": part.name, "init_args": {option: default}})
                for wrong in ("x", None, True, -1, [3], [9, 1], [-1, 1]):
                    with pytest.raises(InputError, match=f"{part.name}: {option} is"):
                        axis.build({"class_path": part.name, "init_args": {option: wrong}})
    assert checked > 40


def test_what_the_command_line_says_is_not_blamed_on_the_file():
    with pytest.raises(InputError) as caught:
        Recipe.read("outpainting", fills=["tela"])
    assert str(caught.value).startswith("Fill 'tela': expected one of")


def test_a_missing_recipe_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"none\.yaml"):
        Recipe.read(tmp_path / "none.yaml")
    with pytest.raises(
        InputError,
        match="none: no such file; expected a YAML file, or one of benchmark, compressed, default, ev",
    ):
        Recipe.read("none")


def test_forgers_need_what_is_there():
    recipe = Recipe.of(masks=["object", "box"], fills=["splice", "telea"], seams=["hard"], chains=["none"])
    assert {forger.name for forger in recipe.all_forgers("a", frozenset())} == {"box/telea/hard"}
    assert len(recipe.all_forgers("a", frozenset({"objects", "donor"}))) == 4
