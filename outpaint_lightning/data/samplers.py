"""Which windows each process of a run serves, so that several give the numbers of one.

Both samplers derive from torch's distributed one, which Lightning leaves as they are; its own would repeat windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any, cast

import torch
from torch.utils.data import Dataset, DistributedSampler

from outpaint_lightning.types import InputError


class EpochSampler(DistributedSampler[Any]):
    """The windows of an epoch, shuffled and dealt out in turn: no two processes share one.

    The order depends on (seed, epoch) only, so a run resumed at an epoch's end goes on exactly; and R processes with
    batches of B take in every step the windows that one process takes with batches of R B. What does not fill a batch
    of each process is left out, unless there is no such batch: then the only one has all windows, however they divide.

    The epoch is handed to the dataset with each index: persistent workers hold a copy of the dataset and never hear of
    a new epoch otherwise.

    Args:
        dataset: of windows, at least one for each process.
        batch_size: of one process.
        processes: R.
        rank: of this process, from 0.
        seed: of the order.

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
    """All windows in order, each process taking a run of whole batches.

    So every batch is one that a single process would judge, none is judged twice, and neighbours are read together.
    Only where there are fewer batches than processes does one serve several, since none may stay idle: metrics count
    a frame once all the same.

    Args:
        dataset: of windows.
        batch_size: of one process.
        processes: how many there are.
        rank: of this process, from 0.

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
