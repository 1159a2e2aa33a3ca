"""Batched augmentation on the device."""

from outpaint_lightning.augment.device import DeviceAugmentation

__all__ = ["DeviceAugmentation"]
