"""A recurrent net that completes hidden flow: fill, then update step by step from what is sure towards what is not."""

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

REACH = 2  # pixels that an update looks around itself: two 3x3 convolutions
NEIGHBOURS = 3  # the previous frame, the frame itself and the next
CARRIED = 0.5  # confidence in what a coarser level says, of its own
TOUCHED = 1e-4  # share of a coarse pixel that is hidden, above rounding
NORM_FLOOR = 1e-6  # of a mean square

Architecture = Literal["1", "2", "replace", "add"]


class FlowToFeature(nn.Module):
    """Features of each pixel's two flows: a 1x1 convolution and two residual 3x3 ones.

    Without normalisation, so that neither the rest of the frame nor that of the batch makes a difference.

    Args:
        channels: number of features.
        scale: pixels of flow that count as 1.
    """

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.first = nn.Conv2d(4, channels, 1)
        self.residual = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, flow: Tensor) -> Tensor:
        """Return features `N channels H W` of flows `N 4 H W` in pixels, forward and backward."""
        features: Tensor = self.first(flow / self.scale)
        for convolution in self.residual:
            features = features + F.leaky_relu(convolution(features))
        return features


class FeatureToFlow(nn.Module):
    """The two flows of each pixel's features: one 1x1 convolution, without bias, so that no features are no flow.

    Args:
        channels: number of features.
        scale: pixels of flow that count as 1.
    """

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.last = nn.Conv2d(channels, 4, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return flows `N 4 H W` in pixels, forward and backward, of features `N channels H W`."""
        flow: Tensor = self.last(features) * self.scale
        return flow


class Update(nn.Module):
    """New features and confidences from those of a frame and of its neighbours, brought to it along the flow.

    Source: the report, figure 16. It normalises by batches; here each pixel's features of each frame are divided by
    their root mean square, which no hole and no other sample can change.

    Args:
        channels: number of features of a frame.
        rule: makes the rule for the confidences of each layer from its number of groups.
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
            features: `N 3*channels H W`: of the previous frame, the frame itself and the next.
            confidence: `N 3 H W`.
            exists: `N 3 H W`: 0 where the window of frames has no such neighbour.
        """
        features, known = self.first(self._activate(features, 0, NEIGHBOURS), confidence, exists)
        updated: tuple[Tensor, Tensor] = self.second(self._activate(features, 1, 1), known, torch.ones_like(known))
        return updated

    def _activate(self, features: Tensor, layer: int, groups: int) -> Tensor:
        parts = features.view(len(features), groups, -1, *features.shape[2:])
        size = (parts.square().mean(2, keepdim=True) + NORM_FLOOR).rsqrt()
        return F.leaky_relu((parts * size).flatten(1, 2) * self.gains[layer])


def _average(old: Tensor, new: Tensor, sure: Tensor, known: Tensor) -> Tensor:
    """Architecture 1: the old features have weight 1 and keep it for ever; the new ones weigh what they are sure of."""
    gate = sure * (1 - known)
    return (old + new * gate) / (1 + gate)


def _overwrite(old: Tensor, new: Tensor, sure: Tensor, known: Tensor) -> Tensor:  # noqa: ARG001 (one table, one call)
    """Architecture 2: the new features, as far as the old ones were not sure, even where the new ones are not."""
    return old * known + new * (1 - known)


def _replace(old: Tensor, new: Tensor, sure: Tensor, known: Tensor) -> Tensor:
    """Of both, what the new features are sure of and the old ones were not: the fill's are forgotten as that grows."""
    gate = sure * (1 - known)
    return old * (1 - gate) + new * gate


def _add(old: Tensor, new: Tensor, sure: Tensor, known: Tensor) -> Tensor:
    """The new features are a change of the old ones, as far as it is sure and they were not."""
    return old + new * sure * (1 - known)


ARCHITECTURES: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "1": _average,
    "2": _overwrite,
    "replace": _replace,
    "add": _add,
}
"""How an update's features meet those before it: called with the old and the new ones and both confidences."""


class FlowRefiner(nn.Module):
    """Completes the hidden flow of a window of frames.

    The hidden vectors are filled, and both flows of each pixel become features, F, with a confidence m: 1 where both
    vectors are known, 0 elsewhere. Each step brings the features and confidences of the next frame along the forward
    flow and those of the previous frame along the backward flow, all from the state before the step; an `Update` looks
    at the three; and its answer enters F and m where m was not 1 at the start. With v the flow, E the encoder and D the
    decoder, the flow after step t is::

        v_t = fill + D(F_t - F_0)

    so that no step at all gives the fill. Known vectors stay bit by bit. A step reaches 2 pixels further into a hole
    (and further where a neighbouring frame knows more), so a large hole needs many steps, or levels.

    Source: Chatillon et al., *Towards video inpainting: joint inpainting of motion and dynamic shapes with deep
    learning techniques* (2020), section 3. There v_t = D(F_t), neighbours are sampled half a pixel off, and a
    confidence of 0 grows by itself.

    Args:
        fill: of the hidden vectors at the start; None for `HarmonicFill()`.
        rule: makes the rule for confidences from a number of groups: a `MaskRule` class, or a partial one.
        architecture: how new features meet old ones. `"1"`: an average where the old ones keep their weight, the
            source's; `"2"`: the new ones, everywhere; `"replace"`: the new ones, by their confidence; `"add"`: the
            old ones, changed by the new ones, which are zeros before training, so that learning starts from the fill.
        channels: number of features of a pixel.
        steps: number of updates, on each level.
        scale: pixels of flow that the net sees as 1.
        trust: confidence in the fill where it completes, at the start, in [0, 1): at 0 no update sees the fill inside a
            hole, however good it is there.
        residual: False decodes `v_t = D(F_t)` instead, as the source does; before any step it is the fill still.
        monotone: no confidence ever falls.
        detach_flow: no gradient reaches the flow through where features are brought from.
        detach_confidence: no gradient reaches the flow through where confidences are brought from. Otherwise flows
            learn to point to confident pixels, however far (the source's figure 19).
        crop: compute updates in windows around the holes only, which changes nothing but the cost.
        levels: number of scales, each half as fine as the one before, from coarse to fine with the same weights. What a
            coarser level changes is brought to the start of the finer one, with half its confidence.
        checkpoint_steps: keep no activations inside a step for the gradient; compute them again.

    Raises:
        InputError: an option is not as described.

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
        # Zeros in one layer leave the fill as it is before training; in two, neither would ever learn of the other.
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
            flow_forward: `B T 2 H W` in pixels, frame t to t+1; anything where hidden.
            flow_backward: `B T 2 H W`, frame t to t-1.
            hidden: `B T 2 H W`, 1 = to be completed; channel 0 is the forward flow's, channel 1 the backward flow's.
            steps: number of updates on each level; None for the net's own.

        Returns:
            The fill, the updates of all levels from coarse to fine at full size, and the fill's features decoded again.
            In float32, also under autocast.
        """
        with torch.autocast(flow_forward.device.type, enabled=False):  # in bf16 a flow of 20 pixels has steps of 1/8
            flow = torch.cat(self.fill(flow_forward, flow_backward, hidden), 2)
            return self._refine(flow, hidden > 0.5, self.steps if steps is None else steps)

    def _refine(self, fill: Tensor, hidden: Tensor, steps: int) -> FlowCompletion:
        """Refine the flows `B T 4 H W` where `hidden` (bool `B T 2 H W`), from the coarsest level to the finest."""
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
                # The change alone comes from the coarser level: its edges are blunt, and the start's may not be.
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
            start: `N 4 H W`, complete flows, N being windows times frames.
            sure: `N 1 H W`, the confidence of what is hidden at the start.
            hidden: bool `N 2 H W`.
            frames: of a window.
            steps: number of updates.

        Returns:
            Flows `N 4 H W` and confidences `N 1 H W` after each step, and the start's features decoded, `N 4 H W`.
        """
        hole = hidden.any(1, keepdim=True)
        features = self.encoder(start.detach())  # what is seen of a fill that learns, not what it is to become
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
            features: `N C H W`, of all frames.
            confidence: `N 1 H W`.
            own: `M C h w`, the windows' own features.
            own_sure: `M 1 h w`.
            flow: `M 4 h w`.
            fixed: what no step changes.
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
    """Update one window of T frames once, as `FlowRefiner` does at one level, with all state in tensors: for `export`.

    Args:
        net: whose update it is.
        fill: `T 4 H W`, complete flows, forward and backward, in pixels.
        hidden: `T 2 H W`, 1 = to be completed.
        flow: `T 4 H W`, as the step before left it; at first the fill.
        change: `T C H W`, of the fill's features, as the step before left it; at first 0.
        confidence: `T 1 H W`; at first 1 where both vectors are known, and the net's `trust` elsewhere.

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
    """What stays as it is while windows of M frames are updated."""

    windows: Windows
    features: Tensor
    """`M C h w`, at the start."""
    flow: Tensor
    """`M 4 h w`, at the start."""
    known: Tensor
    """bool `M 1 h w`: both vectors are."""
    hidden: Tensor
    """bool `M 4 h w`: the component of the flow is."""
    frames: int
    """Of the windows of time that the stack is made of."""

    @property
    def exists(self) -> Tensor:
        """`M 3 h w`: 1 where the previous frame, the frame itself and the next one exist."""
        time = self.windows.frames % self.frames
        there = torch.stack([time > 0, time >= 0, time < self.frames - 1], 1).to(self.flow)
        return there[:, :, None, None].expand(-1, -1, *self.windows.size)

    def bring(self, stack: Tensor, neighbour: int, flow: Tensor) -> Tensor:
        """Return the neighbours' values where the flow points to, bilinear, 0 outside the frame.

        As `geometry.warp`, but for windows; what a neighbour that does not exist is said to hold has no meaning.

        Args:
            stack: `N C H W`.
            neighbour: 1 for the next frame, -1 for the previous one.
            flow: `M 2 h w`, to that frame.
        """
        x, y = self.windows.coordinates()
        grid = sampling_grid(x + flow[:, 0], y + flow[:, 1], stack.shape[-2:])
        source = stack[(self.windows.frames + neighbour).clamp(0, stack.shape[0] - 1)]  # len would fix it in an export
        return F.grid_sample(source, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _for_each(hidden: Tensor) -> Tensor:
    """Return for each component `N 4 H W` what is said of each vector, `N 2 H W`."""
    return hidden.repeat_interleave(2, 1)


def _resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return `N C H W` at another size; the same tensor at its own."""
    if image.shape[-2:] == size:
        return image
    return F.interpolate(image, size, mode="bilinear", antialias=size[0] < image.shape[2])


def _resize_flows(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the flows `N 4 H W`, forward and backward, in frames of another size; the same tensor at their own."""
    if flow.shape[-2:] == size:
        return flow
    return resize_flow(flow.view(-1, 2, *flow.shape[2:]), size).view(-1, 4, *size)
