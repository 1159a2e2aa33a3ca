"""What an examination cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from outpaint_lightning.localize.examined import Examined


def limits(examined: Examined, card: Mapping[str, Any]) -> str:
    """Return the limits of an examination, as HTML."""
    known = {str(level["name"]) for level in card.get("calibration", {}).get("levels", ())}
    held = f"It holds for footage like that of the calibration ({', '.join(sorted(known))})." if known else ""
    lines = [
        *(f"Of this checkpoint: {line}." for line in card.get("limits", ())),
        "A net that was trained on some kinds of forgery may be blind to others. Finding nothing is no proof.",
        "Finding traces is no proof either: filters, titles, repaired scratches and heavy compression can leave traces "
        "that look like a forgery. Look at the frames above, and ask where the file comes from.",
        "The score is no probability that the video is forged. That depends on how frequent forgeries are where the "
        f"video comes from, which no program can see. {held}",
        "Colours show how sure the net is of each pixel, not how strongly a pixel was changed.",
    ]
    if examined.summary["error"]:
        lines.append(f"The file breaks off ({examined.summary['error']}): what follows was not examined.")
    return f"<ul>{''.join(f'<li>{escape(line.strip())}</li>' for line in lines)}</ul>"
