"""What shipped experiments resolve to: the same as before their rows became a few lines over a complete file.

`shipped_before.json` was recorded then: what each YAML set, interpolations filled in. Rows are parsed by the real
command line, which gives every option, defaults included, and compared with what the recorded ones give.
"""

import copy
import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from support import REPOSITORY

from outpaint_lightning.experiment.run import check, make_parser

CONFIGS = REPOSITORY / "configs"
BEFORE = json.loads(Path(__file__).with_name("shipped_before.json").read_text())
LAID_OVER = {"localizer": "small", "regions": "resnet18"}
"""The complete file under the rows of a family."""
ROWS = {f"{path.parts[-3]}/{path.stem}": path for path in sorted(CONFIGS.glob("*/rows/*.yaml"))}


@pytest.fixture(scope="module")
def resolved():
    """Every option of `fit` with some configs, flat."""
    parser = make_parser()

    def resolve(*configs):
        config = check(parser, ["fit", *(word for path in configs for word in ("--config", str(path)))])["fit"]
        config.pop("config")
        return dict(vars(config.as_flat()))

    return resolve


def base(path):
    return CONFIGS / path.parts[-3] / f"{LAID_OVER[path.parts[-3]]}.yaml"


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_what_it_was(name, resolved, tmp_path):
    """A row that forgot `class_weights`, or kept an option of another net, would be another experiment."""
    before = tmp_path / "before.json"
    before.write_text(json.dumps(BEFORE[name]))
    assert resolved(base(ROWS[name]), ROWS[name]) == resolved(before)


@pytest.mark.parametrize("name", sorted(BEFORE.keys() - ROWS.keys()))
def test_a_complete_experiment_sets_what_it_set(name):
    assert OmegaConf.to_container(OmegaConf.load(CONFIGS / f"{name}.yaml"), resolve=True) == BEFORE[name]


def test_every_row_was_an_experiment_before():
    """A new one has no entry; whoever renames one learns here that its results are under another name."""
    assert ROWS.keys() < BEFORE.keys()
    assert len(ROWS) == 16
    assert len(BEFORE) == 27


@pytest.mark.parametrize("path", ROWS.values(), ids=ROWS)
def test_a_row_is_short_and_says_what_it_is_laid_over(path):
    lines = path.read_text().splitlines()
    assert 2 <= len(lines) <= 10
    assert lines[0].startswith(f"# Laid over {base(path).name}")


def test_the_comparison_would_notice(resolved, tmp_path):
    """A number three classes deep and a callback too few; a comparison of texts or of keys alone would pass."""
    changed = copy.deepcopy(BEFORE["localizer/flip"])
    changed["model"]["init_args"]["optimizer"]["init_args"]["weight_decay"] = 0.1
    del changed["trainer"]["callbacks"][2]
    other = tmp_path / "other.json"
    other.write_text(json.dumps(changed))
    ours, theirs = resolved(base(ROWS["localizer/flip"]), ROWS["localizer/flip"]), resolved(other)
    differ = {key for key in ours if ours[key] != theirs[key]}
    assert differ == {"model.init_args.optimizer.init_args.weight_decay", "trainer.callbacks"}
