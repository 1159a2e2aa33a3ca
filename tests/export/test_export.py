"""Exported nets answer what their checkpoint answers, and say how they are used."""

import json
import sys

import pytest
import torch
from tiny_checkpoints import net, write_checkpoint, write_localizer

import outpaint_lightning
from outpaint_lightning.checkpoints.card import fingerprint, new_card, read_card
from outpaint_lightning.checkpoints.exported import KEY, About
from outpaint_lightning.checkpoints.onnx_net import OnnxNet
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.checkpoints.weights import read_card as read_about
from outpaint_lightning.checkpoints.weights import save_weights
from outpaint_lightning.cli import main
from outpaint_lightning.export.formats import FORMATS, Format
from outpaint_lightning.export.graphs import graph_of
from outpaint_lightning.export.padding import with_fixed_padding
from outpaint_lightning.nets import EncoderUNet, FlowRefiner, ZeroFill
from outpaint_lightning.nets.flow.refiner import refiner_step
from outpaint_lightning.types import InputError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("size", [(34, 62), (2, 62)])
def test_onnx_answers_as_the_net_at_other_sizes(checkpoint, exported, size):
    """Sizes that neither the tracing nor the parity check has seen. Catches a size that was fixed in the graph."""
    assert exported.difference < 1e-4
    image = torch.rand(1, 2, 3, *size, generator=torch.Generator().manual_seed(1))
    (logits,) = OnnxNet(exported.path)(image)
    with torch.no_grad():
        torch.testing.assert_close(logits, load_task(checkpoint).net(image)[-1], rtol=0, atol=1e-4)


def test_the_metadata_says_how_it_is_used(checkpoint, exported):
    about = OnnxNet(exported.path).about
    options = {key: value for key, value in about.options.items() if key != "padding"}
    assert options == {
        "window": {"frames": 2, "stride": 1}, "tile": [32, 48], "threshold": 0.4, "scales": [1.0], "mirrored": False,
        "stride": 2, "smallest": 2,
    }  # fmt: skip
    assert (about.kind, about.net) == ("localizer", "UNet")
    assert about.card == read_card(checkpoint)
    assert about.checkpoint == fingerprint(load_task(checkpoint).state_dict())
    assert "[0, 1]" in about.inputs["image"]


def test_no_folder_of_this_machine_is_in_the_file(exported):
    assert b"site-packages" not in exported.path.read_bytes()
    assert b"/outpaint_lightning/" not in exported.path.read_bytes()


def test_what_is_printed(checkpoint, tmp_path, capsys):
    assert main(["export", str(checkpoint), "--out", str(tmp_path), "--format", "pt2"]) == 0
    told = capsys.readouterr().out
    assert "small.pt2  UNet" in told
    assert "multiples of 2 from 4 pixels" in told
    assert "largest difference of probabilities: " in told
    assert " ms, the program " in told


def test_a_program_has_the_metadata_beside_it(checkpoint, tmp_path):
    exported = outpaint_lightning.export(checkpoint, tmp_path, "pt2")
    files = {KEY: ""}
    program = torch.export.load(exported.path, extra_files=files)
    about = About.read(files[KEY])
    assert about.options["threshold"] == 0.4
    assert about.weights == fingerprint(program.state_dict)
    image = torch.rand(1, 2, 3, 34, 62)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(image)[0], load_task(checkpoint).net(image)[-1])


def test_weights_keep_what_their_card_says(checkpoint, tmp_path):
    """Catches a card written anew, without licence and calibration."""
    task = load_task(checkpoint)
    card = new_card(task.state_dict(), trained={"data": "clips"})
    save_weights(task, tmp_path / "first.safetensors", {"licence": "CC0", "card": card}, half=True)
    exported = outpaint_lightning.export(tmp_path / "first.safetensors", tmp_path / "again", "safetensors")
    assert exported.difference == 0
    assert read_about(exported.path)["licence"] == "CC0"
    assert read_card(exported.path) == read_card(tmp_path / "first.safetensors") == card


def altered_by(amount):
    """A format whose file answers something else."""

    more = torch.tensor([0, amount])[:, None, None]

    def write(source, path):
        path.write_bytes(b"written")
        return lambda image: [logits + more for logits in source.graph.module(image)]

    return Format(".pt2", write, "")


def test_a_file_that_answers_otherwise_is_refused(checkpoint, tmp_path, monkeypatch, capsys):
    """A logit of 0.01 is up to 0.0025 of a probability; nothing is left behind, no folder either."""
    monkeypatch.setitem(FORMATS, "pt2", altered_by(0.01))
    assert main(["export", str(checkpoint), "--out", str(tmp_path / "new"), "--format", "pt2"]) == 2
    line = capsys.readouterr().err
    assert "probabilities of its export would differ by 2." in line
    assert line.count("\n") == 1
    assert not (tmp_path / "new").exists()
    monkeypatch.setitem(FORMATS, "pt2", altered_by(float("nan")))
    with pytest.raises(InputError, match="differ by nan"):
        outpaint_lightning.export(checkpoint, tmp_path / "new", "pt2")


def test_nothing_is_replaced_unasked(checkpoint, tmp_path):
    outpaint_lightning.export(checkpoint, tmp_path, "safetensors")
    with pytest.raises(InputError, match="already exists; pass --overwrite"):
        outpaint_lightning.export(checkpoint, tmp_path, "safetensors")
    with pytest.raises(InputError, match="would replace"):
        outpaint_lightning.export(tmp_path / "small.safetensors", tmp_path, "safetensors", overwrite=True)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_without_the_extra_it_is_one_line(checkpoint, tmp_path, monkeypatch, capsys, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["export", str(checkpoint), "--out", str(tmp_path)]) == 2
    expected = f"ONNX files need {package}, which is not installed; expected pip install 'outpaint_lightning[export]'\n"
    assert capsys.readouterr().err.endswith(expected)


def test_formats_are_spelled_out(checkpoint, tmp_path):
    with pytest.raises(InputError, match="--format onx: expected onnx, pt2, safetensors; did you mean 'onnx'"):
        outpaint_lightning.export(checkpoint, tmp_path, "onx")


def test_a_net_that_carries_is_refused(tmp_path):
    """Its file would start anew at every frame, and find something else than the checkpoint."""
    spec = net("RaftLocalizer", variant="small", updates=1, carry=True)
    path = write_localizer(tmp_path / "carry.ckpt", spec, stride=-1)
    with pytest.raises(InputError, match=r"carry.ckpt: carries its state .* --format safetensors"):
        outpaint_lightning.export(path, tmp_path / "out")
    task = load_task(path)
    task.window["stride"] = 1  # windows that look ahead are judged whole
    assert graph_of(task).options["smallest"] == 128


@pytest.mark.parametrize("halved", [1.0, 0.5])
def test_fixed_padding_changes_nothing(halved):
    """Kernels of 3 and 5 at strides 1 and 2. Catches the padding of the wrong side, and of the wrong kernel."""
    torch.manual_seed(0)
    own = EncoderUNet(stem=4, widths=(8, 8, 8, 8), encoder_scale=halved).eval()
    image = torch.rand(1, 2, 3, 48, 64)
    with torch.no_grad():
        torch.testing.assert_close(with_fixed_padding(own)(image)[0], own(image)[0])
    names = [type(part).__name__ for part in with_fixed_padding(own).modules()]
    assert "Conv2dSame" not in names
    assert "Conv2dSame" in [type(part).__name__ for part in own.modules()]


@pytest.mark.parametrize("residual", [True, False])
@torch.no_grad()
def test_steps_make_the_refiner(residual):
    """Two steps, each from what the one before left. Catches a step that forgets its features or its flow."""
    torch.manual_seed(0)
    refiner = FlowRefiner(ZeroFill(), channels=4, steps=2, trust=0.25, residual=residual, architecture="replace").eval()
    for parameter in refiner.parameters():
        parameter.copy_(torch.randn_like(parameter) / 3)
    flows, hidden = torch.randn(2, 1, 3, 2, 20, 24), torch.zeros(1, 3, 2, 20, 24)
    hidden[..., 6:12, 5:15] = 1
    expected = refiner(*flows, hidden)
    fill = torch.cat(refiner.fill(*flows, hidden), 2)[0]
    state = fill, torch.zeros(3, 4, 20, 24), torch.where(hidden[0].amax(1, keepdim=True) > 0, 0.25, 1.0)
    for step in (1, 2):
        state = refiner_step(refiner, fill, hidden[0], *state)
        torch.testing.assert_close(state[0][:, :2], expected.forward[step][0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(state[2], expected.confidence[step][0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(state[0], fill, atol=0.1)


def test_a_refiner_says_where_its_state_starts(tmp_path):
    spec = net("FlowRefiner", channels=4, steps=3, trust=0.25)
    path = write_checkpoint(tmp_path / "r.ckpt", "FlowRefinementTask", spec, "RefinementCriterion")
    graph = graph_of(load_task(path))
    assert graph.options == {"steps": 3, "levels": 1, "trust": 0.25, "reach": 2}
    assert graph.kind == "refiner"
    fill, hidden, flow, change, confidence = graph.samples[0]
    assert fill.shape == flow.shape == (3, 4, 40, 48)
    assert change.shape[1] == 4
    assert confidence.min() >= 0.25
    assert set(hidden.unique().tolist()) == {0, 1}


def test_a_refiner_is_exported_for_windows_of_any_length(tmp_path):
    """Catches a number of frames that the code made a constant: torch.export then refuses the free length."""
    spec = net("FlowRefiner", channels=2, steps=1, trust=0.25)
    path = write_checkpoint(tmp_path / "r.ckpt", "FlowRefinementTask", spec, "RefinementCriterion")
    exported = outpaint_lightning.export(path, tmp_path / "out", format="onnx")
    assert exported.difference < 1e-3


def test_a_task_of_another_kind_is_refused():
    class Other(torch.nn.Module):
        pass

    with pytest.raises(InputError, match="holds a Other; expected a LocalizationTask or a RegionTask or a Flow"):
        graph_of(Other())


def test_metadata_is_plain_json(exported):
    values = json.loads(OnnxNet(exported.path).about.text)
    assert values["format"] == 1
