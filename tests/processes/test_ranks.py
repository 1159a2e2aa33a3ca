"""Processes that train together leave with one exit code, whoever was the first to fail."""

import pytest
import torch.distributed as dist

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
