"""LightningModules: forward, criterion, metrics and logging, nothing else."""

from outpaint_lightning.tasks.checkpoints import find_checkpoint, load_task, read_checkpoint
from outpaint_lightning.tasks.localization import LocalizationTask
from outpaint_lightning.tasks.schedules import OneCycle

__all__ = ["LocalizationTask", "OneCycle", "find_checkpoint", "load_task", "read_checkpoint"]
