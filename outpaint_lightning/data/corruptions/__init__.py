"""Corruptions that footage meets before it is tested: compression, rescaling, blur and noise, at rising levels.

`changes` holds blur and noise, `curves` reads the YAML files of corruptions, `dataset` serves corrupted clips and
windows.
"""

from outpaint_lightning.data.corruptions.changes import Blur, FrameChange, Noise
from outpaint_lightning.data.corruptions.curves import Corruption, Curve, read_curves
from outpaint_lightning.data.corruptions.dataset import CorruptedClip, CorruptedDataset

__all__ = ["Blur", "CorruptedClip", "CorruptedDataset", "Corruption", "Curve", "FrameChange", "Noise", "read_curves"]
