"""A recurrent net that completes hidden flow: it fills, then updates from confident towards uncertain pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from outpaint_lightning.geometry import resize_flow, sampling_grid
from outpaint_lightning.nets.flow.completion import FlowCompletion
from outpaint_lightning.nets.flow.fills import Fill, HarmonicFill
from outpaint_lightning.nets.flow.windows import Windows
from outpaint_lightning.nets.layers.partial_conv import MaskRule, PartialConv2d, PowerRule
from outpaint_lightning.types import InputError

REACH = 2  # radius in pixels of an update's receptive field: two 3x3 convolutions
NEIGHBOURS = 3  # the previous frame, the frame itself and the next
CARRIED = 0.5  # factor on the confidence of a coarser level's result
TOUCHED = 1e-4  # hidden share from which on a coarse pixel is hidden; above rounding errors
NORM_FLOOR = 1e-6  # added to a mean square before its root is taken

Architecture = Literal["1", "2", "replace", "add"]


class FlowToFeature(nn.Module):
    """Encodes each pixel's two flows as features: a 1x1 convolution and two residual 3x3 convolutions.

    It has no normalisation, so that a pixel's features do not depend on the rest of the frame or of the batch.

    Args:
        channels: number of features.
        scale: flow in pixels that counts as 1.
    """

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.first = nn.Conv2d(4, channels, 1)
        self.residual = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, flow: Tensor) -> Tensor:
        """Return features `N channels H W` of flows `N 4 H W` in pixels, forward then backward."""
        features: Tensor = self.first(flow / self.scale)
        for convolution in self.residual:
            features = features + F.leaky_relu(convolution(features))
        return features


class FeatureToFlow(nn.Module):
    """Decodes each pixel's features to its two flows: a 1x1 convolution.

    It has no bias, so that zero features give zero flow.

    Args:
        channels: number of features.
        scale: flow in pixels that counts as 1.
    """

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.last = nn.Conv2d(channels, 4, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return flows `N 4 H W` in pixels, forward then backward, of features `N channels H W`."""
        flow: Tensor = self.last(features) * self.scale
        return flow


class Update(nn.Module):
    """Computes new features and confidences from those of a frame and its neighbours, which are warped to it.

    Source: the paper (see `FlowRefiner`), figure 16. The paper uses batch norm. Here, the features of each pixel and
    frame are divided by their root mean square, which does not depend on the hole or on other samples.

    Args:
        channels: number of features of a frame.
        rule: makes the confidence rule of each layer from its number of groups.
    """

    def __init__(self, channels: int, rule: Callable[[int], MaskRule]) -> None:
        super().__init__()
        middle = 2 * channels
        self.gains = nn.ParameterList(torch.ones(count, 1, 1) for count in (NEIGHBOURS * channels, middle))
        self.first = PartialConv2d(NEIGHBOURS * channels, middle, rule, groups=NEIGHBOURS)
        self.second = PartialConv2d(middle, channels, rule)

    def forward(self, features: Tensor, confidence: Tensor, exists: Tensor) -> tuple[Tensor, Tensor]:
        """Return features `N channels H W` and confidences `N 1 H W`.

        Args:
            features: `N 3*channels H W`, of the previous frame, the frame itself and the next one.
            confidence: `N 3 H W`.
            exists: `N 3 H W`, 0 where the window has no such neighbour.
        """
        features, known = self.first(self._activate(features, 0, NEIGHBOURS), confidence, exists)
        updated: tuple[Tensor, Tensor] = self.second(self._activate(features, 1, 1), known, torch.ones_like(known))
        return updated

    def _activate(self, features: Tensor, layer: int, groups: int) -> Tensor:
        parts = torch.unflatten(features, 1, (groups, -1))
        size = (parts.square().mean(2, keepdim=True) + NORM_FLOOR).rsqrt()
        return F.leaky_relu((parts * size).flatten(1, 2) * self.gains[layer])


def _average(old: Tensor, new: Tensor, sure: Tensor, known: Tensor) -> Tensor:
    """Architecture 1: average; the old features always have weight 1, the new ones their gated confidence."""
    gate = sure * (1 - known)
    return (old + new * gate) / (1 + gate)


def _overwrite(old: Tensor, new: Tensor, sure: Tensor, known: Tensor) -> Tensor:  # noqa: ARG001 (one table, one call)
    """Architecture 2: the new features replace the old ones where those are not confident, even if both are not."""
    return old * known + new * (1 - known)


def _replace(old: Tensor, new: Tensor, sure: Tensor, known: Tensor) -> Tensor:
    """The new features replace the old ones by a gate: confident new features over uncertain old ones.

    As the gate grows, the features of the fill are forgotten.
    """
    gate = sure * (1 - known)
    return old * (1 - gate) + new * gate


def _add(old: Tensor, new: Tensor, sure: Tensor, known: Tensor) -> Tensor:
    """The new features are added to the old ones, weighted by the same gate as in `_replace`."""
    return old + new * sure * (1 - known)


ARCHITECTURES: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "1": _average,
    "2": _overwrite,
    "replace": _replace,
    "add": _add,
}
"""How new features are combined with old ones. Arguments: old features, new features, confidence of the new ones,
confidence of the old ones."""


class FlowRefiner(nn.Module):
    """Completes the hidden flow of a window of frames.

    First, `fill` fills the hidden vectors. Both flows of each pixel are encoded as features F with a confidence m,
    which is 1 where both vectors are known and `trust` elsewhere. Each step warps the features and confidences of the
    next frame along the forward flow and those of the previous frame along the backward flow, all from the state before
    the step. An `Update` combines these two with the frame's own. Its output changes F and m where m was not 1 at the
    start. With v the flow and D the decoder, the flow after step t is::

        v_t = fill + D(F_t - F_0)

    so that zero steps give the fill. Known vectors stay bit-identical. Each step reaches 2 pixels further into a hole,
    and further where a neighbouring frame knows more. So a large hole needs many steps, or several levels.

    Source: Chatillon et al., *Towards video inpainting: joint inpainting of motion and dynamic shapes with deep
    learning techniques* (2020), section 3, "the paper" below. There, v_t = D(F_t), neighbours are sampled half a pixel
    off, and a confidence of 0 grows by itself.

    Args:
        fill: gives the hidden vectors at the start; None for `HarmonicFill()`.
        rule: makes the confidence rule from a number of groups: a `MaskRule` class, or a partial one.
        architecture: how new features are combined with old ones. `"1"`, the paper's: an average in which the old ones
            keep their weight. `"2"`: the new ones replace the old ones wherever those are not confident. `"replace"`:
            the new ones replace the old ones by their confidence. `"add"`: the new ones are added to the old ones. They
            are zero before training, so that learning starts from the fill.
        channels: number of features of a pixel.
        steps: number of updates on each level.
        scale: flow in pixels that counts as 1.
        trust: confidence of the filled vectors at the start, in [0, 1). At 0, no update reads the fill inside a hole,
            however good it is there.
        residual: False decodes `v_t = D(F_t)` instead, as the paper does. The start is the fill in both cases.
        monotone: whether confidences never decrease.
        detach_flow: whether to stop the gradient from warped features to the flow that warps them.
        detach_confidence: whether to stop the gradient from warped confidences to the flow that warps them. Otherwise,
            flows learn to point to confident pixels, even far away (the paper's figure 19).
        crop: compute updates only in windows around the holes. This changes the cost, not the result.
        levels: number of scales, each with half the resolution of the next finer one, from coarse to fine with the same
            weights. The change that a coarser level computes is added to the start of the finer one, with half its
            confidence.
        checkpoint_steps: recompute the activations of each step in the backward pass instead of storing them.

    Raises:
        InputError: an option is out of range.

    Example:
        >>> import torch
        >>> flow, hidden = torch.ones(1, 2, 2, 16, 16), torch.zeros(1, 2, 2, 16, 16)
        >>> hidden[..., 4:12, 4:12] = 1
        >>> completion = FlowRefiner(channels=4, steps=2)(flow, flow, hidden)
        >>> len(completion.forward), completion.forward[-1].shape  # the fill and two updates
        (3, torch.Size([1, 2, 2, 16, 16]))
    """

    def __init__(
        self,
        fill: Fill | None = None,
        rule: Callable[[int], MaskRule] = PowerRule,
        architecture: Architecture = "add",
        channels: int = 32,
        steps: int = 5,
        scale: float = 20.0,
        trust: float = 0.0,
        residual: bool = True,
        monotone: bool = True,
        detach_flow: bool = False,
        detach_confidence: bool = True,
        crop: bool = True,
        levels: int = 1,
        checkpoint_steps: bool = False,
    ) -> None:
        super().__init__()
        if architecture not in ARCHITECTURES:
            raise InputError(
                f"FlowRefiner: architecture is {architecture!r}: expected one of {', '.join(ARCHITECTURES)}"
            )
        for name, value, least in (("channels", channels, 1), ("steps", steps, 0), ("levels", levels, 1)):
            if value < least:
                raise InputError(f"FlowRefiner: {name} is {value}: expected {least} or more")
        if not scale > 0:
            raise InputError(f"FlowRefiner: scale is {scale}: expected a positive number of pixels")
        if not 0 <= trust < 1:
            raise InputError(f"FlowRefiner: trust is {trust}: expected a confidence from 0 to below 1")
        self.fill = HarmonicFill() if fill is None else fill
        self.encoder = FlowToFeature(channels, scale)
        self.update = Update(channels, rule)
        self.decoder = FeatureToFlow(channels, scale)
        # Zeros in one layer make the output the fill before training; zeros in two layers would block all gradients.
        silent = self.update.second.convolution if architecture == "add" else self.decoder.last
        for parameter in silent.parameters():
            nn.init.zeros_(parameter)
        self.architecture = architecture
        self.steps, self.levels, self.trust = steps, levels, trust
        self.residual, self.monotone = residual, monotone
        self.detach_flow, self.detach_confidence = detach_flow, detach_confidence
        self.crop, self.checkpoint_steps = crop, checkpoint_steps

    def forward(
        self, flow_forward: Tensor, flow_backward: Tensor, hidden: Tensor, steps: int | None = None
    ) -> FlowCompletion:
        """Complete both flows.

        Args:
            flow_forward: `B T 2 H W` in pixels, frame t to t+1; any values where hidden.
            flow_backward: `B T 2 H W`, frame t to t-1; any values where hidden.
            hidden: `B T 2 H W`, 1 = to be completed; channel 0 for the forward flow, channel 1 for the backward flow.
            steps: number of updates on each level; None for the net's own number.

        Returns:
            The fill, the updates of all levels from coarse to fine at full size, and the decoded features of the start.
            All are in float32, also under autocast.
        """
        with torch.autocast(flow_forward.device.type, enabled=False):  # in bf16 a flow of 20 pixels has steps of 1/8
            flow = torch.cat(self.fill(flow_forward, flow_backward, hidden), 2)
            return self._refine(flow, hidden > 0.5, self.steps if steps is None else steps)

    def _refine(self, fill: Tensor, hidden: Tensor, steps: int) -> FlowCompletion:
        """Refine the flows `B T 4 H W` where `hidden` (bool `B T 2 H W`) is true, level by level, coarse to fine."""
        batch, frames, _, height, width = fill.shape
        stack, holes = fill.flatten(0, 1), hidden.flatten(0, 1)
        flows, confidences = [stack], [(~holes.any(1, keepdim=True)).to(stack.dtype)]
        unsure = 1 - confidences[0]
        start, sure, decoded = stack, unsure * self.trust, stack
        for level in reversed(range(self.levels)):
            size = (-(-height // 2**level), -(-width // 2**level))
            coarse = _resize_flows(start, size)
            unknown = _resize(holes.to(stack.dtype), size) > TOUCHED
            updates, decoded = self._refine_level(coarse, _resize(sure, size), unknown, frames, steps)
            for flow, confidence in updates:
                # Only the change comes from the coarser level: its edges are blurred; those of the start may be sharp.
                finer = flow if flow.shape == stack.shape else start + _resize_flows(flow - coarse, (height, width))
                flows.append(torch.where(_for_each(holes), finer, stack))
                confidences.append(torch.where(unsure > 0, _resize(confidence, (height, width)), 1))
            start, sure = flows[-1], confidences[-1] * unsure * CARRIED
        shape = (batch, frames, -1, height, width)
        return FlowCompletion(
            [flow.view(shape)[:, :, :2] for flow in flows],
            [flow.view(shape)[:, :, 2:] for flow in flows],
            [confidence.view(shape) for confidence in confidences],
            decoded.view(shape),
        )

    def _refine_level(
        self, start: Tensor, sure: Tensor, hidden: Tensor, frames: int, steps: int
    ) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Update the state of one level.

        Args:
            start: `N 4 H W`, complete flows; N is the number of windows times the number of frames.
            sure: `N 1 H W`, the confidence of hidden vectors at the start.
            hidden: bool `N 2 H W`.
            frames: number of frames of a window.
            steps: number of updates.

        Returns:
            Flows `N 4 H W` and confidences `N 1 H W` after each step, and the decoded features of the start, `N 4 H W`.
        """
        hole = hidden.any(1, keepdim=True)
        features = self.encoder(start.detach())  # a learned fill gets its gradient from the flow, not from the features
        decoded = self.decoder(features)
        confidence = torch.where(hole, sure, 1)
        windows = Windows.around(hole, REACH) if self.crop else Windows.whole(start)
        if not len(windows.frames):
            return [(start, confidence)] * steps, decoded
        first = windows.cut(features)
        fixed = _Fixed(windows, first, windows.cut(start), ~windows.cut(hole), _for_each(windows.cut(hidden)), frames)
        own = first, windows.cut(confidence), fixed.flow
        updates = []
        for _ in range(steps):
            if self.checkpoint_steps and torch.is_grad_enabled():
                own = checkpoint(self._step, features, confidence, *own, fixed, use_reentrant=False)
            else:
                own = self._step(features, confidence, *own, fixed)
            features, confidence = windows.paste(features, own[0]), windows.paste(confidence, own[1])
            updates.append((windows.paste(start, own[2]), confidence))
        return updates, decoded

    def _step(
        self, features: Tensor, confidence: Tensor, own: Tensor, own_sure: Tensor, flow: Tensor, fixed: _Fixed
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the windows' next features, confidences and flows.

        Args:
            features: `N C H W`, features of all frames.
            confidence: `N 1 H W`, confidences of all frames.
            own: `M C h w`, the windows' own features.
            own_sure: `M 1 h w`, the windows' own confidences.
            flow: `M 4 h w`, the windows' own flows.
            fixed: data that no step changes.
        """
        to_features = flow.detach() if self.detach_flow else flow
        to_confidence = flow.detach() if self.detach_confidence else flow
        seen, sure = [own], [own_sure]
        for neighbour, direction, place in ((-1, slice(2, 4), 0), (1, slice(0, 2), 2)):
            seen.insert(place, fixed.bring(features, neighbour, to_features[:, direction]))
            sure.insert(place, fixed.bring(confidence, neighbour, to_confidence[:, direction]).clamp(0, 1))
        new, new_sure = self.update(torch.cat(seen, 1), torch.cat(sure, 1), fixed.exists)
        met = ARCHITECTURES[self.architecture](own, new, new_sure, own_sure)
        if self.monotone:
            new_sure = torch.maximum(new_sure, own_sure)
        own, own_sure = torch.where(fixed.known, own, met), torch.where(fixed.known, 1, new_sure)
        said = fixed.flow + self.decoder(own - fixed.features) if self.residual else self.decoder(own)
        return own, own_sure, torch.where(fixed.hidden, said, fixed.flow)


def refiner_step(
    net: FlowRefiner, fill: Tensor, hidden: Tensor, flow: Tensor, change: Tensor, confidence: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Update one window of T frames once, as `FlowRefiner` does at one level; all state is in tensors, for `export`.

    Args:
        net: the refiner whose update is run.
        fill: `T 4 H W`, complete flows, forward then backward, in pixels.
        hidden: `T 2 H W`, 1 = to be completed.
        flow: `T 4 H W`, output of the previous step; the fill at first.
        change: `T C H W`, change of the fill's features, output of the previous step; 0 at first.
        confidence: `T 1 H W`, output of the previous step; at first 1 where both vectors are known, and the net's
            `trust` elsewhere.

    Returns:
        The next `flow`, `change` and `confidence`.
    """
    start, holes = net.encoder(fill), hidden > 0.5
    known = ~holes.any(1, keepdim=True)
    fixed = _Fixed(Windows.whole(fill), start, fill, known, _for_each(holes), fill.shape[0])
    features, confidence, flow = net._step(start + change, confidence, start + change, confidence, flow, fixed)
    return flow, features - start, confidence


@dataclass(frozen=True)
class _Fixed:
    """Data that stay constant while the windows of M frames are updated."""

    windows: Windows
    features: Tensor
    """`M C h w`, features at the start."""
    flow: Tensor
    """`M 4 h w`, flows at the start."""
    known: Tensor
    """bool `M 1 h w`, true where both vectors are known."""
    hidden: Tensor
    """bool `M 4 h w`, true where the component of the flow is hidden."""
    frames: int
    """Number of frames of each clip window in the stack."""

    @property
    def exists(self) -> Tensor:
        """`M 3 h w`: 1 where the previous frame, the frame itself and the next one exist."""
        stacked = self.windows.frames
        time = stacked.remainder(torch.full_like(stacked, self.frames))  # `%` with a free length has no ONNX operator
        there = torch.stack([time > 0, time >= 0, time < self.frames - 1], 1).to(self.flow)
        return there[:, :, None, None].expand(-1, -1, *self.windows.size)

    def bring(self, stack: Tensor, neighbour: int, flow: Tensor) -> Tensor:
        """Return the neighbours' values at the positions that the flow points to: bilinear, 0 outside the frame.

        It does the same as `geometry.warp`, but for windows. Values of a neighbour that does not exist have no meaning.

        Args:
            stack: `N C H W`.
            neighbour: 1 for the next frame, -1 for the previous one.
            flow: `M 2 h w`, flow to that frame, in pixels.
        """
        x, y = self.windows.coordinates()
        grid = sampling_grid(x + flow[:, 0], y + flow[:, 1], stack.shape[-2:])
        source = stack[(self.windows.frames + neighbour).clamp(0, stack.shape[0] - 1)]  # len would export a constant
        return F.grid_sample(source, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _for_each(hidden: Tensor) -> Tensor:
    """Repeat a per-vector mask `N 2 H W` for both components of each vector: `N 4 H W`."""
    return hidden.repeat_interleave(2, 1)


def _resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return `N C H W` resized; the same tensor if the size is the same."""
    if image.shape[-2:] == size:
        return image
    return F.interpolate(image, size, mode="bilinear", antialias=size[0] < image.shape[2])


def _resize_flows(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the flows `N 4 H W` resized and rescaled; the same tensor if the size is the same."""
    if flow.shape[-2:] == size:
        return flow
    return resize_flow(flow.view(-1, 2, *flow.shape[2:]), size).view(-1, 4, *size)
