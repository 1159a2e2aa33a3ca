"""Draws the curves of a robustness test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outpaint_lightning.io import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS = 900  # width of the picture
PANELS = 3  # panels side by side


def curve_figure(summary: Mapping[str, Any]) -> Figure:
    """Return one panel per curve: F1 over its levels, the clean clips first, and the best floor (dashed).

    Args:
        summary: summary of a test, with `robustness`. An undefined F1 leaves a gap.
    """
    from matplotlib.figure import Figure  # here, because a test without corruptions does not need it

    curves = summary["robustness"]
    columns = min(PANELS, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure = Figure(figsize=(PIXELS / 100, 2.6 * rows), dpi=100, layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).flat
    floor = max((value for value in summary["floors"].values() if value is not None), default=None)
    for panel, (name, curve) in zip(panels, curves.items(), strict=False):
        f1 = [math.nan if value is None else value for value in (summary["f1"]["mean"], *curve["f1"])]
        panel.plot(f1, marker="o")
        if floor is not None:
            panel.axhline(floor, linestyle="--", color="0.5", label="best floor")
        panel.set_xticks(range(len(f1)), ["clean", *(f"{level:g}" for level in curve["levels"])])
        area = "-" if curve["area"] is None else f"{curve['area']:.3f}"
        panel.set(title=f"{name}: area {area}", xlabel=curve["option"], ylim=(0, 1))
        panel.grid(alpha=0.3)
    for panel in figure.axes[len(curves) :]:
        panel.remove()
    figure.supylabel("pixel F1, mean over videos")
    if floor is not None:
        figure.axes[0].legend(loc="lower left")
    return figure


def write_curves(path: Path, summary: Mapping[str, Any]) -> None:
    """Write `curve_figure` as a PNG of `PIXELS` columns."""
    figure = curve_figure(summary)
    with atomic(path) as temporary:
        figure.savefig(temporary)
