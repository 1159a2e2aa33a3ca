"""Every benchmark can be started: its imports hold, and its options are listed."""

import runpy
import sys

import pytest
from support import REPOSITORY

SCRIPTS = [path for path in sorted((REPOSITORY / "benchmarks").glob("*.py")) if "__main__" in path.read_text()]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help(script, monkeypatch, capsys):
    monkeypatch.syspath_prepend(script.parent)  # as `python benchmarks/<script>` has it
    monkeypatch.setattr(sys, "argv", [script.name, "--help"])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(script), run_name="__main__")
    assert left.value.code == 0
    assert script.name in capsys.readouterr().out
