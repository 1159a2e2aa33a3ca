"""Processes that train together leave with one exit code, whoever was the first to fail."""

import os
import signal

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from outpaint_lightning.processes import ranks
from outpaint_lightning.types import InputError


@pytest.fixture
def store(monkeypatch):
    """A store that processes share; here, calls after each other stand for them."""
    store = dist.HashStore()
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(ranks, "_get_default_store", lambda: store)
    return store


@pytest.mark.parametrize(("first", "code"), [(KeyboardInterrupt, 130), (InputError, 2), (ValueError, 1)])
@pytest.mark.usefixtures("store")
def test_the_others_leave_with_the_code_of_the_first(first, code):
    """They only lose touch with it. Catches exit 1 where one process alone is told to stop."""
    with pytest.raises(first), ranks.one_voice():
        raise first
    with pytest.raises(SystemExit) as left, ranks.one_voice():
        raise RuntimeError("connection closed by peer")
    assert left.value.code == code


def test_a_store_that_is_gone(store, monkeypatch):
    """The code of the first is not known then; but one that is interrupted itself knows its own."""

    def gone(*_):
        raise RuntimeError("socket closed")

    monkeypatch.setattr(ranks, "_get_default_store", gone)
    for error, code in ((KeyboardInterrupt, 130), (RuntimeError, 1)):
        with pytest.raises(SystemExit) as left, ranks.one_voice():
            raise error
        assert left.value.code == code
    assert store.num_keys() == 0


def member(rank, folder):
    """Train for ever; SIGTERM is given to the second process alone, and leaves it as Lightning's loops do."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    with ranks.one_voice():
        for step in range(10**6):
            dist.all_reduce(torch.ones(1))
            if rank == 1 and step == 3:
                os.kill(os.getpid(), signal.SIGTERM)


def leaving(rank, folder):
    try:
        member(rank, folder)
    except SystemExit as left:
        os._exit(left.code)
    except KeyboardInterrupt:
        os._exit(130)
    except BaseException:
        os._exit(1)


def test_sigterm_to_the_second_process_alone_ends_both_alike(tmp_path):
    """In real processes: the first only notices that the connection is closed, and left with 1."""
    started = mp.start_processes(leaving, (str(tmp_path),), nprocs=2, join=False, start_method="fork")
    for process in started.processes:
        process.join(60)
    assert [process.exitcode for process in started.processes] == [130, 130]
