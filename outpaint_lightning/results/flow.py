"""The results of optical flow completion."""

from __future__ import annotations

from collections.abc import Iterator

from outpaint_lightning.results.kinds import Column, Kind, Rows, Summary
from outpaint_lightning.results.text import Cells, aligned, count, number


class Flow(Kind):
    """End-point errors of the net, compared with fills without training."""

    def lines(self, summary: Summary, rows: Rows) -> list[str]:
        """Return a table of errors with one line for the net and each fill; then gain, bad videos and confidence."""
        return [*aligned([*_methods(summary)]), *aligned([*self._details(summary, rows)])]

    def _details(self, summary: Summary, rows: Rows) -> Iterator[Cells]:
        epe, worse, confidence = (summary[name] for name in ("epe", "worse_than_fill", "confidence"))
        setting = f"protocol {summary['protocol']}, setup {summary['setup']}"
        yield (
            "in the hole, 95% over sources",
            number(epe["low"]),
            f"to {number(epe['high'])}{self.few_sources(rows)}; {count(epe['videos'], 'video')}, {setting}",
        )
        yield "gain over the best floor", number(summary["gain"]), "(floor - error) / floor"
        yield "gain over its own fill", number(summary["gain_over_fill"]), ""
        of = f"of {worse['of']}, by {number(worse['largest'])} px at most"
        yield "videos worse than their fill", str(worse["videos"]), of
        yield "AUSE", number(confidence["ause"]), f"{number(confidence['ratio'])} of that of a random order"
        yield "error by confidence, least first", "", " ".join(map(number, confidence["deciles"]))


FLOW = Flow(
    "refiner",
    task="FlowRefinementTask",
    sign="epe.hole",
    columns=(
        Column("epe.hole", "error in the hole, px"),
        Column("gain", "gain over floor"),
        Column("gain_over_fill", "gain over its fill"),
        Column("epe.near_edges", "near edges, px"),
        Column("epe.occluded", "occluded, px"),
        Column("epe.frame", "whole frame, px"),
        Column("above_1px.hole", "above 1 px", ".1%"),
        Column("worse_than_fill.videos", "videos worse than fill", "g"),
        Column("confidence.ause", "AUSE"),
    ),
    interval="epe",
    lower=True,
    value="epe_hole",
    row_floor="epe_hole_",
    curves=("val/epe_hole", "val/above_1px", "val/loss", "train/loss"),
    monitored="val/epe_hole",
    undefined="no judged validation window has a hidden vector whose true one is known",
    progress=("train/loss", "val/loss", "val/epe_hole"),
    also=("AdversarialFlowTask",),
)


def _methods(summary: Summary) -> Iterator[Cells]:
    """Yield one line per method, the net first; the columns are the strata of its errors."""
    net, *_ = summary["methods"]
    strata = summary["methods"][net]["epe"]
    yield "end-point error, pixels", *(name.replace("_", " ") for name in strata), "above 1 px", ""
    for name, errors in summary["methods"].items():
        role = next((role for role in ("floor", "bound") if name in summary[f"{role}s"]), "learned")
        updates = "1 update" if summary["steps"] == 1 else f"{summary['steps']} updates"
        title = updates if name == net else f"  {role} {name}"
        yield title, *(number(errors["epe"][each]) for each in strata), number(errors["above_1px"]["hole"]), ""
