"""Compare RegionDetector with a plain torchvision loop, same backbone and loss: images per second.

    python benchmarks/regions.py [--backbone resnet18 resnet50] [--size 224] [--batch 16] [--precision 32] [--rounds 7]

Both run in one process, alternately; a ratio above 1 means that the detector is faster. The peer is ordinary code
without this package: torchvision's classifier with its last layer replaced, normalised colours, binary cross-entropy
and torchvision's GIoU. Both have the same weights; `outputs` and `gradients` show how well they agree. `inference` runs
without gradients; `training` is forward, loss, backward and a step of SGD. The images are in memory, so waiting for
data is not included. It is measured apart, for the shipped detector and images that are forged during the training:

    python benchmarks/regions.py --waiting IMAGES [--workers 1] [--rounds 12]

prints the share of the time in which the training waits for the next batch, without the two batches that start the
workers.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from timing import ratio, seconds
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.ops import generalized_box_iou_loss
from torchvision.transforms.functional import normalize

from outpaint_lightning.data import RandomCodec, RegionDataModule
from outpaint_lightning.losses import GIoU, RegionCriterion
from outpaint_lightning.nets import BACKBONES, RegionDetector, SrmFilters
from outpaint_lightning.settings.find import find_config
from outpaint_lightning.settings.read import read_mapping
from outpaint_lightning.types import Batch

PRECISIONS = {"32": None, "bf16": torch.bfloat16, "16": torch.float16}
ALPHA, BETA = 100.0, 0.8


class Peer(nn.Module):
    """torchvision's classifier with five outputs: the class, and the box, decoded as in `RegionDetector`."""

    def __init__(self, backbone: str) -> None:
        super().__init__()
        self.model = get_model(backbone, weights=None)
        last, layer = [(path, part) for path, part in self.model.named_modules() if isinstance(part, nn.Linear)][-1]
        self.model.set_submodule(last, nn.Linear(layer.in_features, 5))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logit `B` and the box `B 4` of images `B 3 H W`."""
        answer = self.model(normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])).float()
        height, width = image.shape[-2:]
        x, y, w, h = answer[:, 1:].sigmoid().unbind(1)
        w, h = 1 + (width - 1) * w, 1 + (height - 1) * h
        left, top = x * (width - w), y * (height - h)
        return answer[:, 0], torch.stack([left, top, left + w, top + h], 1)


def main() -> None:
    """Print two lines for each backbone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", nargs="+", default=list(BACKBONES), choices=list(BACKBONES))
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--precision", default="32", choices=list(PRECISIONS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--waiting", type=Path, metavar="IMAGES", help="measure the waiting for images forged online")
    parser.add_argument("--workers", type=int, default=1, help="with --waiting")
    options = parser.parse_args()
    if options.waiting:
        _waiting(options)
        return
    device = torch.device(options.device)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {options}")
    for backbone in options.backbone:
        torch.manual_seed(0)
        ours, theirs = RegionDetector(backbone).to(device), Peer(backbone).to(device)
        values = (value for key, value in ours.state_dict().items() if not key.endswith("started_pretrained"))
        theirs.load_state_dict(dict(zip(theirs.state_dict(), values, strict=True)))  # both in their order of execution
        image = torch.rand(options.batch, 3, options.size, options.size, device=device)
        label = torch.arange(options.batch, device=device) % 2
        corner = torch.rand(options.batch, 2, device=device) * options.size / 2
        box = torch.cat([corner, corner + options.size / 3], 1) * label[:, None]
        _compare(ours, theirs, (image, label, box), backbone, options)


def _compare(
    ours: RegionDetector, theirs: Peer, batch: tuple[Tensor, Tensor, Tensor], name: str, options: argparse.Namespace
) -> None:
    image, label, box = batch
    dtype = PRECISIONS[options.precision]
    cast = contextlib.nullcontext() if dtype is None else torch.autocast(image.device.type, dtype)
    criterion = RegionCriterion(GIoU(), ALPHA, BETA)
    nothing = image.new_zeros(len(image), 1, *image.shape[-2:])

    def our_loss() -> Tensor:
        return criterion(ours(image[:, None]), label, box, nothing)["loss"]

    def their_loss() -> Tensor:
        logit, found = theirs(image)
        region = label > 0
        class_loss = F.binary_cross_entropy_with_logits(logit, label.float())
        return ALPHA * class_loss + BETA * generalized_box_iou_loss(found[region], box[region], reduction="mean")

    def step(net: nn.Module, loss: Callable[[], Tensor], rate: float) -> Callable[[], None]:
        optimizer = torch.optim.SGD(net.parameters(), rate)

        def run() -> None:
            optimizer.zero_grad()
            with cast:
                value = loss()
            value.backward()
            optimizer.step()

        return run

    for net in (ours, theirs):
        net.eval()
    with torch.inference_mode(), cast:
        answers = ours(image[:, None]).box, theirs(image)[1]
        error = (answers[0] - answers[1]).abs().max().item()
        compared = ratio(lambda: ours(image[:, None]), lambda: theirs(image), options.rounds, len(image))
    print(f"{name:8} inference {compared}, outputs equal to {error:.1e} pixels", flush=True)
    for net, loss in ((ours, our_loss), (theirs, their_loss)):
        step(net, loss, rate=0.0)()  # without dropout and batch statistics, so that gradients can be compared
    mine, others = (torch.cat([p.grad.flatten() for p in net.parameters()]) for net in (ours, theirs))
    error = ((mine - others).norm() / others.norm()).item()
    for net in (ours, theirs):
        net.train()
    steps = step(ours, our_loss, rate=1e-6), step(theirs, their_loss, rate=1e-6)
    compared = ratio(*steps, options.rounds, len(image))
    print(f"{name:8} training  {compared}, gradients equal to {error:.1e} relative", flush=True)


def _waiting(options: argparse.Namespace) -> None:
    """Print how long training steps of configs/regions/shipped.yaml take, and the waiting before them."""
    given = read_mapping(find_config("regions/shipped"), "an experiment")["data"]["init_args"]
    given |= {"root": str(options.waiting), "batch_size": options.batch, "workers": options.workers}
    given["augmentations"] = []
    data = RegionDataModule(**{**given, "codec": RandomCodec(**given["codec"]["init_args"])})
    data.setup("fit")
    residual = SrmFilters(truncation=8.0, soft=True, luma=True)
    mask = {"segmentation": True, "box_from_mask": True, "class_from_mask": True, "quality": True}
    net = RegionDetector("tf_efficientnet_lite0", "imagenet", residual=residual, **mask).to(options.device).train()
    criterion, optimizer = RegionCriterion(GIoU(), 1.0, 0.5), torch.optim.AdamW(net.parameters(), 1e-3)

    def step(batch: Batch) -> None:
        batch = data.on_after_batch_transfer(batch, 0)
        inputs = [batch[key].to(options.device) for key in ("image", "label", "box", "mask")]
        optimizer.zero_grad()
        criterion(net(inputs[0]), inputs[1], inputs[2], inputs[3][:, 0])["loss"].backward()
        optimizer.step()

    batches, times = iter(data.train_dataloader()), []
    for _ in range(options.rounds + 2):
        start = time.perf_counter()
        batch = next(batches)
        times.append((time.perf_counter() - start, seconds(functools.partial(step, batch))))
    waiting, working = (sum(column) for column in zip(*times[2:], strict=True))
    per_image = working / options.rounds / options.batch * 1e3
    share = waiting / (waiting + working)
    print(f"waiting {share:.1%} of the time, {options.workers} workers; a step takes {per_image:.0f} ms an image")


if __name__ == "__main__":
    main()
