"""The page about one input, and the page that lists several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from outpaint_lightning import __version__
from outpaint_lightning.localize.calibration import FALSE_ALARMS, MISSES
from outpaint_lightning.localize.examined import Examined, Exhibit
from outpaint_lightning.localize.knowledge import card_lines, is_worse_than_floors
from outpaint_lightning.localize.limits import limits
from outpaint_lightning.localize.options import Options
from outpaint_lightning.localize.verdict import Answer
from outpaint_lightning.pages import svg
from outpaint_lightning.pages.document import document, image
from outpaint_lightning.pages.html import Cell, Head, digits, figure, number, section, table, text

REPORT = "report.html"
INDEX = "index.html"
CSS = {Answer.FOUND: "found", Answer.NONE: "none", Answer.UNSURE: "unsure", None: "unknown"}
_LINKED = {
    "overlay.mp4": "what was found, over the input",
    "masks.mp4": "the masks, white where forged",
    "probability.mp4": "the heat map of every frame",
    "drawn.png": "what was found, over the image",
    "frames.csv": "the table of all frames",
    "boxes.csv": "the table of all images",
    "regions.json": "the regions in COCO's format",
    "score.json": "the answer, for programs",
}


def render(examined: Examined, options: Options, files: Sequence[str]) -> str:
    """Return the page about one input.

    Args:
        examined: the input.
        options: of the run.
        files: names beside the page.
    """
    parts = {
        "How sure this is": [_card(options), _numbers(examined), _rechecked(examined)],
        "Score over time": [_timeline(examined)],
        "Frames that speak most for a forgery": [_spread(examined), *_exhibits(examined, examined.most)],
        "Frames that speak least for a forgery": list(_exhibits(examined, examined.least)),
        "Limits": [limits(examined, options.card)],
        "The file": [_facts(examined)],
        "What was run": [_run(examined, options)],
        "Every frame": [_frames(examined)],
        "Files": [_files(files)],
    }
    body = _verdict(examined)
    body += "".join(section(f"part-{i}", title, *content) for i, (title, content) in enumerate(parts.items()))
    return document(f"Examination of {examined.name}", body, f"outpaint-lightning {__version__}")


def render_index(results: Sequence[Examined]) -> str:
    """Return the page that lists several inputs, with a link to the page of each."""
    heads = [Head("input", "t"), Head("answer", "t"), Head("score"), Head("why", "t"), Head("frames")]
    rows = [
        [
            Cell(f'<a href="{quote(each.name)}/{REPORT}">{escape(each.name)}</a>', each.name, "t"),
            text(each.verdict.title),
            number(each.verdict.score),
            text("; ".join(each.verdict.reasons)),
            number(len(each.rows), "d"),
        ]
        for each in results
    ]
    body = section("inputs", "Inputs", table(heads, rows, css="prose"))
    return document(f"Examination of {len(results)} inputs", body, f"outpaint-lightning {__version__}")


def _verdict(examined: Examined) -> str:
    verdict = examined.verdict
    reasons = "".join(f"<li>{escape(reason[0].upper() + reason[1:])}.</li>" for reason in verdict.reasons)
    why = f"<p>Why:</p><ul>{reasons}</ul>" if reasons else ""
    return (
        f'<div class="verdict {CSS[verdict.answer]}"><strong>{verdict.title.capitalize()}</strong>'
        f"<p>{escape(verdict.meaning)}</p>{why}</div>\n"
    )


def _card(options: Options) -> str:
    lines = card_lines(options.card)
    tested = options.card.get("tested")
    bad = not tested or is_worse_than_floors(tested)
    items = "".join(f"<li>{escape(line[0].upper() + line[1:])}.</li>" for line in lines)
    note = (
        '<p class="note">The first line is about masks: which pixels of known forgeries were marked. The answer '
        "above is about whole videos, by their score.</p>"
    )
    about = f"<p>How the checkpoint (the trained net) did on known videos:</p><ul>{items}</ul>{note}"
    return f'<div class="{"warning" if bad else ""}">{about}</div>'


def _numbers(examined: Examined) -> str:
    verdict = examined.verdict
    score = "of the most suspicious 1 % of the pixels of each frame, mean over all frames; no probability"
    if len(examined.heads) < 3:
        score = "highest score of an image"
    rows = [("Score of this input", verdict.score, score)]
    if verdict.found_above is not None:
        words = f"at most {FALSE_ALARMS:.0%} of authentic videos score above this (n = {verdict.authentic})"
        rows.append(("Traces found above", verdict.found_above, words))
    if verdict.none_below is not None:
        words = f"at most {MISSES:.0%} of known forgeries score below this (n = {verdict.forged})"
        rows.append(("No traces found below", verdict.none_below, words))
    if verdict.p_value is not None:
        words = "share of known authentic videos that score as high or higher, in the codec where most do"
        rows.append(("p-value", verdict.p_value, words))
    cells = [[text(name), number(value), text(words)] for name, value, words in rows]
    return table([Head("number", "t"), Head("value"), Head("meaning", "t")], cells, css="prose")


def _rechecked(examined: Examined) -> str:
    if not examined.rechecked:
        return ""
    heads = [Head("the same footage", "t"), Head("score"), Head("answer", "t")]
    rows = [[text(each.change), number(each.score), text(each.answer)] for each in examined.rechecked]
    return "<h3>Examined once more</h3>" + table(heads, rows, css="prose")


def _timeline(examined: Examined) -> str:
    rows, verdict = examined.rows, examined.verdict
    if len(rows) < 2:
        return ""
    timed = "time" in rows[0]
    points = [(float(row["time"] if timed else row["frame"]), float(row["score"])) for row in rows]
    named = (("traces found above", verdict.found_above), ("no traces below", verdict.none_below))
    levels = [(name, value) for name, value in named if value is not None]
    chart = svg.lines(
        [svg.Series("score of a frame", "s1", points)],
        "seconds" if timed else "frame",
        "score",
        levels=levels,
        span=(0, 1),
    )
    dashed = " The dashed thresholds are for the score of the whole input, the mean of these." if levels else ""
    return figure(chart, f"Score of each frame.{dashed}")


def _spread(examined: Examined) -> str:
    """Return how the frames were chosen, where not all are shown."""
    if len(examined.rows) <= len(examined.most):
        return ""
    return '<p class="note">Spread over the input: of frames that follow one another, one is shown.</p>'


def _exhibits(examined: Examined, exhibits: Sequence[Exhibit]) -> Iterator[str]:
    for each in exhibits:
        time = examined.rows[each.number].get("time")
        when = f", at {time:.2f} s" if time is not None else ""
        caption = f"Frame {each.number}{when}: score {each.score:.3f}. {', '.join(examined.heads).capitalize()}."
        pictures = [
            image(picture, f"{head} of frame {each.number}")
            for head, picture in zip(examined.heads, each.pictures, strict=True)
        ]
        yield figure(f'<div class="exhibit">{"".join(pictures)}</div>', escape(caption), "full")


def _facts(examined: Examined) -> str:
    facts = examined.facts
    distance = facts.keyframe_distance
    pairs = {
        "name": Path(examined.summary["input"]).name,
        "SHA-256": facts.sha256,
        "size": f"{facts.bytes:,} bytes in {facts.files} file{'s' * (facts.files != 1)}",
        "container": facts.container,
        "codec": facts.codec,
        "frames": f"{facts.frames} of {facts.width} x {facts.height} pixels",
        "frame rate": f"{facts.fps:.4g} a second" if facts.is_video else "not known",
        "duration": f"{facts.seconds:.2f} s" if facts.is_video else "not known",
        "compression": f"{facts.bits_per_pixel:.3f} bits a pixel",
        "keyframes": "not known" if distance is None else f"every {distance:g} frames",
        "encoder": facts.encoder or "not named",
        "sound": facts.audio or "none",
    }
    return _pairs(pairs) + '<p class="note">Anything that a file says of itself can be forged.</p>'


def _run(examined: Examined, options: Options) -> str:
    summary = examined.summary
    trained = options.card.get("trained", {})
    error = {"broke off": summary["error"]} if summary["error"] else {}
    return _pairs(
        {
            "program": f"outpaint-lightning {__version__}",
            "checkpoint": options.checkpoint.name,
            "its weights": options.card["weights"],
            "trained on": trained.get("data") or "not known",
            "threshold of pixels": digits(summary["threshold"]),
            "options": f"batch size {options.batch_size}, recheck {'yes' if options.recheck else 'no'}",
            "device": summary["device"],
            "random numbers": "none are used: the same command gives the same answer",
            **error,
        }
    )


def _frames(examined: Examined) -> str:
    rows = examined.rows
    names = list(rows[0])
    forms = {"frame": "d", "label": "d", "time": ".2f", "forged_fraction": ".1%"}
    titles = {"forged_fraction": "pixels marked", "label": "region found"}
    cells = [[number(row[name], forms.get(name, ".3f")) for name in names] for row in rows]
    shown = table([Head(titles.get(name, name)) for name in names], cells, css="tall")
    return f"<details><summary>Table of all {len(rows)} frames</summary>{shown}</details>"


def _files(files: Sequence[str]) -> str:
    links = "".join(f'<li><a href="{name}">{name}</a>: {what}</li>' for name, what in _LINKED.items() if name in files)
    return f'<ul class="links">{links}</ul>'


def _pairs(pairs: dict[str, Any]) -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in pairs.items())
    return f"<dl>{items}</dl>"
