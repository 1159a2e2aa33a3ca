"""Trains small autoencoders.

    python -m outpaint_lightning.forge.autoencoders.train OUT [CLIPS] [--steps 2000] [--only NAME ...]

Without CLIPS it trains on photographs that scikit-image ships and that are in the public domain or CC0; the weights
of this package were made this way. It writes one file per stride and upsampler and keeps existing files, so an
interrupted run continues.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from outpaint_lightning.forge.autoencoders.net import ACTIVATIONS, UPSAMPLERS, SmallAutoencoder, Spec, save
from outpaint_lightning.forge.recipe import rng_of
from outpaint_lightning.forge.sources import clean_clips
from outpaint_lightning.io import open_clip, read_image
from outpaint_lightning.types import InputError

PHOTOS = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png",
    "hubble_deep_field.jpg", "retina.jpg", "rocket.jpg",
)  # fmt: skip
"""Photographs of scikit-image that are marked public domain or CC0; some others have no such mark."""
LATENTS = {2: (4, 6), 4: (12, 20), 8: (32, 48)}  # smallest and largest length of a latent vector, by stride
FRAMES = 4  # number of frames per clip, evenly spaced
PATCH, BATCH = 48, 8  # pixels per side, patches per step
Images = Sequence[NDArray[np.uint8]]


def variants() -> list[Spec]:
    """Return a spec for each stride and upsampler; the other values are drawn."""
    specs = []
    for stride, upsampler in itertools.product(LATENTS, UPSAMPLERS):
        rng = rng_of("autoencoder", stride, upsampler)
        latent = int(rng.integers(*LATENTS[stride], endpoint=True))
        specs.append(Spec(stride, upsampler, latent, list(ACTIVATIONS)[rng.integers(len(ACTIVATIONS))]))
    return specs


def photographs() -> Images:
    """Read the photographs that scikit-image ships.

    Raises:
        InputError: scikit-image is not installed.
    """
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise InputError("scikit-image is not installed; expected it, or a folder of clips to train on")
    return [read_image(Path(package.origin).parent / "data" / name) for name in PHOTOS]


def frames_of(folder: Path) -> Images:
    """Read some frames of each clip of a folder."""
    images: list[NDArray[np.uint8]] = []
    for entry in clean_clips(folder, None, seed=0):
        clip = open_clip(entry.frames)
        images.extend(clip.read(sorted(set(np.linspace(0, len(clip) - 1, FRAMES).astype(int).tolist()))))
    return [image for image in images if min(image.shape[:2]) >= PATCH]


def train(spec: Spec, images: Images, steps: int, rate: float = 4e-3) -> SmallAutoencoder:
    """Train an autoencoder to reproduce patches: Adam minimises the mean absolute error.

    Args:
        spec: architecture of the net.
        images: `H W 3`, at least `PATCH` pixels per side.
        steps: number of steps with `BATCH` patches each.
        rate: initial learning rate; it falls to 0 along half a cosine.
    """
    rng = rng_of("train", spec.name)
    torch.manual_seed(int(rng.integers(2**31)))
    net = SmallAutoencoder(spec)
    optimizer = torch.optim.Adam(net.parameters(), rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * step / steps)) / 2)
    for _ in range(steps):
        patches = _patches(images, rng)
        optimizer.zero_grad()
        F.l1_loss(net(patches), patches).backward()  # type: ignore[no-untyped-call]  # torch's stub lacks it
        optimizer.step()
        schedule.step()
    return net.eval()


def _patches(images: Images, rng: np.random.Generator) -> Tensor:
    """Cut patches, `B 3 PATCH PATCH` in [0, 1], at random positions and sizes, with colours in random order."""
    patches = np.empty((BATCH, PATCH, PATCH, 3), np.uint8)
    for patch in patches:
        image = images[int(rng.integers(len(images)))]
        side = int(min(rng.uniform(1, 2) * PATCH, *image.shape[:2]))
        top, left = (int(rng.integers(length - side + 1)) for length in image.shape[:2])
        part = image[top : top + side, left : left + side, rng.permutation(3)]
        patch[:] = cv2.resize(part, (PATCH, PATCH), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(patches).permute(0, 3, 1, 2).contiguous() / 255


def psnr(net: SmallAutoencoder, image: NDArray[np.uint8]) -> float:
    """Return the PSNR of an image's (`H W 3`) reconstruction in dB, without pixels beyond a multiple of the stride."""
    stride = net.spec.stride
    height, width = (side // stride * stride for side in image.shape[:2])
    given = torch.from_numpy(image[:height, :width].copy()).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        error = (net(given).clamp(0, 1) - given).square().mean().item()
    return -10 * math.log10(max(error, 1e-12))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the missing autoencoders and print their size and their PSNR on the training images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("clips", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="names of files, such as nearest_4_12")
    options = parser.parse_args(arguments)
    images = photographs() if options.clips is None else frames_of(options.clips)
    source = "scikit-image's photographs" if options.clips is None else str(options.clips.name)
    for spec in variants():
        path = options.out / f"{spec.name}.safetensors"
        if path.exists() or (options.only and spec.name not in options.only):
            continue
        net = train(spec, images, options.steps)
        save(net, path, f"{options.steps} steps on {source}")
        quality = np.mean([psnr(net, image) for image in images])
        print(f"{spec.name}: {path.stat().st_size / 1000:.0f} kB, {quality:.1f} dB", flush=True)


if __name__ == "__main__":
    main()
