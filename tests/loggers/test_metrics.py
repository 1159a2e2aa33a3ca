"""The file of metrics of a training that goes on, is killed, or has no room on its disk."""

import csv

import pytest
from support import full_disk

from outpaint_lightning.experiment.folder import RunFolder


def rows(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]


def log(logger, *values, name="train/loss", begin=0):
    for step, value in enumerate(values, begin):
        logger.log_metrics({name: value}, step)
    logger.save()


EARLIER = [{"step": str(step), "train/loss": f"{step / 2}"} for step in range(6)]


@pytest.fixture
def folder(tmp_path):
    """A run folder with six rows of a training, as Lightning's own logger writes them."""
    lines = [f"{row['step']},{row['train/loss']}" for row in EARLIER]
    (tmp_path / "metrics.csv").write_text("\r\n".join(["step,train/loss", *lines, ""]), newline="")
    return tmp_path


def resumed(folder, step=6):
    return RunFolder(folder, "fit", str(folder / "checkpoints" / "last.ckpt")).csv_logger(step)


def test_rows_are_added_under_one_header(folder):
    """The columns are those of all rows, in the order of their names."""
    logger = resumed(folder, step=4)
    log(logger, 7.0, begin=4)
    log(logger, 0.5, begin=5, name="val/f1")
    assert rows(folder) == [*EARLIER[:4], {"step": "4", "train/loss": "7.0"}, {"step": "5", "val/f1": "0.5"}]
    assert (folder / "metrics.csv").read_bytes().startswith(b"step,train/loss,val/f1\r\n0,0.0,\r\n")


def test_a_kill_costs_no_row_of_before(folder):
    """Lightning's own logger deletes the file and writes it later; a line that a kill cut off was a traceback."""
    with (folder / "metrics.csv").open("a") as file:
        file.write("6,3")
    resumed(folder, step=9)
    assert rows(folder) == EARLIER
    resumed(folder, step=0)
    assert not (folder / "metrics.csv").exists()


@pytest.mark.parametrize("name", ["train/loss", "val/f1"])
def test_a_full_disk_is_named_and_costs_no_row_of_before(folder, name):
    """The same columns are appended, others need another header: Lightning empties the file first."""
    logger = resumed(folder)
    size = (folder / "metrics.csv").stat().st_size
    logger.log_metrics({name: 0.123456789}, 6)
    with full_disk(size + 3), pytest.raises(OSError, match="File too large") as error:
        logger.save()
    assert error.value.filename == str(folder / "metrics.csv")
    assert rows(folder) == EARLIER
    assert [path.name for path in folder.iterdir()] == ["metrics.csv"]
    logger.save()  # with room again, as Lightning does when it ends the loggers
    assert rows(folder)[6:] == [{"step": "6", name: "0.123456789"}]


def test_a_full_disk_as_a_training_goes_on(folder):
    with full_disk(20), pytest.raises(OSError, match="File too large") as error:
        resumed(folder)
    assert error.value.filename == str(folder / "metrics.csv")
    assert rows(folder) == EARLIER
