"""Shipped files are found by name from any folder, and a misspelled name is answered with the nearest."""

from pathlib import Path

import pytest
from support import REPOSITORY

from outpaint_lightning.settings import find
from outpaint_lightning.settings.find import find_config, shipped_configs
from outpaint_lightning.types import InputError

SMALL = REPOSITORY / "configs" / "localizer" / "small.yaml"


@pytest.mark.parametrize("name", ["localizer/small", "localizer/small.yaml", "configs/localizer/small.yaml"])
def test_a_shipped_experiment_is_found_from_any_folder(name, tmp_path, monkeypatch):
    """Kills one that looks from the working directory alone, and one that wants the suffix."""
    monkeypatch.chdir(tmp_path)
    assert find_config(name) == SMALL
    monkeypatch.chdir(REPOSITORY)
    assert find_config(name) == Path("configs/localizer/small.yaml")


@pytest.mark.parametrize("name", ["default", "default.yaml", "forge/default", "configs/forge/default.yaml"])
def test_recipes_are_found_by_less_of_their_path(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(name, "configs/forge") == REPOSITORY / "configs" / "forge" / "default.yaml"


def test_ones_own_file_wins_and_that_beside_another_file_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("localizer", "beside/localizer"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "small.yaml").touch()
    assert find_config("localizer/small.yaml") == Path("localizer/small.yaml")
    assert find_config("localizer/small.yaml", beside=tmp_path / "beside") == tmp_path / "beside/localizer/small.yaml"


def test_an_installed_package_carries_the_files_inside(tmp_path, monkeypatch):
    """Kills one that knows the repository's folders only."""
    package = tmp_path / "site-packages" / "outpaint_lightning"
    (package / "configs" / "localizer").mkdir(parents=True)
    (package / "configs" / "localizer" / "tiny.yaml").touch()
    monkeypatch.setattr(find, "_ROOTS", (package, package.parent))
    assert find_config("localizer/tiny") == package / "configs" / "localizer" / "tiny.yaml"
    assert shipped_configs() == ["localizer/tiny"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("localizer/smal", "'localizer/small'"),
        ("configs/localizer/smal.yaml", "'localizer/small'"),
        ("focal_07", "'localizer/rows/focal_07'"),  # one that is shipped, but elsewhere
        ("localizer/focal_07.yaml", "'localizer/rows/focal_07'"),  # where it was before it became a row
        ("somewhere/mine.yml", "'somewhere/mine.yaml'"),  # a file of one's own
    ],
)
def test_a_misspelled_name_is_answered_with_the_nearest(name, near, tmp_path, monkeypatch):
    (tmp_path / "somewhere").mkdir()
    (tmp_path / "somewhere" / "mine.yaml").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as missing:
        find_config(name)
    assert str(missing.value) == f"{name}: no such file; did you mean {near}?"


def test_where_nothing_is_near_the_choices_are_named():
    with pytest.raises(
        InputError, match="xyz: no such file; expected a YAML file, or one of benchmark, compressed, default, "
    ):
        find_config("xyz", "configs/forge")


def test_every_shipped_file_is_listed():
    names = [path.relative_to(REPOSITORY / "configs") for path in (REPOSITORY / "configs").rglob("*.yaml")]
    assert shipped_configs() == sorted(path.with_suffix("").as_posix() for path in names)
    assert "localizer/rows/focal_07" in shipped_configs()
