import json
from types import SimpleNamespace

import pytest
from support import fit_options

from outpaint_lightning.callbacks import ProtocolReport
from outpaint_lightning.cli import main
from outpaint_lightning.results import REGIONS
from outpaint_lightning.types import InputError

REPORT = ["--trainer.callbacks+=outpaint_lightning.callbacks.ProtocolReport"]


@pytest.mark.slow
def test_protocols_of_a_test(run_folder, dataset, tmp_path, capsys):
    """`source` at 0.5 is this project's own F1 at 0.5: maps, truth or clips mixed up would make them differ."""
    options = [*fit_options(dataset, tmp_path), "--ckpt_path", str(run_folder), *REPORT]
    assert main(["test", *options]) == 0
    found = json.loads((tmp_path / "test" / "protocols.json").read_text())
    summary = json.loads((tmp_path / "test" / "summary.json").read_text())
    assert found["source"]["f1@0.5"] == pytest.approx(summary["f1"]["mean"])
    assert found["source"]["f1@0.5/indoor/move"] == pytest.approx(summary["by_category"]["indoor/move"]["f1"])
    assert found["vidnet"]["f1"] is None  # two of the four test clips are authentic
    assert list(found) == ["source", "vidnet", "mumpy", "vilocal", "truvil", "trufor", "imdlbenco"]
    assert "protocol trufor" in capsys.readouterr().out


@pytest.mark.slow
def test_some_protocols(run_folder, dataset, tmp_path, capsys):
    options = [*fit_options(dataset, tmp_path), "--ckpt_path", str(run_folder), *REPORT]
    assert main(["test", *options, "--trainer.callbacks.protocols", "[truvil]"]) == 0
    assert list(json.loads((tmp_path / "test" / "protocols.json").read_text())) == ["truvil"]
    assert main(["test", *options, "--trainer.callbacks.protocols", "[trufo]", "--overwrite"]) == 2
    assert "'trufo'" in (line := capsys.readouterr().err)
    assert "did you mean 'trufor'?" in line


def test_a_task_without_maps_is_named():
    """Its batches would end in a KeyError."""
    with pytest.raises(InputError, match="judges maps of forged pixels, and SimpleNamespace makes none"):
        ProtocolReport().on_test_start(SimpleNamespace(world_size=1), SimpleNamespace(kind=REGIONS))
