"""The one place where `localize` opens what judges: a checkpoint, or the ONNX file of an exported net."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from outpaint_lightning.checkpoints.card import checked_parts, read_card
from outpaint_lightning.checkpoints.exported import ONNX
from outpaint_lightning.checkpoints.onnx_net import OnnxNet
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.geometry import mirror, padding_to, unpad
from outpaint_lightning.nets import RegionOutput
from outpaint_lightning.tasks import LocalizationTask, RegionTask
from outpaint_lightning.tasks.base import is_count
from outpaint_lightning.types import InputError

LARGEST = 4096
"""Pixels that a net may ask frames to be padded to."""


def open_checkpoint(path: Path) -> tuple[Any, dict[str, Any]]:
    """Return the task that judges, and its card.

    Args:
        path: of a checkpoint, of weights with a card, or an ONNX file of `export`.

    Raises:
        InputError: as `load_task`, `read_card` and `OnnxNet`; or the file holds the net of another task, or options
            that cannot be used.
    """
    if path.suffix != ONNX:
        return load_task(path), read_card(path)
    net = OnnxNet(path)
    about = net.about
    if about.kind not in TASKS:
        raise InputError(f"{path}: holds a {about.kind}; expected a {' or a '.join(TASKS)}")
    try:
        task = TASKS[about.kind](net)
    except (InputError, KeyError, TypeError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else error
        raise InputError(f"{path}: its metadata cannot be used ({problem})") from error
    card = checked_parts(about.card, path)
    if card.get("weights") != about.checkpoint:
        raise InputError(f"{path}: its card belongs to other weights; export the checkpoint again")
    return task.eval(), card


class PixelScores(nn.Module):
    """The net of a localizer's file, called as `LocalizationTask` calls any: windows of any size, one after the other.

    Args:
        net: takes one window `1 T 3 H W` whose sides are multiples of `stride`, and gives logits `1 2 H W`.
        stride: in pixels.
        smallest: side, in pixels.
    """

    def __init__(self, net: OnnxNet, stride: int, smallest: int) -> None:
        super().__init__()
        self.net, self.stride, self.smallest = net, stride, smallest

    def forward(self, image: Tensor, last_only: bool = False) -> list[Tensor]:  # noqa: ARG002 (there is one update)
        """Return logits `B 2 H W` of windows `B T 3 H W` in [0, 1]."""
        padding = padding_to(image.shape[-2], image.shape[-1], multiple=self.stride, minimum=self.smallest)
        logits = [self._judge(mirror(window, padding)[None]) for window in image]
        return [unpad(torch.cat(logits).to(image.device), padding)]

    def _judge(self, window: Tensor) -> Tensor:
        (logits,) = self.net(window)
        if logits.shape != (expected := (1, 2, *window.shape[-2:])):
            raise InputError(f"{self.net.path}: its net answers {tuple(logits.shape)}; expected {expected}")
        return logits


class Regions(nn.Module):
    """The net of a region detector's file, called as `RegionTask` calls any: images one after the other.

    Args:
        net: takes one image `1 1 3 H W`, and gives parts of a `RegionOutput`, under their names.
        box_from_mask: see `RegionTask.answers`.
    """

    def __init__(self, net: OnnxNet, box_from_mask: bool) -> None:
        super().__init__()
        self.net, self.box_from_mask = net, box_from_mask

    def forward(self, image: Tensor) -> RegionOutput:
        """Judge images `B 1 3 H W` in [0, 1]."""
        answers = [self.net(each[None]) for each in image]
        parts = [torch.cat(part).to(image.device) for part in zip(*answers, strict=True)]
        named = dict(zip(self.net.about.outputs, parts, strict=True))
        shapes = {"logit": (), "box": (4,), "mask": (1, *image.shape[-2:]), "quality": ()}
        for name, part in named.items():
            if part.shape != (expected := (len(image), *shapes[name])):
                raise InputError(f"{self.net.path}: its net answers {tuple(part.shape)} as {name}; expected {expected}")
        found: dict[str, Any] = {"mask": None, **named}
        return RegionOutput(**found)


def _localizer(net: OnnxNet) -> LocalizationTask:
    options = net.about.options
    sides = [options[key] for key in ("stride", "smallest")]
    if not all(is_count(side) and side <= LARGEST for side in sides):
        raise InputError(f"stride and smallest are {sides}: expected 1 to {LARGEST} pixels")
    tile = options["tile"]
    if tile is not None and not all(map(is_count, tile)):
        raise InputError(f"tile is {tile!r}: expected [height, width] or null")
    _require_numbers(threshold=options["threshold"], scales=options["scales"])
    task = LocalizationTask(
        PixelScores(net, *sides),
        nn.Identity(),
        threshold=options["threshold"],
        tile=tile,
        scales=options["scales"],
        mirrored=options.get("mirrored") is True,  # files of before 28 November 2026 do not have it
    )
    task.on_load_checkpoint({"window": options["window"]})
    _require_input(net, [1, options["window"]["frames"], 3])
    return task


def _detector(net: OnnxNet) -> RegionTask:
    options, outputs = net.about.options, net.about.outputs.keys()
    if not {"logit", "box"} <= outputs <= set(RegionOutput._fields):
        raise InputError(f"its net gives {', '.join(outputs)}; expected parts of {', '.join(RegionOutput._fields)}")
    _require_numbers(threshold=options["threshold"])
    task = RegionTask(Regions(net, options["box_from_mask"] is True), nn.Identity(), threshold=options["threshold"])
    task.on_load_checkpoint({"size": options["size"]})
    _require_input(net, [1, 1, 3, *options["size"]])
    return task


TASKS: dict[str, Callable[[OnnxNet], LocalizationTask | RegionTask]] = {"localizer": _localizer, "detector": _detector}
"""How the task of each kind of net is built around it."""


def _require_numbers(**values: Any) -> None:
    for name, value in values.items():
        if not all(type(each) in (int, float) for each in (value if isinstance(value, list) else [value])):
            raise InputError(f"{name} is {value!r}: expected numbers")


def _require_input(net: OnnxNet, begin: list[int]) -> None:
    """Raise `InputError` where a net does not take what the options say."""
    shape = net.shapes["image"]
    if len(shape) != 5 or shape[: len(begin)] != begin:
        raise InputError(f"its net takes {shape}; its options say {begin}")
