"""Exported nets beside torch: megabytes, largest difference and milliseconds, one line for each net, format and size.

    python benchmarks/export.py [--net NAME ...] [--format onnx pt2] [--size 224x224 384x640] [--rounds 3]

All nets but `default`, which ships, have seeded weights that were not trained: neither size nor time depends on them.
Torch and the runtime take turns, in one process, with as many threads. Sizes are what the net is given: a frame of
360 x 640 becomes one of 384 x 640. Region detectors take one size alone, 224 x 224.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from outpaint_lightning.checkpoints.card import new_card
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.export.formats import FORMATS, Source
from outpaint_lightning.export.graphs import Graph, Inputs, flow_sample, graph_of, window_sample
from outpaint_lightning.export.parity import largest_difference, times
from outpaint_lightning.nets import (
    CompressionNet,
    FlowRefiner,
    PolynomialRule,
    RaftLocalizer,
    RegionDetector,
    SrmFilters,
    UNet,
)
from outpaint_lightning.tasks import FlowRefinementTask, LocalizationTask, RegionTask


def localizer(net: nn.Module) -> LocalizationTask:
    """Return a task that judges pairs of frames."""
    task = LocalizationTask(net, nn.Identity())
    task.window = {"frames": 2, "stride": 1}
    return task


def detector(net: nn.Module) -> RegionTask:
    """Return a task that judges images of 224 x 224."""
    task = RegionTask(net, nn.Identity())
    task.size = [224, 224]
    return task


TASKS: dict[str, Callable[[], Any]] = {
    "default": lambda: load_task("default"),
    "UNet": lambda: localizer(UNet(residual=SrmFilters())),
    "CompressionNet": lambda: localizer(CompressionNet(residual=SrmFilters())),
    "RAFT, head flow": lambda: localizer(RaftLocalizer()),
    "RAFT, head features": lambda: localizer(RaftLocalizer(context="residual", head="features")),
    "region detector, ResNet-18": lambda: detector(RegionDetector(segmentation=True)),
    "refiner step": lambda: FlowRefinementTask(FlowRefiner(channels=16, rule=PolynomialRule), nn.Identity()),
}


def samples_of(graph: Graph, sizes: list[tuple[int, int]]) -> Iterator[tuple[str, Inputs]]:
    """Yield what a net is given, for each size."""
    if graph.free is None:
        yield "x".join(map(str, graph.options["size"])), graph.samples[0]
        return
    for height, width in sizes:
        made = (
            flow_sample(graph.net, 2, height, width) if graph.kind == "refiner" else (window_sample(2, height, width),)
        )
        yield f"{height}x{width}", made


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--format", nargs="+", choices=("onnx", "pt2"), default=["onnx", "pt2"])
    parser.add_argument("--size", nargs="+", default=["224x224", "384x640"])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sizes = [(int(height), int(width)) for height, _, width in (size.partition("x") for size in options.size)]
    print("| net | format | MB | size | largest difference | torch, ms | exported, ms |\n|---|---|---|---|---|---|---|")
    for name in options.net:
        torch.manual_seed(0)
        task = TASKS[name]().eval()
        source = Source(Path(name), task, graph_of(task), new_card(task.state_dict()))
        for each in options.format:
            with TemporaryDirectory() as folder:
                path = Path(folder) / f"net{FORMATS[each].suffix}"
                run = FORMATS[each].write(source, path)
                megabytes = path.stat().st_size / 1e6
                for size, sample in samples_of(source.graph, sizes):
                    difference = largest_difference(source.graph, run, [sample])
                    own, other = times(source.graph.module, run, sample, options.rounds)
                    cells = (name, each, f"{megabytes:.1f}", size, f"{difference:.0e}", f"{own:.0f}", f"{other:.0f}")
                    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
