"""Two processes give the numbers of one: on a CPU by gloo, forked from this one unless said otherwise."""

import contextlib
import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support import REPOSITORY, fit_options, region_options

from outpaint_lightning.cli import main
from outpaint_lightning.io import write_image

pytestmark = pytest.mark.slow

EXACT = ["--data.augmentations", "[]"]  # a draw depends on the process, as it should
COMMON = [
    *("--model.optimizer", "torch.optim.SGD", "--model.optimizer.lr", "0.005"),  # Adam turns rounding into whole steps
    *("--model.lr_scheduler", "null", "--trainer.log_every_n_steps", "1", "--trainer.max_epochs", "2"),
    *("--trainer.accelerator", "cpu"),
]


def localizer(folders, run):
    """12 training windows, 6 of validation, 12 of the test."""
    gentle = ["--model.optimizer.lr", "5.0e-4", "--trainer.max_epochs", "1"]  # its gradient is 40 times the others'
    return [*fit_options(folders["dataset"], run), *EXACT, *COMMON, *gentle]


def regions(folders, run):
    """8 training images, 2 of validation, 4 of the test; boxes fall unevenly to the two with this seed."""
    return [*region_options(folders["photos"], run), *EXACT, *COMMON, "--data.passes", "2", "--data.seed", "1"]


def refiner(_folders, run):
    """5 training windows, which do not divide by two; 5 of validation, so that one of two has a batch more; 3 tests."""
    return [
        *("--config", str(REPOSITORY / "configs" / "refiner" / "small.yaml")),
        *("--data.size", "[40,48]", "--data.frames", "4", "--data.workers", "0", "--model.net.channels", "4"),
        *("--data.scenes", "5", "--data.val_scenes", "5", "--data.test_scenes", "3"),
        *("--trainer.default_root_dir", str(run)),
        *COMMON,
    ]


def processes(number, batch_size):
    strategy = ["--trainer.strategy", "ddp_fork"] if number > 1 else []
    return ["--trainer.devices", str(number), *strategy, "--data.batch_size", str(batch_size)]


def rows(path):
    return list(csv.DictReader(path.open()))


def frozen(layer, image):
    """Batch normalisation as it judges: the statistics of a batch are a process's own."""
    return F.batch_norm(image, layer.running_mean, layer.running_var, layer.weight, layer.bias)


@pytest.fixture(scope="module")
def folders(dataset, photos):
    return {"dataset": dataset, "photos": photos}


@pytest.fixture(scope="module", params=[localizer, regions, refiner], ids=lambda part: part.__name__)
def runs(request, folders, tmp_path_factory):
    """The options of an experiment, and the folders of its training by one process and by two."""
    root = tmp_path_factory.mktemp(request.param.__name__)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.BatchNorm2d, "forward", frozen)
        for number, batch in ((1, 4), (2, 2)):
            assert main(["fit", *request.param(folders, root / str(number)), *processes(number, batch)]) == 0
    return lambda run: request.param(folders, run), root / "1", root / "2"


def test_losses_and_weights_are_those_of_one_process(runs):
    """A mean over each process's own pixels would be off: holes, boxes and class weights count differently in each."""
    _, one, two = runs
    logged = [[row for row in rows(run / "metrics.csv") if row["train/loss"]] for run in (one, two)]
    terms = [name for name in logged[0][0] if name.startswith("train/")]
    for name in terms:
        values = [[float(row[name]) for row in table] for table in logged]
        assert values[1] == pytest.approx(values[0], rel=1e-6, abs=1e-6), name
    weights = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in (one, two)]
    assert max(float((weights[0][key].double() - weights[1][key].double()).abs().max()) for key in weights[0]) < 1e-6


@pytest.fixture(scope="module")
def judged(runs):
    """Folders in which one checkpoint is judged by one process and by two, with batches of one size."""
    options, run, _ = runs
    checkpoint = ["--ckpt_path", str(run / "checkpoints" / "last.ckpt")]
    folders = run.with_name("by_one"), run.with_name("by_two")
    for number, folder in enumerate(folders, 1):
        for command in ("validate", "test", "predict"):
            assert main([command, *options(folder), *processes(number, 2), *checkpoint]) == 0
    return folders


def test_metrics_and_files_are_those_of_one_process(judged):
    """Lightning's sampler would repeat a window of an odd number, and deal batches that one process never sees."""
    one, two = (
        {path.relative_to(folder): path for part in ("test", "predict") for path in (folder / part).rglob("*.*")}
        for folder in judged
    )
    assert one.keys() == two.keys()
    assert len(one) > 4
    for name, path in one.items():
        assert path.read_bytes() == two[name].read_bytes(), name
    values = [rows(folder / "validate" / "metrics.csv")[0] for folder in judged]
    for name, value in values[0].items():
        if name.startswith("val/loss"):
            assert float(values[1][name]) == pytest.approx(float(value), rel=1e-6), name
        else:
            assert values[1][name] == value, name


@pytest.mark.parametrize(("precision", "tolerance"), [("32", 1e-6), ("bf16-mixed", 2**-8)])
def test_accumulated_steps_are_those_of_one_process(precision, tolerance, tmp_path):
    """Each step has two batches of each process. What bfloat16 rounds, it rounds by 1/256 at most."""
    both = ["--trainer.accumulate_grad_batches", "2", "--trainer.precision", precision]
    both += ["--data.scenes", "8", "--data.val_scenes", "1"]
    losses = []
    for number, batch in ((1, 2), (2, 1)):
        run = tmp_path / str(number)
        assert main(["fit", *refiner({}, run), *processes(number, batch), *both]) == 0
        losses.append([float(row["train/loss"]) for row in rows(run / "metrics.csv") if row["train/loss"]])
        assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 4
    assert losses[1] == pytest.approx(losses[0], rel=tolerance)


def test_synchronised_normalisation_wants_gpus(folders, tmp_path, capsys):
    options = [*regions(folders, tmp_path), *processes(2, 2), "--trainer.sync_batchnorm", "true"]
    assert main(["fit", *options]) == 2
    assert (
        capsys.readouterr().err.splitlines()[-1].endswith("sync_batchnorm is true on CPUs; torch has it for GPUs only")
    )


@pytest.mark.parametrize(
    ("script", "program", "found", "words"),
    [
        ("torchrun.sh", "torchrun", "", "--nnodes 2 --nproc-per-node 4"),
        (
            "slurm.sh",
            "srun",
            "",
            "outpaint-lightning fit --config a.yaml --trainer.default_root_dir run --trainer.num_nodes",
        ),
        ("slurm.sh", "srun", "last.ckpt", "--ckpt_path last --trainer.num_nodes 2 --trainer.devices 4"),
    ],
)
def test_the_scripts_start_what_they_say(script, program, found, words, tmp_path):
    (tmp_path / program).write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / program).chmod(0o755)
    if found:
        (tmp_path / "run" / "checkpoints").mkdir(parents=True)
        (tmp_path / "run" / "checkpoints" / found).touch()
    variables = {"NODES": "2", "GPUS": "4", "HOST": "first", "RUN": "run"}
    variables |= {"SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "4", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["bash", str(REPOSITORY / "docs" / "how-to" / "scripts" / script), "--config", "a.yaml"]
    said = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert words in said
    assert "--trainer.num_nodes 2 --trainer.devices 4 --trainer.strategy ddp" in said


def started(*words):
    """The real command, of two processes that Lightning starts by the same command line, in a session of its own."""
    options = ["--trainer.strategy", "ddp", "--trainer.devices", "2", "--trainer.accelerator", "cpu"]
    return subprocess.Popen(
        [sys.executable, "-m", "outpaint_lightning", *words, *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def alive(group):
    """The processes of a group that run; what has ended and is not yet waited for does not."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
            found += [stat] if int(of) == group and state != "Z" else []
    return found


def gone(group, seconds=10):
    deadline = time.monotonic() + seconds
    while alive(group) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not alive(group)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["first", "all"])
def test_sigterm_ends_all_processes_and_keeps_the_checkpoint(send, tmp_path):
    """Lightning's own handler hangs where all processes get the signal, as they do from `scancel` and torchrun."""
    endless = [*refiner({}, tmp_path), "--trainer.max_epochs", "100000", "--data.batch_size", "2"]
    process = started("fit", *endless, "--trainer.check_val_every_n_epoch", "5")
    last = tmp_path / "checkpoints" / "last.ckpt"
    try:
        deadline = time.monotonic() + 240
        while not last.exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.2)
        assert len(alive(process.pid)) >= 2
        send(process.pid, signal.SIGTERM)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 130, said
        assert said.count("outpaint-lightning: interrupted") == 1, said
        assert "Traceback" not in said
        assert gone(process.pid)
        assert torch.load(last, weights_only=True)["global_step"] > 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_an_error_of_one_process_ends_the_command_and_is_said_once(dataset, tmp_path):
    """The second process alone reads the broken mask; the first only loses touch with it."""
    broken = tmp_path / "broken"
    shutil.copytree(dataset, broken)
    write_image(broken / "masks" / "c__1" / "00000.png", np.full((128, 136, 3), 7, np.uint8))
    process = started("fit", *fit_options(broken, tmp_path / "run"), "--trainer.devices", "2")
    try:
        said, _ = process.communicate(timeout=240)
        assert process.returncode not in (0, None)
        lines = [line for line in said.splitlines() if line.startswith("outpaint-lightning: ")]
        assert len(lines) == 1, said
        assert "c__1/00000.png" in lines[0]
        assert "Traceback" not in said, said
        assert gone(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
