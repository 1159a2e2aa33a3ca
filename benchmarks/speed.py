"""Speed compared with peers, and the size and speed of the nets, as the two tables of docs/results/speed.md.

    python benchmarks/speed.py [--rounds 5] [--device cpu] [--only raft reading elastic nets] [--out FILE]

Compared parts run in one process, in turns. A ratio above 1 means that ours is faster; it is the median over rounds,
with the lowest and the highest. `make bench` writes the page.
"""

from __future__ import annotations

import argparse
import platform
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import augment
import raft
import reading
import torch
from experiments import grid
from timing import Row, seconds
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from outpaint_lightning import load_task
from outpaint_lightning.nets import RaftLocalizer, RegionDetector, SrmFilters, UNet

FRAME = 480, 854  # height and width of the frames for the nets
PEERS: dict[str, Callable[[int, torch.device], Iterator[Row]]] = {
    "raft": lambda rounds, device: (row for name in ("small", "large") for row in raft.rows(name, rounds, device)),
    "reading": lambda rounds, device: reading.rows(rounds),  # noqa: ARG005 (files are read by the CPU)
    "elastic": lambda rounds, device: iter([augment.elastic(rounds, device)]),
}
NETS: dict[str, Callable[[], nn.Module]] = {
    "the localizer that ships": lambda: load_task("default").net,
    "U-Net behind high-pass filters": lambda: UNet(residual=SrmFilters()),
    "RAFT-small, 12 updates": partial(RaftLocalizer, "small"),
    "RAFT-large, 12 updates": partial(RaftLocalizer, "large"),
    "region detector, ResNet18": partial(RegionDetector, "resnet18"),
}


def main() -> None:
    """Measure, print the tables and, with `--out`, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="+", default=[*PEERS, "nets"], choices=[*PEERS, "nets"], metavar="NAME")
    parser.add_argument("--out", type=Path, metavar="FILE", help="Markdown page to write")
    options = parser.parse_args()
    device = torch.device(options.device)
    rows = [row for name, measure in PEERS.items() if name in options.only for row in measure(options.rounds, device)]
    parts = [machine(device), *(peers_table(rows) if rows else [])]
    if "nets" in options.only:
        parts += nets_table(options.rounds, device)
    print("\n".join(parts))
    if options.out:
        some = f" --only {' '.join(options.only)}" if len(options.only) <= len(PEERS) else ""
        options.out.write_text(page("\n".join(parts), f"python benchmarks/speed.py --rounds {options.rounds}{some}"))


def machine(device: torch.device) -> str:
    """Return one line that describes the machine."""
    chip = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return f"{chip}, {torch.get_num_threads()} threads, Python {platform.python_version()}, torch {torch.__version__}"


def processor() -> str:
    """Return the name of the processor, as reported by Linux."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def peers_table(rows: list[Row]) -> list[str]:
    """Return the lines of the table of peers."""
    cells = [
        [row.work, row.peer, f"{row.ratio:.2f}x ({row.lowest:.2f} to {row.highest:.2f})",
         f"{1e3 * row.ours:.4g} / {1e3 * row.theirs:.4g}", row.equality]
        for row in rows
    ]  # fmt: skip
    return ["", *grid(["work", "peer", "ratio", "ms ours / theirs", "equality"], cells)]


@torch.inference_mode()
def nets_table(rounds: int, device: torch.device) -> list[str]:
    """Return the lines of the table of nets. Each net judges the windows of one frame."""
    cells = []
    for name, build in NETS.items():
        net = build().eval().to(device)
        frames = 1 if isinstance(net, RegionDetector) else 2
        image = torch.rand(1, frames, 3, *FRAME, device=device)
        with FlopCounterMode(display=False) as counter:
            net(image)
        time = statistics.median(seconds(lambda net=net, image=image: net(image)) for _ in range(rounds))
        parameters = sum(parameter.numel() for parameter in net.parameters())
        cells.append([name, f"{parameters / 1e6:.2f} M", f"{counter.get_total_flops() / 2e9:.1f} G", f"{1 / time:.2f}"])
    title = ["net", "parameters", f"multiplications a frame of {FRAME[0]}x{FRAME[1]}", "frames/s"]
    return ["", *grid(title, cells)]


def page(tables: str, command: str) -> str:
    """Return the page with its command."""
    return (
        "# Results of speed\n\nA ratio above 1 means that ours is faster. It is the median over rounds that alternate "
        "both ways in one process, with the lowest and the highest. Nets are timed alone, without files.\n\n"
        f"`make bench` writes this page with all parts. Measured last:\n\n```console\n$ {command}\n```\n\n{tables}\n"
    )


if __name__ == "__main__":
    main()
