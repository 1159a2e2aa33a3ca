"""Means over what all processes of a training hold."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def mean_over_processes(total: Tensor, count: Tensor | int) -> Tensor:
    """Return `total / count`, 0 where nothing counts; in a training on R processes, R times its part of the mean.

    DDP takes the mean of the gradients of R processes. If each gave the mean over its own pixels, those of a process
    with few would weigh more. So each divides by the mean of all counts::

        R total_r / (count_1 + ... + count_R)

    whose mean over processes is the mean over everything, to rounding: what one process says of all samples at once.
    Where no gradient is wanted the processes may hold different numbers of batches and do not meet: it is
    `total / count` then.

    Args:
        total: a sum, a scalar.
        count: of what was summed, a scalar tensor where processes may differ; without a gradient.
    """
    count = torch.as_tensor(count, device=total.device)
    if torch.is_grad_enabled() and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        count = count.detach().clone()
        dist.all_reduce(count)
        count = count / dist.get_world_size()
    return total / torch.where(count > 0, count, 1)
