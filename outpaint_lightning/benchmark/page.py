"""Render the result of a benchmark as a self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from outpaint_lightning import __version__
from outpaint_lightning.benchmark.judging import EXCHANGED, REFERENCE, UNTOUCHED
from outpaint_lightning.benchmark.report import MARKED
from outpaint_lightning.pages import svg
from outpaint_lightning.pages.document import document
from outpaint_lightning.pages.html import Cell, Head, digits, figure, note, number, section, table, text

HEADS = (
    Head("condition", "t", "what the clips went through: a codec and its level"),
    Head("F1", hint="mean over forged clips, at one threshold for all conditions"),
    Head("floor", hint="F1 of a net that marks everything"),
    Head("gain", hint="(F1 - floor) / (1 - floor)"),
    Head("kept", hint="F1 as a share of the F1 without a codec"),
    Head("AUC", hint="area under the ROC curve of the pixels, mean over forged clips; 0.5 is chance"),
    Head("marked", hint="share of the pixels of authentic clips that is marked"),
    Head("alarms", hint=f"share of authentic clips of which more than {MARKED:.0%} is marked"),
)


def render(result: Mapping[str, Any]) -> str:
    """Return the HTML page for a result of `run.benchmark`."""
    body = "".join(
        (
            section("score", "Score", *_score(result)),
            section("conditions", "Conditions", table(HEADS, _rows(result)), _curve(result["conditions"])),
            *(
                section(f"by-{name}", f"Forgeries by {name}", _groups(name, groups))
                for name, groups in result["groups"].items()
            ),
            section("what", "What was measured", note(_what(result))),
        )
    )
    return document(f"Benchmark of {result['net']}", body, f"outpaint-lightning {__version__}")


def _score(result: Mapping[str, Any]) -> list[str]:
    meaning = "The mean gain over all conditions. 1 is perfect; 0 is no better than a net that marks everything."
    return [
        f'<p class="lead"><b>{digits(result["score"])}</b></p>',
        note(meaning),
        *(note(f"Warning: {escape(warning)}.") for warning in result["warnings"]),
    ]


def _rows(result: Mapping[str, Any]) -> list[list[Cell]]:
    rows = {**result["conditions"], **({EXCHANGED: result["exchanged"]} if result["exchanged"] else {})}
    shown = (("f1", ".3f"), ("floor", ".3f"), ("gain", ".3f"), ("kept", ".0%"), ("auc", ".3f"))
    authentic = (("pixel_fpr", ".2%"), ("false_alarms", ".0%"))
    return [[text(name), *(number(row[key], form) for key, form in (*shown, *authentic))] for name, row in rows.items()]


def _curve(conditions: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a chart of F1 over the constant rate factor of H.264."""
    levels = [(float(name.split()[1]), row["f1"]) for name, row in conditions.items() if name.startswith("h264 ")]
    points = [(level, f1) for level, f1 in levels if f1 is not None]
    if len(points) < 2:
        return ""
    floor = conditions[UNTOUCHED]["floor"]
    chart = svg.lines([svg.Series("F1", "s1", points)], "CRF of H.264", "F1", levels=[("floor", floor)])
    return figure(chart, "F1 over the strength of compression; the floor is dashed.")


def _groups(name: str, groups: Mapping[str, Mapping[str, Any]]) -> str:
    heads = (Head(name, "t"), *HEADS[1:3], HEADS[5], Head("clips"))
    keys: Sequence[str] = ("f1", "floor", "auc")
    rows = [
        [text(each), *(number(of[key]) for key in keys), number(of["forged"], ".0f")] for each, of in groups.items()
    ]
    return table(heads, rows, f"Under {escape(REFERENCE)}.")


def _what(result: Mapping[str, Any]) -> str:
    made = f"forged by the recipe {result['recipe']}" if result["recipe"] else "with the forgeries that came with them"
    return escape(
        f"{result['clips']} clips of {result['sources']} sources, {made}; benchmark version {result['version']}. Net "
        f"{result['net']}, weights {result['weights'][:16]}, threshold {result['threshold']:.3f}. {EXCHANGED}: "
        f"{REFERENCE} with the pixels of the authentic twin outside the mask. A net that finds less there "
        "looks at the surroundings."
    )
