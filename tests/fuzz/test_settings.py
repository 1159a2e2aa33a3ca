"""YAML that is nearly right: recipes, corruptions and sweeps are read, or refused in one line."""

from __future__ import annotations

import pytest
from fuzz.harness import fuzz
from support import REPOSITORY

from outpaint_lightning.data.corruptions.curves import read_curves
from outpaint_lightning.forge.recipe import Recipe
from outpaint_lightning.settings.read import read_mapping
from outpaint_lightning.sweep.spec import read_sweep

READERS = {
    "configs/forge": (Recipe.read, 60),
    "configs/corruptions": (read_curves, 60),
    "sweeps": (read_sweep, 20),
    "configs/localizer": (lambda path: read_mapping(path, "an experiment"), 40),
}


@pytest.mark.parametrize("folder", READERS)
def test_yaml(folder, tmp_path):
    read, count = READERS[folder]
    seeds = {path.name: path.read_bytes() for path in (REPOSITORY / folder).glob("*.yaml")}
    odd = {
        "bomb.yaml": b"a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]\nd: !!python/object/apply:os.system [id]\n",
        "merge.yaml": b"x: &x {masks: [box]}\n<<: *x\nfills: [telea]\nseed: 0x1F\nday: 2026-02-30\n",
    }
    fuzz(read, {**seeds, **odd}, tmp_path, count)
