"""The fill by a trained generator."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.fills.copies import mirror
from outpaint_lightning.forge.parts import Footage, Parameters
from outpaint_lightning.types import InputError

if TYPE_CHECKING:
    from torch import Tensor

LOADED = 8
"""Number of generators that stay in memory: a recipe may list some, such as snapshots of one training."""


class Generator(Protocol):
    """A `torch.nn.Module` that fills the missing part of a clip."""

    def fill(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return the clip with its hole filled, for frames of any size.

        Args:
            image: `B T 3 H W`, float32 in [0, 1]; the hole holds values made from the known pixels.
            mask: `B T 1 H W`, float32, 1 in the hole.

        Returns:
            `B T 3 H W` in [0, 1]. Values outside the hole are ignored.
        """
        ...


@dataclass(frozen=True)
class Net(Fill):
    """The output of a `Generator`. It runs on the CPU, on all frames at once, with a seed from the forgery.

    Attributes:
        ckpt_path: the checkpoint: `state_dict` has the weights under `net.`, and `hyper_parameters` has a `net` with
            `class_path` and `init_args`. A net from outside this package needs `--trust`.
    """

    name = "net"

    ckpt_path: str = ""

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Return `ckpt_path` with the file's `sha256`, and draw `seed`.

        Raises:
            InputError: there is no such file.
        """
        if not self.ckpt_path:
            raise InputError("net: expected the checkpoint of a generator as ckpt_path")
        return {"ckpt_path": self.ckpt_path, "sha256": sha256_of(self.ckpt_path), "seed": int(rng.integers(2**31))}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`.

        Raises:
            InputError: the checkpoint is not the recorded one, holds no generator, or its generator does not return
                pixels.
        """
        import torch

        path = params["ckpt_path"]
        if sha256_of(path) != params["sha256"]:
            raise InputError(f"{path}: not the checkpoint this forgery was made with (sha256 {params['sha256']})")
        net = _generator(path, params["sha256"])
        covered = torch.from_numpy(mirror(footage.frames, mask)).permute(0, 3, 1, 2)[None] / 255
        hole = torch.from_numpy(mask)[None, :, None].float()
        with one_thread(), torch.inference_mode(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(params["seed"])
            output = net.fill(covered, hole)
        if output.shape != covered.shape:
            raise InputError(f"{path}: its fill has the shape {tuple(output.shape)}; expected {tuple(covered.shape)}")
        if not output.isfinite().all():
            raise InputError(f"{path}: its fill is not finite")
        pixels = output[0].clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
        return np.where(mask[..., None], pixels, footage.frames)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, so that sums are the same on any number of cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def sha256_of(path: str) -> str:
    """Return the hash of a file; it is read again only if it has changed."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such checkpoint; expected a file of weights")
    status = Path(path).stat()
    return _hash(path, status.st_size, status.st_mtime_ns)


@lru_cache
def _hash(path: str, size: int, changed: int) -> str:  # noqa: ARG001 - part of the cache's key
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=LOADED)
def _generator(path: str, sha256: str) -> Generator:  # noqa: ARG001 - part of the cache's key
    """Build the generator of a checkpoint, with its weights, in evaluation mode."""
    from outpaint_lightning.checkpoints.rebuild import load_net

    net: Any = load_net(path)
    if not callable(getattr(net, "fill", None)):
        raise InputError(f"{path}: {type(net).__name__} is no generator; expected a method fill(image, mask)")
    generator: Generator = net
    return generator
