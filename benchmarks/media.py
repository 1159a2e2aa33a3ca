"""The cost of dashboard pictures: frames and masks of MaskPictures in W&B at validation, as a share of training.

    python benchmarks/media.py [--steps 24] [--frames 4] [--height 480] [--width 854] [--rounds 5] [--device cpu]

An epoch is `--steps` training steps as in configs/localizer/small.yaml (RAFT-small, 4 updates, 8 windows of 128x128),
followed by the pictures of one validation: drawn, written to the run folder and passed to loggers. There are two
figures, medians over rounds with minimum and maximum. The first is the time inside the callback as a share of the
epoch's steps. The second compares whole epochs with W&B's pictures and without, alternating in one process; it includes
what W&B's own process takes from the training. W&B is offline; TensorBoard is measured if it is installed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from lightning.pytorch.trainer.states import TrainerFn
from timing import seconds

from outpaint_lightning.callbacks import MaskPictures
from outpaint_lightning.loggers import WandbLogger
from outpaint_lightning.losses import SequenceCrossEntropy
from outpaint_lightning.nets import RaftLocalizer
from outpaint_lightning.results import LOCALIZATION
from outpaint_lightning.types import Batch


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=24, help="of an epoch; shipped datasets have more")
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=854)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    os.environ["WANDB_MODE"] = "offline"
    device = torch.device(options.device)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {options}", flush=True)
    torch.manual_seed(0)
    epoch = _training(options.steps, device)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        wandb = WandbLogger(name="media", save_dir=str(root))
        loggers: dict[str, list[Any]] = {"files alone": [], "W&B": [wandb], **_tensorboard(root)}
        batch = _frames(options.frames, options.height, options.width, device)
        shows = {name: _showing(root / name, batch, into) for name, into in loggers.items()}
        for show in (epoch, *shows.values()):  # the first call of each warms up and starts W&B's run
            show()
        times: dict[str, list[float]] = {name: [] for name in shows}
        plain, logged = [], []
        for _ in range(options.rounds):
            plain.append(seconds(epoch))
            for name, show in shows.items():
                times[name].append(seconds(show))
            logged.append(times["W&B"][-1] + seconds(epoch))
        wandb.finish(0)
    print(f"an epoch of {options.steps} steps: {statistics.median(plain):.1f} s; of it, {options.frames} frames cost")
    for name, taken in times.items():
        print(f"  {name:12} {_percent(taken, plain)} ({statistics.median(taken) * 1e3:.0f} ms)")
    print(f"whole epochs with W&B's pictures take {_percent(logged, plain)} of epochs without")


def _training(steps: int, device: torch.device) -> Callable[[], None]:
    """Return a function that runs this number of training steps."""
    image = torch.rand(8, 2, 3, 128, 128, device=device)
    mask = torch.zeros(8, 1, 128, 128, device=device)
    mask[..., :40] = 1
    net = RaftLocalizer("small", 4, context="residual").to(device)
    criterion, optimizer = SequenceCrossEntropy(), torch.optim.AdamW(net.parameters(), 1e-4)

    def epoch() -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            criterion(net(image), mask)["loss"].backward()
            optimizer.step()

    return epoch


def _frames(count: int, height: int, width: int, device: torch.device) -> Batch:
    """Return forged frames, each from its own source: smooth plus noise, like photos; pure noise is incompressible."""
    coarse = torch.rand(count, 3, height // 16, width // 16, device=device)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    image = (smooth + 0.02 * torch.randn_like(smooth)).clamp(0, 1)[:, None].expand(-1, 2, -1, -1, -1)
    mask = torch.zeros(count, 2, 1, height, width, device=device)
    mask[..., : width // 3] = 1
    meta: Any = [{"clip": f"clip{i}", "source": f"source{i}", "frames": [0, 1]} for i in range(count)]
    return {"image": image, "mask": mask, "meta": meta}


def _showing(run: Path, batch: Batch, loggers: list[Any]) -> Callable[[], None]:
    """Return a function that shows the frames of one validation."""
    outputs = {"probability": 0.8 * batch["mask"][:, 0, 0].roll(20, -1)}
    callback, task = MaskPictures(len(batch["meta"])), SimpleNamespace(kind=LOCALIZATION, threshold=0.5)
    trainer: Any = SimpleNamespace(
        loggers=loggers, default_root_dir=run, global_step=0, current_epoch=0, is_global_zero=True, fast_dev_run=0,
        sanity_checking=False, state=SimpleNamespace(fn=TrainerFn.FITTING),
    )  # fmt: skip

    def show() -> None:
        trainer.current_epoch += 1
        trainer.global_step += 1
        callback.on_validation_epoch_start()
        callback.on_validation_batch_end(trainer, task, outputs, batch, 0)  # type: ignore[arg-type]
        callback.on_validation_end(trainer, task)  # type: ignore[arg-type]

    return show


def _tensorboard(root: Path) -> dict[str, list[Any]]:
    from lightning.pytorch.loggers import TensorBoardLogger

    try:
        return {"TensorBoard": [TensorBoardLogger(root, name="tensorboard")]}
    except ModuleNotFoundError:
        return {}


def _percent(part: list[float], whole: list[float]) -> str:
    shares = [100 * a / b for a, b in zip(part, whole, strict=True)]
    return f"{statistics.median(shares):.2f} % ({min(shares):.2f} to {max(shares):.2f})"


if __name__ == "__main__":
    main()
