"""A generator's checkpoint as what fills: `inpaint --ckpt_path`, and `forge --fill net`."""

import json

import numpy as np
import pytest
import torch
from support import texture

from outpaint_lightning.cli import main
from outpaint_lightning.forge.fills.net import Net
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.io import read_image, write_image, write_mask
from outpaint_lightning.nets import PatchDiscriminator, SpatiotemporalGenerator
from outpaint_lightning.tasks import SpatiotemporalInpaintingTask

COUNT, HEIGHT, WIDTH = 7, 20, 26


def saved(path, **options):
    """Write the checkpoint of an untrained task, as `fit` would describe it; returns its generator."""
    torch.manual_seed(0)
    net = {"width": 4, "widest": 4, "norm": "group", "frames": 4, "downs": 1, **options}
    critic = {"dim": 2, "width": 2, "layers": 1}
    task = SpatiotemporalInpaintingTask(SpatiotemporalGenerator(**net), PatchDiscriminator(**critic))
    described = {"net": ("SpatiotemporalGenerator", net), "frame_critic": ("PatchDiscriminator", critic)}
    options = {key: {"class_path": f"outpaint_lightning.nets.{name}", "init_args": given}
               for key, (name, given) in described.items()}  # fmt: skip
    name = "outpaint_lightning.tasks.SpatiotemporalInpaintingTask"
    torch.save({"state_dict": task.state_dict(), "hyper_parameters": {"_class_path": name, **options}}, path)
    return task.net.eval()


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    root = tmp_path_factory.mktemp("material")
    wide = texture(4, HEIGHT, WIDTH + COUNT)
    clip = np.stack([wide[:, t : t + WIDTH] for t in range(COUNT)])
    holes = np.random.default_rng(0).random(clip.shape[:3]) > 0.7
    for t in range(COUNT):
        write_image(root / "clip" / f"{t:05d}.png", clip[t])
        write_mask(root / "masks" / f"{t:05d}.png", holes[t])
    net = saved(root / "generator.ckpt")
    image, mask = torch.from_numpy(clip).permute(0, 3, 1, 2)[None] / 255, torch.from_numpy(holes)[None, :, None].float()
    with torch.no_grad():
        expected = net.fill(image, mask)[0].mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    return root, clip, holes, expected


@pytest.mark.slow
def test_inpaint_shows_what_the_generator_makes_and_keeps_the_rest(material, tmp_path, capsys):
    """The same windows as `fill`, though frames come one by one. Catches holes of other frames, and a lost tail."""
    root, clip, holes, expected = material
    line = ["inpaint", str(root / "clip"), "--masks", str(root / "masks"), "--ckpt_path", str(root / "generator.ckpt")]
    assert main([*line, "--out", str(tmp_path), "--device", "cpu"]) == 0
    frames = np.stack([read_image(path) for path in sorted((tmp_path / "clip" / "frames").iterdir())])
    assert np.array_equal(frames[~holes], clip[~holes])
    assert np.array_equal(frames, expected)
    summary = json.loads((tmp_path / "clip" / "summary.json").read_text())
    assert summary["pixels"]["inpainted"] == holes.sum()
    assert (summary["window"], summary["flow"]) == (4, None)
    assert (summary["never_seen"], summary["hole_motion"]) == (None, None)  # it looked at no other frame
    assert not any("no other frame" in line for line in summary["warnings"])
    assert not (tmp_path / "clip" / "flow").exists()
    assert main([*line, "--out", str(tmp_path / "b"), "--steps", "3"]) == 2
    assert "--steps needs a flow refiner" in capsys.readouterr().err


def test_a_generator_of_fields_fills_no_video(material, tmp_path, capsys):
    root, *_ = material
    saved(tmp_path / "one.ckpt", channels=1)
    line = ["inpaint", str(root / "clip"), "--masks", str(root / "masks"), "--out", str(tmp_path / "out")]
    assert main([*line, "--ckpt_path", str(tmp_path / "one.ckpt")]) == 2
    assert "a generator of 1 channel; a video has 3" in capsys.readouterr().err


def test_forge_fills_with_the_same_net(material):
    """What the hole hides has no influence, and pixels outside are the clip's."""
    root, clip, holes, expected = material
    fill = Net(str(root / "generator.ckpt"))
    params = fill.sample(np.random.default_rng(0))
    spoiled = np.where(holes[..., None], 255 - clip, clip)
    made = fill.apply(Footage(spoiled), holes, params)
    assert np.array_equal(made[~holes], clip[~holes])
    assert np.abs(made.astype(int) - expected).max() <= 1  # one thread sums in another order
