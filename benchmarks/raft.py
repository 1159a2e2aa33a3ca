"""Compare RaftLocalizer with torchvision's RAFT of the same variant and weights: time and equality.

    python benchmarks/raft.py [--variant small large] [--height 256] [--width 448] [--batch 1] [--rounds 7]

Both run in one process, alternately; a ratio above 1 means that the localizer is faster. The peer is torchvision's own
`RAFT.forward` on the same modules as the localizer (including the convex upsampling in the small variant, which
torchvision omits there). `inference` is what `localize` runs: no gradient, and only the last update is upsampled.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import torch
from timing import Row, compared
from torch import Tensor

from outpaint_lightning.losses import SequenceCrossEntropy
from outpaint_lightning.nets import RaftLocalizer


def main() -> None:
    """Print one line for each variant and mode."""
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
    size = options.batch, options.height, options.width
    for variant in options.variant:
        for row in rows(variant, options.rounds, device, size, options.updates):
            print(row, flush=True)


def rows(
    variant: str,
    rounds: int,
    device: torch.device,
    size: tuple[int, int, int] = (1, 256, 448),
    updates: int = 12,
) -> Iterator[Row]:
    """Yield inference, forward and training step of a variant. `size` is batch, height and width."""
    torch.manual_seed(0)
    batch, height, width = size
    net = RaftLocalizer(variant, updates).to(device)
    image = torch.rand(batch, 2, 3, height, width, device=device)
    mask = (torch.rand(batch, 1, height, width, device=device) > 0.7).float()
    title, peer_name = f"RAFT-{variant} {height}x{width}", "torchvision"

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
        equality = f"outputs equal to {error:.1e} (mean size of a score {scale:.2f})"
        last = lambda: net(image, last_only=True)  # noqa: E731
        yield compared(f"{title}, inference", peer_name, last, lambda: peer(image), rounds, equality)
        equality = "the same, every update upsampled"
        yield compared(f"{title}, forward", peer_name, lambda: net(image), lambda: peer(image), rounds, equality)
    mine, others = step(net)(), step(peer)()
    error = ((mine - others).norm() / others.norm()).item()
    equality = f"gradients equal to {error:.1e} relative"
    yield compared(f"{title}, training step", peer_name, step(net), step(peer), rounds, equality)


if __name__ == "__main__":
    main()
