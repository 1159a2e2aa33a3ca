"""A tiny localizer, its ONNX file, and a clip."""

import cv2
import numpy as np
import pytest
from support import texture
from tiny_checkpoints import net, write_localizer

import outpaint_lightning
from outpaint_lightning.io import write_image

SIZE = (50, 70)
"""Of the clip: no multiple of any stride."""


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A U-Net that judges in tiles, with a threshold of its own."""
    spec = net("UNet", width=8, depth=1, residual=net("SrmFilters"))
    return write_localizer(tmp_path_factory.mktemp("net") / "small.ckpt", spec, tile=[32, 48], threshold=0.4)


@pytest.fixture(scope="session")
def exported(checkpoint, tmp_path_factory):
    """What `export` returns of it as ONNX."""
    pytest.importorskip("onnxscript", reason="the extra `export` is not installed")
    return outpaint_lightning.export(checkpoint, tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """Four frames of a panning texture with a flat square."""
    folder = tmp_path_factory.mktemp("clip") / "pan"
    wide = texture(1, 64, 96)
    for t in range(4):
        frame = np.ascontiguousarray(wide[: SIZE[0], 2 * t : 2 * t + SIZE[1]])
        write_image(folder / f"{t:05d}.png", cv2.rectangle(frame, (20, 10), (40, 30), (128, 128, 128), -1))
    return folder
