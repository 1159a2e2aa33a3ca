"""The autoencoder and its file format."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor, nn

from outpaint_lightning.io import atomic
from outpaint_lightning.types import InputError

WIDTHS = (8, 16, 24, 32)  # features at full size, a half, a quarter and an eighth of it
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "leaky": nn.LeakyReLU}


@dataclass(frozen=True)
class Spec:
    """The architecture of an autoencoder.

    Attributes:
        stride: pixels per side that a latent vector represents: 2, 4 or 8.
        upsampler: a key of `UPSAMPLERS`; how the decoder doubles sides.
        latent: length of a latent vector.
        activation: a key of `ACTIVATIONS`.
    """

    stride: int
    upsampler: str
    latent: int
    activation: str = "silu"

    @property
    def name(self) -> str:
        """Stem of its file's name."""
        return f"{self.upsampler}_{self.stride}_{self.latent}"


class _Resized(nn.Module):
    """Enlarge by interpolation, then convolve."""

    def __init__(self, mode: str, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mode, self.conv = mode, nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.conv(F.interpolate(features, scale_factor=2, mode=self.mode)))


UPSAMPLERS: dict[str, Callable[[int, int], nn.Module]] = {
    "nearest": lambda inputs, outputs: _Resized("nearest", inputs, outputs),
    "bilinear": lambda inputs, outputs: _Resized("bilinear", inputs, outputs),
    "transposed": lambda inputs, outputs: nn.ConvTranspose2d(inputs, outputs, 4, 2, 1),
    "shuffle": lambda inputs, outputs: nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 3, padding=1), nn.PixelShuffle(2)),
}


class SmallAutoencoder(nn.Module):
    """A convolutional autoencoder with 10,000 to 50,000 parameters.

    Example:
        >>> import torch
        >>> net = SmallAutoencoder(Spec(stride=4, upsampler="nearest", latent=12))
        >>> net.encode(torch.rand(2, 3, 32, 48)).shape, net(torch.rand(2, 3, 32, 48)).shape
        (torch.Size([2, 12, 8, 12]), torch.Size([2, 3, 32, 48]))
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        activation, doubler = ACTIVATIONS[spec.activation], UPSAMPLERS[spec.upsampler]
        widths = WIDTHS[: spec.stride.bit_length()]
        encoder: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(12, widths[1], 3, padding=1), activation()]
        for finer, coarser in itertools.pairwise(widths[1:]):
            encoder += [nn.Conv2d(finer, coarser, 4, 2, 1), activation()]
        self.encoder = nn.Sequential(*encoder, nn.Conv2d(widths[-1], spec.latent, 1))
        decoder: list[nn.Module] = [nn.Conv2d(spec.latent, widths[-1], 3, padding=1), activation()]
        for coarser, finer in itertools.pairwise(widths[::-1]):
            decoder += [doubler(coarser, finer), activation()]
        self.decoder = nn.Sequential(*decoder, nn.Conv2d(widths[0], 3, 3, padding=1))

    def encode(self, image: Tensor) -> Tensor:
        """Return the latent vectors `B latent H/stride W/stride` of images `B 3 H W` in [0, 1]."""
        return cast(Tensor, self.encoder(image - 0.5))

    def decode(self, latent: Tensor) -> Tensor:
        """Return images `B 3 H W`, approximately in [0, 1]."""
        return cast(Tensor, self.decoder(latent)) + 0.5

    def forward(self, image: Tensor) -> Tensor:
        """Return the reconstruction of images `B 3 H W` whose sides are multiples of the stride."""
        return self.decode(self.encode(image))


def save(net: SmallAutoencoder, path: Path, training: str) -> None:
    """Write the weights in half precision, with the spec and one line about the training."""
    weights = {name: tensor.half().contiguous() for name, tensor in net.state_dict().items()}
    content = as_bytes(weights, {"spec": json.dumps(asdict(net.spec)), "training": training})
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def load(path: Path) -> SmallAutoencoder:
    """Read a file from `save`; return the net in evaluation mode.

    Raises:
        InputError: the file was not written by `save`.
    """
    try:
        with safe_open(path, framework="pt") as file:
            net = SmallAutoencoder(Spec(**json.loads(file.metadata()["spec"])))
            net.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})  # noqa: SIM118 - no dict
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as error:
        message = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read ({message}); a file of autoencoders.train was expected") from error
    return net.eval()
