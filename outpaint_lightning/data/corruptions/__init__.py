"""What footage goes through before anyone judges it: compressed, rescaled, blurred, noisy, at rising levels.

`changes` frames that are blurred or noisy, `curves` the YAML files of corruptions, `dataset` clips and windows after a
corruption.
"""

from outpaint_lightning.data.corruptions.changes import Blur, FrameChange, Noise
from outpaint_lightning.data.corruptions.curves import Corruption, Curve, read_curves
from outpaint_lightning.data.corruptions.dataset import CorruptedClip, CorruptedDataset

__all__ = ["Blur", "CorruptedClip", "CorruptedDataset", "Corruption", "Curve", "FrameChange", "Noise", "read_curves"]
