"""Estimators of optical flow between the frames of a clip, for footage without true flow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.models import get_model

from outpaint_lightning.geometry import pad, padding_to, unpad
from outpaint_lightning.motion.classical import estimate_flow
from outpaint_lightning.nets.localizers.raft import MINIMUM_SIDE, load_flow_weights
from outpaint_lightning.types import InputError

RAFT_STRIDE = 8


class FlowEstimator(ABC):
    """Estimates the flow between consecutive frames, in both directions."""

    @abstractmethod
    def __call__(self, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the flow from each frame to the next, and from the next back.

        Args:
            frames: `T H W 3` RGB, at least two frames.

        Returns:
            Two arrays `T-1 H W 2` in pixels, x first: from frame t to t + 1, and from frame t + 1 to t.
        """


class DisFlow(FlowEstimator):
    """Dense inverse search (Kroeger et al., ECCV 2016) from OpenCV: fast on a CPU and without weights."""

    def __call__(self, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the flow from each frame to the next, and from the next back; see `FlowEstimator`."""
        return estimate_flow(frames)


class RaftFlow(FlowEstimator):
    """RAFT (Teed and Deng, ECCV 2020) from torchvision.

    Args:
        weights: file with a torchvision RAFT state dict, or the name of torchvision weights (`"C_T_V2"`), which are
            downloaded by torchvision.
        variant: `"small"` or `"large"`; the weights must be for this variant.
        updates: recurrent updates, at least 1.

    Raises:
        InputError: the weights cannot be read or downloaded, or are for another variant.
    """

    def __init__(self, weights: str, variant: Literal["small", "large"] = "large", updates: int = 12) -> None:
        if updates < 1:
            raise InputError(f"estimator.updates is {updates}: expected at least 1")
        self.net = get_model(f"raft_{variant}", weights=None).eval()
        load_flow_weights(self.net, variant, weights)
        self.updates = updates

    @torch.inference_mode()
    def __call__(self, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the flow from each frame to the next, and from the next back; see `FlowEstimator`."""
        image = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
        padding = padding_to(image.shape[2], image.shape[3], RAFT_STRIDE, MINIMUM_SIDE)
        image = pad(image, padding).contiguous()
        forward, backward = (
            unpad(self.net(*pair, num_flow_updates=self.updates)[-1], padding).permute(0, 2, 3, 1).numpy()
            for pair in ((image[:-1], image[1:]), (image[1:], image[:-1]))
        )
        return forward, backward
