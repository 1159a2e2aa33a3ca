"""The small autoencoders: built, trained, stored, shipped, and as a fill."""

import json

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support import full_disk, texture, write_clip

from outpaint_lightning.forge.autoencoders.net import SmallAutoencoder, Spec, load, save
from outpaint_lightning.forge.autoencoders.train import frames_of, main, psnr, train, variants
from outpaint_lightning.forge.fills import Autoencoder, Regeneration
from outpaint_lightning.forge.fills.autoencoder import SHIPPED, TONE
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.types import InputError


@pytest.mark.parametrize("spec", variants(), ids=lambda spec: spec.name)
def test_every_variant_keeps_sizes_and_has_its_stride(spec):
    net = SmallAutoencoder(spec)
    image = torch.rand(2, 3, 32, 48)
    latent = net.encode(image)
    assert latent.shape == (2, spec.latent, 32 // spec.stride, 48 // spec.stride)
    assert net.decode(latent).shape == image.shape
    assert spec.latent < 3 * spec.stride**2  # a bottleneck


@pytest.mark.parametrize("spec", variants(), ids=lambda spec: spec.name)
def test_every_upsampler_leaves_its_own_grid(spec):
    """Of a flat latent the output repeats with the stride; two upsamplers show it, two are flat."""
    torch.manual_seed(0)
    made = SmallAutoencoder(spec).decode(torch.ones(1, spec.latent, 12, 12)).detach()[0]
    inside = made[:, 4 * spec.stride : -4 * spec.stride, 4 * spec.stride : -4 * spec.stride]
    torch.testing.assert_close(inside[:, spec.stride :], inside[:, : -spec.stride], atol=1e-5, rtol=0)
    varies = (inside - inside.mean((1, 2), keepdim=True)).abs().max() > 1e-4
    assert varies == (spec.upsampler in ("transposed", "shuffle"))


def test_the_variants_differ_in_stride_and_upsampler():
    assert len({(spec.stride, spec.upsampler) for spec in variants()}) == len(variants()) == 12
    assert variants() == variants()
    assert len({spec.activation for spec in variants()}) > 1


def test_training_learns_and_repeats():
    image, spec = texture(3), Spec(2, "nearest", 4)
    torch.manual_seed(0)
    before = psnr(SmallAutoencoder(spec), image)
    net, again = train(spec, [image], 40), train(spec, [image], 40)
    assert psnr(net, image) > before + 5
    for one, other in zip(net.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_file_brings_the_net_back(tmp_path):
    net = SmallAutoencoder(Spec(4, "shuffle", 12, "relu"))
    save(net, tmp_path / "net.safetensors", "not at all")
    found = load(tmp_path / "net.safetensors")
    assert found.spec == net.spec
    assert not found.training
    image = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(found(image), net(image), atol=2e-3, rtol=0)  # half precision: 11 bits


def test_a_full_disk_keeps_the_net_that_is_there(tmp_path):
    (tmp_path / "net.safetensors").write_bytes(b"old")
    with full_disk(100), pytest.raises(OSError, match="File too large") as error:
        save(SmallAutoencoder(Spec(4, "shuffle", 12, "relu")), tmp_path / "net.safetensors", "not at all")
    assert error.value.filename == str(tmp_path / "net.safetensors")
    assert (tmp_path / "net.safetensors").read_bytes() == b"old"


def test_what_is_no_autoencoder_is_refused(tmp_path):
    (tmp_path / "text.safetensors").write_text("not weights")
    save_file({"x": torch.ones(2)}, tmp_path / "other.safetensors")
    spec = {"stride": 4, "upsampler": "nearest", "latent": 12}
    save_file({"x": torch.ones(2)}, tmp_path / "keys.safetensors", {"spec": json.dumps(spec)})
    save_file({"x": torch.ones(2)}, tmp_path / "spec.safetensors", {"spec": json.dumps({**spec, "upsampler": "magic"})})
    for name in ("text", "other", "keys", "spec", "absent"):
        with pytest.raises(
            InputError, match=rf"{name}\.safetensors: cannot be read .*autoencoders\.train was expected"
        ):
            load(tmp_path / f"{name}.safetensors")


def test_the_command_trains_on_clips_what_is_not_there_yet(tmp_path, capsys):
    write_clip(tmp_path / "root", ("a", "train", "a", ""), frames=5, size=(64, 72))
    clips = tmp_path / "root" / "frames"
    assert [image.shape for image in frames_of(clips)] == [(64, 72, 3)] * 4
    names = [spec.name for spec in variants()[:2]]
    arguments = [str(tmp_path / "out"), str(clips), "--steps", "2", "--only", *names]
    main(arguments)
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == names
    (tmp_path / "out" / f"{names[0]}.safetensors").unlink()
    main(arguments)
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == names[:1]
    fill = Autoencoder(weights=str(tmp_path / "out"))
    assert {fill.draw(np.random.default_rng(seed))["file"] for seed in range(9)} == {
        str(tmp_path / "out" / f"{name}.safetensors") for name in names
    }


def test_those_that_ship_are_small_and_reproduce_what_they_never_saw(panning):
    files = sorted(SHIPPED.glob("*.safetensors"))
    assert len(files) == 5
    assert {file.stem for file in files} <= {spec.name for spec in variants()}
    (image,) = panning(1, 96, 96, (0, 0), seed=9)
    for file in files:
        assert file.stat().st_size < 180_000
        assert psnr(load(file), image) > 24


def test_the_fill_decodes_on_the_grid_it_drew(panning):
    fill = Autoencoder(noise=(0.0, 0.0), detail=(0.0, 0.0))
    (frame,) = panning(1, 50, 61, (0, 0))
    params = fill.draw(np.random.default_rng(1)) | {"offset": [3, 5]}
    net = load(SHIPPED / params["file"])
    stride = net.spec.stride
    top, left = 3 % stride, 5 % stride
    rows, columns = ((side + before + stride - 1) // stride * stride for side, before in ((50, top), (61, left)))
    padded = np.pad(frame, ((top, rows - 50 - top), (left, columns - 61 - left), (0, 0)), mode="edge")
    given = torch.from_numpy(padded).permute(2, 0, 1)[None] / 255
    decoded = net(given)[0].detach().permute(1, 2, 0).numpy()[top : top + 50, left : left + 61] * 255
    expected = decoded + cv2.GaussianBlur(frame - decoded, (0, 0), TONE)
    (made,) = fill.regenerate(frame[None], params)
    np.testing.assert_allclose(made, expected, atol=1e-2)
    (half,) = fill.regenerate(frame[None], params | {"detail": 0.5})
    np.testing.assert_allclose(half, (made + frame) / 2, atol=1e-2)
    (noisy,) = fill.regenerate(frame[None], params | {"noise": 0.3})
    assert np.abs(noisy - made).mean() > 0.5


def test_a_record_names_its_file_and_refuses_another(tmp_path, panning):
    frames, mask = panning(2, 40, 44, (1, 0)), np.zeros((2, 40, 44), bool)
    mask[:, 10:30, 10:30] = True
    net = SmallAutoencoder(Spec(2, "bilinear", 4))
    save(net, tmp_path / "mine.safetensors", "")
    fill = Autoencoder(weights=str(tmp_path / "mine.safetensors"))
    params = json.loads(json.dumps(fill.sample(np.random.default_rng(0))))
    made = fill.apply(Footage(frames), mask, params)
    np.testing.assert_array_equal(Regeneration.named(fill.class_path)().apply(Footage(frames), mask, params), made)
    with pytest.raises(InputError, match=r"mine\.safetensors: not the file this forgery was made with"):
        fill.apply(Footage(frames), mask, params | {"sha256": "0"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no \.safetensors files"):
        Autoencoder(weights=str(tmp_path / "empty")).draw(np.random.default_rng(0))
