"""RAFT as a localizer of outpainted regions.

Source: *Outpainting Localizer* (Darra, Vicentini 2023) on Teed and Deng, *RAFT* (ECCV 2020, arXiv:2003.12039),
built from torchvision's modules so that torchvision's optical-flow weights load.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights
from torchvision.models.optical_flow.raft import (
    BottleneckBlock,
    FeatureEncoder,
    MaskPredictor,
    ResidualBlock,
    make_coords_grid,
)

from outpaint_lightning.geometry import Padding, mirror, padding_to, unpad
from outpaint_lightning.nets.localizers.correlation import Correlation
from outpaint_lightning.nets.localizers.heads import HEADS, STRIDE, Update
from outpaint_lightning.nets.localizers.recurrence import Recurrence
from outpaint_lightning.nets.pretrained import read_state
from outpaint_lightning.types import InputError, did_you_mean

MINIMUM_SIDE = 128  # four correlation levels need 16 cells of 8 pixels
MAX_UPDATES = 1000  # papers use 12 to 32
CLASSES = ("authentic", "forged")
CONTEXT = {  # torchvision's context encoders: block and channels
    "small": (BottleneckBlock, (32, 32, 64, 96, 160)),
    "large": (ResidualBlock, (64, 64, 96, 128, 256)),
}


class RaftLocalizer(nn.Module):
    """Class scores per pixel of the first frame of a window, refined over RAFT's recurrent updates.

    RAFT compares the first frame with the second. Its recurrent update adds two channels per pixel to its state, and
    reads the correlation volume where they point. For optical flow they are a displacement. With the head `"flow"`, as
    in the paper of Darra and Vicentini, they are the scores of `CLASSES`. RAFT's convex upsampling enlarges them from
    1/8 to full resolution, and multiplies them by 8 as it does with flow. torchvision's small variant has no convex
    upsampling; it is added here. With the head `"features"` they remain a displacement, and the scores come from the
    hidden state and a high-pass stem at full resolution (`heads.FeatureScores`).

    No gradient flows through the position of a lookup. With `"features"`, no loss is computed on the flow. It is
    trained through the next update, which reads it together with the correlation. Each change is trained through that
    update only, as in RAFT each change is trained by its own loss. A net with one update has no next update, so its
    flow layers are frozen in their initial or loaded state. (Parameters that require a gradient and get none stop
    distributed training.)

    With `carry` and a window of T frames, the hidden state and the two channels of one pair are the start of the next
    pair. The pairs are processed from the end of the window to its beginning, and the updates of the last pair give the
    scores. The state is not warped between pairs.

    Args:
        variant: `"small"` (1.0 M parameters) or `"large"` (5.3 M), as in torchvision.
        updates: number of recurrent updates per pair; `forward` can override it.
        weights: file with a torchvision RAFT state dict, or the name of torchvision weights (`"C_T_V2"`), which
            torchvision downloads. None starts from random weights.
        context: encoder of the first frame. `"torchvision"` is RAFT's own encoder, without normalisation in the small
            variant and with batch normalisation in the large one. `"residual"` is the same encoder with instance
            normalisation, in which half of the first filters start with a sum of zero. So even before training it
            measures how noisy and sharp a pixel's surroundings are compared with the rest of the frame, which reveals
            forgeries. Except for batch normalisation, its parameters have the same names and shapes.
        head: how class scores are computed, a name in `heads.HEADS`.
        carry: use all frames of a window, not only the first pair.
        volume_limit: MiB that the correlation volumes of a pair may take. What does not fit is computed at each lookup.
            A volume grows with the square of the pixels: all levels take 16 MiB at 256 x 448, 1.0 GiB at 720 x 1280 and
            5.3 GiB at 1088 x 1920, in float32 and for each window of a batch.

    Raises:
        InputError: the head is unknown, the updates or the limit are out of range, or the weights cannot be read or
            downloaded or belong to another variant.

    Example:
        >>> import torch
        >>> net = RaftLocalizer("small", updates=2)
        >>> [tuple(logits.shape) for logits in net(torch.rand(1, 2, 3, 130, 140))]
        [(1, 2, 130, 140), (1, 2, 130, 140)]
    """

    stride = STRIDE
    smallest = MINIMUM_SIDE

    def __init__(
        self,
        variant: Literal["small", "large"] = "small",
        updates: int = 12,
        weights: str | None = None,
        context: Literal["torchvision", "residual"] = "torchvision",
        head: Literal["flow", "features"] = "flow",
        carry: bool = False,
        volume_limit: int = 2048,
    ) -> None:
        super().__init__()
        if not 1 <= updates <= MAX_UPDATES:
            raise InputError(f"RaftLocalizer: updates is {updates}: expected 1 to {MAX_UPDATES}")
        if head not in HEADS:
            raise InputError(
                f"RaftLocalizer: head is {head!r}: expected one of {', '.join(HEADS)}{did_you_mean(head, HEADS)}"
            )
        if volume_limit < 0:
            raise InputError(f"RaftLocalizer: volume_limit is {volume_limit}: expected 0 MiB or more")
        self.updates, self.carry, self.volume_limit = updates, carry, volume_limit
        self.raft = get_model(f"raft_{variant}", weights=None)
        hidden = self.raft.update_block.hidden_state_size
        self.head = HEADS[head](hidden)
        if not self.head.judges_state:
            self.raft.mask_predictor = None
            self.raft.update_block.flow_head.requires_grad_(updates > 1)
        elif self.raft.mask_predictor is None:
            self.raft.mask_predictor = MaskPredictor(in_channels=hidden, hidden_size=128)
        if context == "residual":
            self.raft.context_encoder = _residual_encoder(variant)
        if weights is not None:
            load_flow_weights(self.raft, variant, weights)

    def forward(self, image: Tensor, updates: int | None = None, last_only: bool = False) -> list[Tensor]:
        """Score windows.

        Args:
            image: `B T 3 H W` RGB in [0, 1], any H and W; the first two frames are used, or all of them with `carry`.
            updates: number of recurrent updates per pair; None uses the constructor's.
            last_only: upsample and return only the last update, which is enough for inference.

        Returns:
            Logits `B 2 H W` of each update; the last one is the best. An update does not depend on later updates.

        Raises:
            InputError: the window has only one frame.
        """
        if image.shape[1] < 2:
            raise InputError("RaftLocalizer: windows of 1 frame; expected 2 or more")
        image, padding = _padded(image if self.carry else image[:, :2])
        made = self._walk(image, None, updates or self.updates)
        return self._judge(made[-1:] if last_only else made, image, padding)

    def stream(self, image: Tensor, state: Update | None = None) -> tuple[Tensor, Update]:
        """Score one pair after the other; with `carry`, `forward` does the same over a window.

        Args:
            image: `B 2 3 H W` RGB in [0, 1]: the frame to score and its neighbour.
            state: the state returned for the previous pair, with the same B, H and W; None for the first pair.

        Returns:
            Logits `B 2 H W` of the last update, and the state.
        """
        image, padding = _padded(image)
        last = self._walk(image, state, self.updates)[-1:]
        return self._judge(last, image, padding)[0], last[0]

    def _judge(self, made: list[Update], image: Tensor, padding: Padding) -> list[Tensor]:
        """Return the logits of updates of the first pair of padded frames, at the size before padding."""
        return [unpad(logits, padding) for logits in self.head(self.raft, made, image[:, :2])]

    def _walk(self, image: Tensor, last: Update | None, updates: int) -> list[Update]:
        """Return the updates of the first pair of `image`, `B T 3 H W`, after those of all later pairs."""
        frames = (image * 2 - 1).unbind(1)
        features = _encode(self.raft.feature_encoder, torch.cat(frames)).chunk(len(frames))
        contexts = _encode(self.raft.context_encoder, torch.cat(frames[:-1])).chunk(len(frames) - 1)
        made: list[Update] = []
        for pair in reversed(range(len(contexts))):
            made = self._refine(features[pair], features[pair + 1], contexts[pair], last, updates)
            last = made[-1]
        return made

    def _refine(
        self, first: Tensor, second: Tensor, context: Tensor, last: Update | None, updates: int
    ) -> list[Update]:
        """Return the updates of one pair, given the encoders' outputs and the last update of the previous pair."""
        raft = self.raft
        block = raft.corr_block
        correlation = Correlation(first, second, block.num_levels, block.radius, self.volume_limit << 20)
        start, context = context.split_with_sizes(self._context_channels, dim=1)
        context = context.relu()
        grid = make_coords_grid(len(first), *first.shape[-2:], device=first.device)
        state, hidden = last or (torch.zeros_like(grid), start.tanh())
        recurrence = Recurrence(raft.update_block.recurrent_block, context)
        made = []
        for _ in range(updates):
            before = state.detach()  # as in RAFT: no gradient through the lookup's position
            around = correlation(grid + before)
            motion = raft.update_block.motion_encoder(before if self.head.judges_state else state, around)
            hidden = recurrence(hidden, motion)
            state = before + raft.update_block.flow_head(hidden)
            made.append(Update(state, hidden))
        return made

    @property
    def _context_channels(self) -> list[int]:
        hidden = self.raft.update_block.hidden_state_size
        return [hidden, self.raft.context_encoder.output_dim - hidden]


def _encode(encoder: FeatureEncoder, image: Tensor) -> Tensor:
    """Run an encoder, its first layer in float32 also under autocast: bf16 would round away forgery traces."""
    with torch.autocast(image.device.type, enabled=False):
        features: Tensor = encoder.convnormrelu(image.float())
    for stage in (encoder.layer1, encoder.layer2, encoder.layer3, encoder.conv):
        features = stage(features)
    return features


def _residual_encoder(variant: str) -> FeatureEncoder:
    """Return a context encoder with instance normalisation, half of its first filters zero-sum."""
    block, layers = CONTEXT[variant]
    encoder = FeatureEncoder(block=block, layers=layers, norm_layer=nn.InstanceNorm2d)
    filters = encoder.convnormrelu[0].weight.detach()
    half = filters[: len(filters) // 2]
    reach = torch.arange(half.shape[-1]) - half.shape[-1] // 2
    bell = torch.exp(-(reach**2) / 2)  # a standard deviation of one pixel, because traces are that fine
    local = half * bell * bell[:, None]
    local -= local.mean((2, 3), keepdim=True)
    half.copy_(local * half.std() / local.std())
    return encoder


def _padded(image: Tensor) -> tuple[Tensor, Padding]:
    """Return frames `B T 3 H W` padded to a size that RAFT accepts, and the padding."""
    height, width = image.shape[-2:]
    padding = padding_to(height, width, multiple=STRIDE, minimum=MINIMUM_SIDE)
    frames = mirror(image.flatten(0, 1), padding)
    return frames.reshape(*image.shape[:3], *frames.shape[2:]), padding


def load_flow_weights(raft: nn.Module, variant: str, weights: str) -> None:
    """Load torchvision's optical-flow weights from a file, or by name from torchvision.

    Raises:
        InputError: the weights cannot be read or downloaded, or belong to another variant.
    """
    available = get_model_weights(f"raft_{variant}")
    if Path(weights).is_file():
        state = read_state(Path(weights))
    elif weights in available.__members__ and weights != "DEFAULT":
        try:
            state = available[weights].get_state_dict(progress=False)
        except Exception as error:  # no network, or a broken file in the cache
            url = available[weights].url
            raise InputError(
                f"RaftLocalizer: weights {weights!r} cannot be downloaded ({error}): put {Path(url).name} into "
                f"{torch.hub.get_dir()}/checkpoints or give its path"
            ) from error
    else:
        names = [name for name in available.__members__ if name != "DEFAULT"]
        raise InputError(
            f"RaftLocalizer: weights is {weights!r}: no such file, and raft_{variant} has no weights of that name "
            f"(known: {', '.join(names)}){did_you_mean(weights, names)}"
        )
    try:
        missing, unexpected = raft.load_state_dict(state, strict=False)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"{weights}: not the weights of raft_{variant} ({reason})") from error
    if variant == "small":
        missing = [key for key in missing if not key.startswith("mask_predictor.")]
    if raft.mask_predictor is None:  # the head does not use it
        unexpected = [key for key in unexpected if not key.startswith("mask_predictor.")]
    if missing or unexpected:
        key, fault = (missing or unexpected)[0], "missing" if missing else "extra"
        raise InputError(f"{weights}: not the weights of raft_{variant} ({key!r} is {fault})")
    if variant == "small" and raft.mask_predictor is not None:
        warnings.warn("raft_small has no convex upsampling in torchvision: that part starts untrained", stacklevel=3)
