"""The runs of the ablation, its recipes and its table; and those of the fill left out."""

import sys
import threading
import time

import pytest
import yaml
from support import REPOSITORY

from outpaint_lightning.io import read_dataset
from outpaint_lightning.types import InputError

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(REPOSITORY / "benchmarks")  # as `python benchmarks/ablation.py` has it
    import ablation
    import experiments
    import leave_one_out
    import localizer_steps

THRESHOLDS = [i / 100 for i in range(1, 100)]
FLIP = {"class_path": "kornia.augmentation.RandomHorizontalFlip", "init_args": {"p": 0.5}}
WARP = {"class_path": "outpaint_lightning.augment.TimeWarp", "init_args": {"p": 0.1}}
STUB = """\
#!{python}
# Stands in for `python -m outpaint_lightning`: writes what fit and test leave, or fails where the folder is called so.
import json, os, pathlib, sys
command, options = sys.argv[3], sys.argv[4:]
if command == "forge":
    root = pathlib.Path(options[1])
    root.mkdir(parents=True)
    (root / "manifest.csv").write_text("clip")
    sys.exit()
folder = pathlib.Path(options[options.index("--trainer.default_root_dir") + 1])
print(command, *options, os.environ["OMP_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"])
if command == "fit":
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "checkpoints" / "last.ckpt").touch()
if folder.name == f"fails_in_{{command}}":
    sys.exit(1)
if command == "test":
    (folder / "test").mkdir(exist_ok=True)
    summary = dict(f1=dict(mean=0.5), threshold=0.4, threshold_source="validation", floors=dict(border=0.3))
    (folder / "test" / "summary.json").write_text(json.dumps(summary))
"""


def elastic(points, pixels, p):
    options = {"num_control_points": points, "max_displacement": [pixels, pixels], "p": p}
    return {"class_path": "outpaint_lightning.augment.RandomElasticDeformation", "init_args": options}


@pytest.fixture
def stub(tmp_path, monkeypatch):
    path = tmp_path / "stub"
    path.write_text(STUB.format(python=sys.executable))
    path.chmod(0o755)
    monkeypatch.setattr(experiments.sys, "executable", str(path))


def a_run(folder, options=("--trainer.max_epochs", "4")):
    return experiments.Run(folder.name, ("localizer/rows/flip",), folder.parent / "data", folder, 7, tuple(options))


def commands(run):
    """The command lines that the log tells of."""
    return [line for line in (run.folder / "log.txt").read_text().splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize(
    ("row", "augmentations"),
    [
        ("plain", []),
        ("timewarp", [WARP]),
        ("elastic", [elastic(9, 20, 0.1667)]),
        ("flip_timewarp", [FLIP, WARP]),
        ("flip_timewarp_elastic", [FLIP, WARP, elastic(9, 20, 0.1667)]),
        ("elastic_15_7", [FLIP, WARP, elastic(7, 15, 0.1111)]),
        ("elastic_18_9", [FLIP, WARP, elastic(9, 18, 0.1667)]),
        ("elastic_21_11", [FLIP, WARP, elastic(11, 21, 0.25)]),
    ],
)
def test_rows_differ_from_flip_in_their_augmentation_alone(row, augmentations):
    """A learning rate or a crop that differs too would be read as an effect of the augmentation."""
    flip, other = (
        yaml.safe_load((REPOSITORY / "configs" / "localizer" / f"{name}.yaml").read_text())
        for name in ("small", f"rows/{row}")
    )
    assert flip["data"]["init_args"]["augmentations"] == [FLIP]
    run = {"default_root_dir": f"runs/localizer/{row}"}
    assert other == {"trainer": run, "data": {"init_args": {"augmentations": augmentations}}}


def test_all_rows_of_a_seed_come_before_the_next_seed(tmp_path):
    """Row by row instead, a broken-off ablation would know three seeds of a few rows and none of the others."""
    runs = ablation.planned(tmp_path, ["plain", "flip"], 2, ablation.SCALES["full"])
    assert [run.name for run in runs] == ["plain, seed 0", "flip, seed 0", "plain, seed 1", "flip, seed 1"]
    assert [run.folder for run in runs][2:] == [tmp_path / "plain" / "1", tmp_path / "flip" / "1"]
    assert runs[0].configs == ("localizer/small", "localizer/rows/plain")
    for run in ablation.planned(tmp_path, ablation.ROWS, 1, ablation.SCALES["full"]):
        run.check()
        assert (REPOSITORY / "configs" / f"{run.configs[-1]}.yaml").is_file()
    (misspelled,) = ablation.planned(tmp_path, ["flop"], 1, ablation.SCALES["full"])
    with pytest.raises(InputError, match=r"localizer/flop: no such file; did you mean 'localizer/rows/flip'\?"):
        misspelled.check()


def summary(at_half, f1, threshold, fpr=0.1, oracle=0.9):
    """A test's summary whose curve is 0 but at 0.5, and at 0.49 and 0.51, where an index that is one off would look."""
    curve = [0.0] * 99
    curve[48:51] = [0.111, at_half, 0.222]
    return {
        "f1": {"mean": f1, "variance": 0.04},
        "threshold": threshold,
        "curve": {"thresholds": THRESHOLDS, "f1": curve},
        "oracle": {"threshold": 0.3, "f1": oracle},
        "floors": {"all_forged": 0.3},
        "gain": 0.5,
        "authentic": {"pixel_fpr": fpr},
    }


def record(minutes):
    return {"minutes": {"fit": minutes, "test": 1.0}, "device": "abacus", "threads": 2}


def test_the_table_has_means_and_deviations_of_the_sample():
    """The deviation of 0.5, 0.6, 0.7 is 0.1 with n - 1; the population's would be 0.082. `plain` has one seed."""
    results = [
        ablation.measured("flip", 2, summary(0.7, 0.9, 0.30, fpr=0.3), record(None)),  # was broken off: no minutes
        ablation.measured("flip", 0, summary(0.5, 0.7, 0.40), record(10.0)),
        ablation.measured("flip", 1, summary(0.6, 0.8, 0.35), record(20.0)),
        ablation.measured("plain", 0, summary(0.25, 0.26, 0.45, oracle=0.27), record(5.0)),
    ]
    header, rule, *lines = ablation.table(["plain", "flip", "carry"], results)
    assert header.count("|") == rule.count("|") == 11
    assert lines == [
        "| plain | 0.250 | 0.260 | 0.45 | 0.270 | 0.500 | 10.0% | 0.040 | 5.0 | 1 |",
        "| flip | 0.600 ± 0.100 | 0.800 ± 0.100 | 0.40, 0.35, 0.30 | 0.900 ± 0.000 | 0.500 | 16.7% | 0.040 | 15.0 "
        "| 3 |",
        "| carry | - | - | - | - | - | - | - | - | 0 |",
    ]


def test_a_test_without_forged_videos_leaves_gaps():
    """Counted as 0, what is undefined would pull the means down."""
    undefined = {**summary(None, None, 0.5), "oracle": None, "gain": None}
    results = [
        ablation.measured("flip", 0, undefined, record(1.0)),
        ablation.measured("flip", 1, summary(0.6, 0.8, 0.35), record(1.0)),
    ]
    assert ablation.table(["flip"], results)[2].startswith(
        "| flip | 0.600 | 0.800 | 0.50, 0.35 | 0.900 | 0.500 | 10.0% |"
    )


def test_the_page_says_how_it_was_made():
    """A table without its scale, device and floors would be read as one of the full experiment."""
    results = [ablation.measured("flip", 0, summary(0.5, 0.7, 0.4), record(10.0))]
    scale = ablation.Scale(("--fill", "telea"), ("--data.batch_size", "4"))
    text = "\n".join(ablation.report("python x", scale, ["d"], {"border": 0.25}, 6, ["flip"], results))
    for part in (
        *("1 of 6 runs are done.", "$ python x", "forge CLIPS OUT/data --fill telea", "--data.batch_size 4", "- d"),
        *("border 0.250", "- Device: abacus; threads of a run: 2; runs: 1", "| flip | 0.500 |"),
    ):
        assert part in text, part


def test_what_is_written_around_the_table_stays(tmp_path):
    """The lead's reading of the table must survive the next run, and the last table must not."""
    page = tmp_path / "ablation.md"
    page.write_text(ablation.filled(page, ["| old |"]))
    page.write_text("above\n" + page.read_text() + "below\n")
    text = ablation.filled(page, ["| new |"])
    assert text == "above\n# Results of the ablation\n\n<!-- table -->\n| new |\n<!-- /table -->\nbelow\n"
    page.write_text("no comments")
    with pytest.raises(InputError, match=r"ablation.md: expected the comments <!-- table --> and"):
        ablation.filled(page, [])


@pytest.mark.usefixtures("stub")
def test_a_run_is_fit_and_test_of_its_last_checkpoint(tmp_path, capsys):
    """Testing `best`, or with the seed of the YAML, would go unnoticed."""
    run = a_run(tmp_path / "flip")
    assert experiments.carry_out([run], 1) == []
    options = (
        f"--config localizer/rows/flip --seed_everything 7 --data.seed 7 --data.root {tmp_path}/data "
        f"--trainer.default_root_dir {run.folder} --trainer.max_epochs 4"
    )
    assert commands(run) == [
        f"$ outpaint-lightning fit {options} --overwrite",
        f"$ outpaint-lightning test {options} --ckpt_path last --overwrite",
    ]
    assert (run.folder / "log.txt").read_text().count(f"{experiments.cores()} PASSIVE") == 2
    assert run.done
    assert 0 < run.record["minutes"]["test"] < 1
    assert "[1/1] flip: F1 0.500 at the threshold 0.400 of validation, best floor 0.300" in capsys.readouterr().out
    assert experiments.carry_out([run], 1) == []  # and is not run again
    assert len(commands(run)) == 2


@pytest.mark.usefixtures("stub")
def test_a_failed_run_is_named_and_the_rest_goes_on(tmp_path, capsys):
    """One diverging training must not cost the night's other runs."""
    runs = [a_run(tmp_path / name) for name in ("fails_in_fit", "fails_in_test", "good")]
    assert {run.name for run in experiments.carry_out(runs, 2)} == {"fails_in_fit", "fails_in_test"}
    assert f"fails_in_fit: FAILED, see {tmp_path}/fails_in_fit/log.txt" in capsys.readouterr().out
    assert [run.done for run in runs] == [False, False, True]
    assert [len(commands(run)) for run in runs] == [1, 2, 2]


@pytest.mark.usefixtures("stub")
def test_a_broken_off_run_goes_on_where_it_was(tmp_path):
    """Beginning anew would lose hours; a training resumed must not count its last minutes as all of them."""
    fitting, testing = (a_run(tmp_path / f"fails_in_{command}") for command in ("fit", "test"))
    for _ in range(2):
        assert experiments.carry_out([fitting, testing], 1) == [fitting, testing]
    assert commands(fitting)[1].endswith("--ckpt_path last")
    assert [line.split()[2] for line in commands(testing)] == ["fit", "test", "test"]
    assert testing.record["minutes"]["fit"] > 0
    (fitting.folder).rename(tmp_path / "mended")
    mended = a_run(tmp_path / "mended")
    assert experiments.carry_out([mended], 1) == []
    assert mended.record["minutes"]["fit"] is None


@pytest.mark.usefixtures("stub")
def test_other_options_need_another_folder(tmp_path):
    """Going on with them would mix two experiments in one table."""
    run = a_run(tmp_path / "flip")
    run.check()
    experiments.carry_out([run], 1)
    run.check()
    with pytest.raises(InputError, match=r"flip: was run with --trainer.max_epochs 4; expected --trainer.max_epochs 9"):
        a_run(run.folder, ("--trainer.max_epochs", "9")).check()
    with pytest.raises(InputError, match="--jobs 0"):
        experiments.carry_out([run], 0)


@pytest.mark.usefixtures("stub")
def test_a_dataset_is_forged_once(tmp_path, capsys):
    """Forged anew, the second start would cost hours, or find the folder taken and fail."""
    clips, root = tmp_path / "clips", tmp_path / "out" / "data"
    for _ in range(2):  # the stub fails where the folder exists
        experiments.forge_once(clips, root, None, ["--seed", "0"])
    assert capsys.readouterr().out == f"$ outpaint-lightning forge {clips} {root} --seed 0\n"
    with pytest.raises(InputError, match=r"data: was forged with .* --seed 0; expected .* --seed 1"):
        experiments.forge_once(clips, root, None, ["--seed", "1"])


def test_no_child_is_left_behind(tmp_path):
    """After Ctrl-C a training would go on for hours, and the next of its run would begin."""
    words, ended = [sys.executable, "-c", "import time; time.sleep(60)"], []
    with (tmp_path / "log.txt").open("w") as log:
        with experiments.Children() as children:
            waiting = threading.Thread(target=lambda: ended.append(children.run(words, log, {})))
            waiting.start()
            while not children._running:
                time.sleep(0.01)
            leaving = time.monotonic()
        waiting.join(timeout=5)
        assert ended == [False]
        assert time.monotonic() - leaving < experiments.PATIENCE  # it was asked to end, not waited for and killed
        assert not children.run([sys.executable, "-c", ""], log, {})


def test_a_fill_is_left_out_of_training_and_tested_alone(dataset, tmp_path):
    """A forgery of the fill in train or val, or of another one in test, would make the score one of seen fills."""
    entries = [
        experiments.replace(entry, forger=entry.forger and f"border/{fill}/hard", clip=entry.clip)
        for entry, fill in zip(read_dataset(dataset), "xxxyxxxyxx", strict=True)  # authentic, forged, authentic, ...
    ]
    assert [(e.split, e.forger) for e in entries if e.forger] == [
        ("train", "border/x/hard"), ("train", "border/y/hard"), ("val", "border/x/hard"),
        ("test", "border/y/hard"), ("test", "border/x/hard"),
    ]  # fmt: skip
    experiments.link(leave_one_out.leaving_out(("y",), entries), tmp_path / "y")
    left = read_dataset(tmp_path / "y")
    assert [(entry.split, entry.forger) for entry in left if entry.forger] == [
        ("train", "border/x/hard"), ("val", "border/x/hard"), ("test", "border/y/hard"),
    ]  # fmt: skip
    assert sum(not entry.forger for entry in left) == 5
    assert all(entry.masks.samefile(dataset / "masks" / entry.clip) for entry in left if entry.forger)


def test_seen_and_left_out_fills_stand_side_by_side():
    """Means by hand; a fill whose run failed has a gap and is not in the means."""
    seen = [
        {"forger": "border/telea/hard", "f1": "0.6"},
        {"forger": "box/telea/feather", "f1": "0.8"},
        {"forger": "box/reflect/hard", "f1": "0.9"},
        {"forger": "", "f1": ""},
    ]
    telea = {
        "f1": {"mean": 0.5, "videos": 2}, "floors": {"border": 0.2, "all_forged": 0.3, "mean_mask": None},
        "robustness": {"h264": {"f1": [0.4]}},
    }  # fmt: skip
    rows = leave_one_out.table({"smooth": ("telea", "harmonic"), "reflect": ("reflect",)}, seen, {"smooth": telea})
    numbers = {"seen": pytest.approx(0.7), "left_out": 0.5, "compressed": 0.4, "floor": 0.3, "videos": 2}
    nothing = {"left_out": None, "compressed": None, "floor": None}
    assert rows[0] == {"fill": "smooth", **numbers}
    assert rows[1] == {"fill": "reflect", "seen": 0.9, **nothing, "videos": 1}
    assert rows[2] == {"fill": "mean", **numbers}
    empty = leave_one_out.table({"telea": ("telea",)}, None, {})
    assert empty[-1] == {"fill": "mean", "seen": None, **nothing, "videos": 0}


def test_a_dataset_for_training_and_one_for_testing(dataset):
    """Catches test clips that were made of the sources of the training, and clips that are in neither part."""
    entries = leave_one_out.divided(dataset, dataset)
    assert sorted(entry.clip for entry in entries) == sorted(entry.clip for entry in read_dataset(dataset))


def test_steps_without_regenerated_fills_are_tested_on_them(dataset):
    """Catches a step that is trained on them, and one whose test is easier than that of the others."""
    regenerated = [
        experiments.replace(entry, forger=entry.forger and "border/regenerate/hard") for entry in read_dataset(dataset)
    ]
    left = localizer_steps.without_regenerated(regenerated)
    assert left == [entry for entry in regenerated if entry.split != "train" or not entry.forger]
    classical = read_dataset(dataset)
    assert localizer_steps.without_regenerated(classical) == classical


def test_the_table_of_steps():
    """Means over the seeds by hand, and a step without a run."""
    numbers = {
        "oracle_f1": None, "pixel_fpr": 0.01, "compressed_pixel_fpr": 0.004, "minutes": 4.0, "f1_at_0.5": 0.5,
    }  # fmt: skip
    results = [
        {"step": "codecs", "f1": 0.4, "compressed": 0.2, **numbers},
        {"step": "codecs", "f1": 0.6, "compressed": 0.2, **numbers},
    ]
    lines = localizer_steps.table(results)
    assert len(lines) == 2 + len(localizer_steps.STEPS)
    assert lines[2] == "| no codecs | - | - | - | - | - | - | - | 0 |"
    assert lines[3] == "| codecs | 0.500 ± 0.141 | 0.200 ± 0.000 | 0.500 ± 0.000 | - | 1.0% | 0.4% | 4.0 | 2 |"


def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys):
    """Not a traceback, and not exit code 1, which says that a run failed."""
    monkeypatch.setattr(sys, "argv", ["ablation.py", str(tmp_path), str(tmp_path / "out"), "--rows", "flop"])
    with pytest.raises(SystemExit) as left:
        experiments.start(ablation.main)
    assert left.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith("ablation: error: ")
    assert line.count("\n") == 1
