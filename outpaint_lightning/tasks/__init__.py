"""LightningModules: forward, criterion, metrics and logging, nothing else."""

from outpaint_lightning.tasks.base import BaseTask, TrainedTask
from outpaint_lightning.tasks.flow import FlowRefinementTask
from outpaint_lightning.tasks.localization import LocalizationTask
from outpaint_lightning.tasks.regions import RegionTask
from outpaint_lightning.tasks.schedules import OneCycle

__all__ = [
    "BaseTask",
    "FlowRefinementTask",
    "LocalizationTask",
    "OneCycle",
    "RegionTask",
    "TrainedTask",
]
