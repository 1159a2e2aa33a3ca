"""A region detector built on a localizer: class and box of an image from a mask that was learned on videos."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from outpaint_lightning.checkpoints.rebuild import load_net
from outpaint_lightning.nets.detectors.region import EVIDENCE, RegionOutput, mask_evidence
from outpaint_lightning.nets.detectors.soft_box import soft_boxes
from outpaint_lightning.types import InputError


class MaskRegions(nn.Module):
    """The mask of a localizer, and the class and box computed from it.

    The localizer gets the image as a static video: every frame of its window is the image. Its logits are scaled and
    shifted by two learned numbers, because traces that are common in video may be rare in photos. The class is a linear
    function of `mask_evidence`, and the box is `soft_boxes` of the mask. So with `frozen`, fewer than twenty numbers
    are learned, and a few hundred images are enough.

    Args:
        localizer: called with `B T 3 H W`, returns a list of logits `B 2 H W`, of which the last one is used, such as
            `EncoderUNet`. Its attribute `frames` is T.
        weights: weights of the localizer: a checkpoint or run folder of a `LocalizationTask`, or the name of shipped
            weights, such as `"localizer"`. None keeps the localizer's own.
        frozen: do not train the localizer.
        quality: add an output for the IoU of the box; see `RegionDetector`.

    Raises:
        InputError: the weights cannot be read or belong to another net.

    Example:
        >>> from outpaint_lightning.nets import UNet
        >>> net = MaskRegions(UNet(frames=2, depth=1, width=8)).eval()
        >>> output = net(torch.rand(2, 1, 3, 64, 96))
        >>> output.logit.shape, output.box.shape, output.mask.shape
        (torch.Size([2]), torch.Size([2, 4]), torch.Size([2, 1, 64, 96]))
    """

    started_pretrained: Tensor
    box_from_mask = True

    def __init__(
        self, localizer: nn.Module, weights: str | None = None, frozen: bool = True, quality: bool = False
    ) -> None:
        super().__init__()
        self.localizer: Any = localizer
        if weights is not None:
            try:
                localizer.load_state_dict(load_net(weights).state_dict())
            except RuntimeError as error:
                reason = str(error).splitlines()[-1].strip()
                raise InputError(f"MaskRegions: weights {weights!r} are of another net ({reason})") from error
        self.frozen = frozen
        localizer.requires_grad_(not frozen)
        self.scale, self.shift = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))
        self.last = nn.Linear(len(EVIDENCE), 1 + int(quality))
        # In the state dict, so that a checkpoint keeps the fact on a machine without these weights.
        self.register_buffer("started_pretrained", torch.tensor(weights is not None))
        self.train()

    @property
    def pretrained(self) -> bool:
        """Whether training started from given weights."""
        return bool(self.started_pretrained)

    def train(self, mode: bool = True) -> MaskRegions:
        """Set the mode of all layers except those of a frozen localizer, which stay in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.localizer.eval()
        return self

    def forward(self, image: Tensor) -> RegionOutput:
        """Score images.

        Args:
            image: `B T 3 H W` RGB in [0, 1], of any size; the first frame is used.

        Returns:
            The logit, the box, and the mask's logits at the size of the image, in float32 also under autocast.
        """
        scores = self.localizer(image[:, :1].expand(-1, self.localizer.frames, -1, -1, -1))[-1].float()
        mask = self.scale * (scores[:, 1:] - scores[:, :1]) + self.shift
        logit, *quality = self.last(mask_evidence(mask)).unbind(1)
        return RegionOutput(logit, soft_boxes(mask), mask, quality[0] if quality else None)
