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
    upsample_flow,
)

from outpaint_lightning.geometry import pad, padding_to, unpad
from outpaint_lightning.types import InputError, did_you_mean

STRIDE = 8
MINIMUM_SIDE = 128  # four correlation levels need 16 cells of 8 pixels
CLASSES = ("authentic", "forged")
CONTEXT = {  # torchvision's context encoders: block and channels
    "small": (BottleneckBlock, (32, 32, 64, 96, 160)),
    "large": (ResidualBlock, (64, 64, 96, 128, 256)),
}


class RaftLocalizer(nn.Module):
    """Class scores per pixel of the first frame of a pair, refined over RAFT's recurrent updates.

    RAFT's recurrent update adds two channels per pixel to its state and looks the correlation volume up where they
    point. Optical flow reads them as a displacement; here, as in the source, they are the scores of `CLASSES`. The
    state at 1/8 resolution is brought to full resolution by RAFT's convex upsampling, which multiplies it by 8 as it
    does for flow. torchvision's small variant has no convex upsampling of its own: it is added here.

    Args:
        variant: `"small"` (1.0 M parameters) or `"large"` (5.3 M), as in torchvision.
        updates: number of recurrent updates; another number may be asked for in `forward`.
        weights: file with a torchvision RAFT state dict, or the name of torchvision weights (`"C_T_V2"`), which are
            downloaded by torchvision. None starts from random weights.
        context: how the first frame itself is seen. `"torchvision"` is RAFT's own encoder, without normalisation in
            the small variant and with batch normalisation in the large one. `"residual"` is the same encoder with
            instance normalisation, half of whose first filters start with a sum of zero: it sees how noisy and sharp a
            place is compared with the rest of the frame, which tells forgeries, before it has learned to. Its
            parameters have the same names and shapes but for batch normalisation's.

    Raises:
        InputError: the weights cannot be read, downloaded or do not belong to this variant.
    """

    def __init__(
        self,
        variant: Literal["small", "large"] = "small",
        updates: int = 12,
        weights: str | None = None,
        context: Literal["torchvision", "residual"] = "torchvision",
    ) -> None:
        super().__init__()
        if updates < 1:
            raise InputError(f"net.updates is {updates}: expected at least 1")
        self.updates = updates
        self.raft = get_model(f"raft_{variant}", weights=None)
        if self.raft.mask_predictor is None:
            hidden = self.raft.update_block.hidden_state_size
            self.raft.mask_predictor = MaskPredictor(in_channels=hidden, hidden_size=128)
        if context == "residual":
            self.raft.context_encoder = _residual_encoder(variant)
        if weights is not None:
            _load_flow_weights(self.raft, variant, weights)

    def forward(self, image: Tensor, updates: int | None = None, last_only: bool = False) -> list[Tensor]:
        """Score a pair of frames.

        Args:
            image: `B T 3 H W` RGB in [0, 1], any H and W; the first two frames are used.
            updates: number of recurrent updates; None takes the constructor's.
            last_only: upsample and return only the last update (what inference needs).

        Returns:
            Logits `B 2 H W` of each update, the last one best. An update does not depend on those after it.
        """
        first, second = image[:, 0], image[:, 1]
        height, width = first.shape[-2:]
        padding = padding_to(height, width, multiple=STRIDE, minimum=MINIMUM_SIDE)
        first, second = (pad(frame * 2 - 1, padding) for frame in (first, second))
        states, hiddens = self._refine(first, second, updates or self.updates)
        if last_only:
            states, hiddens = states[-1:], hiddens[-1:]
        updated = zip(states, hiddens, strict=True)
        return [unpad(upsample_flow(state, self.raft.mask_predictor(hidden)), padding) for state, hidden in updated]

    def _refine(self, first: Tensor, second: Tensor, updates: int) -> tuple[list[Tensor], list[Tensor]]:
        """Return the scores `B 2 H/8 W/8` and the hidden state after each update."""
        raft = self.raft
        features = _encode(raft.feature_encoder, torch.cat([first, second]))
        raft.corr_block.build_pyramid(*features.chunk(2))
        hidden, context = _encode(raft.context_encoder, first).split_with_sizes(self._context_channels, dim=1)
        hidden, context = hidden.tanh(), context.relu()
        grid = make_coords_grid(*_grid_shape(features), device=features.device)
        scores = torch.zeros_like(grid)
        states, hiddens = [], []
        for _ in range(updates):
            scores = scores.detach()  # as in RAFT: no gradient through the lookup's position
            correlation = raft.corr_block.index_pyramid(grid + scores)
            hidden, change = raft.update_block(hidden, context, correlation, scores)
            scores = scores + change
            states.append(scores)
            hiddens.append(hidden)
        return states, hiddens

    @property
    def _context_channels(self) -> list[int]:
        hidden = self.raft.update_block.hidden_state_size
        return [hidden, self.raft.context_encoder.output_dim - hidden]


def _encode(encoder: FeatureEncoder, image: Tensor) -> Tensor:
    """Run an encoder, its first layer in float32 also under autocast: bf16 would round the traces of a forgery away."""
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
    bell = torch.exp(-(reach**2) / 2)  # a standard deviation of one pixel: traces are as fine as pixels
    local = half * bell * bell[:, None]
    local -= local.mean((2, 3), keepdim=True)
    half.copy_(local * half.std() / local.std())
    return encoder


def _grid_shape(features: Tensor) -> tuple[int, int, int]:
    pairs, _, height, width = features.shape
    return pairs // 2, height, width


def _load_flow_weights(raft: nn.Module, variant: str, weights: str) -> None:
    """Load torchvision's optical-flow weights from a file, or by name from torchvision."""
    available = get_model_weights(f"raft_{variant}")
    if Path(weights).is_file():
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load raises half a dozen types for a broken file
            raise InputError(f"{weights}: not a readable state dict of torch ({type(error).__name__})") from error
    elif weights in available.__members__ and weights != "DEFAULT":
        try:
            state = available[weights].get_state_dict(progress=False)
        except Exception as error:  # no network, or a broken file in the cache
            url = available[weights].url
            raise InputError(
                f"net.weights {weights!r} cannot be downloaded ({error}): put {Path(url).name} into "
                f"{torch.hub.get_dir()}/checkpoints or give its path"
            ) from error
    else:
        names = [name for name in available.__members__ if name != "DEFAULT"]
        raise InputError(
            f"net.weights {weights!r}: no such file, and raft_{variant} has no weights of that name "
            f"(known: {', '.join(names)}){did_you_mean(weights, names)}"
        )
    try:
        missing, unexpected = raft.load_state_dict(state, strict=False)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"{weights}: not the weights of raft_{variant} ({reason})") from error
    missing = [key for key in missing if variant != "small" or not key.startswith("mask_predictor.")]
    if missing or unexpected:
        key, fault = (missing or unexpected)[0], "missing" if missing else "extra"
        raise InputError(f"{weights}: not the weights of raft_{variant} ({key!r} is {fault})")
    if variant == "small":
        warnings.warn("raft_small has no convex upsampling in torchvision: that part starts untrained", stacklevel=3)
