"""Fill the masked regions of anyone's video: flow is completed in them, and colours are carried along it."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from outpaint_lightning.checkpoints.files import find_checkpoint
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.data.holes import hidden_vectors
from outpaint_lightning.inpaint.propagation import Origin, Propagated, propagate
from outpaint_lightning.io import (
    Clip,
    VideoWriter,
    has_name_of_video,
    open_clip,
    paired_masks,
    read_mask,
    require_free,
    until_broken,
    write_flow,
    write_image,
    write_json,
)
from outpaint_lightning.motion.classical import estimate_flow
from outpaint_lightning.nets.flow.fills import BiharmonicFill, HarmonicFill, InertiaFill, NearestFill, ZeroFill
from outpaint_lightning.processes.device import choose_device
from outpaint_lightning.tasks import FlowRefinementTask
from outpaint_lightning.types import InputError, did_you_mean

FILLS = {
    "harmonic": HarmonicFill,
    "biharmonic": BiharmonicFill,
    "nearest": NearestFill,
    "inertia": InertiaFill,
    "zero": ZeroFill,
}
MARGIN = 8  # pixels around a hole where the estimated flow depends on what lies in it: DIS compares 8 x 8 pixels
SMALLEST_WINDOW = 4  # frames: with fewer, no quarter of them is left on each side
INVERTED = 0.5  # masked share of every frame from which on black and white may be swapped

Complete = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Of forward flow, backward flow and where they are hidden, `B T 2 H W` each: both flows completed."""
Flows = tuple[NDArray[np.float32], NDArray[np.float32]]
"""A flow and the flow of the other direction, `H W 2` each."""
TINTS = {
    Origin.FORWARD: (60, 220, 60),
    Origin.BACKWARD: (70, 110, 255),
    Origin.BOTH: (40, 220, 230),
    Origin.INPAINTED: (255, 40, 40),
}
TINT_SHARE = 0.5


def inpaint(
    video: str | Path,
    masks: str | Path,
    out: str | Path,
    *,
    ckpt_path: str | Path | None = None,
    fill: str | None = None,
    steps: int | None = None,
    dilate: int = 0,
    window: int = 40,
    device: str = "auto",
    overwrite: bool = False,
) -> dict[str, Any]:
    """Fill the masked regions of a clip, and write the folder `<out>/<name>`.

    Flow is estimated (OpenCV's DIS), hidden in the masks and wherever it leads into them, and completed by a refiner or
    a fill; see `propagate` for the rest. The folder holds `frames/00000.png` (pixels that are not masked are
    bit-identical), `inpainted.mp4`, `provenance.mp4` (what comes from where: green a later frame, blue an earlier one,
    turquoise both, red no frame), `flow/forward/00000.flow.png` and `flow/backward/00001.flow.png` (the completed flow;
    the last frame has no forward flow, the first no backward flow), and `summary.json`.

    A file that breaks off is filled as far as it decodes, and named afterwards. A clip longer than `window` frames is
    worked through in pieces of it that overlap by half: pixels travel over a quarter of it at least.

    Args:
        video: a video file or a folder of frames, two at least.
        masks: a folder of as many PNGs, a video of as many frames, or one PNG for all frames. All but 0 is to be
            filled; of a video, which is never exact, what is brighter than half.
        out: folder to write into.
        ckpt_path: checkpoint or run folder of a `FlowRefinementTask`; or else `fill` is given.
        fill: a name in `FILLS`.
        steps: updates of the refiner; None takes the checkpoint's number.
        dilate: pixels by which masks grow before anything else.
        window: frames in memory at once, 4 at least.
        device: a torch device, or `auto`.
        overwrite: replace the folder of an earlier result.

    Returns:
        The content of `summary.json`.

    Raises:
        InputError: the clip, the masks or the checkpoint cannot be used, or do not fit together; or the clip broke off,
            and what was made of its beginning is written.
    """
    for name, value, least in (("--window", window, SMALLEST_WINDOW), ("--dilate", dilate, 0), ("--steps", steps, 1)):
        if value is not None and value < least:
            raise InputError(f"{name} is {value}: expected at least {least}")
    clip = open_clip(video)
    if len(clip) < 2:
        raise InputError(f"{clip.path}: 1 frame; at least 2 expected, colours are taken from the other frames")
    folder = Path(out) / clip.name
    require_free(folder, overwrite)
    for kept in (clip.path, Path(masks), *([Path(ckpt_path)] if ckpt_path is not None else [])):
        if kept.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{folder}: would replace {kept}; give another --out")
    holes = _holes(masks, clip, dilate)
    complete, completion = _completion(ckpt_path, fill, steps, choose_device(device))

    start = time.monotonic()
    record = _Record()
    error: list[InputError] = []
    with _whole_folder(folder) as partial:
        with ExitStack() as stack:
            size = (clip.height, clip.width)
            result = stack.enter_context(VideoWriter(partial / "inpainted.mp4", *size, clip.fps))
            provenance = stack.enter_context(VideoWriter(partial / "provenance.mp4", *size, clip.fps))
            quiet = not sys.stderr.isatty()
            bar = stack.enter_context(tqdm(total=len(clip), desc=clip.name, unit="frame", disable=quiet))
            source = zip(until_broken(clip, error), holes, strict=False)  # their number is the same but for a break
            for piece in _pieces(source, len(clip), complete, window, record):
                for number, frame, origin, flows in zip(
                    piece.numbers, piece.done.frames, piece.done.origin, piece.flows, strict=True
                ):
                    write_image(partial / "frames" / f"{number:05d}.png", frame)
                    result.write(frame)
                    provenance.write(draw_origin(frame, origin))
                    for direction, flow in flows.items():
                        write_flow(partial / "flow" / direction / f"{number:05d}.flow.png", flow)
                    record.count(origin)
                    bar.update()
            if error and not record.frames:
                raise error[0]
        seconds = time.monotonic() - start
        summary = {
            "input": str(clip.path),
            "masks": str(masks),
            "frames": record.frames,
            "height": clip.height,
            "width": clip.width,
            "fps": clip.fps,
            **completion,
            "dilate": dilate,
            "window": window,
            "hole": record.hole,
            "frames_with_hole": record.frames_with_hole,
            "pixels": {kind.name.lower(): record.pixels[kind] for kind in Origin},
            "fallbacks": record.fallbacks,
            "warnings": record.warnings(),
            "error": str(error[0]) if error else None,
            "seconds": round(seconds, 3),
            "frames_per_second": round(record.frames / seconds, 3),
        }
        write_json(partial / "summary.json", summary)
    print(_told(summary, folder))
    for warning in summary["warnings"]:
        print(f"warning: {warning}")
    if error:
        raise error[0]
    return summary


@dataclass
class _Record:
    """What is counted while a clip is filled."""

    pixels: Counter[int] = field(default_factory=Counter)
    frames: int = 0
    frames_with_hole: int = 0
    smallest_hole: float = 1.0
    whole_frames: list[int] = field(default_factory=list)
    always: NDArray[np.bool_] | None = None
    fallbacks: dict[str, list[int]] = field(default_factory=lambda: {"flow_not_finite": [], "copied_frames": []})
    """Frames where what was given or computed could not be used; `copied_frames` show the nearest other frame."""

    def count(self, origin: NDArray[np.uint8]) -> None:
        """Enter the next frame, by the origin of its pixels `H W`."""
        hole = origin != Origin.KNOWN
        self.pixels.update(dict(enumerate(np.bincount(origin.ravel(), minlength=len(Origin)).tolist())))
        self.frames_with_hole += bool(hole.any())
        self.smallest_hole = min(self.smallest_hole, float(hole.mean()))
        if hole.all():
            self.whole_frames.append(self.frames)
        self.always = hole if self.always is None else self.always & hole
        self.frames += 1

    @property
    def hole(self) -> float:
        """Masked share of all pixels."""
        return round(1 - self.pixels[Origin.KNOWN] / max(1, self.pixels.total()), 6)

    def warnings(self) -> list[str]:
        """Return what the user should know, one line each."""
        said = []
        if not self.frames_with_hole:
            said.append("no pixel is masked: the frames are copies of the input's")
        if self.smallest_hole > INVERTED:
            said.append(
                f"more than {INVERTED:.0%} of every frame is masked: 255 is what is filled, are the masks inverted?"
            )
        if self.whole_frames:
            said.append(f"all of {_frames(self.whole_frames)} is masked: what they show comes from other frames")
        if self.always is not None and self.always.any():
            share = self.always.sum() * self.frames / (self.pixels.total() - self.pixels[Origin.KNOWN])
            said.append(f"{share:.0%} of the hole is masked in every frame: only where something moves can it be seen")
        if frames := self.fallbacks["flow_not_finite"]:
            said.append(f"flow was not finite in {_frames(frames)}: filled harmonically there")
        if frames := self.fallbacks["copied_frames"]:
            said.append(f"nothing leads to {_frames(frames)}: copies of the nearest other frame")
        return said


def _frames(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")
    return f"frame {shown}" if len(numbers) == 1 else f"frames {shown}"


def _told(summary: dict[str, Any], folder: Path) -> str:
    pixels = summary["pixels"]
    hole = sum(pixels.values()) - pixels["known"]
    carried = (hole - pixels["inpainted"]) / hole if hole else 0
    return (
        f"{summary['input']}: {summary['frames']} frames, {summary['hole']:.1%} of the pixels masked, {carried:.1%} of "
        f"these seen in other frames, {summary['frames_per_second']:.1f} frames/s -> {folder}/inpainted.mp4"
    )


def draw_origin(frame: NDArray[np.uint8], origin: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Tint the pixels of a frame (uint8 `H W 3`) by where they come from (`H W` of `Origin`); known ones stay."""
    colours = np.zeros((len(Origin), 3), np.float32)
    for kind, tint in TINTS.items():
        colours[kind] = tint
    tinted = frame * (1 - TINT_SHARE) + colours[origin] * TINT_SHARE
    return np.where(origin[..., None] == Origin.KNOWN, frame, np.rint(tinted).astype(np.uint8))


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder that takes the place of `folder` when the block ends well, and is removed otherwise."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _holes(masks: str | Path, clip: Clip, dilate: int) -> Iterator[NDArray[np.bool_]]:
    """Return an iterator over the hole `H W` of every frame. That there is one for each is known at once.

    Raises:
        InputError: a frame has none, there are too many or, while they are read, the size of one is not the clip's.
    """
    path = Path(masks)
    named: Iterator[tuple[str, NDArray[np.bool_]]]
    if path.is_file() and has_name_of_video(path):
        film = open_clip(path)
        if len(film) != len(clip):
            raise InputError(f"{path}: {len(film)} masks; {len(clip)} were expected, one for each frame of {clip.path}")
        named = ((f"frame {t}", frame.max(2) > 127) for t, frame in enumerate(film))
    elif path.is_dir():
        named = ((file.name, read_mask(file, nonzero=True)) for file in paired_masks(path, clip.names, clip.path))
    else:
        one = path.name, read_mask(path, nonzero=True)
        named = (one for _ in range(len(clip)))

    def checked() -> Iterator[NDArray[np.bool_]]:
        for name, hole in named:
            if hole.shape != (clip.height, clip.width):
                height, width = hole.shape
                raise InputError(
                    f"{path}: {name} is {width}x{height}; {clip.width}x{clip.height} was expected, as {clip.path}"
                )
            yield _grown(hole, dilate)

    return checked()


def _grown(hole: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    if not radius:
        return hole
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(hole.astype(np.uint8), disc) > 0)


def _completion(
    ckpt_path: str | Path | None, fill: str | None, steps: int | None, device: torch.device
) -> tuple[Complete, dict[str, Any]]:
    """Return what completes flow on a device, and how the summary tells of it.

    Raises:
        InputError: neither or both are given, there is no such fill, or the checkpoint is of another task.
    """
    if (ckpt_path is None) == (fill is None):
        raise InputError("expected either --ckpt_path or --fill")
    told: dict[str, Any] = {"checkpoint": None, "fill": fill, "steps": None, "flow": "DIS", "device": str(device)}
    if ckpt_path is None:
        if fill not in FILLS:
            raise InputError(f"--fill is {fill!r}: expected one of {', '.join(FILLS)}{did_you_mean(str(fill), FILLS)}")
        if steps is not None:
            raise InputError("--steps needs --ckpt_path: a fill makes none")
        filling = FILLS[fill]()
        return (lambda *given: filling(*(part.to(device) for part in given))), told
    checkpoint = find_checkpoint(ckpt_path)
    task: Any = load_task(checkpoint)
    if not isinstance(task, FlowRefinementTask):
        raise InputError(f"{checkpoint}: holds a {type(task).__name__}; expected a FlowRefinementTask")
    net = task.net.to(device)
    told["checkpoint"] = str(checkpoint)

    def refine(*given: Tensor) -> tuple[Tensor, Tensor]:
        refinement = net(*(part.to(device) for part in given), steps=task.test_steps if steps is None else steps)
        told["steps"] = len(refinement.forward) - 1
        return refinement.forward[-1], refinement.backward[-1]

    return refine, told


@dataclass(frozen=True)
class _Piece:
    """Filled frames that follow each other."""

    numbers: range
    done: Propagated
    flows: list[dict[str, NDArray[np.float32]]]
    """Of each frame the `forward` and the `backward` flow, `H W 2`; none leads beyond the clip's ends."""


def _pieces(
    source: Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]],
    total: int,
    complete: Complete,
    window: int,
    record: _Record,
) -> Iterator[_Piece]:
    """Fill `total` frames as they come, holding `window` of them: a quarter done before, and a quarter to look ahead.

    Where the source breaks off, the clip ends there; of a single frame nothing is made.

    Raises:
        InputError: nothing is known in any frame that is held.
    """
    margin = window // 4
    frames: list[NDArray[np.uint8]] = []
    holes: list[NDArray[np.bool_]] = []
    steps: list[Flows] = []  # from a frame to the next and back
    settled: Propagated | None = None
    first, ready = 0, 0  # the number of the first frame that is held, and how many of those held are done
    while first + ready < total:
        for frame, hole in islice(source, window - len(frames)):
            frames.append(frame)
            holes.append(hole)
            if len(frames) > 1:
                there, back = estimate_flow(np.stack(frames[-2:]), ~np.stack(holes[-2:]))
                steps.append((there[0], back[0]))
        if len(frames) < window:
            total = first + len(frames)
        if not steps:
            return
        hole = np.stack(holes)
        forward, backward, broken = _completed(hole, steps, complete)
        try:
            done = propagate(np.stack(frames), hole, forward, backward, settled)
        except InputError as problem:
            raise InputError(f"frames {first} to {first + len(frames) - 1}: {problem}") from problem
        until = len(frames) if first + len(frames) == total else len(frames) - margin
        numbers = range(first + ready, first + until)
        record.fallbacks["flow_not_finite"] += [number for number in numbers if broken]
        record.fallbacks["copied_frames"] += [first + number for number in done.copied if number < until]
        ways = [
            (direction, flow[ready:until].permute(0, 2, 3, 1).cpu().numpy(), end)
            for direction, flow, end in (("forward", forward, total - 1), ("backward", backward, 0))
        ]
        flows = [{name: flow[i] for name, flow, end in ways if number != end} for i, number in enumerate(numbers)]
        yield _Piece(numbers, done[ready:until], flows)
        drop = max(0, until - margin)
        settled, ready = done[drop:until], until - drop
        frames, holes, steps = frames[drop:], holes[drop:], steps[drop:]
        first += drop


def _completed(hole: NDArray[np.bool_], steps: list[Flows], complete: Complete) -> tuple[Tensor, Tensor, bool]:
    """Hide what was estimated of the flow in holes and complete it.

    Args:
        hole: `T H W`.
        steps: of each frame but the last, the flow to the next and that flow's way back, `H W 2`.
        complete: see `Complete`.

    Returns:
        The forward and the backward flow, `T 2 H W`, and whether they had to be filled harmonically, as what `complete`
        gave is not finite. There is no flow beyond the ends: the last forward flow is minus the backward flow of the
        same frame, the first backward flow minus the forward one.
    """
    there, back = (torch.from_numpy(np.stack(part)).permute(0, 3, 1, 2) for part in zip(*steps, strict=True))
    forward, backward = torch.cat([there, -back[-1:]]), torch.cat([-there[:1], back])
    near = torch.from_numpy(np.stack([_grown(frame, MARGIN) for frame in hole]))[:, None].float()
    hidden = hidden_vectors(near, forward, backward, "strict")
    hidden[-1, 0], hidden[0, 1] = hidden[-1, 1], hidden[0, 0]
    given = [part[None].float() for part in (forward, backward, hidden)]
    with torch.inference_mode():
        filled = complete(*given)
        if broken := not all(flow.isfinite().all() for flow in filled):
            filled = HarmonicFill()(*given)
    return filled[0][0], filled[1][0], broken
