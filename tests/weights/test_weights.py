"""The weights that ship: found by name from anywhere, and told of by their cards."""

import json

import pytest
from support import texture

from outpaint_lightning.checkpoints import shipped
from outpaint_lightning.checkpoints.files import find_checkpoint
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.checkpoints.weights import read_card, save_weights
from outpaint_lightning.cli import main
from outpaint_lightning.localize.judging import judge_images
from outpaint_lightning.tasks import RegionTask
from outpaint_lightning.types import InputError


@pytest.fixture
def folder(run_folder, tmp_path, monkeypatch):
    """A folder of weights in place of those that ship."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    card = {"about": "finds nothing", "licence": "CC0-1.0", "results": ["F1 0.1, floor 0.3"], "limits": ["all of it"]}
    save_weights(load_task(run_folder), tmp_path / "localizer.safetensors", card)
    return tmp_path


def test_they_are_found_by_name(folder, monkeypatch, tmp_path_factory):
    """Also from another folder; a file of the user's of the same name comes first."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert find_checkpoint("default") == find_checkpoint("localizer") == folder / "localizer.safetensors"
    assert type(load_task("default").net).__name__ == "UNet"
    (elsewhere / "default").touch()
    assert str(find_checkpoint("default")) == "default"


def test_the_region_detector_that_ships():
    """It is small, it says what made it and where it fails, and it judges an image of any size."""
    path = shipped.shipped()[shipped.REGIONS]
    card = read_card(path)
    assert path.stat().st_size < 10e6
    assert card["licence"] == "Apache-2.0"
    assert {"results", "limits", "data", "training"} <= card.keys()
    task = load_task("regions")
    assert isinstance(task, RegionTask)
    [judged] = judge_images(task, [texture(0, 90, 150)])
    assert 0 < judged.score < 1
    assert judged.mask.shape == tuple(task.size)


@pytest.mark.usefixtures("folder")
def test_the_command_lists_them(capsys):
    assert main(["weights"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("localizer  UNet, ")
    assert first.endswith(" MB, CC0-1.0")
    assert rest == ["  finds nothing", "  results:", "    F1 0.1, floor 0.3", "  limits:", "    all of it"]
    assert main(["weights", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["localizer"]["licence"] == "CC0-1.0"


def test_where_none_ship_that_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    assert main(["weights"]) == 0
    assert capsys.readouterr().out == "no weights ship with this version\n"
    with pytest.raises(InputError, match="default: no such checkpoint"):
        find_checkpoint("default")
