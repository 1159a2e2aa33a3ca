"""Compare the elastic deformation with TorchIO's at equal output, and measure the cost of augmentation in training.

    python benchmarks/augment.py [--batch 4] [--height 256] [--width 448] [--rounds 5] [--device cpu]

Every round alternates both sides in one process. Figures are medians over rounds, with minimum and maximum. TorchIO
always works on the CPU. The training step is RAFT-small with 4 updates on 8 windows of 128x128, as in
configs/localizer/small.yaml: forward, loss, backward and optimizer. The cost of augmentation is the mean of 24 batches
per round, because most augmentations change only some samples.
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections.abc import Sequence

import kornia.augmentation as K
import torch
from timing import Row, compared, seconds
from torch import nn

from outpaint_lightning.augment import (
    DeviceAugmentation,
    RandomDownscale,
    RandomElasticDeformation,
    RandomSensorNoise,
    TimeWarp,
    TorchioElastic,
)
from outpaint_lightning.losses import SequenceCrossEntropy
from outpaint_lightning.nets import RaftLocalizer
from outpaint_lightning.types import Batch

BATCHES = 24


def main() -> None:
    """Print one line for the elastic deformation, and one for each augmentation in training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=448)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", ".*fold", RuntimeWarning)  # the crops are small; only the time matters here
    device = torch.device(options.device)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {options}")
    torch.manual_seed(0)
    print(elastic(options.rounds, device, (options.batch, options.height, options.width)), flush=True)
    _share_of_a_step(device, options.rounds)


def _windows(batch_size: int, height: int, width: int, device: torch.device) -> Batch:
    image = torch.rand(batch_size, 2, 3, height, width, device=device)
    mask = torch.zeros(batch_size, 2, 1, height, width, device=device)
    mask[..., : width // 3] = 1
    return {"image": image, "mask": mask, "meta": [{"frames": [0, 1]}] * batch_size}  # type: ignore[typeddict-item]


def elastic(rounds: int, device: torch.device, size: tuple[int, int, int] = (4, 256, 448)) -> Row:
    """Compare the elastic deformation of windows with TorchIO's. `size` is batch, height and width."""
    batch = _windows(*size, device)
    ours, theirs = RandomElasticDeformation(p=1), TorchioElastic(p=1)
    drawn = theirs.sample(len(batch["image"]))
    planes = (drawn[:, :, :, 3] + 4 * drawn[:, :, :, 4] + drawn[:, :, :, 5]) / 6  # the one slice gets this of 9 planes
    points = planes[..., :2].transpose(1, 2)
    mine, others = ours.apply_to(batch, points), theirs.apply_to(batch, drawn)
    difference = (mine["image"] - others["image"]).abs().max().item()
    labels = int((mine["mask"] != others["mask"]).sum())
    return compared(
        f"elastic deformation, {size[0]} windows of {size[1]}x{size[2]}",
        "TorchIO",
        lambda: ours.apply_to(batch, points),
        lambda: theirs.apply_to(batch, drawn),
        rounds,
        f"images equal to {difference:.1e}, {labels} labels differ",
    )


def _share_of_a_step(device: torch.device, rounds: int) -> None:
    photometric: list[nn.Module] = [
        K.RandomJPEG((40.0, 95.0), p=0.3), K.RandomGaussianBlur((5, 5), (0.2, 1.5), p=0.2),
        RandomDownscale(p=0.2), RandomSensorNoise(p=0.3), K.RandomGamma((0.7, 1.4), p=0.3),
    ]  # fmt: skip
    source: list[nn.Module] = [K.RandomHorizontalFlip(p=0.5), TimeWarp(), RandomElasticDeformation()]
    kinds = {type(one).__name__: [one] for one in (*source, *photometric)}
    kinds["the source's three"] = source
    kinds["all of them"] = [*source, *photometric]
    batch = _windows(8, 128, 128, device)
    net = RaftLocalizer("small", 4, context="residual").to(device)
    criterion, optimizer = SequenceCrossEntropy(), torch.optim.AdamW(net.parameters(), 1e-4)

    def step() -> None:
        optimizer.zero_grad()
        criterion(net(batch["image"]), batch["mask"][:, 0])["loss"].backward()
        optimizer.step()

    step()
    shares: dict[str, list[float]] = {name: [] for name in kinds}
    times: dict[str, list[float]] = {name: [] for name in kinds}
    steps = []
    for _ in range(rounds):
        steps.append(seconds(step))
        for name, augmentations in kinds.items():
            times[name].append(_seconds_a_batch(augmentations, batch))
            shares[name].append(times[name][-1] / steps[-1])
    print(f"training step: {statistics.median(steps) * 1e3:.0f} ms; of it")
    for name in kinds:
        percent = _spread([100 * share for share in shares[name]], ".2f")
        print(f"  {name:25} {percent} % ({statistics.median(times[name]) * 1e3:.2f} ms)")


def _seconds_a_batch(augmentations: Sequence[nn.Module], batch: Batch) -> float:
    augmentation = DeviceAugmentation(augmentations)

    def run() -> None:
        for number in range(BATCHES):
            augmentation(batch, number, 0)

    return seconds(run) / BATCHES


def _spread(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
