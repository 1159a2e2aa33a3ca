"""Compare the flow refiner's parts with the obvious alternatives: time, work and equality.

    python benchmarks/refiner.py [--height 240] [--width 432] [--rounds 5] [--threads 1] [--device cpu]

Both sides run in one process, alternately; a ratio above 1 means that ours is faster. The order is: the harmonic fill
of a rectangle against scipy's direct solver; `PartialConv2d` against a plain convolution, and against a partial one
that repeats the mask for every channel; an inference step and a training step with windows around the holes against
whole frames; the number of multiplications in the convolutions of a whole refinement; and the time of each fill.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from scipy.sparse.linalg import splu
from timing import ratio, seconds
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from outpaint_lightning.nets import BlendFill, FlowRefiner
from outpaint_lightning.nets.flow.edge_fills import harmonic_with_edges
from outpaint_lightning.nets.flow.solvers import harmonic
from outpaint_lightning.nets.layers.partial_conv import BinaryRule, PartialConv2d
from outpaint_lightning.tasks.flow import default_baselines

SMALL = 96, 128  # height and width for timed steps, as in configs/refiner/small.yaml
FRAMES = 3  # number of frames in a window
STEPS = 12  # number of updates for counting work
SHARE = 0.1  # hidden share of the frame for counting work
GROUPS, CHANNELS, OUT_CHANNELS = 3, 96, 64  # sizes of an update's first layer


class ChannelwisePartialConv2d(nn.Module):
    """Equation 1 of Liu et al. (2018) for masks of 0 and 1, with a separate mask channel for every feature.

    Each output channel sums the mask over the window and all channels, although all these sums are equal.

    Args:
        convolution: convolution of the features.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        self.register_buffer("ones", torch.ones_like(convolution.weight))

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and mask `N out_channels H W` from features and mask `N C H W`."""
        convolution, window = self.convolution, self.ones[0].numel()
        mass = F.conv2d(mask, self.ones, padding=1)
        seen = mass.clamp(0, 1)
        plain = F.conv2d(features * mask, convolution.weight, padding=1)
        return (plain * window / mass.clamp(min=1) + convolution.bias[:, None, None]) * seen, seen


def main() -> None:
    """Print one line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--width", type=int, default=432)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device, size = torch.device(options.device), (options.height, options.width)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {options}")
    _compare_harmonic(size, options.rounds, device)
    _compare_convolution(options.rounds, device)
    _compare_crop(options.rounds, device)
    _count_work(size, device)
    _time_fills(size, options.rounds, device)


def flows(frames: int, size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return smooth flows, forward and backward, `1 T 2 H W`, of about 5 pixels."""
    coarse = 5 * torch.randn(2 * frames, 2, 6, 8)
    fine = F.interpolate(coarse, size, mode="bicubic").to(device).view(2, 1, frames, 2, *size)
    return fine[0], fine[1]


def rectangle(frames: int, size: tuple[int, int], sides: tuple[int, int], device: torch.device) -> Tensor:
    """Return `hidden`, `1 T 2 H W`: a rectangle in the middle of every frame hides both vectors."""
    hidden = torch.zeros(1, frames, 2, *size, device=device)
    top, left = ((whole - side) // 2 for whole, side in zip(size, sides, strict=True))
    hidden[..., top : top + sides[0], left : left + sides[1]] = 1
    return hidden


def solved_directly(field: Tensor, hole: Tensor) -> Tensor:
    """Return `harmonic(field, hole)` for `1 C H W`, by one sparse factorization of Laplace's equation in the hole."""
    unknown = hole[0, 0].cpu().numpy()
    number = np.full(unknown.shape, -1)
    number[unknown] = np.arange(unknown.sum())
    values = field[0].cpu().double().permute(1, 2, 0).numpy().copy()
    right, degree, links = np.zeros((unknown.sum(), len(field[0]))), np.zeros(unknown.sum()), []
    y, x = np.nonzero(unknown)
    for step_y, step_x in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        inside = (
            (y + step_y >= 0) & (y + step_y < unknown.shape[0]) & (x + step_x >= 0) & (x + step_x < unknown.shape[1])
        )
        neighbour = y[inside] + step_y, x[inside] + step_x
        own, other = number[y[inside], x[inside]], number[neighbour]
        degree[own] += 1
        right[own] += np.where(other[:, None] < 0, values[neighbour], 0)
        links.append(
            sparse.coo_array((-np.ones((other >= 0).sum()), (own[other >= 0], other[other >= 0])), 2 * [len(y)])
        )
    values[unknown] = splu(sparse.csc_array(sum(links) + sparse.diags_array(degree))).solve(right)
    return torch.from_numpy(values).permute(2, 0, 1)[None].to(field)


def _compare_harmonic(size: tuple[int, int], rounds: int, device: torch.device) -> None:
    sides = size[0] // 2, size[1] * 35 // 72  # 120 x 210 of 240 x 432
    field = flows(1, size, device)[0][0]
    hole = rectangle(1, size, sides, device)[0, :, :1] > 0.5
    error = (harmonic(field, hole) - solved_directly(field, hole)).abs().max().item()
    compared = ratio(lambda: harmonic(field, hole), lambda: solved_directly(field, hole), rounds)
    print(f"harmonic, hole {sides[0]}x{sides[1]}: {compared} of scipy's splu, equal to {error:.1e} px", flush=True)


@torch.no_grad()
def _compare_convolution(rounds: int, device: torch.device) -> None:
    features = torch.randn(6, CHANNELS, *SMALL, device=device)
    confidence = (torch.rand(6, GROUPS, *SMALL, device=device) > 0.5).float()
    exists = torch.ones_like(confidence)
    ours = PartialConv2d(CHANNELS, OUT_CHANNELS, BinaryRule, GROUPS).to(device)
    channelwise = ChannelwisePartialConv2d(ours.convolution)
    mask = confidence.repeat_interleave(CHANNELS // GROUPS, 1)
    answer, theirs = ours(features, confidence, exists)[0], channelwise(features, mask)[0]
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))  # outside, pixels are missing or not there
    error = (answer - theirs)[inside].abs().max().item()
    whole = (ours(features, exists, exists)[0] - ours.convolution(features)).abs().max().item()
    for name, other, equal in (
        ("every channel's mask", lambda: channelwise(features, mask), error),
        ("nn.Conv2d, nothing hidden", lambda: ours.convolution(features), whole),
    ):
        compared = ratio(lambda: ours(features, confidence, exists), other, rounds)
        print(f"PartialConv2d {CHANNELS} -> {OUT_CHANNELS}: {compared} of {name}, equal to {equal:.1e}", flush=True)


def _compare_crop(rounds: int, device: torch.device) -> None:
    window = *flows(FRAMES, SMALL, device), rectangle(FRAMES, SMALL, (SMALL[0] // 4, SMALL[1] // 4), device)
    cropped, whole = FlowRefiner(crop=True).to(device), FlowRefiner(crop=False).to(device)
    nn.init.normal_(cropped.decoder.last.weight, std=0.01)  # it starts from zeros, with which any two nets are equal
    whole.load_state_dict(cropped.state_dict())

    def step(net: FlowRefiner) -> Tensor:
        net.zero_grad()
        sum(flow.square().mean() for flow in net(*window).forward[1:]).backward()
        return torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])

    with torch.no_grad():
        error = (cropped(*window).forward[-1] - whole(*window).forward[-1]).abs().max().item()
        compared = ratio(lambda: cropped(*window), lambda: whole(*window), rounds)
    mine, others = step(cropped), step(whole)
    relative = ((mine - others).norm() / others.norm()).item()
    about = f"{FRAMES} frames of {SMALL[0]}x{SMALL[1]}, hole {SMALL[0] // 4}x{SMALL[1] // 4}, {cropped.steps} updates"
    print(f"inference, {about}: {compared} of whole frames, equal to {error:.1e} px", flush=True)
    compared = ratio(lambda: step(cropped), lambda: step(whole), rounds)
    print(f"training, the same: {compared} of whole frames, gradients equal to {relative:.1e} relative", flush=True)


@torch.no_grad()
def _count_work(size: tuple[int, int], device: torch.device) -> None:
    """Print the multiplications for one frame. Neighbouring frames do not change this number."""
    sides = (round(size[0] * SHARE**0.5), round(size[1] * SHARE**0.5))
    window = *flows(1, size, device), rectangle(1, size, sides, device)
    for crop in (True, False):
        with FlopCounterMode(display=False) as counter:
            FlowRefiner(steps=STEPS, crop=crop).to(device)(*window)
        billions = counter.get_total_flops() / 2 / 1e9
        where = "windows around the hole" if crop else "whole frames"
        print(
            f"{STEPS} updates of {size[0]}x{size[1]}, hole {sides[0]}x{sides[1]}, {where}: {billions:.1f} GMAC a frame"
        )


@torch.no_grad()
def _time_fills(size: tuple[int, int], rounds: int, device: torch.device) -> None:
    """Print milliseconds per frame, forward and backward flow together."""
    sides = size[0] // 2, size[1] * 35 // 72
    window = *flows(FRAMES, size, device), rectangle(FRAMES, size, sides, device)
    fills: dict[str, Callable[..., object]] = {
        **default_baselines(),
        "harmonic_true_edges": partial(harmonic_with_edges, guide=torch.cat(window[:2], 2)),
        "blend": BlendFill(width=8).to(device).eval(),
    }
    for name, fill in fills.items():
        median = statistics.median(seconds(partial(fill, *window)) for _ in range(rounds))
        print(f"fill {name:20} {median / FRAMES * 1e3:7.1f} ms a frame, hole {sides[0]}x{sides[1]}", flush=True)


if __name__ == "__main__":
    main()
