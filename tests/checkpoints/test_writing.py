"""Checkpoints that are written while a disk is full or a process is killed."""

import errno
import tempfile
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.plugins import TorchCheckpointIO
from support import fit_options

from outpaint_lightning.checkpoints.writing import DurableCheckpointIO, write_durably
from outpaint_lightning.cli import main


@pytest.fixture
def run(dataset, tmp_path):
    """The run folder of one epoch, and the options to go on with it."""
    options = fit_options(dataset, tmp_path)
    assert main(["fit", *options]) == 0
    return tmp_path, ["fit", *options, "--trainer.max_epochs", "2", "--ckpt_path", "last"]


@pytest.mark.slow
def test_nothing_goes_through_the_systems_temporary_folder(run, monkeypatch):
    """Which may be another file system, where a move copies onto the good checkpoint. Lightning's own writer fails."""
    folder, go_on = run
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "nowhere"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        TorchCheckpointIO().save_checkpoint({"epoch": 7}, folder / "own.ckpt")
    DurableCheckpointIO().save_checkpoint({"epoch": 7}, folder / "ours.ckpt")
    assert torch.load(folder / "ours.ckpt") == {"epoch": 7}
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "mkstemp", lambda *_, **__: pytest.fail("a file in the temporary folder"))
    assert main(go_on) == 0
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 1


@pytest.mark.slow
def test_a_full_disk_leaves_the_good_checkpoint_and_is_named(run, capsys, monkeypatch):
    folder, go_on = run
    last = folder / "checkpoints" / "last.ckpt"
    write = Path.write_bytes

    def full(path, data):
        if "ckpt" in path.name:
            write(path, bytes(data[:1000]))
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    capsys.readouterr()
    assert main(go_on) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.endswith(".ckpt: No space left on device")
    assert str(folder / "checkpoints") in said
    assert torch.load(last, weights_only=True)["epoch"] == 0
    assert sorted(path.name for path in last.parent.iterdir()) == ["best.ckpt", "last.ckpt"]


def test_a_writer_of_the_users_own_is_left_alone():
    class Own(TorchCheckpointIO):
        pass

    for plugin, expected in ((None, DurableCheckpointIO), (Own(), Own)):
        trainer = pl.Trainer(accelerator="cpu", logger=False, plugins=plugin and [plugin])
        write_durably(trainer)
        assert type(trainer.strategy.checkpoint_io) is expected
