"""Output folders under two writers, and under a command that is killed."""

import os
import signal
import threading
from contextlib import suppress

import pytest

from outpaint_lightning.io import output
from outpaint_lightning.io.output import durable, is_free, sole_writer, whole_folder
from outpaint_lightning.types import InputError


def test_the_second_writer_is_refused_and_the_third_is_not(tmp_path):
    """Catches a lock that the same process passes, one that outlives its block, and litter."""
    out = tmp_path / "new" / "out"
    with sole_writer(out):
        with pytest.raises(InputError, match=r"out: another command is writing there"), sole_writer(out):
            pass
        refused = []

        def enter():
            try:
                with sole_writer(out):
                    refused.append(False)
            except InputError:
                refused.append(True)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert refused == [True]
        (out / "result").touch()
    with sole_writer(out):
        pass
    assert os.listdir(out) == ["result"]


def test_parts_are_held_together_or_not_at_all(tmp_path):
    """A second command on `b` and `c` gets neither while the first has `a` and `b`; on `c` alone it is welcome."""
    with sole_writer(tmp_path, "a", "b"):
        with pytest.raises(InputError, match=f"{tmp_path}/b: another command"), sole_writer(tmp_path, "c", "b"):
            pass
        with sole_writer(tmp_path, "c"):
            assert sorted(os.listdir(tmp_path)) == [".a.lock", ".b.lock", ".c.lock"]
    assert os.listdir(tmp_path) == []


def test_an_error_leaves_no_empty_folder_and_no_lock(tmp_path):
    with pytest.raises(KeyError), sole_writer(tmp_path / "runs" / "new"):
        raise KeyError
    with pytest.raises(KeyError), sole_writer(tmp_path):
        raise KeyError
    assert os.listdir(tmp_path) == []


def test_a_folder_is_free_that_holds_only_remains(tmp_path):
    """Of a killed command; a hidden file of the user's is not."""
    assert is_free(tmp_path / "missing")
    for name in (".lock", ".fit.lock", ".0123456789ab.json"):
        (tmp_path / name).touch()
    assert is_free(tmp_path)
    (tmp_path / ".git").mkdir()
    assert not is_free(tmp_path)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="out: is a file; expected a folder"), sole_writer(tmp_path / "out"):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_writer_leaves_no_lock_behind_though_its_child_lives(tmp_path):
    """As a `fit` whose loader processes outlive it for some seconds. Catches a lock by the file's existence."""
    reading, writing = os.pipe()
    writer = os.fork()
    if not writer:
        with sole_writer(tmp_path):
            if not os.fork():
                os.close(writing)
                os.read(reading, 1)  # until the test closes its end
                os._exit(0)
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(writer, 0)[1] == signal.SIGKILL
    with sole_writer(tmp_path):
        pass
    os.close(writing)


@pytest.mark.parametrize("fails", [True, False])
def test_a_file_is_replaced_by_a_whole_one_or_not_at_all(tmp_path, fails):
    """Catches a temporary file in another folder, whose move is a copy, and one that stays behind."""
    file = tmp_path / "checkpoints" / "last.ckpt"
    file.parent.mkdir()
    file.write_bytes(b"good")
    with suppress(OSError), durable(file) as temporary:
        assert temporary.parent == file.parent
        temporary.write_bytes(b"half")
        assert file.read_bytes() == b"good"
        if fails:
            raise OSError
    assert file.read_bytes() == (b"good" if fails else b"half")
    assert os.listdir(file.parent) == ["last.ckpt"]


def test_a_folder_appears_only_when_it_is_complete(tmp_path):
    folder = tmp_path / "clip"
    with whole_folder(folder) as partial:
        (partial / "masks").mkdir()
        assert not folder.exists()
    assert os.listdir(tmp_path) == ["clip"]
    assert os.listdir(folder) == ["masks"]


def test_an_earlier_result_is_kept_until_the_new_one_is_complete(tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(KeyboardInterrupt), whole_folder(folder) as partial:
        _begun_and_interrupted(partial)
    assert (os.listdir(tmp_path), os.listdir(folder)) == (["clip"], ["old"])
    with whole_folder(folder) as partial:
        (partial / "new").touch()
    assert (os.listdir(tmp_path), os.listdir(folder)) == (["clip"], ["new"])


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path, monkeypatch):
    """What was replaced comes back when the next command begins. Catches removing it before the new one is there."""
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "old").touch()
    monkeypatch.setattr(output.Path, "rename", _once_then_killed(output.Path.rename))
    with pytest.raises(SystemExit), whole_folder(folder):
        pass
    monkeypatch.undo()
    assert not folder.exists()
    with pytest.raises(KeyError), whole_folder(folder):
        raise KeyError
    assert (os.listdir(tmp_path), os.listdir(folder)) == (["clip"], ["old"])


def _begun_and_interrupted(partial):
    (partial / "new").touch()
    raise KeyboardInterrupt


def _once_then_killed(rename):
    calls = []

    def limited(path, target):
        calls.append(path)
        if len(calls) > 1:
            raise SystemExit  # leaves the generator without its clean-up, as a kill does
        return rename(path, target)

    return limited
