"""Augmentation of whole batches on the device."""

from outpaint_lightning.augment.degradations import RandomDownscale, RandomSensorNoise
from outpaint_lightning.augment.device import DeviceAugmentation
from outpaint_lightning.augment.double import DoubleSamples
from outpaint_lightning.augment.elastic import RandomElasticDeformation
from outpaint_lightning.augment.time_warp import TimeWarp
from outpaint_lightning.augment.torchio_elastic import TorchioElastic

__all__ = [
    "DeviceAugmentation",
    "DoubleSamples",
    "RandomDownscale",
    "RandomElasticDeformation",
    "RandomSensorNoise",
    "TimeWarp",
    "TorchioElastic",
]
