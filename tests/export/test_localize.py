"""`localize` with the ONNX file of an exported net, also one from a stranger."""

import json
import sys

import numpy as np
import pytest
import torch
from torch import nn

from outpaint_lightning.checkpoints.card import fingerprint, new_card
from outpaint_lightning.checkpoints.exported import KEY
from outpaint_lightning.checkpoints.onnx_net import weights_of
from outpaint_lightning.cli import main
from outpaint_lightning.export.formats import Source, write_onnx
from outpaint_lightning.export.graphs import graph_of
from outpaint_lightning.export.parity import largest_difference
from outpaint_lightning.localize.finding import find
from outpaint_lightning.localize.opening import open_checkpoint
from outpaint_lightning.nets import RegionOutput
from outpaint_lightning.nets.detectors.region import decode_boxes
from outpaint_lightning.tasks import RegionTask
from outpaint_lightning.types import InputError

pytestmark = pytest.mark.slow

onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")


def test_masks_are_those_of_the_checkpoint(checkpoint, exported, clip):
    """In tiles, at a size that is no multiple of the stride. Catches a threshold, a tile or a softmax left out."""
    own, other = find(clip, checkpoint), find(clip, exported.path)
    assert other.threshold == own.threshold == 0.4
    assert np.abs(own.probability - other.probability).max() <= 1e-3
    assert own.probability.std() > 0.01
    sure = np.abs(own.probability - 0.4) > 1e-3
    assert np.array_equal(own.masks[sure], other.masks[sure])
    assert own.masks.any()
    assert not own.masks.all()


def test_the_command_writes_the_same_files(exported, clip, tmp_path, capsys):
    words = ["localize", str(clip), "--ckpt_path", str(exported.path), "--out", str(tmp_path), "--batch-size", "2"]
    assert main(words) == 0
    assert (tmp_path / "pan" / "report.html").is_file()
    assert json.loads((tmp_path / "pan" / "summary.json").read_text())["threshold"] == 0.4
    assert "never tested" in capsys.readouterr().out


class TinyDetector(nn.Module):
    """As `RegionDetector`, without seconds of a backbone."""

    def __init__(self):
        super().__init__()
        self.look = nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, image):
        maps = self.look(image[:, 0])
        numbers = maps.mean((2, 3))
        return RegionOutput(numbers[:, 0], decode_boxes(numbers[:, 1:5], *image.shape[-2:]), maps[:, 5:] * 20)


def test_region_detectors_judge_images(tmp_path):
    """Catches outputs in another order, and images of a batch that are judged as the first."""
    torch.manual_seed(0)
    own = RegionTask(TinyDetector(), nn.Identity(), threshold=0.3).eval()
    own.size = [64, 96]
    path, card = tmp_path / "regions.onnx", new_card(own.state_dict())
    graph = graph_of(own)
    assert "fixed: the detector judges images brought to 96x64" in graph.sizes
    assert largest_difference(graph, write_onnx(Source(path, own, graph, card), path)) < 1e-4
    task, found_card = open_checkpoint(path)
    assert (task.size, task.threshold, found_card) == ([64, 96], 0.3, card)
    images = torch.rand(2, 1, 3, 64, 96)
    with torch.inference_mode():
        found, expected = task(images), own(images)
    assert abs(expected["score"][0] - expected["score"][1]) > 1e-5
    torch.testing.assert_close(found["score"], expected["score"], rtol=0, atol=1e-6)
    torch.testing.assert_close(found["box"], expected["box"], rtol=0, atol=1e-3)
    assert (found["mask"] == expected["mask"]).float().mean() > 0.999


@pytest.fixture
def altered(exported, tmp_path):
    """Write the exported file with something changed, as a stranger may."""

    def write(change):
        model = onnx.load(exported.path)
        change(model)
        path = tmp_path / "stranger.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return write


def metadata(change):
    """A change of the metadata alone."""

    def alter(model):
        entry = next(entry for entry in model.metadata_props if entry.key == KEY)
        values = json.loads(entry.value)
        change(values)
        entry.value = json.dumps(values)

    return alter


def options(**values):
    return metadata(lambda about: about["options"].update(values))


def outside(model):
    """Weights that are read from another file: any of this machine."""
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"


def inside_a_node(model):
    """The same in a constant, where a look at the initializers alone does not see it."""
    outside(model)
    attribute = onnx.helper.make_attribute("value", onnx.helper.make_tensor("hidden", 1, [1], [0.0]))
    attribute.t.CopyFrom(model.graph.initializer[0])
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["unused"]))
    model.graph.node[0].attribute.append(attribute)
    del model.graph.initializer[0]


def foreign(model):
    model.graph.node[0].domain = "com.stranger"


def other_weights(model):
    weight = next(each for each in model.graph.initializer if len(each.dims) == 4)
    weight.raw_data = bytes(len(weight.raw_data))


def without_metadata(model):
    del model.metadata_props[:]


def other_net(model):
    """A net that this package did not write, with its own fingerprint: it takes something else."""
    model.graph.input[0].name = "pixels"
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = "pixels" if name == "image" else name


def other_card(about):
    about["card"] = {**new_card({}), "weights": "0123456789abcdef"}


ATTACKS = {
    "outside": (outside, "keeps '.*' in another file, which is not opened"),
    "inside a node": (inside_a_node, "keeps '.*' in another file, which is not opened"),
    "foreign": (foreign, r"uses the operator com.stranger\.\w+; expected ONNX's own"),
    "other weights": (other_weights, "its metadata belongs to other weights"),
    "no metadata": (without_metadata, "is no net of this package"),
    "other net": (other_net, "takes pixels and gives logits; its metadata names image and logits"),
    "other card": (metadata(other_card), "its card belongs to other weights"),
    "odd card": (metadata(lambda about: about.update(card={"version": 99})), "its card is of version 99"),
    "format": (metadata(lambda about: about.update(format=7)), "its metadata has the format 7; this version reads 1"),
    "kind": (metadata(lambda about: about.update(kind="refiner")), "holds a refiner; expected a localizer or a"),
    "no text": (metadata(lambda about: about.update(net=3)), "net of its metadata is a int; expected text"),
    "threshold": (options(threshold=2), "metadata cannot be used .*threshold is 2: expected a number between 0"),
    "a word": (options(threshold="validation"), "threshold is 'validation': expected numbers"),
    "tile": (options(tile=[0.5, 9]), "tile is .0.5, 9.: expected .height, width. or null"),
    "stride": (options(stride=10**9), "expected 1 to 4096 pixels"),
    "window": (options(window={"frames": 3, "stride": 1}), "its net takes .* its options say .1, 3, 3."),
    "nothing": (options(window=None), "window is None: expected frames and stride"),
    "missing": (metadata(lambda about: about["options"].pop("scales")), "'scales' is missing"),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_strangers_file_is_one_line(altered, attack):
    change, message = attack
    with pytest.raises(InputError, match=message) as refused:
        open_checkpoint(altered(change))
    assert "stranger.onnx" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("length", [0, 1, 40, 1000, 20_000])
def test_a_file_that_breaks_off_is_one_line(exported, tmp_path, length):
    path = tmp_path / "short.onnx"
    path.write_bytes(exported.path.read_bytes()[:length])
    with pytest.raises(InputError, match="short"):
        open_checkpoint(path)


def test_answers_that_are_no_numbers_are_refused(altered, clip):
    """As the fingerprint of weights that are not finite can be right."""

    def spoil(model):
        weight = next(each for each in model.graph.initializer if len(each.dims) == 4)
        weight.raw_data = np.full([*weight.dims], np.nan, np.float32).tobytes()
        metadata(lambda about: about.update(weights=fingerprint(weights_of(model))))(model)

    with pytest.raises(InputError, match="with what is no finite number"):
        find(clip, altered(spoil))


def test_other_commands_name_the_checkpoint(exported, dataset, tmp_path, capsys):
    assert main(["export", str(exported.path), "--out", str(tmp_path / "again")]) == 2
    line = capsys.readouterr().err
    assert "small.onnx: holds an exported net, which localize alone opens; expected the checkpoint it was made" in line
    assert main(["seal", str(exported.path), "--data", str(dataset)]) == 2


def test_without_the_extra_it_is_one_line(exported, clip, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["localize", str(clip), "--ckpt_path", str(exported.path), "--out", str(tmp_path / "found")]) == 2
    assert "ONNX files need onnxruntime, which is not installed" in capsys.readouterr().err
