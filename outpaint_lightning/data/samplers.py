"""Samplers that share windows among processes, so that several processes give the numbers of one.

Both derive from torch's distributed sampler, because Lightning leaves such samplers unchanged; its own would repeat
windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any, cast

import torch
from torch.utils.data import Dataset, DistributedSampler

from outpaint_lightning.types import InputError


class EpochSampler(DistributedSampler[Any]):
    """Shuffles the windows of an epoch and assigns them to the processes in turn; no two processes share a window.

    The order depends on (seed, epoch) only, so a run resumed at the end of an epoch continues exactly. R processes with
    batches of B use in each step the windows that one process uses with batches of R B. Windows that do not fill a
    batch in each process are left out; if there are too few for one such batch, all windows are used.

    Each index carries the epoch, because persistent workers hold a copy of the dataset that does not learn of a new
    epoch otherwise.

    Args:
        dataset: dataset with at least one window per process.
        batch_size: windows in a batch, per process.
        processes: R, the number of processes.
        rank: number of this process, from 0.
        seed: seed of the order.

    Raises:
        InputError: there are fewer windows than processes.

    Example:
        >>> sampler = EpochSampler(range(6), batch_size=2, seed=0)
        >>> first = [index for _, index in sampler]
        >>> sorted(first)
        [0, 1, 2, 3, 4, 5]
        >>> sampler.set_epoch(1)
        >>> first == [index for _, index in sampler]  # another order in another epoch
        False
    """

    def __init__(
        self, dataset: Dataset[Any], batch_size: int, processes: int = 1, rank: int = 0, seed: int = 0
    ) -> None:
        super().__init__(dataset, processes, rank, shuffle=True, seed=seed)
        windows, step = len(cast("Sized", dataset)), processes * batch_size
        if windows < processes:
            raise InputError(f"{windows} training windows for {processes} processes: expected at least one each")
        self._share = slice(rank, windows // step * step or windows, processes)
        self.num_samples = len(range(windows)[self._share])

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield `(epoch, index)`."""
        order = torch.randperm(
            len(cast("Sized", self.dataset)), generator=torch.Generator().manual_seed(self.seed + self.epoch)
        )
        return ((self.epoch, index) for index in order[self._share].tolist())


class OrderedSampler(DistributedSampler[Any]):
    """Keeps all windows in order and gives each process a run of whole batches.

    So a single process would form the same batches, no batch is used twice, and neighbouring windows are read together.
    If there are fewer batches than processes, several processes get the same batch, because none may be idle; metrics
    still count each frame once.

    Args:
        dataset: dataset of windows.
        batch_size: windows in a batch, per process.
        processes: number of processes.
        rank: number of this process, from 0.

    Example:
        >>> list(OrderedSampler(range(4), batch_size=2, processes=2, rank=1))  # the second of two whole batches
        [2, 3]
    """

    def __init__(self, dataset: Dataset[Any], batch_size: int, processes: int = 1, rank: int = 0) -> None:
        super().__init__(dataset, processes, rank, shuffle=False)
        windows = len(cast("Sized", dataset))
        batches = -(-windows // batch_size)
        first, last = (batches * r // processes for r in (rank, rank + 1))
        if first == last and batches:
            first, last = rank % batches, rank % batches + 1
        self._share = range(first * batch_size, min(last * batch_size, windows))
        self.num_samples = len(self._share)

    def __iter__(self) -> Iterator[int]:
        """Yield indices."""
        return iter(self._share)
