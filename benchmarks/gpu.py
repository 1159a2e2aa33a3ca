"""Measure everything that needs a GPU, in one run with a time limit.

    python benchmarks/gpu.py OUT [--minutes 8] [--device cuda] [--only PART ...]

It renders and forges its own clips, so it needs only the checkout. The parts run in the order below. If a part fails,
its error is reported and the next part runs. A part that would start after `--minutes` is reported as not run.
`OUT/gpu.json` is written after every part: seconds, peak GPU memory, and the result of the part.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import raft
import torch
from lightning.pytorch import Callback
from speed import machine
from timing import compared, seconds
from torch import Tensor, nn

from outpaint_lightning import load_task
from outpaint_lightning.cli import main as command
from outpaint_lightning.demo.run import Scale, render_clips
from outpaint_lightning.losses import SequenceCrossEntropy
from outpaint_lightning.nets import RaftLocalizer

SCALE = Scale(height=256, width=320, frames=8, scenes=(6, 2, 2))
RAFT_FRAME, FRAME = (240, 432), (480, 854)
SHORT = ("--trainer.max_steps", "4", "--trainer.limit_val_batches", "1")
TASKS = {  # a config and further options that it needs
    "localizer/small": ("--data.batch_size", "2"),
    "localizer/unet_srm": ("--data.batch_size", "2"),
    "refiner/small": ("--data.scenes", "8", "--data.val_scenes", "2"),
    "generators/sti_small": ("--data.clips", "8", "--data.val_clips", "2"),
}


class Waiting(Callback):
    """Measure the share of training time spent waiting for data, after ten warm-up steps."""

    def __init__(self) -> None:
        self.waited = self.worked = 0.0
        self._mark = 0.0

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        """The batch has arrived: the wait ends."""
        now = self._now()
        if trainer.global_step > 10:
            self.waited += now - self._mark
        self._mark = now

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """The step ends, and the wait for the next batch begins."""
        now = self._now()
        if trainer.global_step > 10:
            self.worked += now - self._mark
        self._mark = now

    def on_train_end(self, trainer: Any, *_: Any) -> None:
        """Write the share into the run folder."""
        share = self.waited / max(self.waited + self.worked, 1e-9)
        (Path(trainer.default_root_dir) / "waiting.json").write_text(json.dumps(share))

    @staticmethod
    def _now() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()


class Parts:
    """The measurements. Every public method is a part and returns plain values.

    Args:
        out: folder for clips and runs.
        device: device of all nets.
    """

    def __init__(self, out: Path, device: torch.device) -> None:
        self.out, self.device = out, device
        self.accelerator = ("--trainer.accelerator", "gpu" if device.type == "cuda" else "cpu")

    def shipped(self) -> dict[str, float]:
        """Frames/s of the shipped net at 480x854 (goal 500), in float32 and bf16."""
        return self._frames_a_second(load_task("default").net, FRAME)

    def raft_large(self) -> dict[str, float]:
        """Frames/s of RAFT-large at 240x432 (goal 100 in bf16)."""
        return self._frames_a_second(RaftLocalizer("large"), RAFT_FRAME)

    def raft_beside_torchvision(self) -> list[str]:
        """The rows of benchmarks/raft.py."""
        return [str(row) for row in raft.rows("large", 3, self.device)]

    def training_in_bf16(self) -> str:
        """Compare a training step of RAFT-large in bf16 with float32 (goal 2x)."""
        net = RaftLocalizer("large").to(self.device)
        image = torch.rand(4, 2, 3, 256, 256, device=self.device)
        mask = (torch.rand(4, 1, 256, 256, device=self.device) > 0.7).float()

        def step(enabled: bool) -> Callable[[], None]:
            def run() -> None:
                net.zero_grad()
                with torch.autocast(self.device.type, torch.bfloat16, enabled=enabled):
                    loss: Tensor = SequenceCrossEntropy()(net(image), mask)["loss"]
                loss.backward()

            return run

        return str(compared("training step, bf16", "float32", step(True), step(False), rounds=5))

    def data(self) -> int:
        """Render and forge the training clips of the parts below. Return the number of clips."""
        render_clips(self.out / "clips", SCALE)
        require(["forge", str(self.out / "clips"), str(self.out / "forged"), "--recipe", "shipped", "--overwrite"])
        return len([*(self.out / "forged" / "frames").iterdir()])

    def loader(self) -> float:
        """Share of time that the shipped recipe waits for data, with codec twins (goal 0.05)."""
        run = self._fit("localizer/shipped", "--trainer.max_steps", "60", "--trainer.callbacks+=gpu.Waiting",
                        "--data.workers", "8", "--trainer.limit_val_batches", "0")  # fmt: skip
        share: float = json.loads((run / "waiting.json").read_text())
        return share

    def tasks(self) -> dict[str, float]:
        """Run four steps of every kind of task. Return seconds."""
        return {name: seconds(lambda name=name: self._fit(name, *SHORT, *TASKS[name])) for name in TASKS}

    def ddp(self) -> int:
        """Run four steps with DistributedDataParallel on all GPUs. Return the number of GPUs."""
        count = max(torch.cuda.device_count(), 1)
        name = "localizer/unet_srm"
        self._fit(name, *SHORT, *TASKS[name], "--trainer.strategy", "ddp", "--trainer.devices", str(count))
        return count

    def _fit(self, name: str, *options: str) -> Path:
        run = self.out / "runs" / name
        words = ["fit", "--config", name, "--trainer.default_root_dir", str(run), "--overwrite"]
        root = ["--data.root", str(self.out / "forged")] if name.startswith("localizer/") else []
        require([*words, *root, *self.accelerator, *options])
        return run

    @torch.inference_mode()
    def _frames_a_second(self, net: nn.Module, size: tuple[int, int], batch: int = 8) -> dict[str, float]:
        net = net.eval().to(self.device)
        image = torch.rand(batch, 2, 3, *size, device=self.device)
        found = {}
        for name, enabled in (("float32", False), ("bf16", True)):

            def judge(enabled: bool = enabled) -> None:
                with torch.autocast(self.device.type, torch.bfloat16, enabled=enabled):
                    net(image, last_only=True)

            judge()
            found[name] = batch / min(seconds(judge) for _ in range(5))
        return found


PARTS = [name for name in vars(Parts) if not name.startswith("_")]


def require(words: list[str]) -> None:
    """Run a command of outpaint-lightning. Raise RuntimeError if it fails."""
    if code := command(words):
        raise RuntimeError(f"outpaint-lightning {' '.join(words)}: exit code {code}")


def main() -> None:
    """Run the parts and write their results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", nargs="+", default=PARTS, choices=PARTS, metavar="PART")
    options = parser.parse_args()
    device, end = torch.device(options.device), time.monotonic() + 60 * options.minutes
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("no GPU here: torch.cuda.is_available() is False; --device cpu tries the script out")
    options.out.mkdir(parents=True, exist_ok=True)
    parts = Parts(options.out, device)
    found: dict[str, Any] = {"machine": machine(device)}
    print(found["machine"])
    for name in options.only:
        found[name] = measured(getattr(parts, name), device) if time.monotonic() < end else "not run: no time left"
        (options.out / "gpu.json").write_text(json.dumps(found, indent=2))
        print(f"{name}: {json.dumps(found[name])}", flush=True)


def measured(part: Callable[[], Any], device: torch.device) -> dict[str, Any]:
    """Run a part. Return its result or its error, its seconds and its peak GPU memory."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    begin = time.perf_counter()
    try:
        result = {"found": part()}
    except Exception as error:  # the other parts still run, and this error is reported
        result = {"error": f"{type(error).__name__}: {error}"}
    peak = {"peak_MiB": torch.cuda.max_memory_allocated(device) >> 20} if device.type == "cuda" else {}
    return {**result, "seconds": round(time.perf_counter() - begin, 1), **peak}


if __name__ == "__main__":
    main()
