import json
from types import SimpleNamespace

import pytest

from outpaint_lightning.callbacks import PlainProgress, TestReport
from outpaint_lightning.results import LOCALIZATION, Column, Kind, Result

KIND = Kind(
    "counter", task="CountingTask", sign="error", columns=(Column("error", "mean error", ".1f"),), table="per_room.csv",
    progress=("train/loss", "val/error"), monitored="val/error", undefined="no room has a door",
)  # fmt: skip


class Counted(Kind):
    def write(self, folder, summary):
        (folder / "doors.txt").write_text(f"{summary['error']}")
        return ["doors.txt"]


def trainer(path, **options):
    tables = []
    logger = SimpleNamespace(log_table=lambda name, columns, data: tables.append((name, columns, data)))
    return tables, SimpleNamespace(
        loggers=[logger, SimpleNamespace()], default_root_dir=path, ckpt_path="best.ckpt",
        **{"is_global_zero": True, "fast_dev_run": False, **options},
    )  # fmt: skip


def test_any_result_is_written_as_its_kind_says(tmp_path, capsys):
    """Of a task that the package does not know: nothing here names a localizer, a region or a flow."""
    tables, state = trainer(tmp_path)
    kind = Counted(**vars(KIND))
    task = SimpleNamespace(kind=kind, result=Result(kind, {"error": 2.25}, [{"clip": "a", "error": 2.0}]))
    TestReport().on_test_end(state, task)
    folder = tmp_path / "test"
    assert json.loads((folder / "summary.json").read_text()) == {"error": 2.25, "checkpoint": "best.ckpt"}
    assert (folder / "per_room.csv").read_text() == "clip,error\na,2.0\n"
    assert (folder / "doors.txt").read_text() == "2.25"
    assert tables == [("test/per_room", ["clip", "error"], [["a", 2.0]])]
    assert capsys.readouterr().out.splitlines() == [
        "mean error  2.2",
        f"written to {folder}: summary.json, per_room.csv, doors.txt",
    ]


@pytest.mark.parametrize("options", [{"is_global_zero": False}, {"fast_dev_run": 1}])
def test_nothing_is_written_out_of_season(tmp_path, options, capsys):
    TestReport().on_test_end(trainer(tmp_path, **options)[1], SimpleNamespace(result=Result(KIND, {"error": 1}, [])))
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("task", [SimpleNamespace(), SimpleNamespace(result=None)])
def test_a_task_that_leaves_no_result_is_left_alone(tmp_path, task):
    TestReport().on_test_end(trainer(tmp_path)[1], task)
    assert not list(tmp_path.iterdir())


def line(kind, logged, capsys, epoch=1, every=1):
    state = SimpleNamespace(
        current_epoch=epoch, global_step=9, check_val_every_n_epoch=every, callback_metrics=logged, is_global_zero=True
    )
    progress = PlainProgress()
    progress.on_train_start()
    progress.on_train_epoch_end(state, SimpleNamespace(kind=kind))
    return capsys.readouterr().out.rstrip("\n")


def test_progress_shows_the_numbers_of_the_kind(capsys):
    logged = {"train/loss": 0.5, "val/error": 0.25, "val/f1": 0.125}
    assert line(KIND, logged, capsys) == "epoch 1 step 9 0.0 min train/loss 0.5000 val/error 0.2500"
    assert line(LOCALIZATION, logged, capsys) == "epoch 1 step 9 0.0 min train/loss 0.5000 val/f1 0.1250"
    earlier = line(KIND, logged, capsys, epoch=2, every=2)  # the validation was that of epoch 1
    assert earlier == "epoch 2 step 9 0.0 min train/loss 0.5000"


def test_progress_says_why_a_number_is_undefined(capsys):
    logged = {"val/error": float("nan")}
    assert line(KIND, logged, capsys) == "epoch 1 step 9 0.0 min val/error undefined (no room has a door)"
