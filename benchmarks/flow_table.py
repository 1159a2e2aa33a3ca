"""Errors of every way to complete flow, on the same test scenes: fills, fills cut at edges, and nets of checkpoints.

    python benchmarks/flow_table.py OUT [--nets unet=runs/flow/small ...] [--scenes 24] [--size 96 128]

Scenes are the first of the test split of `FlowDataModule`; the table has the mean end-point error in the hole (with its
95 % interval over scenes) and near motion edges, in pixels, the AUSE where the net says a confidence, the jumps of the
completed flow in the hole (`jump_edges`) as a share of the true flow's, milliseconds a window of 6 frames on one
thread, and parameters. A share below 1 is of a blunt flow; jumps can be in the wrong place, too. Of each net, the
harmonic fill that is cut at the edges it says, or at the jumps of its flow, stands below it. Rows that begin with
`true` know something of the true flow: they are bounds. The table is printed for each protocol and setup, and goes to
OUT/flow.csv; what is there already is not computed again.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from experiments import grid, score, start
from torch import Tensor, nn

from outpaint_lightning.checkpoints.rebuild import load_net
from outpaint_lightning.data import FlowDataModule
from outpaint_lightning.data.flows import collate
from outpaint_lightning.io import write_csv
from outpaint_lightning.metrics import bootstrap_interval, confidence_curves, end_point_error, strata
from outpaint_lightning.metrics.flow import DECILES
from outpaint_lightning.motion.hidden import PROTOCOLS, SETUPS
from outpaint_lightning.nets import EdgeCutFill, FlowCompletion, InertiaFill, NearestFill
from outpaint_lightning.nets.flow.edge_fills import harmonic_between, harmonic_with_edges
from outpaint_lightning.nets.flow.edges import canny_edges, jump_edges
from outpaint_lightning.tasks.flow import default_baselines
from outpaint_lightning.types import Batch

COLUMNS = (
    "protocol", "setup", "scenes", "method", "hole", "low", "high", "near_edges", "ause", "jumps", "milliseconds",
    "parameters",
)  # fmt: skip
SCORES = ("hole", "low", "high", "near_edges", "ause", "jumps")
Method = Callable[[Batch], FlowCompletion]


def windows(protocol: str, setup: str, scenes: int, size: tuple[int, int]) -> list[Batch]:
    """Return the test windows, one a batch."""
    data = FlowDataModule(protocol=protocol, setup=setup, test_scenes=scenes, size=size, workers=0)
    data.setup("test")
    return [data.on_after_batch_transfer(collate([data.datasets["test"][i]]), 0) for i in range(scenes)]


def given(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return what a method may see of a window."""
    hidden = batch["hidden"]
    flows = (
        torch.where(hidden[:, :, way : way + 1] > 0.5, torch.nan, batch[key])
        for way, key in enumerate(("flow_forward", "flow_backward"))
    )
    forward, backward = flows
    return forward, backward, hidden


def of_net(net: nn.Module, batch: Batch) -> FlowCompletion:
    """Complete a window by a net or a fill."""
    answer = net(*given(batch))
    return answer if isinstance(answer, FlowCompletion) else FlowCompletion([answer[0]], [answer[1]])


def true_links(batch: Batch) -> FlowCompletion:
    """Complete a window harmonically, cut between all pixels that do not move as one."""
    forward, backward, hidden = given(batch)
    guide = torch.cat([batch["flow_forward"], batch["flow_backward"]], 2)
    return FlowCompletion(*([flow] for flow in harmonic_with_edges(forward, backward, hidden, guide)))


def true_edges(find: Callable[[Tensor], Tensor], batch: Batch) -> FlowCompletion:
    """Complete a window harmonically, cut at the edges that `find` sees in the true flow."""
    forward, backward, hidden = given(batch)
    true = torch.stack([batch["flow_forward"], batch["flow_backward"]], 2)
    edges = find(true.flatten(0, 2)).view_as(hidden)
    return FlowCompletion(*([flow] for flow in harmonic_between(forward, backward, hidden, edges)))


def methods(nets: Mapping[str, nn.Module]) -> dict[str, tuple[Method, int]]:
    """Return each method with its number of parameters."""
    fills = {
        **default_baselines(),
        "edge cut, nearest": EdgeCutFill(),
        "edge cut, inertia and nearest": EdgeCutFill(InertiaFill(NearestFill())),
        "exact inertia, then the last": InertiaFill(EdgeCutFill(InertiaFill(NearestFill())), constant_velocity=False),
    }
    for name, net in nets.items():
        fills |= {name: net, f"edge cut, {name}": EdgeCutFill(net)}
    counted = {name: (partial(of_net, net), sum(p.numel() for p in net.parameters())) for name, net in fills.items()}
    true: dict[str, Method] = {
        "true links": true_links,
        "true edges": partial(true_edges, jump_edges),
        "true edges, Canny": partial(true_edges, canny_edges),
        "true edges, Canny of length": partial(true_edges, partial(canny_edges, mode="magnitude")),
    }
    return counted | {name: (method, 0) for name, method in true.items()}


def judged(method: Method, batch: Batch) -> dict[str, float]:
    """Return the errors of a window and the time that it took."""
    began = time.perf_counter()
    with torch.inference_mode():
        completion = method(batch)
    seconds = time.perf_counter() - began
    flow = torch.stack([completion.forward[-1], completion.backward[-1]], 2)
    true = torch.stack([batch["flow_forward"], batch["flow_backward"]], 2)
    error = end_point_error(flow, true)
    hole, near, *_ = strata(batch).unbind(1)
    values = {
        "hole": error[hole].mean().item(),
        "near_edges": error[near].mean().item(),
        "jumps": jumps(flow, hole),
        "true_jumps": jumps(true, hole),
        "milliseconds": 1e3 * seconds,
    }
    if completion.confidence is not None:
        curves = confidence_curves(error[hole], completion.confidence[-1].expand_as(hole)[hole])
        values["ause"] = (curves[DECILES] / curves[DECILES + 1]).item()
    return values


def jumps(flow: Tensor, hole: Tensor) -> int:
    """Return the number of edge pixels in the hole: `flow` is `B T 2 2 H W`, `hole` bool `B T 2 H W`."""
    return int((jump_edges(flow.flatten(0, 2)).view_as(hole) & hole).sum())


def row(method: Method, batches: list[Batch]) -> dict[str, float]:
    """Return the means over windows, the interval of the first, the share of jumps, and the median of the times."""
    values = [judged(method, batch) for batch in batches]
    means = {
        key: statistics.fmean(known)
        for key in ("hole", "near_edges", "ause")
        if (known := [each[key] for each in values if key in each and each[key] == each[key]])
    }
    interval = bootstrap_interval([each["hole"] for each in values])
    found, true = (sum(each[key] for each in values) for key in ("jumps", "true_jumps"))
    return {
        **means,
        **{key: value for key, value in (("low", interval.low), ("high", interval.high)) if value is not None},
        "jumps": found / max(1, true),
        "milliseconds": statistics.median(each["milliseconds"] for each in values),
    }


def main() -> int:
    """Print the tables; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--nets", nargs="*", default=[], metavar="NAME=CKPT", help="checkpoints or run folders")
    parser.add_argument("--scenes", type=int, default=72)
    parser.add_argument("--size", type=int, nargs=2, default=(96, 128))
    parser.add_argument("--protocols", nargs="+", default=PROTOCOLS, choices=PROTOCOLS)
    parser.add_argument("--setups", nargs="+", default=list(SETUPS), choices=SETUPS)
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="of the rows (default: all)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    ways = methods({name: load_net(path) for name, _, path in (each.partition("=") for each in options.nets)})
    ways = {name: way for name, way in ways.items() if options.methods is None or name in options.methods}
    file = options.out / "flow.csv"
    rows: list[dict[str, Any]] = [*csv.DictReader(file.open())] if file.exists() else []
    done = {(each["protocol"], each["setup"], int(each["scenes"]), each["method"]) for each in rows}
    for protocol in options.protocols:
        for setup in options.setups:
            batches = windows(protocol, setup, options.scenes, (options.size[0], options.size[1]))
            about = {"protocol": protocol, "setup": setup, "scenes": options.scenes}
            for name, (method, parameters) in ways.items():
                if (*about.values(), name) in done:
                    continue
                found = {**about, "method": name, **row(method, batches), "parameters": parameters}
                rows.append({column: found.get(column, "") for column in COLUMNS})
                write_csv(file, rows)
    for protocol in options.protocols:
        for setup in options.setups:
            print(
                f"\nprotocol {protocol}, setup {setup}, {options.scenes} scenes\n",
                *table(rows, protocol, setup),
                sep="\n",
            )
    return 0


def table(rows: list[dict[str, Any]], protocol: str, setup: str) -> list[str]:
    """Return the lines of the table of a protocol and a setup."""
    own = [row for row in rows if (row["protocol"], row["setup"]) == (protocol, setup)]
    cells = [
        [
            each["method"],
            *(score(float(each[key])) if each.get(key) not in ("", None) else "" for key in SCORES),
            f"{float(each['milliseconds']):.0f}",
            f"{int(each['parameters']) / 1e3:.0f} k" if int(each["parameters"]) else "",
        ]
        for each in own
    ]
    return grid(
        [
            "method",
            "in the hole, px",
            "from",
            "to",
            "near edges, px",
            "AUSE ratio",
            "jumps",
            "ms a window",
            "parameters",
        ],
        cells,
    )


if __name__ == "__main__":
    start(main)
