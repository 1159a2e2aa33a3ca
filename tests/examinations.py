"""Inputs examined by a net that finds bright pixels, in milliseconds, for the tests of pages and records."""

import cv2
import numpy as np
import torch
from support import texture
from torch import nn

from outpaint_lightning.io import VideoWriter, open_clip
from outpaint_lightning.localize.calibration import Calibration, Known, Level
from outpaint_lightning.localize.clips import localize_clip
from outpaint_lightning.localize.options import Options
from outpaint_lightning.losses import SequenceCrossEntropy
from outpaint_lightning.tasks import LocalizationTask

TESTED = {
    "number": "pixel F1", "value": 0.62, "low": 0.55, "high": 0.68, "lower_is_better": False, "data": "forged",
    "floors": {"all_forged": 0.41, "border": 0.33}, "count": 40, "unit": "video", "pixel_fpr": 0.012, "authentic": 29,
    "levels": [],
}  # fmt: skip


class BrightNet(nn.Module):
    """Says of each pixel how bright it is: white is forged, black is authentic."""

    def forward(self, image, last_only=False):  # noqa: ARG002 (what a task asks for)
        logit = (image[:, 0].mean(1) - 0.5) * 12
        return [torch.stack([torch.zeros_like(logit), logit], dim=1)]


def bright_task():
    task = LocalizationTask(BrightNet(), SequenceCrossEntropy()).eval()
    task.window = {"frames": 2, "stride": 1}
    return task


def card(lowest=0.0):
    """A card of 39 authentic and 20 forged videos; scores above 0.38 + `lowest` are found."""
    authentic, forged = (tuple(lowest + i / 100 for i in range(a, b)) for a, b in ((1, 40), (30, 50)))
    known = Known((40, 2000), (5, 120), (0.001, 30))
    levels = (Level("as it is", authentic, forged), Level("h264 quality 32", authentic, forged))
    return {"tested": TESTED, "calibration": Calibration(levels, known, 0.5, 0.0).plain, "trained": {"data": "forged"}}


def write_video(path, frames=24, size=(96, 128), spot=True):
    """A dim panning texture, with a bright spot that comes and goes."""
    height, width = size
    wide = texture(3, height, width + 32) // 3
    with VideoWriter(path, height, width, 12, crf=10) as writer:
        for t in range(frames):
            frame = wide[:, t : t + width].copy()
            if spot:
                radius = max(1, round(height / 4 * np.sin(np.pi * t / frames)))
                cv2.circle(frame, (width // 4 + 2 * t, height // 2), radius, (250, 250, 250), -1)
            writer.write(frame)
    return path


def examine(path, out, known=None, **options):
    task = bright_task()
    given = Options(path.with_suffix(".ckpt"), {"weights": "0123456789abcdef", **(known or {})}, **options)
    return localize_clip(task, open_clip(path), out / path.stem, given)
