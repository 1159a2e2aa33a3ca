"""LightningModules: forward, criterion, metrics and logging, nothing else."""

from outpaint_lightning.tasks.adversarial import AdversarialTask
from outpaint_lightning.tasks.base import BaseTask, TrainedTask
from outpaint_lightning.tasks.blending import WideBlendingTask
from outpaint_lightning.tasks.flow import AdversarialFlowTask, FlowRefinementTask
from outpaint_lightning.tasks.layouts import LayoutTask
from outpaint_lightning.tasks.localization import LocalizationTask
from outpaint_lightning.tasks.outpainting import ContextualOutpaintingTask
from outpaint_lightning.tasks.painting import SpatiotemporalInpaintingTask
from outpaint_lightning.tasks.regions import RegionTask
from outpaint_lightning.tasks.schedules import OneCycle
from outpaint_lightning.tasks.segmentation import SegmentationTask
from outpaint_lightning.tasks.turns import Alternate, SameBatch, Turns

__all__ = [
    "AdversarialFlowTask",
    "AdversarialTask",
    "Alternate",
    "BaseTask",
    "ContextualOutpaintingTask",
    "FlowRefinementTask",
    "LayoutTask",
    "LocalizationTask",
    "OneCycle",
    "RegionTask",
    "SameBatch",
    "SegmentationTask",
    "SpatiotemporalInpaintingTask",
    "TrainedTask",
    "Turns",
    "WideBlendingTask",
]
