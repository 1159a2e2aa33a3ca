"""The fill by a small autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np

from outpaint_lightning.forge.fills.net import one_thread, sha256_of
from outpaint_lightning.forge.fills.regeneration import Frame, Frames, Regeneration
from outpaint_lightning.forge.parts import Parameters
from outpaint_lightning.types import InputError

if TYPE_CHECKING:
    from outpaint_lightning.forge.autoencoders.net import SmallAutoencoder

TONE = 8.0  # standard deviation in pixels of a Gaussian; tone coarser than this is kept from the footage
SHIPPED = Path(__file__).parents[1] / "autoencoders" / "weights"


@dataclass(frozen=True)
class Autoencoder(Regeneration):
    """Reconstructs the region with one of several small convolutional autoencoders: encode, add noise, decode.

    They differ in stride, upsampler (nearest, bilinear, transposed convolution, pixel shuffle), bottleneck and
    activation. `python -m outpaint_lightning.forge.autoencoders.train` made them, and can make others. Brightness and
    colour of larger areas are kept from the footage, because small nets reproduce them poorly.

    Attributes:
        weights: a folder of `.safetensors` files, or one file; by default the package's own.
        noise: smallest and largest deviation of the noise on the latent vectors, relative to the deviation of the
            vectors.
        detail: smallest and largest share of the autoencoder's error that is added back.
    """

    name = "autoencoder"
    limits: ClassVar = {"foreign": (0, 1), "noise": (0, 10), "detail": (0, 1)}

    weights: str = ""
    noise: tuple[float, float] = (0.0, 0.1)
    detail: tuple[float, float] = (0.0, 0.5)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw the `file`, the `offset` of its grid (y and x), `noise`, its `seed`, and `detail`.

        Raises:
            InputError: there is no such file.
        """
        files = self._files()
        file = files[rng.integers(len(files))]
        return {
            "file": file.name if not self.weights else str(file),
            "sha256": sha256_of(str(file)),
            "offset": rng.integers(8, size=2).tolist(),
            "noise": float(rng.uniform(*self.noise)),
            "detail": float(rng.uniform(*self.detail)),
            "seed": int(rng.integers(2**31)),
        }

    def regenerate(self, frames: Frames, params: Parameters) -> Iterator[Frame]:
        """Yield each reconstructed frame.

        Raises:
            InputError: the file is not the recorded one, or holds no autoencoder.
        """
        path = SHIPPED / params["file"]  # an absolute or relative path from the user is not changed by this
        path = path if path.is_file() else Path(params["file"])
        if sha256_of(str(path)) != params["sha256"]:
            raise InputError(f"{path}: not the file this forgery was made with (sha256 {params['sha256']})")
        net, rng = _autoencoder(path, params["sha256"]), np.random.default_rng(params["seed"])
        return (_decoded(net, frame.astype(np.float32), params, rng) for frame in frames)

    def _files(self) -> list[Path]:
        folder = Path(self.weights) if self.weights else SHIPPED
        files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else [folder]
        if not files:
            raise InputError(f"{folder}: no .safetensors files; expected those of autoencoders.train")
        return files


@lru_cache(maxsize=32)
def _autoencoder(path: Path, sha256: str) -> SmallAutoencoder:  # noqa: ARG001 - part of the cache's key
    from outpaint_lightning.forge.autoencoders.net import load

    return load(path)


def _decoded(net: SmallAutoencoder, frame: Frame, params: Parameters, rng: np.random.Generator) -> Frame:
    """Return a reconstructed frame `H W 3`, with its tone and part of its detail added back."""
    import torch

    stride = net.spec.stride
    top, left = (at % stride for at in params["offset"])
    height, width = frame.shape[:2]
    after = [(-(side + before)) % stride for side, before in ((height, top), (width, left))]
    padded = np.pad(frame, ((top, after[0]), (left, after[1]), (0, 0)), mode="edge")
    with one_thread(), torch.inference_mode():
        latent = net.encode(torch.from_numpy(padded).permute(2, 0, 1)[None].contiguous() / 255)
        noise = torch.from_numpy(rng.standard_normal(latent.shape, np.float32))
        decoded = net.decode(latent + params["noise"] * latent.std() * noise)[0].permute(1, 2, 0).numpy() * 255
    lost = frame - decoded[top : top + height, left : left + width]
    return np.asarray(frame - (1 - params["detail"]) * (lost - cv2.GaussianBlur(lost, (0, 0), TONE)), np.float32)
