"""RaftLocalizer against torchvision's RAFT of the same variant and the same weights: time and equality.

    python benchmarks/raft.py [--variant small large] [--height 256] [--width 448] [--batch 1] [--rounds 7]

Both run in one process, alternately; a ratio above 1 means that the localizer is faster. The peer is torchvision's own
`RAFT.forward` on the very modules of the localizer (with the convex upsampling in the small variant, which torchvision
leaves out there). `inference` is what `localize` runs: no gradient, only the last update upsampled.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from timing import ratio
from torch import Tensor

from outpaint_lightning.losses import SequenceCrossEntropy
from outpaint_lightning.nets import RaftLocalizer


def main() -> None:
    """Print one line a variant and mode."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", nargs="+", default=["small", "large"])
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=448)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--updates", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {options}")
    for variant in options.variant:
        torch.manual_seed(0)
        net = RaftLocalizer(variant, options.updates).to(device)
        image = torch.rand(options.batch, 2, 3, options.height, options.width, device=device)
        mask = (torch.rand(options.batch, 1, options.height, options.width, device=device) > 0.7).float()
        _compare(net, image, mask, variant, options.rounds)


def _compare(net: RaftLocalizer, image: Tensor, mask: Tensor, variant: str, rounds: int) -> None:
    def peer(images: Tensor) -> list[Tensor]:
        first, second = images[:, 0] * 2 - 1, images[:, 1] * 2 - 1
        return net.raft(first, second, num_flow_updates=net.updates)

    def step(forward: Callable[[Tensor], list[Tensor]]) -> Callable[[], Tensor]:
        def run() -> Tensor:
            net.zero_grad()
            SequenceCrossEntropy()(forward(image), mask)["loss"].backward()
            return torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])

        return run

    net.eval()  # batch normalisation of the large variant would drift between rounds
    with torch.inference_mode():
        ours, theirs = net(image), peer(image)
        error = max((a - b).abs().max().item() for a, b in zip(ours, theirs, strict=True))
        scale = theirs[-1].abs().mean().item()
        compared = ratio(lambda: net(image, last_only=True), lambda: peer(image), rounds)
        print(f"{variant:6} inference {compared}, outputs equal to {error:.1e} (mean |score| {scale:.2f})", flush=True)
        compared = ratio(lambda: net(image), lambda: peer(image), rounds)
        print(f"{variant:6} forward   {compared}, every update upsampled", flush=True)
    mine, others = step(net)(), step(peer)()
    error = ((mine - others).norm() / others.norm()).item()
    compared = ratio(step(net), step(peer), rounds)
    print(f"{variant:6} training  {compared}, gradients equal to {error:.1e} relative", flush=True)


if __name__ == "__main__":
    main()
