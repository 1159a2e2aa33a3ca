"""Two workers, as on two hosts, on one study in a PostgreSQL server of this test's own."""

import os
import pwd
import shutil
import subprocess
from contextlib import closing
from pathlib import Path
from socket import socket

import optuna
import pytest

from .conftest import DRIVER

pytestmark = pytest.mark.slow

FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@pytest.fixture
def server(tmp_path_factory):
    """Return the URL of a database; root may not run one, so there another user does."""
    pytest.importorskip("psycopg", reason="no psycopg: pip install outpaint_lightning[postgres]")
    if not FOUND:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    programs = FOUND[-1].parent
    data = tmp_path_factory.mktemp("postgres")
    user: list[str] = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("no setpriv, and PostgreSQL refuses to run as root")
        nobody = pwd.getpwnam("nobody")
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
        for folder in [one for one in data.parents if one.name.startswith(("pytest-", "popen-"))]:
            folder.chmod(0o711)  # pytest's own are root's alone
        user = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    with closing(socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = str(data / "cluster")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    run = lambda *words: subprocess.run([*user, *words], check=True, stdout=subprocess.DEVNULL, cwd=data)  # noqa: E731
    run(programs / "initdb", "-D", cluster, "-U", "sweeper", "-A", "trust", "-E", "UTF8", "--no-sync")
    run(programs / "pg_ctl", "-D", cluster, "-w", "-l", f"{data}/log", "-o", options, "start")
    yield f"postgresql+psycopg://sweeper:hush@127.0.0.1:{port}/postgres"
    run(programs / "pg_ctl", "-D", cluster, "-t", "180", "-m", "immediate", "stop")


def test_two_hosts_on_one_study(server, folder):
    command = [*DRIVER, folder.write(trials=6, overrides={"epochs": 4, "pause": 0.3}), "--storage", server]
    outs = [folder.path / host for host in ("one", "two")]
    both = [subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, text=True) for out in outs]
    said = [main.communicate(timeout=120)[0] for main in both]
    assert [main.returncode for main in both] == [0, 0], said
    trials = optuna.load_study(study_name="fake", storage=server).trials
    assert 6 <= len(trials) <= 7  # two hosts may both see room for the last
    assert all(trial.state.name == "COMPLETE" for trial in trials)
    assert len({trial.params["x"] for trial in trials}) == len(trials)  # one seed, and no value twice
    assert all([*(out / "trials").iterdir()] for out in outs)
    assert "hush" not in "".join(path.read_text() for out in outs for path in out.glob("*.json"))
    assert not any(path.name == "study.db" for out in outs for path in out.iterdir())
