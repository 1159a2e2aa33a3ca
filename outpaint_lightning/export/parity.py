"""Whether an exported net answers what its own does, and how long both take."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence

import torch

from outpaint_lightning.export.formats import Run
from outpaint_lightning.export.graphs import Graph, Inputs

LIMIT = 1e-3
"""Largest difference of a probability; of a refiner also in pixels of flow. An export with a larger one is refused."""


@torch.inference_mode()
def largest_difference(graph: Graph, run: Run, samples: Sequence[Inputs] = ()) -> float:
    """Return the largest difference of probabilities over samples, or the graph's; infinity where a shape differs."""
    largest = 0.0
    for sample in samples or graph.samples:
        for own, other in zip(graph.shares(graph.module(*sample)), graph.shares(run(*sample)), strict=True):
            if own.shape != other.shape:
                return math.inf
            found = float((own - other).abs().max())
            largest = found if math.isnan(found) else max(largest, found)
    return largest


@torch.inference_mode()
def times(own: Run, other: Run, sample: Inputs, rounds: int = 5) -> tuple[float, float]:
    """Return the median milliseconds that two nets take for a sample, in rounds that alternate, after a warm-up."""
    both = [(_seconds(own, sample), _seconds(other, sample)) for _ in range(rounds + 1)]
    first, second = zip(*both[1:], strict=True)
    return statistics.median(first) * 1e3, statistics.median(second) * 1e3


def _seconds(run: Run, sample: Inputs) -> float:
    start = time.perf_counter()
    run(*sample)
    return time.perf_counter() - start
