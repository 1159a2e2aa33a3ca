"""Render README.md and docs/*.md to HTML in site/: `make docs`."""

from __future__ import annotations

import shutil
from pathlib import Path

import markdown

ROOT = Path(__file__).parents[1]
SITE = ROOT / "site"
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }}
:root {{ color-scheme: light dark }}
pre {{ overflow-x: auto; padding: .7rem; background: #8882 }} table {{ border-collapse: collapse }}
td, th {{ border: 1px solid #8886; padding: .2rem .6rem; text-align: left }} img {{ max-width: 100% }}
</style>
<body>{body}</body></html>
"""


def main() -> None:
    """Render every page, keep the pictures beside them, and turn links to .md into links to .html."""
    shutil.rmtree(SITE, ignore_errors=True)
    for source in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        target = SITE / source.relative_to(ROOT).with_suffix(".html")
        target.parent.mkdir(parents=True, exist_ok=True)
        body = markdown.markdown(source.read_text(encoding="utf-8"), extensions=["tables", "fenced_code"])
        page = PAGE.format(title=source.stem, body=body.replace('.md"', '.html"'))
        target.write_text(page, encoding="utf-8")
    for picture in (ROOT / "docs").rglob("*.png"):
        shutil.copy(picture, SITE / picture.relative_to(ROOT))
    print(f"{SITE}/README.html")


if __name__ == "__main__":
    main()
