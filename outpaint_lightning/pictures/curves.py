"""The curves of a robustness test, as lines of text, as rows of a table and as a picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outpaint_lightning.io import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS = 900  # width of the picture
PANELS = 3  # beside each other


def curve_lines(summary: dict[str, Any]) -> list[str]:
    """Return the lines of a test's curves: the area under each, then F1 at each level.

    Args:
        summary: of a test, with `robustness`.
    """
    lines = [f"{'under corruption: area':32} F1 at each level"]
    for name, curve in summary["robustness"].items():
        levels = zip(curve["levels"], curve["f1"], strict=True)
        points = "  ".join(f"{level:g}: {_number(f1)}" for level, f1 in levels)
        lines.append(f"  {name + ', ' + curve['option']:24} {_number(curve['area']):>5}  {points}")
    return lines


def curve_rows(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `curve,option,level,f1,share,pixel_fpr` for each level of each curve; clean clips come first, no level.

    Args:
        summary: as for `curve_lines`.
    """
    f1 = summary["f1"]["mean"]
    clean = {"level": None, "f1": f1, "share": 1.0 if f1 else None, "pixel_fpr": summary["authentic"]["pixel_fpr"]}
    rows = []
    for name, curve in summary["robustness"].items():
        title = {"curve": name, "option": curve["option"]}
        rows.append({**title, **clean})
        values = zip(curve["levels"], curve["f1"], curve["share"], curve["pixel_fpr"], strict=True)
        rows += [{**title, **dict(zip(clean, value, strict=True))} for value in values]
    return rows


def curve_figure(summary: dict[str, Any]) -> Figure:
    """Return a panel for each curve: F1 over its levels, clean clips first, beside the best floor (dashed).

    Args:
        summary: as for `curve_lines`. An F1 that is undefined leaves a gap.
    """
    from matplotlib.figure import Figure  # here: a test without corruptions needs none of it

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
        panel.set(title=f"{name}: area {_number(curve['area'])}", xlabel=curve["option"], ylim=(0, 1))
        panel.grid(alpha=0.3)
    for panel in figure.axes[len(curves) :]:
        panel.remove()
    figure.supylabel("pixel F1, mean over videos")
    if floor is not None:
        figure.axes[0].legend(loc="lower left")
    return figure


def write_curves(path: Path, summary: dict[str, Any]) -> None:
    """Write `curve_figure` as a PNG of `PIXELS` columns."""
    figure = curve_figure(summary)
    with atomic(path) as temporary:
        figure.savefig(temporary)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
