"""Learning-rate schedules that need the number of steps, which only the trainer knows."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR


class OneCycle(OneCycleLR):
    """Torch's one-cycle schedule as in RAFT: a short linear warm-up to the given rate, then linear decay.

    Args:
        optimizer: its learning rate is the highest of the cycle.
        total_steps: number of optimizer steps of the whole training; the task passes it.
        pct_start: share of the steps used for the warm-up; RAFT uses 0.05.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        >>> schedule = OneCycle(optimizer, total_steps=100, pct_start=0.05)
        >>> schedule.get_last_lr()[0] < 0.1  # the warm-up begins below the learning rate
        True
    """

    def __init__(self, optimizer: Optimizer, total_steps: int, pct_start: float = 0.05) -> None:
        steps = max(total_steps, 3)  # torch divides by the lengths of rise and fall; each needs at least one step
        super().__init__(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=steps,
            pct_start=max(pct_start, 2 / steps),
            anneal_strategy="linear",
            cycle_momentum=False,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint along the schedule of *this* run, which may have another length."""
        own = {key: getattr(self, key) for key in ("total_steps", "_schedule_phases")}
        super().load_state_dict({**state_dict, **own})
