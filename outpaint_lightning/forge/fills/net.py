"""The fill of a trained generator."""

from __future__ import annotations

import hashlib
import importlib
import inspect
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
from outpaint_lightning.io.checkpoints import read_checkpoint
from outpaint_lightning.types import InputError

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "net."  # of the generator's weights in a checkpoint of this package


class Generator(Protocol):
    """A `torch.nn.Module` that invents what is missing in a clip."""

    def fill(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return the clip with its hole filled, for frames of any size.

        Args:
            image: `B T 3 H W`, float32 in [0, 1]; in the hole something made of the known pixels.
            mask: `B T 1 H W`, float32, 1 in the hole.

        Returns:
            `B T 3 H W` in [0, 1]. What lies outside the hole is ignored.
        """
        ...


@dataclass(frozen=True)
class Net(Fill):
    """What a `Generator` makes of a clip. It runs on the CPU, all frames at once, its chance seeded by the forgery.

    Attributes:
        ckpt_path: The checkpoint: `state_dict` with the weights under `net.` and `hyper_parameters` whose `net` has
            `class_path` and `init_args`.
    """

    name = "net"

    ckpt_path: str = ""

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Pass `ckpt_path` on with the file's `sha256`, and draw `seed`.

        Raises:
            InputError: There is no such file.
        """
        if not self.ckpt_path:
            raise InputError("net: expected the checkpoint of a generator as ckpt_path")
        return {"ckpt_path": self.ckpt_path, "sha256": sha256_of(self.ckpt_path), "seed": int(rng.integers(2**31))}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`.

        Raises:
            InputError: The checkpoint is not the one recorded, holds no generator, or this one gives no pixels.
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
            made = net.fill(covered, hole)
        if made.shape != covered.shape:
            raise InputError(f"{path}: its fill has the shape {tuple(made.shape)}; expected {tuple(covered.shape)}")
        if not made.isfinite().all():
            raise InputError(f"{path}: its fill is not finite")
        pixels = made[0].clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
        return np.where(mask[..., None], pixels, footage.frames)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread, so that sums come out the same on any number of cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def sha256_of(path: str) -> str:
    """Return the hash of a file, reading it only when it changed."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such checkpoint; expected a file of weights")
    status = Path(path).stat()
    return _hash(path, status.st_size, status.st_mtime_ns)


@lru_cache
def _hash(path: str, size: int, changed: int) -> str:  # noqa: ARG001 - they tell one file from another
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=1)
def _generator(path: str, sha256: str) -> Generator:  # noqa: ARG001 - tells one file from another
    """Build the generator that a checkpoint describes, with its weights, in evaluation mode."""
    checkpoint = read_checkpoint(Path(path))
    try:
        weights, recipe = checkpoint["state_dict"], checkpoint["hyper_parameters"]["net"]
        kind, options = _class(recipe["class_path"]), dict(recipe.get("init_args", {}))
    except (LookupError, TypeError) as error:
        raise InputError(f"{path}: does not say how its net is built; expected a checkpoint of this package") from error
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"{path}: {recipe['class_path']} is no generator ({error})") from error
    options.pop("weights", None)  # the state dict has them; the file may be elsewhere
    try:
        net = kind(**options)
        net.load_state_dict({key.removeprefix(PREFIX): weights[key] for key in weights if key.startswith(PREFIX)})
    except Exception as error:  # a class that has changed, or weights of another net
        raise InputError(f"{path}: cannot rebuild its net ({str(error).strip().splitlines()[-1].strip()})") from error
    generator: Generator = net.eval()
    return generator


def _class(path: str) -> Any:
    """Import a class of modules that fill."""
    from torch import nn

    module, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    if not (inspect.isclass(found) and issubclass(found, nn.Module) and callable(getattr(found, "fill", None))):
        raise ValueError("expected a torch.nn.Module with a method fill(image, mask)")
    return found
