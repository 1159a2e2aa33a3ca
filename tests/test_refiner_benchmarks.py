"""What the flow refiner's benchmarks compute: their tables, their runs, and the source's bugs that they bring back."""

import sys

import pytest
import torch
import yaml
from support import REPOSITORY

from outpaint_lightning.cli import main
from outpaint_lightning.nets import FlowRefiner, PolynomialRule
from outpaint_lightning.nets.flow.refiner import _Fixed
from outpaint_lightning.nets.flow.solvers import harmonic
from outpaint_lightning.nets.flow.windows import Windows
from outpaint_lightning.nets.layers.partial_conv import BinaryRule, PartialConv2d
from outpaint_lightning.types import InputError

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(REPOSITORY / "benchmarks")  # as `python benchmarks/refiner.py` has it
    import experiments
    import refiner
    import refiner_ablation
    import refiner_results

CPU = torch.device("cpu")
METHODS = ("refined", "fill", "zero", "harmonic_true_edges")


def summary(hole, worse=1):
    """A test's summary: the net's error in the hole, and errors a, 2a, ... of what else is judged."""

    def errors(factor):
        epe = {name: factor * hole * n for n, name in enumerate(("hole", "near_edges", "occluded", "frame"), start=1)}
        return {"epe": epe, "above_1px": {"hole": factor / 100, "frame": 0.0}}

    methods = {name: errors(n) for n, name in enumerate(METHODS, start=1)}
    return {
        **methods["refined"],
        "methods": methods,
        "gain": 0.25,
        "worse_than_fill": {"videos": worse, "of": 24, "largest": 0.1},
        "confidence": {"ratio": 0.4},
        "steps": 5,
    }


def test_half_a_pixel_off_no_flow_is_a_blur():
    """A switch that does nothing would report that the bug costs nothing. (0 + 1 + 2 + 3) / 4 with 0 outside."""
    stack = torch.arange(4.0).view(1, 1, 2, 2)
    parts = dict.fromkeys(("features", "flow", "known", "hidden"), stack)
    fixed = _Fixed(Windows.whole(stack), **parts, frames=1)
    off = refiner_ablation._HalfPixelOff(**vars(fixed))
    no_flow = torch.zeros(1, 2, 2, 2)
    torch.testing.assert_close(fixed.bring(stack, 1, no_flow), stack)
    expected = torch.tensor([[0.0, 0.25], [0.5, 1.5]]).view(1, 1, 2, 2)
    torch.testing.assert_close(off.bring(stack, 1, no_flow), expected)
    torch.testing.assert_close(off.bring(stack, 1, no_flow + 0.5), stack)


def answers(kind, **options):
    torch.manual_seed(0)
    net = kind(channels=4, crop=False, **options)
    torch.nn.init.normal_(net.update.second.convolution.weight)  # it starts from zeros, which leave the fill as it is
    hidden = torch.zeros(1, 3, 2, 12, 16)
    hidden[..., 4:8, 5:11] = 1
    generator = torch.Generator().manual_seed(1)
    flow = torch.randn(2, 1, 3, 2, 12, 16, generator=generator)
    with torch.no_grad():
        return net(flow[0], flow[1], hidden)


def test_the_nets_of_the_switches_differ_from_the_refiner_in_the_switch_only():
    """With the same weights the fill is the same, and the answer is not; nor would it be if `_step` was not called."""
    plain, half, floored = (
        answers(kind) for kind in (FlowRefiner, refiner_ablation.HalfPixel, refiner_ablation.EpsilonFloor)
    )
    for other in (half, floored):
        torch.testing.assert_close(other.forward[0], plain.forward[0], rtol=0, atol=0)
        assert (other.forward[-1] - plain.forward[-1]).abs().max() > 1e-3
        assert other.confidence[0].equal(plain.confidence[0])


def test_from_a_floor_an_empty_mask_becomes_confident():
    """The source's layer with (a, b) = (0.77, 0.9): 0.40 after 4 steps and 0.91 after 5; without the floor 0.

    The cubic's slope at 0 is 3.88 in each of two layers: 1e-5 * 3.88^8 = 0.5 after four, less what it bends.
    """
    rule = lambda groups: PolynomialRule(groups, 0.77, 0.9)  # noqa: E731 (as YAML makes it)
    nothing = torch.ones(1, 1, 2, 8, 8)
    for kind, expected in ((FlowRefiner, [0.0, 0.0]), (refiner_ablation.EpsilonFloor, [0.40, 0.91])):
        with torch.no_grad():
            confidence = kind(rule=rule, channels=4, steps=5)(nothing, nothing, nothing).confidence
        assert confidence[0].count_nonzero() == 0
        for step, value in zip((4, 5), expected, strict=True):
            torch.testing.assert_close(confidence[step], torch.full_like(confidence[step], value), rtol=0, atol=0.005)


def test_rows_are_trained_with_what_they_say(tmp_path):
    """A row whose option is swallowed on the way would be a second `polynomial_add` under another name."""
    scale = refiner_ablation.SCALES["two-cores"]
    names = ["binary_2", "total_variation", "epsilon_floor", "sigma_500"]
    runs = refiner_ablation.planned(tmp_path, names, scale, seeds=2)
    assert [run.name for run in runs] == [f"{name}, seed {seed}" for seed in (0, 1) for name in names]
    assert len({run.folder for run in runs}) == 8
    seen = {}
    for run in runs[:4]:
        assert run.words()[:2] == ["--config", "refiner/small"]  # what is laid over it comes later
        assert run.words()[6:8] == ["--data.root", "null"]
        seen[run.folder.parent.name] = yaml.safe_load((tmp_path / f"{run.folder.parent.name}.yaml").read_text())
    models = {name: content["model"]["init_args"] for name, content in seen.items()}
    binary = {"rule": "outpaint_lightning.nets.BinaryRule", "architecture": "2", "channels": 16}
    assert models["binary_2"]["net"] == {"class_path": "outpaint_lightning.nets.FlowRefiner", "init_args": binary}
    assert models["total_variation"]["criterion"]["init_args"]["total_variation"] == 1
    floored = models["epsilon_floor"]["net"]
    assert floored["class_path"] == "refiner_ablation.EpsilonFloor"
    assert floored["init_args"]["rule"]["init_args"] == {"first": 0.77, "second": 0.9}
    schedule = models["sigma_500"]["criterion"]["init_args"]["schedule"]["init_args"]
    assert schedule == {"every": 6.0, "width": 500.0}


@pytest.mark.slow
def test_what_is_laid_over_small_yaml_leaves_the_rest_of_it(tmp_path, monkeypatch, capsys):
    """Another class of net without small.yaml's fill, steps and scale would be compared in more than its switch.

    That of the benchmark's own, too, which the command line finds as `refiner_ablation.HalfPixel`.
    """
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    tiny = refiner_ablation.Scale({"channels": 4}, 1.0, ("--trainer.accelerator", "cpu", "--trainer.fast_dev_run", "1"))
    small = yaml.safe_load((REPOSITORY / "configs/refiner/small.yaml").read_text())["model"]["init_args"]
    nets, criteria = {}, {}
    floored, half, moving = refiner_ablation.planned(tmp_path, ["epsilon_floor", "half_pixel", "moving"], tiny, 1)
    for run in (floored, half, moving):
        assert main(["fit", *run.words(), "--print_config"]) == 0
        model = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]
        nets[run.folder.parent.name], criteria[run.folder.parent.name] = model["net"], model["criterion"]["init_args"]
    for net in nets.values():
        assert net["init_args"]["channels"] == 4
        assert net["init_args"]["fill"]["class_path"] == small["net"]["init_args"]["fill"]["class_path"]
        assert [net["init_args"][key] for key in ("steps", "levels")] == [4, 2]
    assert [net["class_path"] for net in nets.values()] == [
        *("refiner_ablation.EpsilonFloor", "refiner_ablation.HalfPixel", "outpaint_lightning.nets.FlowRefiner")
    ]
    assert criteria["half_pixel"]["schedule"] == small["criterion"]["init_args"]["schedule"]
    assert criteria["moving"]["schedule"]["init_args"] == {"every": 1.0, "width": 0.5}
    assert criteria["moving"]["decoder"] == small["criterion"]["init_args"]["decoder"]
    window = ("--data.size", "[32, 32]", "--data.workers", "0", "--data.batch_size", "1", "--overwrite")
    assert main(["fit", *floored.words(), *window]) == 0


def test_the_ablations_table_has_means_over_seeds_and_sums_of_videos():
    """Errors of the fill in the net's column, or those near edges in the hole's, would turn its reading round."""
    results = [
        refiner_ablation.measured("power_1", seed, summary(hole, worse), minutes)
        for seed, hole, worse, minutes in ((0, 0.5, 1, 2.0), (1, 0.7, 3, None))
    ]
    header, rule, power, half = refiner_ablation.table(["power_1", "half_pixel"], results)
    assert header.count("|") == rule.count("|") == 11
    assert power == (
        "| power_1 | 0.600 ± 0.141 | 1.200 ± 0.283 | 1.200 ± 0.283 | 2.400 ± 0.566 | 0.010 ± 0.000 | 0.400 ± 0.000 "
        "| 4 of 48 | 2.000 | 2 |"
    )
    assert half == "| half_pixel | - | - | - | - | - | - | 0 of 0 | - | 0 |"
    assert refiner_ablation.describe_flow(summary(0.5)) == (
        "0.500 px in the hole (its fill 1.000), 1.000 near edges (2.000)"
    )


def test_the_results_have_the_net_beside_every_fill():
    """The share above a pixel is of the hole; the net's own fill is no column twice."""
    rows = refiner_results.measured("all", summary(0.5, 2)) + refiner_results.measured("mid2", summary(0.25))
    assert refiner_results.table(rows) == [
        "| setup | judged | its fill | zero | harmonic true edges | refiner | gain over the best floor "
        "| worse than its fill | AUSE ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| all | in the hole, px | 1.000 | 1.500 | 2.000 | 0.500 | 0.250 | 2 of 24 | 0.400 |",
        "| all | near edges, px | 2.000 | 3.000 | 4.000 | 1.000 |  |  |  |",
        "| all | occluded, px | 3.000 | 4.500 | 6.000 | 1.500 |  |  |  |",
        "| all | above 1 px | 0.020 | 0.030 | 0.040 | 0.010 |  |  |  |",
        "| mid2 | in the hole, px | 0.500 | 0.750 | 1.000 | 0.250 | 0.250 | 1 of 24 | 0.400 |",
        "| mid2 | near edges, px | 1.000 | 1.500 | 2.000 | 0.500 |  |  |  |",
        "| mid2 | occluded, px | 1.500 | 2.250 | 3.000 | 0.750 |  |  |  |",
        "| mid2 | above 1 px | 0.020 | 0.030 | 0.040 | 0.010 |  |  |  |",
    ]


STUB = """\
#!{python}
# Stands in for `python -m outpaint_lightning`: leaves a summary, or fails where the file `fails` is.
import json, pathlib, sys
options = sys.argv[3:]
folder = pathlib.Path(options[options.index("--trainer.default_root_dir") + 1])
print(*options)
if (folder.parent / "fails").exists() and folder.name == "strict_all":
    sys.exit(1)
(folder / "test").mkdir(exist_ok=True)
(folder / "test" / "summary.json").write_text(json.dumps({summary!r}))
"""


@pytest.fixture
def tested(tmp_path, monkeypatch):
    """Run refiner_results.py on a checkpoint, in OUT, with a command line that only writes a summary."""
    content = {**summary(0.5), "epe": {**summary(0.5)["epe"], "videos": 24}}
    stub, checkpoint = tmp_path / "stub", tmp_path / "last.ckpt"
    stub.write_text(STUB.format(python=sys.executable, summary=content))
    stub.chmod(0o755)
    checkpoint.touch()
    monkeypatch.setattr(experiments.sys, "executable", str(stub))

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["refiner_results.py", str(checkpoint), str(tmp_path / "out"), *options])
        with experiments._HELD:  # as `start` has it
            return refiner_results.main()

    return run


def test_protocols_have_tables_of_their_own(tested, tmp_path, capsys):
    """One command each, of this checkpoint, protocol and setup, and never two protocols in a table."""
    assert tested("--setups", "all", "mid2", "--options", "--data.test_scenes", "24") == 0
    printed = capsys.readouterr().out
    assert printed.count("| setup |") == printed.count("protocol ") == 2
    assert printed.index("protocol source: 24 scenes, 5 updates") < printed.index("protocol strict")
    log = (tmp_path / "out" / "strict_mid2" / "log.txt").read_text()
    assert "--data.test_scenes 24 --data.protocol strict --data.setup mid2 --ckpt_path" in log
    assert (tmp_path / "out" / "strict.csv").read_text().count("\n") == 1 + 2 * 4


def test_only_what_is_not_done_is_tested_again(tested, tmp_path, capsys):
    """A result of an older checkpoint of the same name would be told as this one's."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "fails").touch()
    assert tested("--protocols", "strict") == 1
    assert f"strict_all: FAILED, see {out}/strict_all/log.txt" in capsys.readouterr().out
    (out / "fails").unlink()
    assert tested("--protocols", "strict") == 0
    logs = {folder.name: (folder / "log.txt").read_text().count("$ ") for folder in out.glob("strict_*")}
    assert logs == {"strict_mid2": 1, "strict_all": 2, "strict_sandwich": 1}
    with pytest.raises(InputError, match="strict_all: holds the test of another checkpoint"):
        tested("--protocols", "strict", "--setups", "all", "--options", "--data.seed", "1")
    (tmp_path / "last.ckpt").unlink()
    with pytest.raises(InputError, match=r"last\.ckpt: no such file"):
        tested()


@pytest.mark.parametrize("corner", [(2, 3), (0, 0)])
def test_the_direct_solver_solves_laplaces_equation(corner):
    """A wrong peer would be beaten with a wrong answer. Against a loop over pixels, also at the frame's border."""
    field = torch.randn(1, 2, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    hole = torch.zeros(1, 1, 9, 11, dtype=torch.bool)
    hole[..., corner[0] : corner[0] + 4, corner[1] : corner[1] + 5] = True
    solved = refiner.solved_directly(field, hole)
    assert solved[~hole.expand_as(field)].equal(field[~hole.expand_as(field)])
    for y, x in hole[0, 0].nonzero().tolist():
        beside = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        around = torch.stack([solved[0, :, b, a] for b, a in beside if b >= 0 and a >= 0])
        torch.testing.assert_close(solved[0, :, y, x], around.mean(0), rtol=0, atol=1e-12)
    torch.testing.assert_close(harmonic(field, hole), solved, rtol=0, atol=1e-3)  # the tolerance it promises


def test_every_channels_mask_is_the_same_convolution():
    """The peer of the timing computes what ours does, but at the border, where it takes the outside as missing."""
    ours = PartialConv2d(6, 4, BinaryRule, groups=3)
    torch.manual_seed(0)
    features, mask = torch.randn(2, 6, 7, 8), (torch.rand(2, 3, 7, 8) > 0.95).float()
    theirs, seen = refiner.ChannelwisePartialConv2d(ours.convolution)(features, mask.repeat_interleave(2, 1))
    answer, known = ours(features, mask, torch.ones_like(mask))
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(answer[inside], theirs[inside])
    assert seen.equal(known.expand_as(seen))
    assert 0 < known.mean() < 1
