"""The part of a task that is exported: a module of tensors, its shapes, and the facts that a user of the file needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim

from outpaint_lightning.export.padding import with_fixed_padding
from outpaint_lightning.nets import FlowRefiner
from outpaint_lightning.nets.flow.refiner import REACH, refiner_step
from outpaint_lightning.tasks import FlowRefinementTask, LocalizationTask, RegionTask
from outpaint_lightning.types import InputError

SEED = 0
"""Seed of the inputs on which an exported net is compared with the original."""
SIDE = 128
"""Smallest side of these inputs in pixels, if the net accepts it."""
REGION_OUTPUTS = {
    "logit": "1, of the image holding a forged region",
    "box": "1 4, xmin ymin xmax ymax in pixels, half-open; whether it means anything, logit says",
    "mask": "1 1 H W, logits of the pixels being forged",
    "quality": "1, logit of the overlap (IoU) of the box with the true one",
}
"""The parts of a `RegionOutput`, in its order."""
Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Graph:
    """The exported part of a task."""

    kind: str
    """One of the kinds in `checkpoints.exported`."""
    net: nn.Module
    """The net whose weights are exported."""
    module: nn.Module
    """Takes tensors and returns a tuple of tensors."""
    inputs: Mapping[str, str]
    """Description of each input of `module`."""
    outputs: Mapping[str, str]
    options: Mapping[str, Any]
    """Facts that a user of the file needs; plain values."""
    samples: Sequence[Inputs]
    """Two seeded inputs, of two sizes if the net accepts several."""
    free: Sequence[Mapping[int, Any]] | None
    """Free dimensions of each input; None if all dimensions are fixed."""
    sizes: str
    """The sizes that the net accepts, in words."""
    shares: Callable[[Sequence[Tensor]], list[Tensor]]
    """Converts the outputs to the values that are compared."""
    compared: str = "probabilities"
    """The values that `shares` returns, in words."""


def graph_of(task: Any) -> Graph:
    """Return the exported part of a task.

    Raises:
        InputError: this kind of task cannot be exported.
    """
    make = next((make for kind, make in GRAPHS.items() if isinstance(task, kind)), None)
    if make is None:
        known = " or ".join(f"a {kind.__name__}" for kind in GRAPHS)
        raise InputError(f"holds a {type(task).__name__}; expected {known}")
    return make(task)


class Scores(nn.Module):
    """The last logits of a localizer.

    Args:
        net: a net of `LocalizationTask`.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """Return logits `1 2 H W` of a window `1 T 3 H W` in [0, 1]."""
        return (self.net(image, last_only=True)[-1].float(),)


class Answers(nn.Module):
    """The outputs of a region detector that are not None, in the order of `RegionOutput`.

    Args:
        net: a net of `RegionTask`.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the parts of the output for an image `1 1 3 H W`."""
        return tuple(part for part in self.net(image) if part is not None)


class RefinerStep(nn.Module):
    """One update of a flow refiner; see `refiner_step`.

    Args:
        net: the refiner.
    """

    def __init__(self, net: FlowRefiner) -> None:
        super().__init__()
        self.net = net

    def forward(self, fill: Tensor, hidden: Tensor, flow: Tensor, change: Tensor, confidence: Tensor) -> Inputs:
        """Return the next `flow`, `change` and `confidence`."""
        return refiner_step(self.net, fill, hidden, flow, change, confidence)


def _localizer(task: LocalizationTask) -> Graph:
    if not task.window:
        raise InputError("does not say what windows it judges; expected a checkpoint of `fit`")
    net = with_fixed_padding(task.net)
    stride = int(getattr(net, "stride", 1))
    smallest = int(getattr(net, "smallest", stride))
    frames = task.window["frames"]
    least = -(-max(SIDE, smallest) // stride)
    sizes = [(least * stride, (least + 1) * stride), ((least + 2) * stride, least * stride)]
    fewest = max(2, -(-smallest // stride))  # torch.export treats a size of 1 as a constant
    cells = [Dim(name, min=fewest) for name in ("rows", "columns")]
    return Graph(
        "localizer",
        net,
        Scores(net),
        {"image": f"1 {frames} 3 H W, float32 RGB in [0, 1]: a window, the frame to judge first"},
        {"logits": "1 2 H W, of authentic and forged; the probability of forged is their softmax"},
        {
            "window": dict(task.window),
            "stride": stride,
            "smallest": smallest,
            "padding": "sides that are no multiple of stride, or below smallest, are mirrored, half on each side",
            "tile": list(task.tile) if task.tile else None,
            "scales": list(task.scales),
            "mirrored": task.mirrored,
            "threshold": task.chosen_threshold(),
        },
        [(window_sample(frames, *size),) for size in sizes],
        [{3: stride * cells[0], 4: stride * cells[1]}],
        f"height and width are free: multiples of {stride} from {fewest * stride} pixels",
        lambda outputs: [outputs[0].softmax(1)[:, 1]],
    )


def _detector(task: RegionTask) -> Graph:
    if task.size is None:
        raise InputError("does not say how large its images are; expected one of `fit`")
    height, width = task.size
    net = with_fixed_padding(task.net)
    with torch.inference_mode():
        made = net(window_sample(1, height, width))._asdict()
    outputs = {name: text for name, text in REGION_OUTPUTS.items() if made[name] is not None}
    scale = torch.tensor([width, height, width, height])

    def shares(answers: Sequence[Tensor]) -> list[Tensor]:
        named = zip(outputs, answers, strict=True)
        return [part / scale if name == "box" else part.sigmoid() for name, part in named]

    return Graph(
        "detector",
        net,
        Answers(net),
        {"image": f"1 1 3 {height} {width}, float32 RGB in [0, 1]: an image brought to this size"},
        outputs,
        {
            "size": [height, width],
            "threshold": task.threshold,
            "box_from_mask": getattr(task.net, "box_from_mask", False),
        },
        [(window_sample(1, height, width, seed),) for seed in (SEED, SEED + 1)],
        None,
        f"height and width are fixed: the detector judges images brought to {width}x{height}",
        shares,
    )


def _refiner(task: FlowRefinementTask) -> Graph:
    net = task.net
    if not isinstance(net, FlowRefiner):
        raise InputError(f"its net is a {type(net).__name__}; expected a FlowRefiner")
    unit = "float32, pixels, forward x and y, then backward; frame t to t+1 and to t-1"
    channels = net.decoder.last.in_channels
    samples = [flow_sample(net, 3, 40, 48), flow_sample(net, 4, 56, 40)]
    time, rows, columns = Dim("frames", min=2), Dim("rows", min=8), Dim("columns", min=8)
    return Graph(
        "refiner",
        net,
        RefinerStep(net),
        {
            "fill": f"T 4 H W, {unit}: complete, as a fill left them",
            "hidden": "T 2 H W, float32, 1 = to be completed; forward, then backward",
            "flow": "T 4 H W, as the step before left it; at first the fill",
            "change": f"T {channels} H W, of the features, as the step before left it; at first 0",
            "confidence": "T 1 H W in [0, 1]; at first 1 where both vectors are known and trust elsewhere",
        },
        {"next_flow": "T 4 H W", "next_change": f"T {channels} H W", "next_confidence": "T 1 H W"},
        {"steps": task.test_steps or net.steps, "levels": net.levels, "trust": net.trust, "reach": REACH},
        samples,
        [{0: time, 2: rows, 3: columns}] * 5,
        "frames, height and width are free",
        lambda outputs: [*outputs],
        compared="flow in pixels, features and confidences",
    )


GRAPHS: dict[type, Callable[[Any], Graph]] = {
    LocalizationTask: _localizer,
    RegionTask: _detector,
    FlowRefinementTask: _refiner,
}


def window_sample(frames: int, height: int, width: int, seed: int = SEED) -> Tensor:
    """Return a window `1 T 3 H W`: smooth like a scene, with noise of two grey levels like that of a camera."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(frames, 3, height // 16 + 2, width // 16 + 2, generator=random)
    smooth = F.interpolate(coarse, (height, width), mode="bicubic")
    noise = torch.randn(frames, 3, height, width, generator=random) * (2 / 255)
    return (smooth + noise).clamp(0, 1)[None]


def flow_sample(net: FlowRefiner, frames: int, height: int, width: int) -> Inputs:
    """Return the input of a refiner's second step. In the first step, the change of the features is still 0."""
    random = torch.Generator().manual_seed(SEED)
    fill = torch.randn(frames, 4, height // 8, width // 8, generator=random) * 3
    fill = F.interpolate(fill, (height, width), mode="bilinear")
    hidden = torch.zeros(frames, 2, height, width)
    hidden[..., height // 4 : height // 2, width // 4 : width // 2] = 1
    start = fill, hidden, fill, torch.zeros(frames, net.decoder.last.in_channels, height, width)
    with torch.inference_mode():
        after = refiner_step(net, *start, torch.where(hidden.amax(1, keepdim=True) > 0, net.trust, 1.0))
    return fill, hidden, *(part.clone() for part in after)
