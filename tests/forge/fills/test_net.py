from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from outpaint_lightning.checkpoints.allowed import VARIABLE
from outpaint_lightning.forge.fills import Fill, mirror
from outpaint_lightning.forge.fills.net import Net
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.types import InputError

SHAPE = (2, 9, 13)


class Affine(nn.Module):
    """gain * image + the mask * offset, plus noise; what it was given is kept."""

    seen: tuple[Tensor, Tensor, bool, bool]

    def __init__(self, noise: float = 0.0, weights: str | None = None):
        super().__init__()
        assert weights is None  # a file that may be gone
        self.gain = nn.Parameter(torch.tensor(1.0))
        self.offset = nn.Parameter(torch.tensor(0.0))
        self.noise = noise

    def fill(self, image: Tensor, mask: Tensor) -> Tensor:
        type(self).seen = image, mask, self.training, torch.is_inference_mode_enabled()
        return self.gain * image + self.offset * mask + self.noise * torch.rand_like(image)


class Cropping(nn.Module):
    def fill(self, image: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG002 - the interface
        return image[..., 1:]


class NoFill(nn.Module):
    pass


class NoModule:
    def fill(self, image: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG002 - the interface
        return image


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name by which a checkpoint finds the classes above: with `importlib` mode, pytest gives this file none."""
    monkeypatch.setitem(sys.modules, "generators_of_test_net", sys.modules[__name__])
    monkeypatch.setenv(VARIABLE, "generators_of_test_net")
    return "generators_of_test_net"


@pytest.fixture
def checkpoint(tmp_path: Path, importable: str):
    def write(kind: str = "Affine", name: str = "run.ckpt", gain: float = 0.5, **options) -> str:
        weights = {"net.gain": torch.tensor(gain), "net.offset": torch.tensor(0.25), "criterion.w": torch.zeros(3)}
        net = {"class_path": f"{importable}.{kind}", "init_args": options}
        path = tmp_path / name
        weights = weights if kind == "Affine" else {}
        torch.save({"state_dict": weights, "hyper_parameters": {"net": net, "_instantiator": "x"}}, path)
        return str(path)

    return write


@pytest.fixture
def footage() -> tuple[Footage, np.ndarray]:
    frames = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    mask = np.zeros(SHAPE, bool)
    mask[0, 2:5, 3:] = True  # and none in the other frame
    return Footage(frames), mask


def _fill(path: str, footage: tuple[Footage, np.ndarray]) -> np.ndarray:
    params = json.loads(json.dumps(Net(path).sample(np.random.default_rng(0))))
    fill: Fill = Net()  # replayed from its parameters alone
    return fill.apply(*footage, params)


def test_the_hole_shows_what_the_weights_make_of_the_mirror(checkpoint, footage):
    """Catches weights that were not loaded, channels or frames in another order, a mask of the other polarity."""
    clip, mask = footage
    filled = _fill(checkpoint(weights="gone.ckpt"), footage)
    covered = mirror(clip.frames, mask)
    np.testing.assert_array_equal(filled[~mask], clip.frames[~mask])
    expected = 0.5 * covered[mask].astype(float) + 0.25 * 255
    assert np.abs(filled[mask] - expected).max() <= 0.5 + 1e-4  # rounding
    image, hole, training, inference = Affine.seen
    assert (image.shape, hole.shape) == ((1, 2, 3, 9, 13), (1, 2, 1, 9, 13))
    np.testing.assert_allclose(image[0, 0, 1].numpy(), covered[0, ..., 1] / 255, rtol=1e-6)
    np.testing.assert_array_equal(hole[0, 0, 0].numpy(), mask[0])
    assert not training
    assert inference


def test_values_beyond_the_range_are_cut(checkpoint, footage):
    assert (_fill(checkpoint(gain=9.0), footage)[footage[1]].max()) == 255
    assert (_fill(checkpoint(name="b.ckpt", gain=-9.0), footage)[footage[1]].min()) == 0


def test_what_the_hole_hides_has_no_influence_and_chance_is_seeded(checkpoint, footage):
    clip, mask = footage
    path = checkpoint(noise=0.5)
    before = clip.frames.copy()
    state = torch.get_rng_state()
    filled = _fill(path, footage)
    np.testing.assert_array_equal(clip.frames, before)
    assert torch.equal(torch.get_rng_state(), state)
    other = clip.frames.copy()
    other[mask] = 255 - other[mask]
    torch.rand(1)
    np.testing.assert_array_equal(_fill(path, (Footage(other), mask)), filled)
    params = Net(path).sample(np.random.default_rng(1))
    assert not np.array_equal(Net().apply(clip, mask, params), filled)


def test_another_file_at_the_path_is_refused(checkpoint, footage):
    path = checkpoint()
    params = Net(path).sample(np.random.default_rng(0))
    Net().apply(*footage, params)
    checkpoint(gain=0.75)
    os.utime(path, (0, 0))  # a file system may tell the time to 10 ms only
    with pytest.raises(InputError, match="not the checkpoint"):
        Net().apply(*footage, params)
    hole = footage[1]
    expected = np.minimum(0.75 * mirror(footage[0].frames, hole)[hole] + 0.25 * 255, 255)
    assert np.abs(_fill(path, footage)[hole] - expected).max() <= 0.5 + 1e-4  # read anew; rounding


def test_a_clip_does_not_load_it_again(checkpoint, footage, monkeypatch):
    loads = []
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *args, **options: loads.append(args) or load(*args, **options))
    path = checkpoint()
    for _ in range(3):
        _fill(path, footage)
    assert len(loads) == 1


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("Cropping", r"shape \(1, 2, 3, 9, 12\); expected \(1, 2, 3, 9, 13\)"),
        ("NoFill", "no generator.*method fill"),
        ("NoModule", "cannot rebuild its net"),
        ("Missing", "Missing, which cannot be imported"),
        ("nowhere.Missing", "nowhere.Missing, which cannot be imported"),
    ],
)
def test_what_is_no_generator_is_refused(kind: str, message: str, checkpoint, footage):
    with pytest.raises(InputError, match=message):
        _fill(checkpoint(kind), footage)


def test_a_net_of_another_needs_trust(checkpoint, footage, monkeypatch):
    """Catches a fill that imports what a stranger's checkpoint names."""
    path = checkpoint()
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(InputError, match=r"generators_of_test_net.Affine.*--trust generators_of_test_net"):
        _fill(path, footage)


def test_unusable_checkpoints(checkpoint, footage, tmp_path: Path):
    with pytest.raises(InputError, match="expected the checkpoint"):
        Net().sample(np.random.default_rng(0))
    with pytest.raises(InputError, match="no such checkpoint"):
        _fill(str(tmp_path / "none.ckpt"), footage)
    with pytest.raises(InputError, match="not finite"):
        _fill(checkpoint(gain=float("nan")), footage)
    with pytest.raises(InputError, match="cannot rebuild its net"):
        _fill(checkpoint(option=3), footage)
    other = checkpoint(name="other.ckpt")
    saved = torch.load(other, weights_only=True)
    saved["state_dict"].pop("net.gain")
    torch.save(saved, other)
    with pytest.raises(InputError, match="cannot rebuild its net"):
        _fill(other, footage)
    torch.save({"state_dict": {}, "hyper_parameters": {}}, other)
    with pytest.raises(InputError, match="does not say how its net is built"):
        _fill(other, footage)
    torch.save(footage[0], other)
    with pytest.raises(InputError, match="pickled objects"):
        _fill(other, footage)
    Path(other).write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="corrupt"):
        _fill(other, footage)
