"""Nets that complete flow in one pass, as what `inpaint` goes by; and the repair of what `localize` has found."""

import json

import numpy as np
import pytest
import torch
from examinations import examine, write_video
from support import texture

from outpaint_lightning.cli import main
from outpaint_lightning.inpaint.completion import NetCompletion
from outpaint_lightning.io import open_clip, read_image, write_image, write_mask
from outpaint_lightning.losses import CompletionCriterion
from outpaint_lightning.nets import DirectFlow, FlowCompletion, UNetTrunk
from outpaint_lightning.tasks import FlowRefinementTask
from outpaint_lightning.types import InputError

COUNT, HEIGHT, WIDTH = 7, 32, 40


def saved(path, **options):
    """Write the checkpoint of an untrained net, as `fit` would describe it."""
    trunk = {"class_path": "outpaint_lightning.nets.UNetTrunk", "init_args": {"width": 8, "depth": 1}}
    options = {"frames": 4, **options}
    net = DirectFlow(lambda inputs, outputs: UNetTrunk(inputs, outputs, width=8, depth=1), **options)
    described = {
        "_class_path": "outpaint_lightning.tasks.FlowRefinementTask",
        "net": {"class_path": "outpaint_lightning.nets.DirectFlow", "init_args": {"trunk": trunk, **options}},
        "criterion": {"class_path": "outpaint_lightning.losses.CompletionCriterion", "init_args": {}},
    }
    task = FlowRefinementTask(net, CompletionCriterion())
    torch.save({"state_dict": task.state_dict(), "hyper_parameters": described}, path)
    return path


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    root = tmp_path_factory.mktemp("material")
    wide = texture(4, HEIGHT, WIDTH + 2 * COUNT)
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[12:20, 16:24] = True
    write_mask(root / "mask.png", hole)
    for t in range(COUNT):
        write_image(root / "clip" / f"{t:05d}.png", np.where(hole[..., None], 128, wide[:, 2 * t : 2 * t + WIDTH]))
    saved(root / "net.ckpt")
    return root


def words(material, out, *more):
    return ["inpaint", str(material / "clip"), "--masks", str(material / "mask.png"), "--out", str(out), *more]


def test_an_untrained_net_inpaints_as_its_start(material, tmp_path):
    """Seven frames in windows of four. Catches frames lost between windows, and a net that is not rebuilt as it was."""
    assert main(words(material, tmp_path / "net", "--ckpt_path", str(material / "net.ckpt"))) == 0
    assert main(words(material, tmp_path / "fill", "--fill", "harmonic")) == 0
    for t in range(COUNT):
        ours, theirs = (read_image(tmp_path / way / "clip" / "frames" / f"{t:05d}.png") for way in ("net", "fill"))
        assert np.abs(ours.astype(int) - theirs).max() <= 1
    summary = json.loads((tmp_path / "net" / "clip" / "summary.json").read_text())
    assert (summary["checkpoint"], summary["steps"]) == (str(material / "net.ckpt"), None)


class Counts(torch.nn.Module):
    """Says of each frame which one of its window it is, 1 to 4."""

    frames = 4

    def forward(self, forward, backward, hidden):  # noqa: ARG002
        number = torch.arange(1.0, 5).view(1, 4, 1, 1, 1).expand_as(forward)
        return FlowCompletion([forward, number], [backward, -number])


def test_each_frame_comes_from_the_window_in_whose_middle_it_lies():
    """Windows of four at 0, 2, 4 and 5 of nine frames. Kills a plain mean, and ends that are lost."""
    task = type("Task", (), {"net": Counts(), "test_steps": None})
    flow = torch.zeros(1, 9, 2, 3, 3)
    forward, backward = NetCompletion("net.ckpt", task, None, torch.device("cpu"))(flow, flow, flow)
    assert forward[0, :, 0, 0, 0].tolist() == [1, 2, 3, 2, 3, 2, 3, 3, 4]
    assert torch.equal(backward, -forward)


def test_a_window_without_a_known_vector_takes_the_flow_of_the_nearest_frame():
    """Kills a net that is asked, and refuses: a shot may be covered for as long as a window, or longer."""
    task = type("Task", (), {"net": Counts(), "test_steps": None})
    flow = torch.full((1, 6, 2, 3, 3), 9.0)
    hidden = torch.zeros(1, 6, 2, 3, 3)
    hidden[:, :4] = 1  # all of the first window
    flow[:, 4] = 7
    forward, backward = NetCompletion("net.ckpt", task, None, torch.device("cpu"))(flow, flow, hidden)
    assert forward[0, :, 0, 0, 0].tolist() == backward[0, :, 0, 0, 0].abs().tolist() == [7, 7, 7, 2, 3, 4]


@pytest.mark.parametrize(
    ("options", "more", "said"),
    [
        ({"setup": "mid2"}, (), "completes holes of setup mid2 alone"),
        ({"frames": 9}, (), "completes windows of 9 frames"),
        ({}, ("--window", "4", "--steps", "2"), "--steps needs a flow refiner: DirectFlow makes no updates"),
    ],
)
def test_what_does_not_fit_is_named(options, more, said, material, tmp_path, capsys):
    """A checkpoint of another setup or number of frames; updates of a net that makes none. Nothing is written."""
    path = saved(tmp_path / "net.ckpt", **options)
    assert main(words(material, tmp_path / "out", "--ckpt_path", str(path), *more)) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out" / "clip").exists()


def test_blind_repair(tmp_path):
    """`localize` finds a bright spot that moves over a dim pan; `inpaint` with its masks leaves none of it."""
    video = write_video(tmp_path / "suspect.mp4", frames=10, size=(64, 80))
    examine(video, tmp_path / "found")
    masks = tmp_path / "found" / "suspect" / "masks"
    line = ["inpaint", str(video), "--masks", str(masks), "--dilate", "8", "--fill", "edge_cut"]
    assert main([*line, "--out", str(tmp_path / "repaired")]) == 0
    before = np.stack(list(open_clip(video)))
    after = np.stack([read_image(path) for path in sorted((tmp_path / "repaired" / "suspect" / "frames").iterdir())])
    assert (before > 200).any(3).sum() > 500
    assert (after > 200).any(3).sum() == 0
    summary = json.loads((tmp_path / "repaired" / "suspect" / "summary.json").read_text())
    assert summary["dilate"] == 8
    assert summary["pixels"]["inpainted"] < 0.5 * (after[..., 0].size - summary["pixels"]["known"])


def test_a_net_of_another_setup_is_refused_in_python():
    task = type("Task", (), {"net": DirectFlow(setup="sandwich"), "test_steps": None})
    with pytest.raises(InputError, match="setup sandwich alone"):
        NetCompletion("net.ckpt", task, None, torch.device("cpu"))
