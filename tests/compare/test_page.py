import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urljoin, urlsplit

import numpy as np
import pytest
import torch
import yaml
from support import fit_options
from written_runs import VIDEOS, write_run, write_sweep

from outpaint_lightning.callbacks.examples import WIDEST, Example, TestExamples, Top
from outpaint_lightning.cli import main
from outpaint_lightning.compare import run as run_module
from outpaint_lightning.compare import sections
from outpaint_lightning.compare.comparison import Comparison
from outpaint_lightning.compare.config import changes, flatten
from outpaint_lightning.compare.curves import _chart, thinned
from outpaint_lightning.compare.groups import bootstrap, group, versus
from outpaint_lightning.compare.run import compare
from outpaint_lightning.compare.runs import find
from outpaint_lightning.compare.sweeps import Axis, Study, ranks
from outpaint_lightning.io import read_image
from outpaint_lightning.metrics import bootstrap_interval
from outpaint_lightning.pages import svg
from outpaint_lightning.pages.svg import ticks
from outpaint_lightning.pictures.marks import BAND
from outpaint_lightning.results import FLOW, LOCALIZATION, REGIONS, kind_of
from outpaint_lightning.types import InputError


@pytest.fixture
def runs(tmp_path):
    """A baseline of two seeds, one run of another gamma, one not tested."""
    write_run(tmp_path / "runs/plain/0", (0.4, 0.5, 0.6), seed=0)
    write_run(tmp_path / "runs/plain/1", (0.5, 0.5, 0.8), seed=1)
    write_run(tmp_path / "runs/high", (0.9, 0.5, 0.5), gamma=0.9)
    write_run(tmp_path / "runs/waiting", tested=False, gamma=0.7)
    return tmp_path / "runs"


def test_a_page_that_needs_nothing_else(runs, tmp_path, capsys):
    assert main(["compare", str(runs / "plain"), str(runs), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "plain    pixel F1 0.550 ± 0.071",  # of 0.5 and 0.6: sd 0.0707 by n - 1, 0.05 by n
        "high     pixel F1 0.633",
        "waiting  no test yet",
        f"3 experiments, 4 runs -> {tmp_path}/out/index.html",
    ]
    page = (tmp_path / "out" / "index.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "http" not in page.replace("http-equiv", "")
    assert f"No test yet: {runs}/waiting." in page  # said, not hidden
    assert "<s>0.8</s> → <b>0.9</b>" in page


def test_the_table_has_a_line_a_run(runs, tmp_path):
    """Not one an experiment: the seeds apart, and only the keys that differ, none of them a seed or a folder."""
    compare([runs / "plain", runs], tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "compare.csv").open()))
    assert [(row["experiment"], row["seed"]) for row in rows] == [
        ("plain", "0"), ("plain", "1"), ("high", "0"), ("waiting", "0"),
    ]  # fmt: skip
    assert [row["model.criterion.gamma"] for row in rows] == ["0.8", "0.8", "0.9", "0.7"]
    assert {key for key in rows[0] if key.startswith(("model.", "data.", "trainer."))} == {"model.criterion.gamma"}
    assert [row["f1.mean"] for row in rows][3] == ""
    assert float(rows[0]["f1.mean"]) == 0.5


def test_the_first_run_is_the_baseline(runs):
    """Whatever comes first by name; a run that is named twice counts once."""
    experiments = group(find([runs / "waiting", runs, runs / "plain"])[0])
    assert [(each.name, len(each.runs)) for each in experiments] == [("waiting", 1), ("high", 1), ("plain", 2)]
    comparison = Comparison(experiments)
    assert comparison.baseline.name == "waiting"
    assert comparison.best is None  # nothing to be better than


def test_only_seeds_join_runs(tmp_path):
    """Runs of one config and one seed stay apart, as do those whose test judged other data."""
    for name in "abc":
        write_run(tmp_path / "runs" / name, seed=int(name == "c"))
    write_run(tmp_path / "runs" / "between", gamma=0.9)
    assert [each.name for each in group(find([tmp_path / "runs"])[0])] == ["a", "b", "between", "c"]
    shutil.rmtree(tmp_path / "runs" / "between")
    shutil.rmtree(tmp_path / "runs" / "b")
    assert [len(each.runs) for each in group(find([tmp_path / "runs"])[0])] == [2]
    config = yaml.safe_load((tmp_path / "runs/c/config.fit.yaml").read_text())
    config["data"]["init_args"]["root"] = "elsewhere"
    (tmp_path / "runs/c/config.test.yaml").write_text(yaml.safe_dump(config))
    first, second = group(find([tmp_path / "runs"])[0])
    assert [change[:] for change in changes(first.first.config, second.first.config) if "root" in change.key] == [
        ("test: data.root", None, "elsewhere")
    ]


def test_a_config_of_a_test_alone_is_told(tmp_path):
    """Its training may have had other options: what looks the same need not be."""
    for name in "ab":
        write_run(tmp_path / "runs" / name)
    (tmp_path / "runs/b/config.fit.yaml").rename(tmp_path / "runs/b/config.test.yaml")
    page = compared_page(tmp_path, ["runs"])
    assert f"No config.fit.yaml: {tmp_path}/runs/b." in page
    assert "<li>nothing</li>" in page  # not even seeds


def test_a_difference_is_paired(runs):
    """By hand: seeds averaged 0.45 0.5 0.7, against 0.9 0.5 0.5: +0.45, 0, -0.2, in the mean +0.0833."""
    plain, high, _ = group(find([runs / "plain", runs])[0])
    assert versus(high, plain).mean == pytest.approx((0.45 + 0 - 0.2) / 3)
    assert {name: unit.value for name, unit in plain.units.items()} == pytest.approx(
        {"car": 0.45, "dog": 0.5, "sea": 0.7}
    )
    assert "car_0" not in plain.units  # authentic: its F1 is undefined, not 0
    assert plain.units["car"].floor == 0.3


def test_the_interval_is_that_of_the_metrics():
    """To what 10,000 draws settle; frames for sources, or the mean of all draws, would be several times as narrow."""
    rng = np.random.default_rng(0)
    f1, sources = rng.uniform(size=40), [f"source{i % 8}" for i in range(40)]
    own, theirs = bootstrap(f1[None], sources), bootstrap_interval(f1.tolist(), sources=sources)
    assert own == pytest.approx((theirs.mean, theirs.low, theirs.high), abs=0.01)
    assert own.high - own.low > 0.05


def test_runs_are_drawn_as_well():
    """Two seeds far apart: were only videos drawn, the interval would have no width, as every video is the same."""
    values = np.array([[0.2] * 6, [0.8] * 6])
    assert bootstrap(values, list("abcdef")) == pytest.approx((0.5, 0.2, 0.8))
    assert bootstrap(values, list("abcdef"), less=values + 0.1).mean == pytest.approx(-0.1)
    assert bootstrap(values, ["a"] * 6) == pytest.approx((0.5, None, None))
    assert bootstrap(np.empty((0, 0)), []) is None


def test_flat_configs():
    config = {
        "model": {"class_path": "a.Task", "init_args": {"net": {"class_path": "b.Net", "init_args": {"width": 4}}}},
        "data": {"augmentations": [{"class_path": "k.Flip", "init_args": {"p": 0.5}}, {"class_path": "k.Flip"}]},
        "trainer": {"callbacks": [], "default_root_dir": "x", "logger": {"class_path": "l.Log"}, "betas": [1, 2]},
    }
    assert dict(flatten(config)) == {
        "model": "Task", "model.net": "Net", "model.net.width": 4, "data.augmentations[Flip]": "Flip",
        "data.augmentations[Flip].p": 0.5, "data.augmentations[Flip 2]": "Flip", "trainer.betas": [1, 2],
    }  # fmt: skip


def test_changes_of_a_class_are_one():
    """Options of the old class are not told as if they had been taken away one by one."""
    before = {"net": "Raft", "net.updates": 4, "net.head": None, "lr": 0.1}
    after = {"net": "UNet", "net.width": 16, "net.head": None, "lr": 1e-4, "aug[Flip]": "Flip", "aug[Flip].p": 0.5}
    assert [tuple(change) for change in changes(before, after)] == [
        ("net", "Raft", "UNet(width 16)"), ("lr", "0.1", "0.0001"), ("aug[Flip]", None, "Flip(p 0.5)"),
    ]  # fmt: skip
    assert changes(after, after) == []


def test_kinds_by_task_or_by_summary():
    assert kind_of("RegionTask", {}) is REGIONS
    assert kind_of("", {"giou": 0.3}) is REGIONS
    assert kind_of("", {"epe": {"hole": 1.0}}) is FLOW
    assert kind_of("LocalizationTask", {}) is LOCALIZATION
    other = kind_of("MyTask", {"a": {"b": 1, "c": "words"}, "d": True})
    assert [column.key for column in other.columns] == ["a.b"]


def test_the_less_the_better(tmp_path):
    """Of a refiner the smallest error is best, and a negative difference is green."""
    for name, error in (("large", 0.8), ("small", 0.5), ("middle", 0.6)):
        folder = tmp_path / name / "test"
        folder.mkdir(parents=True)
        summary = {
            "epe": {"hole": error, "low": error - 0.1, "high": error + 0.1},
            "floors": {"zero": 2.0, "fill": 0.7},
        }
        (folder / "summary.json").write_text(json.dumps(summary))
        rows = [f"{v},{v},{error + i / 100},2,0.7" for i, v in enumerate(VIDEOS)]
        (folder / "per_video.csv").write_text("\n".join(["clip,source,epe_hole,epe_hole_zero,epe_hole_fill", *rows]))
    compared = Comparison(group(find([tmp_path / "large", tmp_path])[0]))
    assert compared.best.name == "small"
    assert compared.baseline.floor == ("fill", 0.7)
    assert compared.baseline.units["car"].floor == 0.7
    assert [compared.verdict(each) for each in compared.others] == [1, 1]
    assert 'class="good sure">\N{MINUS SIGN}0.300' in compared_page(tmp_path, ["large", "."])


def compared_page(folder, names):
    compare([folder / name for name in names], folder / "page", overwrite=True)
    return (folder / "page" / "index.html").read_text()


def test_runs_whose_number_is_of_the_whole_set(tmp_path):
    """Blending: a distance between sets is in no row of the table, which has other columns."""
    for name, kid in (("first", 0.02), ("second", 0.01)):
        folder = tmp_path / name / "test"
        folder.mkdir(parents=True)
        summary = {"kid": kid, "floors": {"mirror": 0.005}, "distances": {"subset_size": 20}}
        (folder / "summary.json").write_text(json.dumps(summary))
        (folder / "per_image.csv").write_text("clip,source,forger,seam_net\na,a,photo,0.1\nb,b,photo,0.2\n")
        (folder.parent / "config.fit.yaml").write_text("seed_everything: 0\n")
    compare([tmp_path / "first", tmp_path / "second"], tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "KID of pairs" in page
    assert "0.01000" in page


def test_words_of_others_are_no_markup(tmp_path):
    write_run(tmp_path / "runs" / "<b>bold", (0.1, 0.2, 0.3))
    write_run(tmp_path / "runs" / "plain", (0.1, 0.2, 0.4), gamma="</script><script>alert(1)</script>")
    page = compared_page(tmp_path, ["runs"])
    assert "<b>bold" not in page.replace("<b>&lt;b&gt;bold", "")
    assert "alert" not in page.replace("&lt;script&gt;alert", "")
    assert page.count("<script>") == 1


def test_a_task_of_another_is_no_markup(tmp_path):
    """Its name is a part of the page's anchors."""
    write_run(tmp_path / "run")
    (tmp_path / "run/config.fit.yaml").write_text("model: '\"><img src=x>'\n")
    assert "<img" not in compared_page(tmp_path, ["run"])


def test_links_lead_to_folders_of_any_name(tmp_path):
    """In a URL, what follows `#` or `?` is no part of the path, and `%41` is an A."""
    run = write_run(tmp_path / "a#b?c%41")
    (run / "found/ä").mkdir(parents=True)
    (run / "found/ä/overlay.mp4").write_bytes(b"")
    target = re.search(r'<li>.*?<a href="([^"]+)">ä</a>', compared_page(tmp_path, [run.name]))[1]
    url = urlsplit(urljoin((tmp_path / "page/index.html").as_uri(), target))
    assert Path(unquote(url.path)) == run / "found/ä/overlay.mp4"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1" + 400 * "0", "null", '"0.5"'])
def test_what_is_no_number_is_a_dash(tmp_path, value):
    """Python's JSON holds NaN and integers too large for a float: charts would lose their scale, or the page fail."""
    write_run(tmp_path / "runs/plain")
    summary = tmp_path / "runs/plain/test/summary.json"
    f1 = f'"f1": {{"mean": {value}, "interval": {{"low": {value}, "high": 1}}}}'
    rest = f'"curve": {{"thresholds": 5, "f1": null}}, "iou": {{"mean": 0.25}}, "floors": {{"all_forged": {value}}}'
    summary.write_text(f"{{{f1}, {rest}}}")
    write_run(tmp_path / "runs/other", gamma=0.9)
    page = compared_page(tmp_path, ["runs/plain", "runs"])
    assert "The baseline <b>plain</b> has no result" in page
    assert ">0.250<" in page
    assert not re.search(r"\b(nan|inf)\b", page)


def test_a_refiner_without_error(tmp_path):
    """The axes of the chart end at 1 where the largest value is 0."""
    for name in ("first", "second"):
        folder = tmp_path / "runs" / name / "test"
        folder.mkdir(parents=True)
        (folder / "summary.json").write_text('{"epe": {"hole": 0}}')
        (folder / "per_video.csv").write_text("clip,epe_hole\na,0\nb,0\n")
    assert "better in 0 of 2 videos" in compared_page(tmp_path, ["runs"])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda runs: (runs / "high/test/summary.json").write_text("{"), "high/test/summary.json: is not JSON"),
        (
            lambda runs: (runs / "high/test/summary.json").write_text("[]"),
            "holds a list; what a test writes was expected",
        ),
        (lambda runs: (runs / "high/config.fit.yaml").write_text("a: [1\nb: 2"), "config.fit.yaml, line 2: not YAML"),
        (lambda runs: (runs / "high/test/per_video.csv").write_text("clip,F1\na,1\n"), "per_video.csv: no column 'f1'"),
        (lambda runs: (runs / "high/test/summary.json").write_text("[" * 3000), "is not JSON (nested too deep)"),
        (lambda runs: (runs / "high/config.fit.yaml").write_text(BOMB), "unfolds to more than 100000 values"),
        (lambda runs: (runs / "high/config.fit.yaml").write_text("a: &a [*a]"), "config.fit.yaml"),
        (lambda runs: (runs / "high/config.fit.yaml").write_text("a: " + "9" * 5000), "config.fit.yaml"),
        (lambda runs: (runs / "high/test/summary.json").write_text("[" + "9" * 5000 + "]"), "summary.json"),
        (lambda runs: example(runs, "../../../secret.png"), "file is '../../../secret.png'; expected one in "),
        (lambda runs: example(runs, "/etc/logo.png"), "file is '/etc/logo.png'"),
        (lambda runs: example(runs, "a\0.png"), "file is 'a\\x00.png'"),
        (lambda runs: (runs.parent / "out").write_text("x"), "out: is a file"),
        (lambda runs: spoilt_sweep(runs, "trials.csv", "number,value\n0,1\n"), "trials.csv: no column 'state'"),
        (lambda runs: spoilt_sweep(runs, "trials.csv", "number,state\nx,FAIL\n"), "trials.csv: number is 'x'"),
        (lambda runs: spoilt_sweep(runs, "sweep.json", '{"metrics": 5}'), "sweep.json: metrics is 5; expected a list"),
        (lambda runs: write_run(runs.parent / "out"), "out already exists; pass --overwrite"),
    ],
    ids=[
        "torn",
        "list",
        "yaml",
        "column",
        "deep",
        "bomb",
        "recursive",
        "digits",
        "digits of JSON",
        "above",
        "absolute",
        "nul",
        "file",
        "state",
        "number",
        "metrics",
        "taken",
    ],
)
def test_bad_input_is_one_line(runs, capsys, spoil, words):
    spoil(runs)
    assert main(["compare", str(runs), "--out", str(runs.parent / "out")]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_date_that_no_calendar_has_is_text(runs):
    """It ended in the traceback of YAML's own reader of dates."""
    with (runs / "high/config.fit.yaml").open("a") as config:
        config.write("made: 2026-02-30\n")
    compare([runs], runs.parent / "out")
    assert "2026-02-30" in (runs.parent / "out" / "index.html").read_text()


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(8)
)


def example(runs, file):
    """Let a run name a picture of its test that lies elsewhere: it would be embedded in the page."""
    folder = runs / "high/test/examples"
    folder.mkdir(exist_ok=True)
    (folder / "examples.json").write_text(json.dumps([{"clip": "a", "frame": 0, "f1": 0.5, "file": file}]))


def test_no_cell_of_the_table_is_a_formula(tmp_path):
    """Spreadsheets run what begins with these letters; numbers stay numbers."""
    names = ['=HYPERLINK("x")', "+1+cmd", "@SUM(A1)", "-2+3"]
    for name in names:
        write_run(tmp_path / "runs" / name.replace("/", ""), gamma=name)
    write_run(tmp_path / "runs" / "plain", gamma=-2.5)
    compare([tmp_path / "runs"], tmp_path / "out")
    with (tmp_path / "out" / "compare.csv").open(newline="") as file:
        rows = [*csv.reader(file)]
    cells = [cell for row in rows for cell in row]
    assert {f"'{name}" for name in names} <= {*cells}
    for cell in cells:
        assert cell[:1] not in ("=", "+", "@"), cell
        assert cell[:1] != "-" or float(cell) < 0, cell


def spoilt_sweep(runs, file, text):
    (write_sweep(runs / "sweep") / file).write_text(text)


def test_folders_that_are_no_runs(runs, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no run; expected a run folder"):
        compare([tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(InputError, match=r"metrics.csv: is a file; expected a run folder"):
        compare([runs / "high/metrics.csv"], tmp_path / "out")
    with pytest.raises(InputError, match="no such folder; did you mean 'plain'"):
        compare([runs / "plane"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_else_is_overwritten(runs, tmp_path):
    compare([runs], tmp_path / "out")
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"index.html already exists; pass --overwrite"):
        compare([runs], tmp_path / "out")
    compare([runs], tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


def test_a_killed_comparison_does_not_pass_for_a_result(runs, tmp_path, monkeypatch):
    """The page comes last, and what is left without it may be replaced. Catches a page without its table."""
    out, write, seen = tmp_path / "out", run_module.write_csv, []
    monkeypatch.setattr(run_module, "write_csv", lambda *what: seen.append(os.listdir(out)) or write(*what))
    compare([runs], out)
    assert "index.html" not in seen[0]
    assert "compare.csv" not in seen[0]
    (out / "index.html").rename(out / ".0123456789ab.html")  # killed between the two
    compare([runs], out)
    assert {"index.html", "compare.csv"} <= {*os.listdir(out)}


def test_a_sweep(tmp_path):
    study = Study(find([write_sweep(tmp_path / "sweep")])[1][0])
    assert [row["number"] for row, _ in study.complete] == ["3", "1", "0", "5"]
    assert study.keys == ["model.a", "model.b"]
    # ranks 1 0 of x, 2 3 of y: means 0.5 and 2.5 about 1.5; their deviation 1 of sqrt(1.25)
    assert study.correlation("model.a") == (pytest.approx(1 / 1.25**0.5), ".2f", 4)
    assert study.correlation("model.b") is None  # two trials tell nothing
    page = compared_page(tmp_path, ["sweep"])
    assert "6 trials: 4 complete, 1 pruned, 1 fail. Best is trial 3" in page
    assert "RuntimeError: &lt;boom&gt;" in page
    assert page.count('class="thread"') == 4
    assert page.count('class="thread none"') == 2


def test_a_sweep_that_minimises(tmp_path):
    folder = write_sweep(tmp_path / "sweep")
    record = json.loads((folder / "sweep.json").read_text())
    (folder / "sweep.json").write_text(json.dumps(record | {"directions": ["minimize"]}))
    assert [row["number"] for row, _ in Study(find([folder])[1][0]).complete] == ["5", "0", "1", "3"]


def test_ranks_and_axes():
    assert ranks([0.3, 0.1, 0.3, 0.2]).tolist() == [2.5, 0, 2.5, 1]
    assert Axis(["0.001", "0.1", "0.01"]).share("0.01") == pytest.approx(0.5)  # logarithmic
    assert Axis(["1", "2", "3"]).share("2") == 0.5
    assert Axis(["b", "a", "c"]).share("a") == 0
    assert Axis(["1", "2"]).share("") is None
    assert Axis(["3"]).share("3") == Axis(["a"]).share("a") == 0.5  # where its word stands


def test_an_axis_is_logarithmic_where_the_space_was(tmp_path):
    """Not where its values happen to spread: 0.01 to 1 of a linear key lies at a third of the axis for 0.34."""
    assert Axis(["0.01", "1"], log=False).share("0.34") == pytest.approx(1 / 3)
    assert Axis(["1", "4"], log=True).share("2") == pytest.approx(0.5)
    assert not Axis(["0", "4"], log=True).log  # nor where it cannot be
    folder = write_sweep(tmp_path / "sweep")
    record = json.loads((folder / "sweep.json").read_text())
    for given, told in (({"logarithmic": ["model.b"]}, True), ({"logarithmic": []}, False), ({}, True)):
        (folder / "sweep.json").write_text(json.dumps(record | given))
        assert ("Logarithmic: <code>model." in compared_page(tmp_path, ["sweep"])) == told


def test_no_bit_of_a_line_stands_before_a_number():
    """It would look like a minus: paper begins at the axis, and is drawn over the lines and below the word."""
    chart = svg.parallel([("a", ["0", "1"]), ("b", ["2"])], [svg.Thread([0.0, 0.5], 1.0, "x")])
    axes = [float(x) for x in re.findall(r'class="axis" x1="([\d.]+)"', chart)]
    papers = [(float(x), float(y)) for x, y in re.findall(r'<rect class="paper" x="([\d.]+)" y="([\d.]+)"', chart)]
    words = [(float(x), float(y)) for x, y in re.findall(r'<text class="tick" x="([\d.]+)" y="([\d.]+)"', chart)]
    assert [x for x, _ in papers] == pytest.approx([axes[0] + 0.5, axes[0] + 0.5, axes[1] + 0.5])
    assert [(x - left, y - top) for (left, top), (x, y) in zip(papers, words, strict=True)] == [(3.5, 9.0)] * 3
    assert chart.index('class="thread') < chart.index('class="paper"') < chart.index('class="tick"')


@pytest.mark.parametrize(
    ("name", "logarithmic"), [("train/loss", True), ("lr-AdamW", True), ("val/f1", False), ("val/closs", False)]
)
def test_only_losses_and_rates_have_logarithmic_axes(name, logarithmic):
    """A score that begins near 0 would seem to stand still."""
    chart = _chart(name, [svg.Series("a", "s0", [(0.0, 0.001), (1.0, 0.5)])])
    assert ("logarithmic" in chart) == logarithmic
    assert "logarithmic" not in _chart(name, [svg.Series("a", "s0", [(0.0, 0.1), (1.0, 0.5)])])


def test_other_frames_are_said(tmp_path, capsys):
    """Of `other` a video is not in the baseline's test, one is missing, and one was judged at other frames."""
    for name in ("plain", "same", "other"):
        table = write_run(tmp_path / name, gamma=len(name) / 10) / "test" / "per_video.csv"
        head, *rows = table.read_text().splitlines()
        rows = [f"{row},{20 + (name == 'other' and row.startswith('sea'))}" for row in rows]
        if name == "other":
            rows[0] = rows[0].replace("car", "bus", 1)
        table.write_text("\n".join([f"{head},frames", *rows]) + "\n")
    words = "1 video more, 1 video less, 1 video with another number of frames"
    main(["compare", *(str(tmp_path / name) for name in ("plain", "same", "other")), "--out", str(tmp_path / "out")])
    assert f"warning: the test of other judged other frames than that of plain: {words}\n" in capsys.readouterr().out
    page = (tmp_path / "out" / "index.html").read_text()
    assert f"<ul><li><b>other</b>: {words}</li></ul>" in page
    main(["compare", *(str(tmp_path / name) for name in ("plain", "same")), "--out", str(tmp_path / "two")])
    assert "warning" not in capsys.readouterr().out
    assert '<div class="warning">' not in (tmp_path / "two" / "index.html").read_text()


def test_words_of_an_axis():
    """As short as tells them apart: classes without modules, files without folders, as many digits as it takes."""
    losses = [f"outpaint_lightning.losses.Sequence{name}" for name in ("CrossEntropy", "Focal")]
    assert Axis(losses).words == ["SequenceCrossEntr…", "SequenceFocal"]
    assert Axis(["localizer/small.yaml", "localizer/unet.yaml"]).words == ["small.yaml", "unet.yaml"]
    assert Axis(["a/small.yaml", "b/small.yaml"]).words == ["a/small.yaml", "b/small.yaml"]
    assert Axis(["[1.0, 1.0]", "balanced"]).words == ["[1.0, 1.0]", "balanced"]
    assert Axis(["0.49247", "0.49339"]).words == ["0.4925", "0.4929", "0.4934"]
    assert Axis(["4"]).words == ["4"]
    assert Axis(["1", "1.0000000000000002"]).words == ["1"]  # there is no float between


def test_ticks_are_round():
    assert ticks((0, 1)) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert ticks((0.37, 0.96)) == pytest.approx([0.4, 0.6, 0.8])
    assert ticks((-3, 17)) == [0, 5, 10, 15]
    assert ticks((0, 1.03), whole=True) == [0, 1]  # there is no trial 0.25
    assert ticks((0, 11), whole=True) == [0, 5, 10]  # nor 2.5
    assert ticks((0, 110), whole=True) == [0, 25, 50, 75, 100]


def test_thinned_lines_keep_their_mean():
    points = [(float(i), float(i % 2)) for i in range(1000)]
    thin = thinned(points)
    assert len(thin) <= 150
    assert thin[0] == (3.0, pytest.approx(3 / 7))
    assert thinned(points[:150]) == points[:150]


def test_twenty_runs_without_torch(tmp_path):
    """Under 20 s, as promised: the page must not wait for what only training needs."""
    for i in range(20):
        write_run(tmp_path / "runs" / str(i), gamma=i / 20)
    code = (
        "import sys, time; from outpaint_lightning.cli import main; start = time.monotonic();"
        f"assert main(['compare', {str(tmp_path / 'runs')!r}, '--out', {str(tmp_path / 'out')!r}]) == 0;"
        "assert 'torch' not in sys.modules; assert time.monotonic() - start < 20"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_test_keeps_examples(run_folder, dataset, tmp_path):
    """By the real command: strips of frame, found and truth, worst first, none of an authentic clip."""
    options = fit_options(dataset, tmp_path / "run")
    assert main(["test", *options, "--ckpt_path", str(run_folder)]) == 0
    folder = tmp_path / "run" / "test" / "examples"
    records = json.loads((folder / "examples.json").read_text())
    assert {record["clip"] for record in records} == {"d__1", "e__1"}
    assert [record["f1"] for record in records] == sorted(record["f1"] for record in records)
    for record in records:
        picture = read_image(folder / record["file"])
        assert picture.shape == (BAND + 128 + BAND, 3 * 136 + 2 * 4, 3)
        frame, truth = (picture[64, x].astype(int) for x in (20, 2 * 140 + 20))
        assert abs(frame - 128).max() < 10  # the frame as it is, but for JPEG: the left third is flat grey
        assert truth[0] - truth[1] > 30  # and tinted red in the truth
    compare([tmp_path / "run"], tmp_path / "out")
    assert (tmp_path / "out" / "index.html").read_text().count('<img src="data:image/jpeg;base64,') == len(records)


def test_the_extremes_do_not_depend_on_the_order():
    """A clip that fell out may come back with a better frame; a clip never takes two places."""
    blank = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), bool), np.zeros((2, 2), bool)
    frames = [("a", 0, 0.5), ("a", 1, 0.9), ("b", 0, 0.7), ("c", 0, 0.8), ("c", 1, 0.8), ("d", 0, 0.1)]
    for seed in range(20):
        kept = Top(2, best=True)
        for i in np.random.default_rng(seed).permutation(len(frames)):
            clip, frame, f1 = frames[i]
            if kept.takes(f1, clip, frame):
                kept.add(Example(f1, clip, frame, *blank))
        assert {example[:3] for example in kept} == {(0.9, "a", 1), (0.8, "c", 0)}


def test_examples_leave_out_corruptions_and_large_frames(tmp_path):
    """A frame of 960 columns is drawn at half its size; dataloaders after the first are corrupted copies."""
    callback, task = TestExamples(1), SimpleNamespace(kind=LOCALIZATION, threshold=0.5)
    trainer = SimpleNamespace(fast_dev_run=False, world_size=1, is_global_zero=True, default_root_dir=tmp_path)
    mask = torch.zeros(1, 1, 1, 64, 960)
    mask[..., :480] = 1
    batch = {"image": torch.zeros(1, 2, 3, 64, 960), "mask": mask, "meta": [{"clip": "x", "frames": [7, 8]}]}
    callback.on_test_epoch_start()
    callback.on_test_batch_end(trainer, task, {"probability": torch.zeros(1, 64, 960)}, batch, 0, dataloader_idx=1)
    callback.on_test_end(trainer, task)
    assert not (tmp_path / "test").exists()
    callback.on_test_batch_end(trainer, task, {"probability": mask[:, 0, 0]}, batch, 0)
    callback.on_test_end(trainer, task)
    strip = read_image(tmp_path / "test/examples/x_00007.jpg")
    assert strip.shape == (BAND + 32 + BAND, 3 * WIDEST + 8, 3)  # headings above, the legend below
    assert [bool((strip[:BAND, at : at + 60] < 100).any()) for at in (0, WIDEST + 4, 2 * WIDEST + 8)] == [True] * 3
    assert json.loads((tmp_path / "test/examples/examples.json").read_text())[0]["f1"] == 1


def test_intervals_of_few_sources_are_marked(tmp_path, monkeypatch):
    """Three videos of two sources are two draws; from the limit on nothing is said."""
    write_run(tmp_path / "run", sources=("a", "a", "b"))
    comparison = Comparison(group(find([tmp_path / "run"])[0]))
    assert "Only 2 sources: the intervals are no more than a hint." in sections.numbers(comparison)
    monkeypatch.setattr(sections, "FEW_SOURCES", 2)
    assert "no more than a hint" not in sections.numbers(comparison)
