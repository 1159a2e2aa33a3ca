"""A generator's training step: Lightning's loop beside a plain one, bf16 beside float32, and the layout of 3-D tensors.

    python benchmarks/generator.py [--width 8] [--frames 6] [--size 32] [--steps 4] [--rounds 5] [--device cpu]

All pairs of a row run in turns in one process, on the same nets and the same batch. A step is one of the generator and
one of both critics, as in configs/generators/sti_small.yaml.
"""

from __future__ import annotations

import argparse
import copy
import logging
import resource
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch
from speed import machine
from timing import Row, compared
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from outpaint_lightning.losses import Hinge
from outpaint_lightning.nets import NearestFrameFill, PatchDiscriminator, SpatiotemporalGenerator
from outpaint_lightning.tasks import SameBatch, SpatiotemporalInpaintingTask

QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
Clips = dict[str, Tensor]


def main() -> None:
    """Print a row for each pair, and the peak of memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=4, help="in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning, module="lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    device = torch.device(options.device)
    print(f"{machine(device)}, {options}", flush=True)
    for row in rows(options, device):
        print(row, flush=True)
    if device.type == "cuda":
        print(
            f"peak memory {torch.cuda.max_memory_allocated(device) >> 20} MiB, four windows of {options.frames} frames"
        )
    else:
        print(f"peak memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


def rows(options: argparse.Namespace, device: torch.device) -> Iterator[Row]:
    """Yield the pairs."""
    batch = clips(options.frames, options.size)
    here = {name: value.to(device) for name, value in batch.items()}
    task = make(options.width, options.frames).to(device)
    work = f"{options.steps} steps, width {options.width}, {options.frames} frames of {options.size}x{options.size}"
    fit, plain = partial(fitted, task, batch, options.steps, device), looped(task, here, options.steps)
    yield compared(f"training, {work}", "a plain loop", fit, plain, options.rounds)
    low = looped(task, here, options.steps, torch.bfloat16)
    yield compared(f"bf16, {work}", "float32", low, plain, options.rounds)
    first = copy.deepcopy(task)
    for weight in first.parameters():
        weight.data = weight.data.contiguous()
    other = looped(first, here, options.steps)
    yield compared(f"channels_last_3d, {work}", "contiguous", plain, other, options.rounds)


def clips(frames: int, size: int) -> Clips:
    """Return a batch of four clips as `PaintingDataModule` gives it, without what only metrics read."""
    generator = torch.Generator().manual_seed(0)
    clean, other = torch.rand(2, 4, frames, 3, size, size, generator=generator)
    mask, again = (torch.rand(2, 4, frames, 1, size, size, generator=generator) > 0.7).float()
    return {"image": torch.where(mask > 0.5, 0, clean), "mask": mask, "again": again, "clean": clean, "other": other}


def make(width: int, frames: int) -> SpatiotemporalInpaintingTask:
    """Return the task of sti_small.yaml."""
    torch.manual_seed(0)
    net = SpatiotemporalGenerator(3, width, widest=4, downs=1, norm="group", frames=frames, start=NearestFrameFill())
    critics = PatchDiscriminator(2, 3, 16, 2), PatchDiscriminator(3, 3, 16, 2, differences=True)
    adam: Any = partial(torch.optim.Adam, lr=1e-4)
    return SpatiotemporalInpaintingTask(net, *critics, turns=SameBatch(1), optimizer=adam, critic_optimizer=adam)


class Repeated(Dataset[Clips]):
    """The same batch, so often."""

    def __init__(self, batch: Clips, times: int) -> None:
        self.batch, self.times = batch, times

    def __len__(self) -> int:
        """Return the number of batches."""
        return self.times

    def __getitem__(self, index: int) -> Clips:
        """Return the batch."""
        return self.batch


def fitted(task: SpatiotemporalInpaintingTask, batch: Clips, steps: int, device: torch.device) -> None:
    """Train by Lightning's loop."""
    accelerator = "gpu" if device.type == "cuda" else "cpu"
    trainer = pl.Trainer(accelerator=accelerator, devices=1, max_epochs=1, limit_val_batches=0, **QUIET)  # type: ignore[arg-type]
    trainer.fit(task, DataLoader(Repeated(batch, steps), batch_size=None))


def looped(
    task: SpatiotemporalInpaintingTask, batch: Clips, steps: int, dtype: torch.dtype | None = None
) -> Callable[[], None]:
    """Return a plain loop of the same steps over the same nets."""
    net, critics, loss = task.trained, task.critics, Hinge()
    adams = [torch.optim.Adam(side.parameters(), lr=1e-4) for side in (net, critics)]
    hole, again = batch["mask"] > 0.5, batch["again"] > 0.5

    def step() -> None:
        cast = torch.autocast(batch["image"].device.type, dtype or torch.bfloat16, enabled=dtype is not None)
        with cast:
            filled = torch.where(hole, net(batch["image"], batch["mask"]), batch["image"])
            fake = torch.where(again, 0, filled)
            paid = torch.stack([loss.generator(critic(fake)) for critic in critics.values()]).sum()
        _take(adams[0], paid)
        with cast:
            pairs = torch.cat([batch["image"], fake.detach()])
            paid = torch.stack([loss.critic(*critic(pairs).chunk(2)) for critic in critics.values()]).sum()
        _take(adams[1], paid)
        for own, other in zip(task.net.parameters(), net.parameters(), strict=True):
            own.data.lerp_(other.data, 0.001)

    def run() -> None:
        critics.requires_grad_(True)
        for _ in range(steps):
            step()

    return run


def _take(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


if __name__ == "__main__":
    main()
