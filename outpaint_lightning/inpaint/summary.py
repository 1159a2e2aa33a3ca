"""The summary of `inpaint` for a clip: numbers, warnings and a line of text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.inpaint.pieces import Piece
from outpaint_lightning.inpaint.propagation import Origin

INVERTED = 0.5  # if more than this share of every frame is masked, the masks may be inverted
INVENTED = 0.5  # if no other frame shows more than this share of the hole, most of the result is invented
STILL = 0.5  # pixels a frame; what moves less in a hole hardly comes out of it


@dataclass
class Tally:
    """Counts over the frames of a clip while it is filled."""

    pixels: Counter[int] = field(default_factory=Counter)
    frames: int = 0
    frames_with_hole: int = 0
    motions: list[float] = field(default_factory=list)
    """Median length of the completed flow in the hole of each frame, in pixels; none where no flow was used."""
    smallest_hole: float = 1.0
    whole_frames: list[int] = field(default_factory=list)
    always: NDArray[np.bool_] | None = None
    fallbacks: dict[str, list[int]] = field(default_factory=lambda: {"flow_not_finite": [], "copied_frames": []})
    """Frames in which a result could not be used; `copied_frames` are copies of the nearest other frame."""

    def count(self, piece: Piece) -> None:
        """Count the frames of the next piece."""
        for origin, flows in zip(piece.filled.origin, piece.flows, strict=True):
            self._count(origin)
            if flows and (hole := origin != Origin.KNOWN).any():
                flow = next(iter(flows.values()))
                self.motions.append(float(np.median(np.linalg.norm(flow[hole], axis=-1))))
        self.fallbacks["flow_not_finite"] += piece.numbers if piece.not_finite else []
        self.fallbacks["copied_frames"] += piece.copied

    def _count(self, origin: NDArray[np.uint8]) -> None:
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

    @property
    def never_seen(self) -> float | None:
        """Share of the hole that no other frame shows; None without a hole, or if no other frame was looked at."""
        hidden = self.pixels.total() - self.pixels[Origin.KNOWN]
        return round(self.pixels[Origin.INPAINTED] / hidden, 6) if self.motions else None

    @property
    def motion(self) -> float | None:
        """Median motion in the hole in pixels a frame; None without a hole, or if no flow was used."""
        return round(float(np.median(self.motions)), 3) if self.motions else None

    def summarize(self) -> dict[str, Any]:
        """Return the counted part of `summary.json`."""
        return {
            "hole": self.hole,
            "frames_with_hole": self.frames_with_hole,
            "never_seen": self.never_seen,
            "hole_motion": self.motion,
            "pixels": {kind.name.lower(): self.pixels[kind] for kind in Origin},
            "fallbacks": self.fallbacks,
            "warnings": self.warnings(),
        }

    def warnings(self) -> list[str]:
        """Return the warnings for the user, one line each."""
        lines = []
        if not self.frames_with_hole:
            lines.append("no pixel is masked: the frames are copies of the input's")
        if self.smallest_hole > INVERTED:
            lines.append(
                f"more than {INVERTED:.0%} of every frame is masked: 255 is what is filled, are the masks inverted?"
            )
        if self.whole_frames:
            lines.append(f"all of {_frames(self.whole_frames)} is masked: what they show comes from other frames")
        if self.always is not None and self.always.any():
            share = self.always.sum() * self.frames / (self.pixels.total() - self.pixels[Origin.KNOWN])
            lines.append(f"{share:.0%} of the hole is masked in every frame: only where something moves can it be seen")
        if self.motion is not None and self.never_seen is not None and self.never_seen > INVENTED:
            still = self.motion < STILL
            why = "what it hides hardly moves" if still else "the clip is too short, or its flow cannot be followed"
            lines.append(
                f"no other frame shows {self.never_seen:.0%} of the hole: {why} ({self.motion:.1f} px a frame); that "
                "part is a smooth surface made from the pixels around it"
            )
        if frames := self.fallbacks["flow_not_finite"]:
            lines.append(f"flow was not finite in {_frames(frames)}: filled harmonically there")
        if frames := self.fallbacks["copied_frames"]:
            lines.append(f"nothing leads to {_frames(frames)}: copies of the nearest other frame")
        return lines


def _frames(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")
    return f"frame {shown}" if len(numbers) == 1 else f"frames {shown}"


def report(summary: dict[str, Any], folder: Path) -> str:
    """Return the line that is printed for a clip, and one line per warning."""
    unseen = summary["never_seen"]
    seen = "" if unseen is None else f"{1 - unseen:.1%} of these seen in other frames, "
    line = (
        f"{summary['input']}: {summary['frames']} frames, {summary['hole']:.1%} of the pixels masked, {seen}"
        f"{summary['frames_per_second']:.1f} frames/s -> {folder}/inpainted.mp4"
    )
    return "\n".join([line, *(f"warning: {warning}" for warning in summary["warnings"])])
