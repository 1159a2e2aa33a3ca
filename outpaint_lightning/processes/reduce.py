"""Means over the values of all processes of a training."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def mean_over_processes(total: Tensor, count: Tensor | int) -> Tensor:
    """Return `total / count`, 0 without counts; in training with R processes, R times this process's part of the mean.

    DDP averages the gradients of R processes. If each process used the mean over its own pixels, pixels of a process
    with few pixels would have more weight. So each divides by the mean of all counts::

        R total_r / (count_1 + ... + count_R)

    Its mean over processes equals the mean over all samples in one process, except for rounding. Without gradients the
    processes may have different numbers of batches and do not communicate; then it is `total / count`.

    Args:
        total: a sum, a scalar.
        count: number of summed values, a scalar tensor if processes may differ; it has no gradient.
    """
    count = torch.as_tensor(count, device=total.device)
    if torch.is_grad_enabled() and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        count = count.detach().clone()
        dist.all_reduce(count)
        count = count / dist.get_world_size()
    return total / torch.where(count > 0, count, 1)
