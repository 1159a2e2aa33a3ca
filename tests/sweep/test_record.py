"""What a sweep leaves for `compare` to read."""

from pathlib import Path

from outpaint_lightning.sweep.run import _plain_record
from outpaint_lightning.sweep.spec import Sweep


def test_the_keys_with_a_logarithmic_space_are_recorded():
    """Their axes are logarithmic, whatever the values that were drawn. Catches choices, and all ranges."""
    space = {
        "model.optimizer.lr": {"low": 1.0e-5, "high": 1.0e-3, "log": True},
        "model.criterion.gamma": {"low": 0.5, "high": 0.9},
        "data.batch_size": {"choices": [1, 100]},
    }
    mapping = {"name": "x", "configs": ["localizer/small.yaml"], "metric": "val/f1", "trials": 3, "space": space}
    record = _plain_record(Sweep.of(mapping, Path("s.yaml")), "sqlite:///study.db")
    assert record["space"] == [*space]
    assert record["logarithmic"] == ["model.optimizer.lr"]
