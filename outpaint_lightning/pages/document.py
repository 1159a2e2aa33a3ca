"""A whole page: one file that needs nothing else, and asks nothing of a network."""

from __future__ import annotations

import base64
import re
from html import escape
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_TITLE = re.compile(r'<h1>(.*?)</h1>|<section id="([^"]+)">\n<h2>(.*?)</h2>')


def document(title: str, body: str, footer: str) -> str:
    """Return a page with its style and script in it, and with links to its sections at the top.

    Args:
        title: text.
        body: HTML, of `html.section`s.
        footer: HTML.
    """
    contents = "".join(
        f'<a href="#{anchor}">{name}</a>' if anchor else f"<b>{chapter}</b>"
        for chapter, anchor, name in _TITLE.findall(body)
    )
    pages = files("outpaint_lightning.pages")
    style, script = (pages.joinpath(f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style></head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1><nav>{contents}</nav></header>\n<main>\n{body}</main>\n"
        f"<footer>{footer}</footer>\n"
        f"<script>\n{script}</script>\n</body></html>\n"
    )


def image(picture: NDArray[np.uint8], alt: str, quality: int = 85) -> str:
    """Return a picture, `H W 3` RGB, as an image inside the page."""
    height, width = picture.shape[:2]
    data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    source = base64.b64encode(data.tobytes()).decode()
    return f'<img src="data:image/jpeg;base64,{source}" width="{width}" height="{height}" alt="{escape(alt)}">'
