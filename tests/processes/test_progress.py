from outpaint_lightning.processes.progress import shown


def test_a_log_gets_a_line_per_tenth(capsys):
    """Kills silence where there is no terminal, and a line for each of many items."""
    assert list(shown(range(25), 25, "seal", "clip")) == list(range(25))
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["seal: 3/25 clips", "seal: 5/25 clips"]
    assert (len(lines), lines[-1]) == (10, "seal: 25/25 clips")
