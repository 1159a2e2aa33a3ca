"""What a localizer is shown of a clip, frame by frame, and what it answers, in bounded memory."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from outpaint_lightning.data.regions import resize_images
from outpaint_lightning.geometry import in_tiles
from outpaint_lightning.nets.layers.fusion import fused
from outpaint_lightning.tasks import LocalizationTask, RegionTask
from outpaint_lightning.types import InputError

SAMPLE = (128, 128)
"""Height and width of the frames on which a net is compared with its quicker copy, in pixels."""
SAME = 1e-5  # of a probability
SIDE_BY_SIDE = 4
"""Batches that a CPU judges at a time, at most: each needs memory of its own."""

Frame = NDArray[np.uint8]
Batch = Sequence[Sequence[Frame]]
"""Windows of one clip."""
Judge = Callable[[Batch], Tensor]
"""Takes a batch of windows and returns the forged probability `B H W` of each window's first frame, on the CPU."""


def judge_of(task: LocalizationTask) -> tuple[Judge, int]:
    """Return what judges the windows of one clip, in order, and how many frames a window has."""
    return (Stream(task), 2) if streams(task) else (functools.partial(_judge, task), task.window["frames"])


@torch.no_grad()
def quicken(task: LocalizationTask) -> LocalizationTask:
    """Fold the batch normalisation of a task's net into its convolutions, where its answers stay the same to `SAME`.

    They do not where another layer also reads what a normalisation reads. The task is not to be trained afterwards.
    """
    if not task.window or not any(isinstance(layer, nn.BatchNorm2d) for layer in task.net.modules()):
        return task
    height, width = task.tile or SAMPLE
    image = torch.rand(1, task.window["frames"], 3, height, width, generator=torch.Generator().manual_seed(0))
    image = image.to(task.device)
    slow = task.net
    try:
        expected = task(image)
        task.net = fused(slow, image)
        same = torch.allclose(task(image), expected, rtol=0, atol=SAME)
    except (RuntimeError, InputError):  # a net that wants frames of another size
        same = False
    if not same:
        task.net = slow
    return task


def windows(frames: Iterable[Frame], length: int, stride: int) -> Iterator[list[Frame]]:
    """Yield the window that judges each frame, in order, as `data.window_indices` lays them out.

    Windows look forwards in time but for the last `(length - 1) * stride` frames, which look backwards. With a negative
    stride they look backwards but for the first `(length - 1) * -stride` frames, which look forwards. Twice that many
    frames are held.

    Raises:
        InputError: the clip is too short for every frame to have enough on one side.
    """
    step = abs(stride)
    reach = (length - 1) * step
    held: deque[Frame] = deque(maxlen=2 * reach)
    source = iter(frames)
    count = 0
    for count, frame in enumerate(source if stride > 0 else islice(source, 2 * reach), start=1):
        held.append(frame)
        if count > reach:
            now = len(held) - 1 - reach
            yield [held[now + i * step] for i in range(length)]
    if count < 2 * reach:
        raise InputError(f"{count} frames; windows of {length} frames at stride {stride} need at least {2 * reach}")
    for now in range(reach, 2 * reach):
        yield [held[now - i * step] for i in range(length)]
    for frame in source:  # there are more only where windows look back
        held.append(frame)
        yield [held[-1 - i * step] for i in range(length)]


class Stream:
    """Judge the pairs of one clip in order, the net's state carried from pair to pair along the clip.

    Frame t is judged by the pair (t, t - step), from the state that the pair (t - step, t - 2 step) left: `step` chains
    of pairs run beside each other, one for each t modulo `step`. The first `step` frames are judged by the pair
    (t, t + step) alone, which leaves nothing: its displacements point the other way. So the answer for a frame is that
    of a window which reaches back to the first frame of its chain. A test judges by windows of `data.frames`.

    In tiles, each row of tiles has a state of its own.

    Args:
        task: whose net has `stream`; see `nets.RaftLocalizer`.
    """

    def __init__(self, task: LocalizationTask) -> None:
        self._task = task
        self._step = -task.window["stride"]
        self._chains: list[list[Any]] = [[] for _ in range(self._step)]  # of each, the state of every row of tiles
        self._frame = 0

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> Tensor:
        """Return the forged probability `1 H W` of the next frame, on the CPU, given a batch of its pair alone."""
        net: Any = self._task.net
        chain = self._frame % self._step
        before, after = iter(self._chains[chain]), []

        def judge(image: Tensor) -> Tensor:
            logits, state = net.stream(image, next(before, None))
            after.append(state)
            scores: Tensor = logits.float()
            return scores

        image = _images(batch, self._task.device)
        logits = in_tiles(judge, image, self._task.tile) if self._task.tile else judge(image)
        if self._frame >= self._step:
            self._chains[chain] = after
        self._frame += 1
        return logits.softmax(1)[:, 1].cpu()


def in_order(task: LocalizationTask, judge: Judge, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Tensor]]:
    """Yield each batch of windows with its probabilities.

    On a CPU, up to `SIDE_BY_SIDE` batches are judged at a time, each on its share of PyTorch's threads: most layers are
    too small for many threads. A net that carries its state, or has a runtime of its own, judges one after the other.
    """
    threads = torch.get_num_threads()
    at_a_time = min(SIDE_BY_SIDE, threads)
    parameter = next(task.net.parameters(), None)
    if at_a_time == 1 or parameter is None or parameter.device.type != "cpu" or streams(task):
        yield from ((batch, judge(batch)) for batch in batches)
        return
    waiting: deque[tuple[Batch, Future[Tensor]]] = deque()
    try:
        with ThreadPoolExecutor(at_a_time, "judge", torch.set_num_threads, (threads // at_a_time,)) as pool:
            for batch in batches:
                waiting.append((batch, pool.submit(judge, batch)))
                if len(waiting) > at_a_time:
                    yield _answered(*waiting.popleft())
            while waiting:
                yield _answered(*waiting.popleft())
    finally:
        torch.set_num_threads(threads)  # also for threads that start later


def _answered(batch: Batch, answer: Future[Tensor]) -> tuple[Batch, Tensor]:
    return batch, answer.result()


def streams(task: LocalizationTask) -> bool:
    """Return whether the net carries its state along a clip, which needs windows that look back."""
    return bool(getattr(task.net, "carry", False)) and task.window["stride"] < 0


@torch.inference_mode()
def _judge(task: LocalizationTask, batch: Batch) -> Tensor:
    """Return the forged probability `B H W`, on the CPU."""
    probability: Tensor = task(_images(batch, task.device))
    return probability.cpu()


def _images(batch: Batch, device: torch.device) -> Tensor:
    """Return windows as `B T 3 H W` in [0, 1]."""
    frames = torch.from_numpy(np.stack([np.stack(window) for window in batch])).to(device)
    return frames.permute(0, 1, 4, 2, 3).contiguous().float().div_(255)  # nets are quicker on planes of one colour


class JudgedImage(NamedTuple):
    """What a region detector says of an image; boxes are `xmin ymin xmax ymax`, relative to it."""

    score: float
    box: list[float]
    mask: NDArray[np.bool_] | None
    """In the size of the net's input; None where the net makes none."""
    regions: list[tuple[list[float], float]]
    """Box and score of each region, the surest first."""


@torch.inference_mode()
def judge_images(task: RegionTask, batch: Sequence[NDArray[np.uint8]]) -> list[JudgedImage]:
    """Judge frames of one size.

    Raises:
        InputError: the task does not know how large its images are.
    """
    if task.size is None:
        raise InputError("the checkpoint does not say how large its images are; expected one of `fit`")
    height, width = task.size
    frames = resize_images(torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2), (height, width))
    answers = task(frames[:, None].to(task.device).float() / 255)
    scores = answers["score"]
    lengths = torch.tensor([width, height, width, height])
    boxes = answers["box"].cpu() / lengths
    masks = [mask.cpu().numpy() for mask in answers["mask"]] if "mask" in answers else [None] * len(batch)
    regions = [
        [*zip((each.boxes.cpu() / lengths).tolist(), each.scores.tolist(), strict=True)]
        for each in task.regions(answers)
    ]
    return [JudgedImage(*each) for each in zip(scores.tolist(), boxes.tolist(), masks, regions, strict=True)]
